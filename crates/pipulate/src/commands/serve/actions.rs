//! The page's requests, carried out by the engine: in this process, or by a helper if the
//! request ends this process.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use pipulate_core::answer::Note;
use pipulate_core::marker::{self, Marker, Part};
use pipulate_core::service::ServiceName;
use pipulate_core::work::Work;
use pipulate_engine::act::{Audience, Report, generations};
use pipulate_engine::denial::Denial;
use pipulate_engine::execute::Event;
use pipulate_engine::kept::Kept;
use pipulate_engine::project::Project;
use pipulate_engine::request::{Desired, Request, Wait};
use pipulate_process::command::{Command, CommandError};
use pipulate_process::identity::Verified;
use pipulate_process::poll::{self, Interest};
use pipulate_process::reaper;
use pipulate_web::world::{Consent, Target, Verb};

use crate::commands::act;
use crate::context::Context;

/// The service name in the helper's marker: no service's stop ends it.
const HELPER_NAME: &str = "page-request";
/// The time that a page waits for a start; later the service's card shows the progress.
const START: Duration = Duration::from_secs(30);
/// The timeout of a restart.
const RESTART: Duration = Duration::from_secs(90);

/// Returns the request for a button.
pub(super) fn request(project: &Project, target: &Target, verb: Verb, consent: Consent) -> Request {
    let services: Vec<ServiceName> = match target {
        Target::One(service) => vec![service.clone()],
        Target::All => Vec::new(),
    };
    let (desired, wait) = match verb {
        Verb::Start => (Desired::Running, Wait::AtMost(START)),
        Verb::Stop => (Desired::Stopped, Wait::No),
        Verb::Restart => (Desired::Restarted, Wait::AtMost(RESTART)),
    };
    let meant = if services.is_empty() { project.services() } else { services.clone() };
    let decided_on = match desired {
        Desired::Running => Default::default(),
        Desired::Stopped | Desired::Restarted => generations(project, &meant),
    };
    Request { consent: consent == Consent::Given, decided_on, ..Request::new(desired, services, wait) }
}

/// An audience without a user to ask.
#[derive(Debug, Default)]
struct Quiet {
    notes: Vec<Note>,
}

impl Audience for Quiet {
    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    fn event(&mut self, _event: &Event<'_>) {}

    fn need_event(&mut self, _event: &Event<'_>) {}

    fn consents(&mut self, _work: &[Work]) -> bool {
        false
    }
}

/// The result of a request, with its notes.
pub(super) type Told = (Vec<Note>, Result<Report, Denial>);

/// Carries a request out in a thread, and waits at most `patience`; a later result goes to `late`.
pub(super) fn carry_out(
    mut project: Project,
    request: Request,
    patience: Duration,
    late: impl FnOnce(Told) + Send + 'static,
) -> Option<Told> {
    // Other threads read locks, and closing any descriptor of a lock file releases the lock.
    project.takes_locks = false;
    let launched = Arc::new(Mutex::new(Vec::new()));
    project.launched = Some(Arc::clone(&launched));
    in_time(
        patience,
        move || {
            let mut quiet = Quiet::default();
            let result = project.act(&request, &mut quiet);
            (quiet.notes, result)
        },
        late,
        move || reap(&launched),
    )
}

/// Runs `work` in a thread, then `after`. Returns its result if it comes within `patience`; a
/// later one goes to `late`.
fn in_time<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
    late: impl FnOnce(T) + Send + 'static,
    after: impl FnOnce() + Send + 'static,
) -> Option<T> {
    // A channel without capacity: `send` fails unless the receiver is still waiting.
    let (sender, receiver) = mpsc::sync_channel(0);
    thread::spawn(move || {
        if let Err(mpsc::SendError(answer)) = sender.send(work()) {
            late(answer);
        }
        after();
    });
    receiver.recv_timeout(patience).ok()
}

/// Reaps the supervisors that this process launched when they end.
fn reap(launched: &Mutex<Vec<Verified>>) {
    let mut children = std::mem::take(&mut *launched.lock().unwrap_or_else(PoisonError::into_inner));
    while !children.is_empty() {
        let ends: Vec<_> =
            children.iter().filter_map(|child| Some((child.descriptor()?, Interest::Read))).collect();
        if ends.is_empty() || poll::wait(&ends, None).is_err() {
            return;
        }
        children.retain(|child| {
            let pid = child.identity().pid;
            let has_ended = reaper::peek(pid).is_some();
            if has_ended {
                reaper::reap(pid);
            }
            !has_ended && child.lives()
        });
    }
}

/// Hands a request to a helper, which continues when the request ends this process.
///
/// # Errors
/// It can't be started.
pub(super) fn hand_over(context: &Context, request: &Request) -> Result<(), CommandError> {
    let command = Command::new(context.own_program())
        .arg("-C")
        .arg(context.project.layout.root().as_os_str())
        .arg(act::VERB)
        .stdin(serde_json::to_vec(request).unwrap_or_default());
    let name = ServiceName::parse(HELPER_NAME).ok();
    let marker = name.map(|service| {
        let marker = Marker { project: context.project.layout.project_id(), service, part: Part::Supervisor };
        OsString::from(marker.to_string())
    });
    match marker {
        Some(marker) => command.env(marker::VARIABLE, marker),
        None => command,
    }
    .detached()
}

/// Takes the report of an earlier instance's helper.
pub(super) fn left(context: &Context) -> Option<Kept> {
    Kept::take(&context.project.layout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::samples;

    #[test]
    fn what_takes_long_goes_on_when_the_page_no_longer_waits_for_it() {
        let (go, gone) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let late = move |answer| tell.send(answer).unwrap();
        let slow = move || {
            gone.recv().unwrap();
            "done"
        };
        assert_eq!(in_time(Duration::from_millis(20), slow, late, || ()), None);
        go.send(()).unwrap();
        assert_eq!(told.recv_timeout(Duration::from_secs(60)).unwrap(), "done");
        let answer = in_time(Duration::from_secs(60), || 7, |_| panic!("it was in time"), || ());
        assert_eq!(answer, Some(7));
    }

    #[test]
    fn a_yes_on_the_page_is_a_gentle_one() {
        let project = samples::project("").context.project;
        for (verb, consent, has_consent) in [
            (Verb::Stop, Consent::Given, true),
            (Verb::Restart, Consent::Given, true),
            (Verb::Stop, Consent::NotAsked, false),
        ] {
            let request = request(&project, &Target::All, verb, consent);
            assert_eq!((request.consent, request.stop.force), (has_consent, false));
        }
    }
}

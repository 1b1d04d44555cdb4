//! Re-exec: another program, or a new configuration, takes over in the same process.
//!
//! The pid, the children, the lock and the subreaper status stay. Signals are blocked from before the exec
//! until the new program receives them. A newer program must print its version before it is executed.

use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use pipulate_core::fault::Fault;
use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_core::state::Wanted;
use pipulate_process::poll::{self, Interest};
use pipulate_store::capture::Capture;
use pipulate_store::lock::Lock;

use super::trial::{Trial, Tried};
use crate::machine::Phase;
use crate::notice::{self, Inbox, Notice};
use crate::program::{Beginning, Inherited, Program};

/// How long a restart waits for a newer program's version, while the service does not run.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(10);
/// Poll interval for that.
const PACE: Duration = Duration::from_millis(10);

/// The state of an upgrade to a newer program while the service runs.
pub(crate) enum Upgrade<T = Trial> {
    None,
    Asked,
    Trying(T),
    /// It can be run.
    Tried,
}

impl<T: Tried> Upgrade<T> {
    /// Notes a request to upgrade, unless an upgrade is under way.
    pub(crate) fn ask(&mut self) {
        if matches!(self, Self::None) {
            *self = Self::Asked;
        }
    }

    /// Returns true if the newer program takes over now. If it can't be run, the present one continues.
    /// Back-off and a restart for a save are finished first: the newer program would not know of them.
    ///
    /// `begin` has the newer program print its version; it returns `None` if no other program is installed.
    pub(crate) fn look(
        &mut self,
        service: &ServiceName,
        phase: &Phase,
        is_stopping: bool,
        now: Instant,
        begin: impl FnOnce() -> Option<Result<T, String>>,
    ) -> bool {
        if matches!(self, Self::None) {
            return false;
        }
        // A newer program would start services that don't run, without a request.
        if matches!(phase, Phase::Ended(_)) || phase.wanted() == Wanted::Stopped {
            *self = Self::None;
            tracing::info!(%service, "asked to upgrade while its service ends or has ended; ignored");
            return false;
        }
        let refused = |why: String| {
            tracing::warn!(%service, "{why}; this one goes on");
            Self::None
        };
        *self = match mem::replace(self, Self::None) {
            Self::Asked => match begin() {
                None => Self::Tried,
                Some(Ok(trial)) => Self::Trying(trial),
                Some(Err(why)) => refused(why),
            },
            Self::Trying(trial) => match trial.verdict(now) {
                None => Self::Trying(trial),
                Some(Ok(())) => Self::Tried,
                Some(Err(why)) => refused(why),
            },
            state @ (Self::None | Self::Tried) => state,
        };
        let runs = match phase {
            Phase::Starting { .. } | Phase::Up { .. } | Phase::Background { .. } => true,
            Phase::Waiting { .. }
            | Phase::Clearing { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Ended(_) => false,
        };
        let takes_over = matches!(self, Self::Tried) && runs && !is_stopping;
        if takes_over {
            *self = Self::None;
        }
        takes_over
    }
}

impl Upgrade {
    fn trial(&self) -> Option<&Trial> {
        match self {
            Self::Trying(trial) => Some(trial),
            Self::None | Self::Asked | Self::Tried => None,
        }
    }

    /// Returns the child that prints its version, which nothing else may reap.
    pub(crate) fn child(&self) -> Option<Pid> {
        self.trial().map(Trial::child)
    }

    /// A descriptor that is readable once the trial has ended.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.trial().and_then(Trial::descriptor)
    }

    /// Returns the timeout of the trial.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.trial().map(Trial::deadline)
    }
}

/// Waits for a program to print its version; `drain` moves output meanwhile.
///
/// # Errors
/// It can't be run; the sentence says why.
pub(crate) fn try_out(
    program: &Path,
    directory: &Path,
    host: &Host,
    mut drain: impl FnMut(),
) -> Result<(), String> {
    let trial = Trial::begin(program, directory, host)?;
    let deadline = Instant::now() + RENEWAL_PATIENCE;
    loop {
        drain();
        let now = Instant::now();
        if let Some(verdict) = trial.verdict(now) {
            return verdict;
        }
        if deadline <= now {
            return Err(format!("{} took too long to say its version", program.display()));
        }
        let watched: Vec<_> = trial.descriptor().map(|fd| (fd, Interest::Read)).into_iter().collect();
        poll::wait(&watched, Some(PACE)).map_err(|error| error.to_string())?;
    }
}

/// The program to execute, and its service.
pub(crate) struct Successor<'a> {
    pub(crate) image: &'a Path,
    pub(crate) layout: &'a Layout,
    pub(crate) service: &'a ServiceName,
    pub(crate) beginning: Beginning,
}

/// Why the program that called [`exec`] still runs.
#[derive(Debug)]
pub(crate) struct Stayed {
    /// `None`: an urgent notice came first.
    pub(crate) problem: Option<Fault>,
    /// The urgent ones, not yet handled.
    pub(crate) notices: Vec<Notice>,
}

/// Executes `successor`, which inherits the lock and the FIFO. Returns only if that failed, or if something
/// `urgent` arrived first.
pub(crate) fn exec(
    successor: &Successor<'_>,
    lock: &Lock,
    capture: &Capture,
    inbox: &mut Inbox,
    urgent: &[Notice],
) -> Stayed {
    let failed = |activity: String| {
        move |error: io::Error| Fault::System { activity: activity.into(), error: (&error).into() }
    };
    let inherited = lock.keep_over_exec().map_err(failed("keep the lock".to_owned())).and_then(|lock| {
        let fifo = capture.keep_over_exec()?;
        notice::hold_back().map_err(failed("hold signals back".to_owned()))?;
        Ok(Inherited { lock, fifo })
    });
    // An exec closes the inbox with its earlier notices; later signals wait for the next program.
    let mut notices = inbox.take();
    notices.retain(|notice| urgent.contains(notice));
    let Successor { image, layout, service, beginning } = *successor;
    let problem = match inherited {
        Ok(_) if !notices.is_empty() => None,
        Ok(inherited) => {
            let error = Program::succeed(image, layout, service, beginning, inherited);
            Some(failed(format!("run {}", error.program.display()))(error.source))
        }
        Err(fault) => Some(fault),
    };
    let undone = [
        lock.close_on_exec().map_err(|error| error.to_string()),
        capture.close_on_exec().map_err(|error| error.to_string()),
        notice::let_in().map_err(|error| error.to_string()),
    ];
    for error in undone.into_iter().filter_map(Result::err) {
        tracing::warn!(%service, "{error}");
    }
    Stayed { problem, notices }
}

#[cfg(test)]
mod tests {
    use pipulate_core::project::AbsPath;

    use super::*;
    use crate::machine::Outcome;
    use crate::parts::log_pump::LogPump;
    use crate::parts::samples;

    struct Fake(Option<Result<(), String>>);

    impl Tried for Fake {
        fn verdict(&self, _: Instant) -> Option<Result<(), String>> {
            self.0.clone()
        }
    }

    const UP: Phase = Phase::Up { healthy_at: None };

    fn look(upgrade: &mut Upgrade<Fake>, phase: &Phase, begin: Option<Result<Fake, String>>) -> bool {
        upgrade.look(&samples::name("worker"), phase, false, Instant::now(), || begin)
    }

    #[test]
    fn a_newer_program_takes_over_once_it_has_said_its_version() {
        let mut upgrade = Upgrade::None;
        assert!(!look(&mut upgrade, &UP, None), "nobody asked");
        upgrade.ask();
        assert!(!look(&mut upgrade, &UP, Some(Ok(Fake(None)))));
        upgrade.ask();
        assert!(!look(&mut upgrade, &UP, None), "the trial is under way");
        upgrade = Upgrade::Trying(Fake(Some(Ok(()))));
        assert!(look(&mut upgrade, &UP, None));
        assert!(!look(&mut upgrade, &UP, None), "once");
    }

    #[test]
    fn one_that_cannot_be_run_never_takes_over() {
        for begun in [Err("it is a folder".to_owned()), Ok(Fake(Some(Err("it ended with 1".to_owned()))))] {
            let mut upgrade = Upgrade::None;
            upgrade.ask();
            assert!(!look(&mut upgrade, &UP, Some(begun)));
            assert!(!look(&mut upgrade, &UP, None));
            assert!(matches!(upgrade, Upgrade::None));
        }
    }

    #[test]
    fn back_off_is_finished_first_and_a_service_that_ends_is_not_upgraded() {
        let waiting = Phase::Waiting { until: Instant::now() };
        let mut upgrade: Upgrade<Fake> = Upgrade::Tried;
        assert!(!look(&mut upgrade, &waiting, None));
        assert!(look(&mut upgrade, &UP, None));
        let mut upgrade: Upgrade<Fake> = Upgrade::Tried;
        assert!(!look(&mut upgrade, &Phase::Ended(Outcome::Exited), None));
        assert!(!look(&mut upgrade, &UP, None), "it was forgotten");
    }

    #[test]
    fn a_failed_exec_leaves_no_descriptor_to_other_programs() {
        let (_folder, layout) = samples::home();
        let spec = samples::spec(&layout);
        let lock = Lock::acquire(&layout.lock(&spec.name)).unwrap().unwrap();
        let pump = LogPump::open(&layout, &spec).unwrap();
        let mut inbox = Inbox::open().unwrap();
        let image: AbsPath = layout.root().at("missing");
        let successor =
            Successor { image: &image, layout: &layout, service: &spec.name, beginning: Beginning::Start };
        let stayed = exec(&successor, &lock, &pump.capture, &mut inbox, &[Notice::Stop]);
        let problem = stayed.problem.unwrap().to_string();
        assert!(problem.contains("missing") && stayed.notices.is_empty(), "{problem}");
        let flags = rustix::io::fcntl_getfd(pump.capture.descriptor()).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        assert!(lock.is_current(&layout.lock(&spec.name)));
    }
}

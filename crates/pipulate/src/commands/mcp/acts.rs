//! The tools that act: a helper in a session of its own carries the request out, so that a start continues
//! when the client gives up or kills this process group.

use std::ffi::OsString;
use std::thread;
use std::time::Duration;

use pipulate_core::answer::Line;
use pipulate_core::marker::{self, Marker, Part};
use pipulate_core::service::ServiceName;
use pipulate_core::status::ProjectStatus;
use pipulate_engine::act::generations;
use pipulate_engine::denial::Denial;
use pipulate_engine::kept::Kept;
use pipulate_engine::project::Probes;
use pipulate_engine::report::{Outcome, Outcomes};
use pipulate_engine::request::{Desired, Request, Wait};
use pipulate_process::command::{Command, CommandError};
use rmcp::model::{ErrorData, ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext, RoleServer};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::answers::Answer;
use crate::commands::act::{self, Told};
use crate::commands::serve::told;
use crate::context::Context;
use crate::ui::{denial, status_json};

/// How long to wait for services to be ready.
const PATIENCE: Duration = Duration::from_secs(90);
/// The longest time between two progress messages: clients extend their timeout with each.
const PULSE: Duration = Duration::from_secs(5);
/// The service name in the helper's marker: no service's stop ends it.
const HELPER_NAME: &str = "assistant-request";

/// How a request came out.
#[derive(Serialize, JsonSchema)]
pub(super) struct ActJson<'a> {
    schema: u32,
    /// Of each service that something was to be done for.
    outcomes: Vec<OutcomeJson<'a>>,
    /// The notebooks whose kernels ended, with their variables.
    ended_kernels: Vec<String>,
    /// How the services are now.
    status: status_json::Document<'a>,
}

#[derive(Serialize, JsonSchema)]
struct OutcomeJson<'a> {
    service: &'a str,
    /// up, begun, failed, timed-out, unmet, already-stopped, start-withdrawn, stopped, unrecorded or refused.
    outcome: &'static str,
}

/// A message from the helper's thread.
enum News {
    Progress(String),
    Done(Answer),
}

/// Carries a request out, with progress messages to the client.
///
/// # Errors
/// The client gave up; the request continues.
pub(super) async fn act(
    context: Context,
    desired: Desired,
    services: Vec<ServiceName>,
    client: &RequestContext<RoleServer>,
) -> Result<Answer, ErrorData> {
    let (sender, mut news) = unbounded_channel();
    // A thread and not a task: it stays with the helper even if the client leaves.
    let begun = thread::Builder::new().spawn(move || {
        let answer = carry_out(&context, desired, services, &sender);
        // The client may have given up.
        let _unheard = sender.send(News::Done(answer));
    });
    if let Err(error) = begun {
        return Ok(Answer::refused(format!("could not start a thread: {error}")));
    }
    let mut progress =
        Progress { token: client.meta.get_progress_token(), told: 0.0, peer: client.peer.clone() };
    let mut last = told::verb_of(desired).word().to_owned();
    loop {
        tokio::select! {
            news = news.recv() => match news {
                Some(News::Progress(text)) => {
                    progress.tell(&text).await;
                    last = text;
                }
                Some(News::Done(answer)) => return Ok(answer),
                None => {
                    return Err(ErrorData::internal_error("this was interrupted by a bug in Pipulate", None));
                }
            },
            () = tokio::time::sleep(PULSE) => progress.tell(&last).await,
            () = client.ct.cancelled() => {
                return Err(ErrorData::internal_error("the client cancelled; what was started continues", None));
            }
        }
    }
}

/// The progress of one call, for a client that asked for it.
struct Progress {
    token: Option<ProgressToken>,
    told: f64,
    peer: Peer<RoleServer>,
}

impl Progress {
    async fn tell(&mut self, text: &str) {
        let Some(token) = self.token.clone() else { return };
        self.told += 1.0;
        let progress = ProgressNotificationParam::new(token, self.told).with_message(text);
        // The client may be gone.
        let _unheard = self.peer.notify_progress(progress).await;
    }
}

fn carry_out(
    context: &Context,
    desired: Desired,
    services: Vec<ServiceName>,
    news: &UnboundedSender<News>,
) -> Answer {
    let before = context.project.status(Probes::Skip);
    let request = request(context, desired, services);
    match run(&helper(context, &request), news) {
        Ok(Some(kept)) => answer(context, &before, kept),
        Ok(None) => Answer::refused("the request was cancelled; ask the tool status how the services are"),
        Err(error) => Answer::refused(error.to_string()),
    }
}

fn request(context: &Context, desired: Desired, services: Vec<ServiceName>) -> Request {
    let decided_on = match desired {
        Desired::Running => Default::default(),
        Desired::Stopped | Desired::Restarted => generations(&context.project, &services),
    };
    Request { decided_on, ..Request::new(desired, services, Wait::AtMost(PATIENCE)) }
}

fn helper(context: &Context, request: &Request) -> Command {
    let layout = &context.project.layout;
    let command = Command::new(context.own_program())
        .arg("-C")
        .arg(layout.root().as_os_str())
        .args([act::VERB, act::TELL])
        .stdin(serde_json::to_vec(request).unwrap_or_default());
    match ServiceName::parse(HELPER_NAME) {
        Ok(service) => {
            let marker = Marker { project: layout.project_id(), service, part: Part::Supervisor };
            command.env(marker::VARIABLE, OsString::from(marker.to_string()))
        }
        Err(_) => command,
    }
}

/// Runs the helper to its end; `None` without a report.
fn run(helper: &Command, news: &UnboundedSender<News>) -> Result<Option<Kept>, CommandError> {
    let mut kept = None;
    helper.session_lines(|line| match Told::read(line) {
        Some(Told::Progress(text)) => {
            let _unheard = news.send(News::Progress(text));
        }
        Some(Told::Ended(ended)) => kept = Some(*ended),
        None => {}
    })?;
    Ok(kept)
}

fn answer(context: &Context, before: &ProjectStatus, kept: Kept) -> Answer {
    let Kept { request, notes, result } = kept;
    let context = context.reread();
    let (outcomes, ended_kernels) = match &result {
        Ok(report) => (report.outcomes.clone(), report.ended_kernels.clone()),
        // No override is named: that decision belongs to the user.
        Err(busy @ Denial::WorkInProgress { .. }) => {
            let advice = "wait until it is done, or ask the person whose work it is";
            return Answer::refused(denial::failure(busy.clone()).hint(advice).lines().join("\n"));
        }
        Err(_) => Default::default(),
    };
    let was_tried = result.is_ok();
    let text = told::of_result(&context, &request, Some(before), &notes, result);
    let status = context.project.status(Probes::Run);
    let (schema, status) = (1, status_json::document(&status));
    let value = ActJson { schema, outcomes: in_short(&outcomes), ended_kernels, status };
    match text {
        Ok(lines) => Answer::done(in_words(&lines), &value),
        Err(error) if was_tried => Answer::failed(error.to_string(), &value),
        Err(error) => Answer::refused(error.to_string()),
    }
}

fn in_words(lines: &[Line]) -> String {
    let lines = lines.iter().map(|line| pipulate_words::line(line, &|_, text| text));
    lines.collect::<Vec<_>>().join("\n")
}

fn in_short(outcomes: &Outcomes) -> Vec<OutcomeJson<'_>> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Up { .. } => "up",
        Outcome::Begun => "begun",
        Outcome::Failed { .. } => "failed",
        Outcome::TimedOut => "timed-out",
        Outcome::Unmet { .. } => "unmet",
        Outcome::AlreadyStopped => "already-stopped",
        Outcome::StartWithdrawn => "start-withdrawn",
        Outcome::Stopped { .. } => "stopped",
        Outcome::Unrecorded(_) => "unrecorded",
        Outcome::Refused(_) => "refused",
    };
    outcomes
        .iter()
        .map(|(service, outcome)| OutcomeJson { service: service.as_str(), outcome: word(outcome) })
        .collect()
}

//! The hidden verb of a helper that carries out a request for a program that may end meanwhile: the page
//! whose service is stopped, or an assistant's server whose client disconnects.

use std::io::{self, Read as _};

use pipulate_core::answer::Note;
use pipulate_core::service::ServiceName;
use pipulate_core::work::Work;
use pipulate_engine::act::Audience;
use pipulate_engine::execute::Event;
use pipulate_engine::kept::Kept;
use pipulate_engine::request::{Desired, Request};
use serde::{Deserialize, Serialize};

use crate::call::ReportTo;
use crate::commands::audience::Opening;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::style::Style;
use crate::ui::{announced, started};

/// The helper's verb.
pub(crate) const VERB: &str = "__act";
/// Makes it report to its caller.
pub(crate) const TELL: &str = "--tell";

/// An upper bound for requests, in bytes.
const LONGEST: u64 = 4 << 20;

/// A message to the caller, on a line of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    Progress(String),
    Ended(Box<Kept>),
}

impl Told {
    /// Parses a line; `None` if it is no message.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Sends it. A caller that has ended stops nothing.
    fn tell(&self, context: &Context) {
        let Ok(line) = serde_json::to_string(self) else { return };
        let _unheard = context.printer.data_stream(|stream| writeln!(stream, "{line}"));
    }
}

/// Reads a request from stdin, and carries it out.
pub(crate) fn act(context: &Context, to: ReportTo) -> Result<ExitStatus, Failure> {
    interrupt::outlives_its_terminal()?;
    let mut text = Vec::new();
    io::stdin().lock().take(LONGEST).read_to_end(&mut text)?;
    let request: Request = serde_json::from_slice(&text)?;
    let mut helper =
        Helper { context, to, notes: Vec::new(), opening: Opening::default(), desired: request.desired };
    let result = context.project.act(&request, &mut helper);
    let status = if result.is_ok() { ExitStatus::Success } else { ExitStatus::Failed };
    let kept = Kept { request, notes: helper.notes, result };
    match to {
        ReportTo::Page => kept.leave(&context.project.layout)?,
        ReportTo::Caller => Told::Ended(Box::new(kept)).tell(context),
    }
    Ok(status)
}

/// An audience without a user to ask.
struct Helper<'a> {
    context: &'a Context,
    to: ReportTo,
    notes: Vec<Note>,
    opening: Opening,
    desired: Desired,
}

impl Helper<'_> {
    fn progress(&self, text: String) {
        match self.to {
            ReportTo::Page => {}
            ReportTo::Caller => Told::Progress(text).tell(self.context),
        }
    }
}

impl Audience for Helper<'_> {
    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Some(open) = self.opening.of(event) {
            self.progress(match self.desired {
                Desired::Running => announced::starting(&open),
                Desired::Stopped => announced::stopping(&open, false),
                Desired::Restarted => announced::restarting(&open),
            });
        }
        self.need_event(event);
    }

    fn need_event(&mut self, event: &Event<'_>) {
        let (Event::Settled { service, outcome, began: _ }, false) =
            (event, self.desired == Desired::Stopped)
        else {
            return;
        };
        let service: &ServiceName = service;
        self.progress(started::line(service, outcome, Style::plain()));
    }

    fn consents(&mut self, _work: &[Work]) -> bool {
        false
    }
}

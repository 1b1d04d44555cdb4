//! The terminal as the audience of a stop or restart.

use std::sync::{Arc, Mutex, PoisonError};

use pipulate_core::answer::Note;
use pipulate_core::service::ServiceName;
use pipulate_core::work::Work;
use pipulate_engine::act::Audience;
use pipulate_engine::denial::Denial;
use pipulate_engine::execute::Event;
use pipulate_engine::report::Outcome;

use crate::commands::last_lines;
use crate::context::Context;
use crate::error::Failure;
use crate::ui::launched::Launched;
use crate::ui::progress::Progress;
use crate::ui::{announced, ask, denial, notes, started};

/// The user who typed this verb and these services.
pub(crate) struct Asker<'a> {
    pub(crate) context: &'a Context,
    pub(crate) verb: &'static str,
    pub(crate) asked: &'a [ServiceName],
    /// The progress text while waiting.
    pub(crate) meanwhile: Option<&'static str>,
    progress: Option<Progress<'a>>,
    opening: Opening,
    ends_kernels: bool,
    /// The restart's progress, read when it is interrupted.
    pub(crate) underway: Arc<Mutex<Underway>>,
}

/// The progress of a restart.
#[derive(Debug, Default, Clone)]
pub(crate) struct Underway {
    pub(crate) chosen: Vec<ServiceName>,
    /// Requested so far.
    pub(crate) begun: Vec<ServiceName>,
    /// Up again.
    pub(crate) up: Vec<ServiceName>,
    /// With another outcome.
    pub(crate) failed: Vec<ServiceName>,
}

/// Services that were settled before their group has begun.
#[derive(Default)]
pub(crate) struct Opening {
    settled: Vec<ServiceName>,
}

impl Opening {
    /// The services with real work to do, once their group has begun.
    pub(crate) fn of(&mut self, event: &Event<'_>) -> Option<Vec<ServiceName>> {
        match event {
            Event::Settled { service, .. } => {
                self.settled.push((*service).clone());
                None
            }
            Event::Begun { services } => {
                let open = services.iter().filter(|service| !self.settled.contains(service));
                Some(open.cloned().collect()).filter(|open: &Vec<_>| !open.is_empty())
            }
            Event::GroupSettled => {
                self.settled.clear();
                None
            }
        }
    }
}

impl<'a> Asker<'a> {
    pub(crate) fn new(context: &'a Context, verb: &'static str, asked: &'a [ServiceName]) -> Self {
        Self {
            context,
            verb,
            asked,
            meanwhile: None,
            progress: None,
            opening: Opening::default(),
            ends_kernels: false,
            underway: Arc::default(),
        }
    }

    fn note_progress(&self, event: &Event<'_>) {
        let mut underway = self.underway.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begun { services } => underway.begun.extend_from_slice(services),
            Event::Settled { service, outcome: Outcome::Up { .. }, .. } => {
                underway.up.push((*service).clone());
            }
            Event::Settled { service, .. } => underway.failed.push((*service).clone()),
            Event::GroupSettled => {}
        }
    }

    /// The failure for a denial of this request.
    pub(crate) fn failure(&self, denied: Denial) -> Failure {
        match denied {
            Denial::WorkInProgress { work } => denial::not_stopped(&work, self.verb, self.asked),
            Denial::NeedsDown { outcomes } => {
                let needs = Launched::of(outcomes);
                let talkative = last_lines::show(self.context, &needs.failed);
                let missing = last_lines::missing_modules(self.context, &needs.failed);
                denial::needs_down(needs.failure(talkative.as_ref(), &missing))
            }
            other => denial::failure(other),
        }
    }
}

impl Audience for Asker<'_> {
    fn note(&mut self, note: Note) {
        notes::say(&self.context.printer, &note);
    }

    fn event(&mut self, event: &Event<'_>) {
        self.note_progress(event);
        if let Some(open) = self.opening.of(event).filter(|_| self.verb == "stop") {
            let printer = &self.context.printer;
            printer.note(announced::stopping(&open, self.ends_kernels));
            printer.note("Waiting for processes to terminate...");
        }
        if let (Event::Begun { .. }, Some(words), None) = (event, self.meanwhile, &self.progress) {
            let progress = Progress::new(&self.context.printer);
            progress.now(words);
            self.progress = Some(progress);
        }
    }

    fn need_event(&mut self, event: &Event<'_>) {
        if let Event::Settled { service, outcome, began: _ } = event {
            let printer = &self.context.printer;
            printer.note(started::line(service, outcome, printer.stderr_style()));
        }
    }

    fn consents(&mut self, work: &[Work]) -> bool {
        let command = denial::command(self.verb, self.asked);
        let question = format!("{}. {command} anyway?", denial::in_progress(work));
        ask::yes(&self.context.printer, &question)
    }

    fn consents_to_idle(&mut self, notebooks: &[String]) -> bool {
        let command = denial::command(self.verb, self.asked);
        let question =
            format!("This ends kernels with their variables: {}. {command} anyway?", notebooks.join(", "));
        // Without a terminal it continues: the request interrupts no work.
        !ask::can_ask(&self.context.printer) || ask::yes(&self.context.printer, &question)
    }

    fn begins(&mut self, services: &[ServiceName]) {
        self.underway.lock().unwrap_or_else(PoisonError::into_inner).chosen = services.to_vec();
    }

    fn kernels_end(&mut self, _notebooks: &[String]) {
        self.ends_kernels = true;
    }
}

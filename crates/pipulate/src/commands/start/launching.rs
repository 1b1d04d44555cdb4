//! Starts services on a terminal, and collects the results.

use pipulate_core::service::ServiceName;
use pipulate_engine::execute::{Event, Withdrawal};
use pipulate_engine::report::Outcome;
use pipulate_engine::request::Wait;

use super::welcome::{Greeting, Welcome};
use crate::commands::audience::Opening;
use crate::context::Context;
use crate::error::Failure;
use crate::ui::launched::Launched;
use crate::ui::progress::Progress;
use crate::ui::{announced, denial, started};

/// The result of a start.
pub(crate) struct Attempt {
    /// Services that it began itself, without those it found running or took over.
    pub(crate) begun: Vec<ServiceName>,
    pub(crate) launched: Result<Launched, Failure>,
}

/// Starts the services group by group in dependency order; a failure affects only the services
/// that need the failed one.
pub(crate) fn launch_all(
    context: &Context,
    services: &[ServiceName],
    wait: Wait,
    welcome: Option<Welcome<'_>>,
    withdrawal: Withdrawal<'_>,
) -> Attempt {
    let mut view = View {
        context,
        is_shown: wait != Wait::No,
        welcome,
        greeting: None,
        progress: None,
        opening: Opening::default(),
        begun: Vec::new(),
    };
    let outcomes = context.project.launch(services, wait, withdrawal, &mut |event| view.show(&event));
    Attempt { begun: view.begun, launched: outcomes.map(Launched::of).map_err(denial::failure) }
}

/// The display of a start on the terminal.
struct View<'a> {
    context: &'a Context,
    /// True if the caller waits for the services.
    is_shown: bool,
    welcome: Option<Welcome<'a>>,
    greeting: Option<Greeting>,
    progress: Option<Progress<'a>>,
    opening: Opening,
    begun: Vec<ServiceName>,
}

impl View<'_> {
    fn show(&mut self, event: &Event<'_>) {
        if let Some(open) = self.opening.of(event) {
            self.context.printer.note(announced::starting(&open));
        }
        if let Event::Settled { service, began: true, .. } = event {
            self.begun.push((*service).clone());
        }
        match event {
            Event::Begun { services } => {
                // While the services start, there is time to check numpy and ask Ollama.
                self.greeting = self.welcome.take().map(Welcome::say).filter(|_| self.is_shown);
                // Ollama's text would interrupt the progress line: both use the last line.
                if self.is_shown && self.greeting.is_none() {
                    let progress = Progress::new(&self.context.printer);
                    progress.now(format!("waiting for {}", names(services)));
                    self.progress = Some(progress);
                }
            }
            // Slow services are named at the end.
            Event::Settled {
                outcome: Outcome::Begun | Outcome::TimedOut | Outcome::StartWithdrawn, ..
            } => {}
            Event::Settled { service, outcome, .. } if self.is_shown => {
                let line = started::line(service, outcome, self.context.printer.stderr_style());
                match &self.progress {
                    Some(progress) => progress.note(line),
                    None => self.context.printer.note(line),
                }
            }
            Event::Settled { .. } => {}
            Event::GroupSettled => {
                self.progress = None;
                if let Some(greeting) = self.greeting.take() {
                    greeting.finish();
                }
            }
        }
    }
}

fn names(services: &[ServiceName]) -> String {
    services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ")
}

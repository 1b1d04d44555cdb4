//! The greeting of the original shell, in its order: packages, numpy, how to stop, Ollama, the address.
//!
//! The checks run while the services start. Ollama never delays or fails anything.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pipulate_core::config::{Config, Greet, OllamaConfig};
use pipulate_environment::browser::session::Session;
use pipulate_environment::ollama::{Absence, Place, VARIABLE};
use pipulate_environment::probe::problem::System;
use pipulate_environment::probe::{self, ProbeOutcome, modules_to_try};
use pipulate_environment::service::environment_of;
use pipulate_environment::setup::Mode;
use pipulate_ollama::greeting::{GreetingEvent, greet_blocking};

use crate::commands::setup;
use crate::context::Context;
use crate::error::Failure;
use crate::ui::printer::Printer;
use crate::ui::setup_events;

/// Ollama's timeout.
const PATIENCE: Duration = Duration::from_secs(2);

/// The rest of the greeting.
pub(crate) struct Welcome<'a> {
    context: &'a Context,
    config: &'a Config,
    python: PathBuf,
}

/// Sets up the environment and prints the number of packages.
///
/// # Errors
/// There is no usable Python.
pub(crate) fn prepare<'a>(
    context: &'a Context,
    config: &'a Config,
    mode: Mode,
) -> Result<Welcome<'a>, Failure> {
    let printer = &context.printer;
    printer.note("- Checking if pip packages are installed...");
    let report = setup::prepare(context, config, mode)?;
    match &report.warning {
        None => printer.note(format!("- Done. {} pip packages installed.", report.packages)),
        Some(warning) => {
            printer.note("Warning: An error occurred during setup.");
            setup_events::show_last_words(warning, printer);
            printer.warning(warning);
            printer.hint(warning.fix().text);
        }
    }
    Ok(Welcome { context, config, python: report.python })
}

impl Welcome<'_> {
    /// For a shell: prints the commands to type.
    pub(crate) fn say_at_entry(self) -> Greeting {
        let printer = &self.context.printer;
        self.check_all();
        printer.note("\n- Start JupyterLab and FastHTML server with: start");
        printer.note("- Stop JupyterLab and FastHTML server with: stop");
        printer.note("- To exit the Pipulate environment, type 'exit'.\n");
        self.greet()
    }

    /// Prints the rest, and starts Ollama's check.
    pub(super) fn say(self) -> Greeting {
        let printer = &self.context.printer;
        self.check_all();
        let stop = self.context.typed("stop");
        printer.note(format!("\n- Stop JupyterLab and the web server with: {stop}\n"));
        self.greet()
    }

    fn check_all(&self) {
        for module in
            modules_to_try(&self.context.project.layout, &self.config.python, &self.context.project.around)
        {
            self.check(&module);
        }
    }

    fn check(&self, module: &str) {
        let printer = &self.context.printer;
        printer.note(format!("- Checking if {module} is importable..."));
        let environment = environment_of(&self.python, &self.python, &self.context.project.around);
        let results = probe::probe_modules(&self.python, &[module.to_owned()], &environment);
        for result in results {
            match result.outcome {
                ProbeOutcome::Imports => printer.note(format!("- {module} is importable (good to go!)")),
                ProbeOutcome::Fails { problem, .. } => {
                    printer.note(format!("Error: {module} could not be imported. Check your installation."));
                    printer.note(format!("  because: {problem}"));
                    printer.hint(problem.fix(System::here()).text);
                }
            }
        }
    }

    fn greet(&self) -> Greeting {
        let printer = self.context.printer.clone();
        let OllamaConfig { host: _, model, greet } = self.config.ollama.clone();
        if greet == Greet::Never {
            return Greeting { thread: None, open: Arc::default(), printer };
        }
        let host = match Place::find(
            &self.context.project.layout,
            self.config,
            self.context.project.around.text(VARIABLE),
        ) {
            Ok(Place::Open(host)) => host,
            Ok(Place::Unasked(host)) => {
                printer.note(format!(
                    "Ollama was not contacted: pipulate.toml names one on another machine: {host} \
                     (to allow it: pipulate models)"
                ));
                return Greeting { thread: None, open: Arc::default(), printer };
            }
            Err(error) => {
                printer.note(format!("Ollama says: {error}"));
                return Greeting { thread: None, open: Arc::default(), printer };
            }
        };
        match host.is_loopback() {
            true => printer.note("Checking Ollama connectivity..."),
            false => printer.note(format!("Checking Ollama on another machine: {host}")),
        }
        let open = Arc::new(Mutex::new(true));
        let (speaker, listening) = (printer.clone(), Arc::clone(&open));
        let around = self.context.project.around.clone();
        let thread = thread::spawn(move || {
            let way = Absence::look(host.is_loopback(), &Session::gather(around), Path::new("/")).way();
            let mut in_line = false;
            greet_blocking(&host, model.as_deref(), greet, PATIENCE, &mut |event| {
                let listening = listening.lock().unwrap_or_else(PoisonError::into_inner);
                if *listening {
                    in_line = speak(&speaker, &event, in_line, way.as_deref());
                }
            });
            if in_line {
                speaker.note("");
            }
        });
        Greeting { thread: Some(thread), open, printer }
    }
}

/// Prints one event, and after Ollama's absence the way to install it; returns true if the
/// line is still open.
fn speak(printer: &Printer, event: &GreetingEvent, in_line: bool, way: Option<&str>) -> bool {
    match event {
        GreetingEvent::Text(text) => {
            if printer.verbosity() != crate::ui::printer::Verbosity::Quiet {
                printer.raw_note(text);
            }
            true
        }
        GreetingEvent::Using { .. } | GreetingEvent::Absent { .. } | GreetingEvent::Note(_) => {
            if in_line {
                printer.note("");
            }
            match (event, way) {
                (GreetingEvent::Absent { .. }, Some(way)) => printer.sentence(format!("{event}; {way}")),
                (event, _) => printer.sentence(event),
            }
            false
        }
    }
}

/// Ollama's running check.
pub(crate) struct Greeting {
    thread: Option<JoinHandle<()>>,
    open: Arc<Mutex<bool>>,
    printer: Printer,
}

impl Greeting {
    /// Waits for its end, which has a deadline, and prints where to learn more.
    pub(crate) fn finish(mut self) {
        if let Some(thread) = self.thread.take() {
            // Advisory: a failure is not reported.
            let _silence = thread.join();
        }
        self.printer.note("\nLearn more at https://pipulate.com <--Ctrl+Click\n");
    }
}

impl Drop for Greeting {
    /// Stops the output once `start` has continued without it.
    fn drop(&mut self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

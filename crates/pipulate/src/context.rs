//! What every verb needs to know: which project, its configuration, and where to print.

mod root;
mod trust;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use pipulate_core::config::{Config, ConfigError};
use pipulate_core::layout::Layout;
use pipulate_core::marker::{self, Marker};
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;
use pipulate_core::status::ServiceStatus;
use pipulate_engine::{plan, query, takeover};
use pipulate_environment::bare_words;
use pipulate_environment::surroundings::Surroundings;
use pipulate_environment::venv::{self, bin_dir, existing_python};
use pipulate_process::table;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::{read, secrets};
use pipulate_store::{files, home};
use pipulate_supervisor::program::Program;
use pipulate_supervisor::scope::Scope;

use crate::cli::{Request, Verb};
use crate::error::{Failure, FailureKind};
use crate::ui::ask;
use crate::ui::printer::Printer;

/// The world of one call.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) layout: Layout,
    pub(crate) printer: Printer,
    /// This very program, for starting it again.
    pub(crate) exe: PathBuf,
    config: Result<Config, ConfigError>,
    /// Whether the project is a folder above the current one, and only its `.venv` says that it is one.
    is_guess: bool,
}

impl Context {
    /// Finds the project that a request is about.
    ///
    /// # Errors
    /// There is no such folder, or it can't be a project.
    pub(crate) fn find(request: &Request, printer: Printer) -> Result<Self, Failure> {
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let current = match current_directory() {
            // What ran in a folder that was deleted can still be seen and ended from there.
            Err(_) if request.verb.is_about_all_projects() => PathBuf::from("/"),
            // Nothing is looked for from here.
            Err(_) if request.global.project.as_ref().is_some_and(|named| named.is_absolute()) => {
                PathBuf::from("/")
            }
            found => found?,
        };
        let (root, is_guess) = if request.global.project.is_none() && request.verb.is_about_all_projects() {
            (root::anywhere(&current)?, false)
        } else {
            let chosen = root::choose(request, &current, home.as_deref())?;
            // What we start ourselves was chosen before.
            if !matches!(request.verb, Verb::Supervise(_) | Verb::Serve | Verb::HandOver) {
                chosen.warnings.iter().for_each(|warning| printer.warning(warning));
            }
            (chosen.root, chosen.is_guess)
        };
        let exe = table::own_program()
            .map_err(|error| Failure::failed("could not find the program that is running").cause(error))?;
        // What is read of the project's own files alone needs nothing that a link could lead to.
        let reads_state = !matches!(request.verb, Verb::Supervise(_) | Verb::Config(_))
            && !request.verb.is_about_all_projects();
        let layout = match &request.verb {
            Verb::Supervise(settings) => {
                // It may hold a lock already; whoever started it has looked.
                let layout = match settings.places.clone() {
                    Some((state, run)) => Layout::with_places(root, state, run).of_user(home::user_dirs()),
                    None => home::locate_anew(root, home::user_dirs()),
                };
                settings.formerly.iter().cloned().fold(layout, Layout::formerly)
            }
            _ if reads_state => trust::refuse_links(&root).map(|()| home::locate(root, home::user_dirs()))?,
            _ => home::locate_anew(root, home::user_dirs()),
        };
        printer.detail(format!("project: {}", layout.root()));
        Ok(Self { config: read_config(&layout), layout, printer, exe, is_guess })
    }

    /// The same project with the folders of a home, made if there are none: where they really are is
    /// known then.
    ///
    /// # Errors
    /// They can't be made, or are somebody else's.
    pub(crate) fn home(&self) -> Result<Self, Failure> {
        let is_new = !self.layout.state().exists();
        if is_new && self.is_guess {
            self.ask_about_guess()?;
        }
        let layout = home::ensure(&self.layout).map_err(|error| {
            // What is refused says itself what to do.
            let is_forbidden = error.kind() == Some(io::ErrorKind::PermissionDenied);
            let advice = "a home needs a folder that you may write to; make one of your own and go there";
            let failure = Failure::from(error);
            if is_forbidden { failure.hint(advice) } else { failure }
        })?;
        if is_new {
            self.printer.note(format!("A new home: {}", layout.root()));
        }
        match takeover::take_over(&layout) {
            Ok(true) if !is_new => {
                self.printer
                    .note("This .pipulate was copied or came with the folder; it gets keys of its own");
            }
            Ok(_) => {}
            Err(error) => self.printer.detail(format!("this home will not be known as your own: {error}")),
        }
        if *layout.run() != *self.layout.run() {
            let run = layout.run();
            self.printer.note(format!("This folder can't hold what a home needs; it is kept in: {run}"));
        }
        Ok(Self { layout, ..self.clone() })
    }

    /// Says that a folder above this one would become a home, and why; on a terminal, asks.
    fn ask_about_guess(&self) -> Result<(), Failure> {
        let root = self.layout.root();
        let why = format!("a folder above this one is the project, because it has a .venv: {root}");
        let instead = "to use the current folder instead: pipulate -C . start";
        if !ask::can_ask(&self.printer) {
            self.printer.warning(why);
            self.printer.hint(instead);
            return Ok(());
        }
        self.printer.warning(why);
        match ask::yes(&self.printer, "Make a home there?") {
            true => Ok(()),
            false => Err(Failure::failed("nothing was changed").hint(instead)),
        }
    }

    /// Remembers which Python what was asked for runs with: `doctor` may run that one, too.
    pub(crate) fn remember_environment(&self) {
        let Ok(config) = &self.config else { return };
        if let Err(error) = venv::remember(&self.layout, &config.python) {
            self.printer.detail(format!("this environment will not be known as used: {error}"));
        }
    }

    /// The same with its configuration as it is now.
    pub(crate) fn reread(&self) -> Self {
        Self { config: read_config(&self.layout), ..self.clone() }
    }

    /// What to execute to run this program again: its file, or what runs here where that is gone.
    pub(crate) fn own_program(&self) -> PathBuf {
        if self.exe.is_file() { self.exe.clone() } else { table::own_image(&self.exe) }
    }

    /// What supervises.
    pub(crate) fn program(&self) -> Program {
        Program::new(self.exe.clone())
    }

    /// What supervises for longer than this login, where the system has that.
    pub(crate) fn lasting_program(&self) -> Program {
        Program { scope: Scope::of_session(), ..self.program() }
    }

    /// The same for another of the user's projects.
    ///
    /// # Errors
    /// Its `.pipulate` is a link, or has one in it.
    pub(crate) fn of_project(&self, root: AbsPath) -> Result<Self, Failure> {
        trust::refuse_links(&root)?;
        let layout = home::locate(root, self.layout.user().cloned());
        Ok(Self { config: read_config(&layout), layout, ..self.clone() })
    }

    /// The same project as the other places see it in which something of it may be running.
    pub(crate) fn elsewhere(&self) -> Vec<Self> {
        let others = home::others_in_use(&self.layout).into_iter();
        others.map(|layout| Self { layout, ..self.clone() }).collect()
    }

    /// Refuses to start a second instance of what runs with its files in another place.
    ///
    /// # Errors
    /// One of them does.
    pub(crate) fn refuse_elsewhere(&self, services: &[ServiceName]) -> Result<(), Failure> {
        for place in self.elsewhere() {
            let there = query::glance(&place.layout, &self.project_name(), &[]).services;
            let is_asked = |service: &&ServiceStatus| services.contains(&service.name);
            if let Some(service) = there.iter().find(is_asked) {
                let (name, run) = (&service.name, place.layout.run());
                return Err(Failure::failed(format!("{name} runs already, with its files in: {run}"))
                    .hint(format!("stop it first: pipulate stop {name}")));
            }
        }
        Ok(())
    }

    /// The Python of the project's environment, found without starting it.
    ///
    /// # Errors
    /// There is none yet, or the configuration can't be used.
    pub(crate) fn python(&self) -> Result<PathBuf, Failure> {
        existing_python(&self.layout, &self.config()?.python).ok_or_else(|| {
            Failure::failed(format!("there is no Python environment here yet: {}", self.layout.root()))
                .hint("make it with: pipulate setup")
        })
    }

    /// What a person here types to start or stop this project: `start`, or `pipulate start`.
    pub(crate) fn typed(&self, word: &'static str) -> String {
        let bin = self.config.as_ref().map(|config| bin_dir(&self.layout, &config.python));
        bare_words::typed(&bin.unwrap_or_default(), word, &Surroundings::of_this_process())
    }

    /// The project's configuration.
    ///
    /// # Errors
    /// `pipulate.toml` is there and can't be used.
    pub(crate) fn config(&self) -> Result<&Config, Failure> {
        self.config.as_ref().map_err(|error| {
            Failure::failed(format!("the configuration can't be used: {}", self.layout.config())).cause(error)
        })
    }

    /// What reading `pipulate.toml` gave.
    pub(crate) fn config_as_read(&self) -> &Result<Config, ConfigError> {
        &self.config
    }

    /// The project's name: the configured one, else the folder's.
    pub(crate) fn project_name(&self) -> String {
        let configured = self.config.as_ref().ok().and_then(|config| config.name.clone());
        let folder = || self.layout.root().file_name().map(|name| name.to_string_lossy().into_owned());
        configured.or_else(folder).unwrap_or_else(|| "pipulate".to_owned())
    }

    /// Whether any service of this project lives, or may live where we can't look.
    pub(crate) fn is_alive(&self) -> bool {
        let is_alive = |place: &Self| {
            let status = query::status(&place.layout, &place.project_name(), &[]);
            !status.unknown.is_empty() || status.services.iter().any(ServiceStatus::is_there)
        };
        is_alive(self) || self.elsewhere().iter().any(is_alive)
    }

    /// The service of this project inside which this program was started: it ends with that one.
    pub(crate) fn own_service(&self) -> Option<ServiceName> {
        own_marker().filter(|own| own.project == self.layout.project_id()).map(|own| own.service)
    }

    /// Of groups that are stopped or restarted one after the other, the one that ends this program is the
    /// last: what was not asked for by then never is.
    pub(crate) fn own_service_last(&self, waves: &mut Vec<Vec<ServiceName>>) {
        let Some(own) = self.own_service().filter(|_| waves.len() > 1) else { return };
        let Some(wave) = waves.iter_mut().find(|wave| wave.contains(&own)) else { return };
        wave.retain(|service| *service != own);
        waves.push(vec![own]);
    }

    /// The configuration if it can be used; if not, a warning is printed. For verbs that look at
    /// what is there, or end it, and must not fail because of a misspelled key.
    pub(crate) fn config_or_warning(&self) -> Option<&Config> {
        match &self.config {
            Ok(config) => Some(config),
            Err(error) => {
                self.printer.warning(format!("{} is ignored: {error}", self.layout.config()));
                None
            }
        }
    }

    /// What masks this project's secrets; a warning says which could not be read.
    pub(crate) fn masker(&self) -> Masker {
        let secrets = secrets::of_home(&self.layout, self.config.as_ref().ok());
        self.warn_of_unmasked(secrets.problems);
        secrets.masker
    }

    /// Says which secrets could not be read.
    pub(crate) fn warn_of_unmasked(&self, problems: Vec<String>) {
        for problem in problems {
            self.printer.warning(format!("secrets in it are not masked: {problem}"));
        }
    }

    /// The names asked for, each of which must be among `known`.
    ///
    /// # Errors
    /// One is unknown; the failure lists those that are known.
    pub(crate) fn refuse_unknown(
        &self,
        asked: &[ServiceName],
        known: &BTreeSet<ServiceName>,
    ) -> Result<(), Failure> {
        let Some(unknown) = asked.iter().find(|name| !known.contains(name)) else { return Ok(()) };
        let configured = self.config.as_ref().ok().and_then(|config| config.service(unknown.as_str()));
        let why = match configured {
            Some(service) if !service.enabled => {
                format!("{unknown} is switched off: pipulate.toml says enabled = false")
            }
            Some(_) => {
                format!("there is no {unknown} where there is no server.py: `server` is that page here")
            }
            None => format!("there is no such service: {unknown}"),
        };
        let failure = Failure::new(FailureKind::Usage, why);
        let known: Vec<&str> = known.iter().map(ServiceName::as_str).collect();
        Err(if known.is_empty() { failure } else { failure.hint(format!("there are: {}", known.join(", "))) })
    }

    /// The services that exist here, and those that left a log.
    ///
    /// # Errors
    /// The folder of the logs can't be listed.
    pub(crate) fn known_services(&self) -> Result<BTreeSet<ServiceName>, Failure> {
        let mut known = read::services(&self.layout)?;
        known.extend(self.services());
        Ok(known)
    }

    /// The services that exist here, in the order of the configuration. Where that can't be read there
    /// are those of a folder without one, and those with a record; a folder that is gone has none.
    pub(crate) fn services(&self) -> Vec<ServiceName> {
        let config = self.config.clone().or_else(|_| Config::parse("")).ok();
        let Some(config) = config.filter(|_| self.layout.root().is_dir()) else { return Vec::new() };
        let known = plan::known_services(&config, self.layout.server_py().is_file());
        let mut services: Vec<ServiceName> = known.into_iter().map(|service| service.name.clone()).collect();
        if self.config.is_err() {
            let mut recorded = query::services(&self.layout).unwrap_or_default();
            recorded.retain(|name| !services.contains(name));
            services.extend(recorded);
        }
        services
    }
}

/// What says inside which service this program was started, if it was.
pub(crate) fn own_marker() -> Option<Marker> {
    Marker::parse(&std::env::var(marker::VARIABLE).ok()?)
}

/// The folder we are in.
///
/// # Errors
/// It was deleted.
#[expect(clippy::disallowed_methods, reason = "this is the edge: relative paths end here")]
pub(crate) fn current_directory() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|error| {
        Failure::failed("could not find the current folder")
            .cause(error)
            .hint("it may have been deleted; go to another one")
            .hint("what still runs in it is ended by: pipulate stop --all")
    })
}

fn read_config(layout: &Layout) -> Result<Config, ConfigError> {
    match files::read_foreign_text(&layout.config()) {
        Ok(text) => Config::parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Config::parse(""),
        Err(error) => Err(ConfigError { message: format!("could not read it: {error}") }),
    }
}

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_configuration_is_an_error_or_a_warning_that_shows_the_line() {
        let project = samples::project("[services.jupyter]\nprot = 1\n");
        let failure = project.context.config().unwrap_err();
        let text = failure.render(crate::ui::style::Style::plain());
        assert!(text.contains("pipulate.toml") && text.contains("prot = 1"), "{text}");
        assert!(project.context.config_or_warning().is_none());
        assert!(project.printed.stderr().contains("prot = 1"), "{}", project.printed.stderr());
    }

    #[test]
    fn an_unknown_service_is_a_usage_error_that_lists_the_known_ones() {
        let project = samples::project("");
        let known = project.context.known_services().unwrap();
        let asked = [ServiceName::parse("jupiter").unwrap()];
        let failure = project.context.refuse_unknown(&asked, &known).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Usage);
        insta::assert_snapshot!(failure.render(crate::ui::style::Style::plain()), @r"
        error: there is no such service: jupiter
        hint: there are: jupyter, server
        ");
        assert!(project.context.refuse_unknown(&[ServiceName::parse("jupyter").unwrap()], &known).is_ok());
    }
}

//! The input of every verb: its project, and its printer.

pub(crate) mod program;
mod root;
mod trust;

use std::collections::BTreeSet;
use std::path::PathBuf;

use pipulate_core::config::{Config, ConfigError};
use pipulate_core::fault::{Fault, FileRefusal};
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;
use pipulate_engine::project::{Project, read_config};
use pipulate_environment::bare_words;
use pipulate_environment::surroundings::Surroundings;
use pipulate_environment::venv::{bin_dir, existing_python};
use pipulate_process::table;
use pipulate_store::home;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::{read, secrets};

use crate::call::{Call, Verb};
use crate::error::Failure;
use crate::ui::printer::Printer;
use crate::ui::{ask, denial, notes};

/// The project and the terminal of one call.
#[derive(Clone)]
pub(crate) struct Context {
    /// Shared by both user interfaces.
    pub(crate) project: Project,
    pub(crate) printer: Printer,
    /// The paths of this program's file, the called one first.
    pub(crate) programs: Vec<PathBuf>,
    /// Whether the project is a folder above the current one, and only its `.venv` says that it is one.
    is_guess: bool,
}

impl Context {
    /// Finds the project of a call.
    ///
    /// # Errors
    /// There is no such folder, or it can't be a project.
    pub(crate) fn find(call: &Call, printer: Printer) -> Result<Self, Failure> {
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let current = match current_directory() {
            // Services of a deleted folder can still be listed and stopped from there.
            Err(_) if call.verb.is_about_all_projects() => PathBuf::from("/"),
            // The current folder is not needed.
            Err(_) if call.global.project.as_ref().is_some_and(|named| named.is_absolute()) => {
                PathBuf::from("/")
            }
            found => found?,
        };
        let (root, is_guess) = if call.global.project.is_none() && call.verb.is_about_all_projects() {
            (root::anywhere(&current)?, false)
        } else {
            let chosen = root::choose(call, &current, home.as_deref())?;
            // For our own subprocesses, the caller has chosen the folder.
            if !matches!(call.verb, Verb::Supervise(_) | Verb::Serve | Verb::Act(_) | Verb::HandOver) {
                chosen.warnings.iter().for_each(|warning| printer.warning(warning));
            }
            (chosen.root, chosen.is_guess)
        };
        let exe = table::own_program()
            .map_err(|error| Failure::failed("could not find the program that is running").cause(error))?;
        // Commands that read only the project's own files can't be misled by a link.
        let reads_state =
            !matches!(call.verb, Verb::Supervise(_) | Verb::Config(_)) && !call.verb.is_about_all_projects();
        let layout = match &call.verb {
            Verb::Supervise(settings) => {
                // It may hold a lock already; its launcher has checked the links.
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
        let programs = program::files(&exe);
        let project = Project {
            config: read_config(&layout),
            layout,
            exe,
            around: Surroundings::of_this_process(),
            takes_locks: true,
            launched: None,
        };
        Ok(Self { project, printer, programs, is_guess })
    }

    /// Creates the home's folders if needed, and returns the project with their real paths.
    ///
    /// # Errors
    /// They can't be created, or belong to another user.
    pub(crate) fn home(&self) -> Result<Self, Failure> {
        self.confirm_guess()?;
        let home = self.project.home(&mut |note| notes::say(&self.printer, &note));
        Ok(self.about(home.map_err(denial::failure)?))
    }

    /// Says that a folder above this one would become a home, and why; on a terminal, asks.
    ///
    /// # Errors
    /// The answer was no.
    pub(crate) fn confirm_guess(&self) -> Result<(), Failure> {
        if !self.is_guess || self.project.layout.state().exists() {
            return Ok(());
        }
        let root = self.project.layout.root();
        let why = format!("a folder above this one is the project, because it has a .venv: {root}");
        let instead =
            "to use the current folder instead, write -C . before the command, such as: pipulate -C . start";
        self.printer.warning(why);
        if !ask::can_ask(&self.printer) {
            self.printer.hint(instead);
            return Ok(());
        }
        match ask::yes(&self.printer, "Make a home there?") {
            true => Ok(()),
            false => Err(Failure::failed("nothing was changed").hint(instead)),
        }
    }

    /// Returns the same context with the guess confirmed.
    ///
    /// # Errors
    /// The answer was no.
    pub(crate) fn confirmed(&self) -> Result<Self, Failure> {
        self.confirm_guess()?;
        Ok(Self { is_guess: false, ..self.clone() })
    }

    /// Remembers the Python of the started services.
    pub(crate) fn remember_environment(&self) {
        self.project.remember_environment(&mut |note| notes::say(&self.printer, &note));
    }

    /// Returns the context for another project, or for a changed version of this one.
    pub(crate) fn about(&self, project: Project) -> Self {
        Self { project, ..self.clone() }
    }

    /// Returns the context with another printer.
    pub(crate) fn printing_with(&self, printer: Printer) -> Self {
        Self { printer, ..self.clone() }
    }

    /// Returns the context with its configuration read again.
    pub(crate) fn reread(&self) -> Self {
        self.about(self.project.reread())
    }

    /// The path for running this program again: its file, or the executable of this process if that is gone.
    pub(crate) fn own_program(&self) -> PathBuf {
        let exe = &self.project.exe;
        if exe.is_file() { exe.clone() } else { table::own_image(exe) }
    }

    /// Returns the context for another of the user's projects.
    ///
    /// # Errors
    /// Its `.pipulate` is a link, or has one in it.
    pub(crate) fn of_project(&self, root: AbsPath) -> Result<Self, Fault> {
        if let Some(path) = home::link_in_state(&root) {
            return Err(Fault::Refused { path, why: FileRefusal::Link });
        }
        let layout = home::locate(root, self.project.layout.user().cloned());
        Ok(self.about(self.project.at(layout)))
    }

    /// The Python of the project's environment, found without starting it.
    ///
    /// # Errors
    /// There is none yet, or the configuration can't be used.
    pub(crate) fn python(&self) -> Result<PathBuf, Failure> {
        existing_python(&self.project.layout, &self.config()?.python).ok_or_else(|| {
            Failure::failed(format!(
                "there is no Python environment here yet: {}",
                self.project.layout.root()
            ))
            .hint("make it with: pipulate setup")
        })
    }

    /// The command that starts or stops this project here: `start`, or `pipulate start`.
    pub(crate) fn typed(&self, word: &'static str) -> String {
        let Project { layout, config, around, .. } = &self.project;
        let bin = config.as_ref().map(|config| bin_dir(layout, &config.python));
        bare_words::typed(&bin.unwrap_or_default(), word, around)
    }

    /// The project's configuration.
    ///
    /// # Errors
    /// `pipulate.toml` exists and can't be used.
    pub(crate) fn config(&self) -> Result<&Config, Failure> {
        self.project.config().map_err(denial::failure)
    }

    /// The result of reading `pipulate.toml`.
    pub(crate) fn config_as_read(&self) -> &Result<Config, ConfigError> {
        &self.project.config
    }

    /// The configuration if it can be used; otherwise prints a warning. For verbs that query or stop
    /// services, and must not fail because of a misspelled key.
    pub(crate) fn config_or_warning(&self) -> Option<&Config> {
        match &self.project.config {
            Ok(config) => Some(config),
            Err(error) => {
                self.printer.warning(format!("{} is ignored: {error}", self.project.layout.config()));
                None
            }
        }
    }

    /// The masker of this project's secrets; warns of secrets that could not be read.
    pub(crate) fn masker(&self) -> Masker {
        let secrets = secrets::of_home(&self.project.layout, self.project.config.as_ref().ok());
        self.warn_of_unmasked(secrets.problems);
        secrets.masker
    }

    /// Warns of secrets that could not be read.
    pub(crate) fn warn_of_unmasked(&self, problems: Vec<String>) {
        for problem in problems {
            self.printer.warning(format!("secrets in it are not masked: {problem}"));
        }
    }

    /// Checks that each of these names is among `known`.
    ///
    /// # Errors
    /// One is unknown; the failure lists the known names.
    pub(crate) fn refuse_unknown(
        &self,
        asked: &[ServiceName],
        known: &BTreeSet<ServiceName>,
    ) -> Result<(), Failure> {
        self.project.refuse_unknown(asked, known).map_err(denial::failure)
    }

    /// The configured services, and those that left a log.
    ///
    /// # Errors
    /// The folder of the logs can't be listed.
    pub(crate) fn known_services(&self) -> Result<BTreeSet<ServiceName>, Failure> {
        let mut known = read::services(&self.project.layout)?;
        known.extend(self.project.services());
        Ok(known)
    }
}

/// The current folder.
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

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_configuration_is_an_error_or_a_warning_that_shows_the_line() {
        let project = samples::project("[services.jupyter]\nprot = 1\n");
        let failure = project.context.config().unwrap_err();
        let text = failure.render(crate::style::Style::plain());
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
        assert_eq!(failure.kind, crate::error::FailureKind::Usage);
        insta::assert_snapshot!(failure.render(crate::style::Style::plain()), @r"
        error: there is no such service: jupiter
        hint: the services are: jupyter, server
        ");
        assert!(project.context.refuse_unknown(&[ServiceName::parse("jupyter").unwrap()], &known).is_ok());
    }
}

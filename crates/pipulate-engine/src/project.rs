//! A project in the context of a request: its folders, its configuration, and the environment of this
//! process.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pipulate_core::answer::Note;
use pipulate_core::config::{Config, ConfigError};
use pipulate_core::env_error::EnvError;
use pipulate_core::layout::Layout;
use pipulate_core::marker::{self, Marker};
use pipulate_core::reason::Reason;
use pipulate_core::secret::EnvKey;
use pipulate_core::service::ServiceName;
use pipulate_core::status::{ProjectStatus, ServiceStatus};
use pipulate_environment::surroundings::Surroundings;
use pipulate_environment::venv;
use pipulate_process::identity::Verified;
use pipulate_store::dotenv::EnvFile;
use pipulate_store::{files, home, registry};
use pipulate_supervisor::program::Program;
use pipulate_supervisor::scope::Scope;

use crate::denial::{Denial, WhyUnknown};
use crate::{jupyter_settings, plan, query, takeover};

/// One project.
#[derive(Debug, Clone)]
pub struct Project {
    pub layout: Layout,
    pub config: Result<Config, ConfigError>,
    /// This very program, for starting it again.
    pub exe: PathBuf,
    pub around: Surroundings,
    /// True if this process may take locks of services: nothing else in it looks at them meanwhile.
    pub takes_locks: bool,
    /// Launched supervisors to be reaped, in a long-lived process.
    pub launched: Option<Arc<Mutex<Vec<Verified>>>>,
}

/// Reads a project's configuration.
///
/// # Errors
/// `pipulate.toml` is there and can't be used.
pub fn read_config(layout: &Layout) -> Result<Config, ConfigError> {
    match files::read_foreign_text(&layout.config()) {
        Ok(text) => Config::parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Config::parse(""),
        Err(error) => Err(ConfigError { message: format!("could not read it: {error}") }),
    }
}

impl Project {
    /// Returns the configuration.
    ///
    /// # Errors
    /// It can't be used.
    pub fn config(&self) -> Result<&Config, Denial> {
        let file = self.layout.config();
        self.config.as_ref().map_err(|error| Denial::Config { file, error: error.clone() })
    }

    /// Returns the project's name: the configured one, or else the folder's.
    pub fn name(&self) -> String {
        let configured = self.config.as_ref().ok().and_then(|config| config.name.clone());
        let folder = || self.layout.root().file_name().map(|name| name.to_string_lossy().into_owned());
        configured.or_else(folder).unwrap_or_else(|| "pipulate".to_owned())
    }

    /// Returns the services that exist here, in the order of the configuration. If that is unreadable: the
    /// default services, and those with a record; a folder that is gone has none.
    pub fn services(&self) -> Vec<ServiceName> {
        if !self.layout.root().is_dir() {
            return Vec::new();
        }
        let mut services = match &self.config {
            Ok(config) => self.configured(config),
            Err(_) => Config::parse("").map(|config| self.configured(&config)).unwrap_or_default(),
        };
        if self.config.is_err() {
            let mut recorded = query::services(&self.layout).unwrap_or_default();
            recorded.retain(|name| !services.contains(name));
            services.extend(recorded);
        }
        services
    }

    /// Returns the services that exist by a configuration.
    pub(crate) fn configured(&self, config: &Config) -> Vec<ServiceName> {
        let known = plan::known_services(config, self.layout.server_py().is_file());
        known.into_iter().map(|service| service.name.clone()).collect()
    }

    /// Returns the marker of the service in which this process was started, if any.
    pub fn own_marker(&self) -> Option<Marker> {
        Marker::parse(self.around.text(marker::VARIABLE)?)
    }

    /// Returns the service of this project in which this process was started and with which it ends.
    pub fn own_service(&self) -> Option<ServiceName> {
        self.own_marker().filter(|own| own.project == self.layout.project_id()).map(|own| own.service)
    }

    /// Returns the project with its current configuration.
    pub fn reread(&self) -> Self {
        self.at(self.layout.clone())
    }

    /// Returns another project, or this one with its files in another place, for this process.
    pub fn at(&self, layout: Layout) -> Self {
        Self { config: read_config(&layout), layout, ..self.clone() }
    }

    /// True if any service of this project is alive, or may be where we can't look.
    pub fn is_alive(&self) -> bool {
        let is_alive = |layout: &Layout| {
            let status = query::status(layout, "", &[]);
            !status.unknown.is_empty() || status.services.iter().any(ServiceStatus::is_there)
        };
        is_alive(&self.layout) || home::others_in_use(&self.layout).iter().any(is_alive)
    }

    /// Returns the project in each other place where something of it may be running.
    pub fn elsewhere(&self) -> Vec<Self> {
        let others = home::others_in_use(&self.layout).into_iter();
        others.map(|layout| Self { layout, ..self.clone() }).collect()
    }

    /// Refuses to start a second instance of services that run with their files in another place.
    ///
    /// # Errors
    /// One of them does.
    pub fn refuse_elsewhere(&self, services: &[ServiceName]) -> Result<(), Denial> {
        for place in self.elsewhere() {
            let there = query::glance(&place.layout, &self.name(), &[]).services;
            if let Some(found) = there.into_iter().find(|found| services.contains(&found.name)) {
                return Err(Denial::RunsElsewhere { service: found.name, run: place.layout.run().clone() });
            }
        }
        Ok(())
    }

    /// Refuses names that are not among `known`.
    ///
    /// # Errors
    /// One is not.
    pub fn refuse_unknown(&self, asked: &[ServiceName], known: &BTreeSet<ServiceName>) -> Result<(), Denial> {
        let Some(unknown) = asked.iter().find(|name| !known.contains(name)) else { return Ok(()) };
        let configured = self.config.as_ref().ok().and_then(|config| config.service(unknown.as_str()));
        let why = match configured {
            Some(service) if !service.enabled => WhyUnknown::Disabled,
            Some(_) => WhyUnknown::OnlyBesideServerPy,
            None => WhyUnknown::NoSuchService,
        };
        let known = known.iter().cloned().collect();
        Err(Denial::UnknownService { service: unknown.clone(), why, known })
    }

    /// Returns the status of every place where something of the project may be running.
    pub fn status(&self, probes: Probes) -> ProjectStatus {
        let look = match probes {
            Probes::Run => query::status,
            Probes::Skip => query::glance,
        };
        let name = self.name();
        let mut status = look(&self.layout, &name, &self.services());
        for place in self.elsewhere() {
            let there = look(&place.layout, &name, &[]);
            status.unknown.extend(there.unknown);
            for mut service in there.services {
                if service.reasons.is_empty() {
                    service.reasons.push(Reason::FilesElsewhere { folder: place.layout.run().to_path_buf() });
                }
                let is_it = |here: &&mut ServiceStatus| here.name == service.name && !here.is_there();
                match status.services.iter_mut().find(is_it) {
                    Some(here) => *here = service,
                    None => status.services.push(service),
                }
            }
        }
        status
    }

    /// Returns those services that are supervised, alive, and healthy.
    pub fn already_up(&self, services: &[ServiceName]) -> Vec<ServiceName> {
        let status = self.status(Probes::Run);
        let is_up = |service: &&ServiceStatus| {
            service.supervisor_pid.is_some() && service.state.is_well() && service.live.is_some()
        };
        let up: Vec<&ServiceStatus> = status.services.iter().filter(is_up).collect();
        services.iter().filter(|name| up.iter().any(|service| service.name == **name)).cloned().collect()
    }

    /// Returns the project with the folders of a home, made if needed: their real place is known then.
    ///
    /// # Errors
    /// They can't be made, or belong to another user.
    pub fn home(&self, on_note: &mut dyn FnMut(Note)) -> Result<Self, Denial> {
        let is_new = !self.layout.state().exists();
        let layout = home::ensure(&self.layout).map_err(|error| Denial::NoHome { error: error.into() })?;
        if is_new {
            on_note(Note::NewHome { root: layout.root().clone() });
        }
        match takeover::take_over(&layout) {
            Ok(true) if !is_new => on_note(Note::CopiedHome),
            Ok(_) => {}
            Err(error) => on_note(Note::NotRemembered { error: error.into() }),
        }
        if *layout.run() != *self.layout.run() {
            on_note(Note::RunMoved { run: layout.run().clone() });
        }
        Ok(Self { layout, ..self.clone() })
    }

    /// Makes the home of a project that is to be started, and adds it to the user's list.
    ///
    /// # Errors
    /// As [`Project::home`].
    pub fn make_home(&self, on_note: &mut dyn FnMut(Note)) -> Result<Self, Denial> {
        let project = self.home(on_note)?;
        project.remember_environment(on_note);
        // JupyterLab's supervisor tries again, and warns.
        if self.config.as_ref().is_ok_and(Config::has_jupyter)
            && let Err(error) = jupyter_settings::write_first(&project.layout)
        {
            tracing::debug!("{error}");
        }
        if let Err(error) = registry::remember(&project.layout) {
            on_note(Note::NotListed { error: error.into() });
        }
        Ok(project)
    }

    /// Remembers the Python that the requested services run with: `doctor` may run it, too.
    pub fn remember_environment(&self, on_note: &mut dyn FnMut(Note)) {
        if let Ok(config) = &self.config
            && let Err(error) = venv::remember(&self.layout, &config.python)
        {
            on_note(Note::NotRemembered { error: error.into() });
        }
    }

    /// Returns the required secrets of the project that have no value.
    ///
    /// # Errors
    /// Their file can't be read or parsed.
    pub fn missing_secrets(&self, config: &Config) -> Result<Vec<EnvKey>, EnvError> {
        if config.secrets.is_empty() {
            return Ok(Vec::new());
        }
        let values = EnvFile::of(&self.layout).known_values()?.0;
        let has_value = |key: &&EnvKey| {
            let in_file =
                values.iter().any(|(name, value)| name == key.as_str() && !value.expose().is_empty());
            in_file || self.around.variable(key.as_str()).is_some()
        };
        Ok(config.secrets.iter().filter(|key| !has_value(key)).cloned().collect())
    }

    /// Returns the supervising program.
    pub fn program(&self) -> Program {
        Program::new(self.exe.clone())
    }

    /// Returns the supervising program in a scope that outlives this login, if the system has scopes.
    pub fn lasting_program(&self) -> Program {
        Program { scope: Scope::of_session(), ..self.program() }
    }
}

/// Selects if services are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probes {
    Run,
    Skip,
}

#[cfg(test)]
pub(crate) mod samples {
    //! Projects for tests.

    use std::fs;

    use pipulate_core::project::AbsPath;

    use super::*;

    /// A project in its own folder, deleted when dropped.
    pub(crate) struct Sample {
        pub(crate) project: Project,
        _folder: tempfile::TempDir,
    }

    pub(crate) fn project(config: &str) -> Sample {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        fs::write(layout.config(), config).unwrap();
        let project = Project {
            config: read_config(&layout),
            layout,
            exe: "/bin/pipulate".into(),
            around: Surroundings::default(),
            takes_locks: true,
            launched: None,
        };
        Sample { project, _folder: folder }
    }
}

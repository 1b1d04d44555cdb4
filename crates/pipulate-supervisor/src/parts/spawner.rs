//! Spawner: the command, the environment and the start of one instance.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;

use jiff::Timestamp;
use pipulate_core::identity::Host;
use pipulate_core::marker::{self, Marker, Part, RunId};
use pipulate_core::reason::{Attempt, Reason};
use pipulate_core::service::ServiceSpec;
use pipulate_process::identity::Verified;
use pipulate_process::signals::Signal;
use pipulate_process::{reaper, spawn};
use pipulate_store::error::StoreError;
use pipulate_store::record;

use super::main_process::{Handle, Main};
use super::record_writer::WrittenAhead;
use crate::process_tree::Service;
use crate::program::Program;
use crate::startable::explain;

/// Why there is no new instance.
#[derive(Debug)]
pub(crate) struct SpawnFailure {
    pub(crate) why: Reason,
    /// It may be temporary.
    pub(crate) passes: bool,
}

impl SpawnFailure {
    fn of(attempt: Attempt, error: &io::Error) -> Self {
        let why = Reason::SystemError { attempt, error: error.to_string() };
        Self { why, passes: spawn::is_passing(error) }
    }

    /// The system gave no random numbers.
    pub(crate) fn of_random(error: impl ToString) -> Self {
        Self::of(Attempt::GetRandomNumbers, &io::Error::other(error.to_string()))
    }
}

impl From<StoreError> for SpawnFailure {
    fn from(error: StoreError) -> Self {
        let passes = error.system().is_some_and(spawn::is_passing);
        Self { why: Reason::FileProblem { problem: error.into() }, passes }
    }
}

impl From<Reason> for SpawnFailure {
    fn from(why: Reason) -> Self {
        Self { why, passes: false }
    }
}

/// The inputs of a start.
pub(crate) struct Spawner<'a> {
    pub(crate) spec: &'a ServiceSpec,
    pub(crate) service: &'a Service,
    pub(crate) program: &'a Program,
    pub(crate) port: Option<u16>,
    pub(crate) host: &'a Host,
}

impl Spawner<'_> {
    /// Starts an instance whose run is on disk; it reads `input`, or else nothing, and prints to `output`.
    ///
    /// # Errors
    /// Nothing runs.
    pub(crate) fn spawn(
        &self,
        ahead: WrittenAhead,
        input: Option<OwnedFd>,
        output: OwnedFd,
    ) -> Result<Main, SpawnFailure> {
        let run = ahead.into_run();
        let command = self.command(&run);
        let stderr = output.try_clone().map_err(|error| SpawnFailure::of(Attempt::OpenOutput, &error))?;
        let pid = spawn::spawn(spawn::Start {
            command: &command,
            directory: &self.spec.directory,
            env: &self.environment(&run),
            env_removed: &self.spec.env_removed,
            stdin: input,
            stdout: output,
            stderr,
        })
        .map_err(|error| SpawnFailure {
            why: explain(&command, &self.spec.directory, &error),
            passes: spawn::is_passing(&error),
        })?;
        let verified = Verified::pin_new_child(pid, self.host).map_err(|error| {
            // Without a handle its end would not be noticed: it must not run.
            reaper::signal_group_of_child(pid, Signal::KILL);
            SpawnFailure { passes: true, ..SpawnFailure::of(Attempt::WatchProcess, &error) }
        })?;
        let identity = verified.identity().clone();
        let record = record::MainProcess { identity, run, started_at: Timestamp::now() };
        Ok(Main { process: Handle::Child(verified), record })
    }

    fn command(&self, run: &RunId) -> Vec<OsString> {
        let terminal = self.marker(Part::Terminal(run.clone()));
        let words = self.spec.command.iter();
        let mut command: Vec<OsString> = words.map(|word| word.resolve(self.port, &terminal)).collect();
        // The app is this very program, whose file may be gone by now.
        if let Some(program) = command.first_mut().filter(|program| **program == *self.program.path) {
            *program = self.program.image().into();
        }
        command
    }

    fn environment(&self, run: &RunId) -> BTreeMap<String, OsString> {
        let mut env = self.spec.env.clone();
        env.insert("PYTHONUNBUFFERED".to_owned(), "1".into());
        env.insert(marker::VARIABLE.to_owned(), self.marker(Part::Run(run.clone())).into());
        if let Some(port) = self.port {
            env.insert("PORT".to_owned(), port.to_string().into());
        }
        env
    }

    fn marker(&self, part: Part) -> String {
        let Service { project, name } = self.service.clone();
        Marker { project, service: name, part }.to_string()
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::service::Word;
    use pipulate_process::identity;

    use super::*;
    use crate::parts::samples;

    #[test]
    fn an_instance_learns_its_port_and_carries_the_marker_of_its_run() {
        let (_folder, layout) = samples::home();
        let mut spec = samples::spec(&layout);
        spec.command = vec![
            Word::Plain("worker".into()),
            Word::Port("--port=".to_owned()),
            Word::TerminalMarker { before: "[".to_owned(), after: "]".to_owned() },
        ];
        spec.env.insert("KEY".to_owned(), "value".into());
        let (service, host) = (Service::of(&layout, &spec.name), identity::host());
        let (program, run) = (Program::new("/bin/pipulate"), RunId::from_random(7));
        let spawner = |port| Spawner { spec: &spec, service: &service, program: &program, port, host: &host };
        let command = spawner(Some(5001)).command(&run);
        assert_eq!(command[..2], ["worker", "--port=5001"]);
        let marker = |part| Marker { project: layout.project_id(), service: spec.name.clone(), part };
        assert_eq!(command[2], *format!("[{}]", marker(Part::Terminal(run.clone()))));
        let env = spawner(Some(5001)).environment(&run);
        assert_eq!(
            (&*env["PORT"], &*env["KEY"], &*env["PYTHONUNBUFFERED"]),
            ("5001".as_ref(), "value".as_ref(), "1".as_ref(),)
        );
        assert_eq!(env[marker::VARIABLE], *marker(Part::Run(run.clone())).to_string());
        assert!(!spawner(None).environment(&run).contains_key("PORT"));
    }
}

//! Programs that are run to their end, or detached: probes, installers, the browser's opener.
//!
//! A command is data, never a shell string. Its stdin is `/dev/null` unless bytes are given.

mod running;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use self::running::{Group, Kept, Running};
use crate::signals;

/// A program, its arguments, and its changes to our environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    program: PathBuf,
    /// Its `argv[0]`, if that differs from the program.
    called: Option<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
    stdin: Vec<u8>,
}

/// How a command ended, and its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub end: End,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Code(i32),
    Signal(i32),
    /// It exceeded its timeout and was killed.
    TimedOut,
    /// It ended, and its exit status is lost.
    Unknown,
}

impl End {
    /// True if it exited with 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for End {
    /// `ended with code 1`, `was killed by SIGKILL`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with code {code}"),
            Self::Signal(number) => write!(f, "was killed by {}", signals::name(*number)),
            Self::TimedOut => f.write_str("took too long"),
            Self::Unknown => f.write_str("ended with an unknown status"),
        }
    }
}

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Why a command could not be run at all.
#[derive(Debug, thiserror::Error)]
#[error("could not run {program}: {source}")]
pub struct CommandError {
    pub program: PathBuf,
    pub source: io::Error,
}

impl Command {
    /// A command without arguments. A bare program name is looked up on `PATH`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            called: None,
            args: Vec::new(),
            env: Vec::new(),
            directory: None,
            stdin: Vec::new(),
        }
    }

    /// Sets its `argv[0]`.
    pub fn called(mut self, name: impl Into<OsString>) -> Self {
        self.called = Some(name.into());
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), Some(value.into())));
        self
    }

    /// Removes a variable from its environment.
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.env.push((name.into(), None));
        self
    }

    /// Sets its working directory.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets the bytes that it reads from stdin.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Returns the program as it was given.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Returns program and arguments in one line, for display.
    pub fn display(&self) -> String {
        let words =
            std::iter::once(self.program.as_os_str()).chain(self.args.iter().map(OsString::as_os_str));
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end, but at most for `timeout`; then kills its whole process group.
    ///
    /// # Errors
    /// It could not be started.
    pub fn output(&self, timeout: Duration) -> Result<Output, CommandError> {
        let mut running = Running::begin(self, Group::Own)?;
        let mut kept = Kept::default();
        let end = running.wait(Some(timeout), |stream, bytes| kept.take(stream, bytes));
        let end = end.map_err(|source| self.error(source))?.unwrap_or_else(|| running.kill());
        Ok(kept.with(end))
    }

    /// Runs it to its end and calls back with each line as it comes, without its line break. A very long line
    /// comes in pieces.
    ///
    /// # Errors
    /// It could not be started.
    pub fn lines(&self, mut on_line: impl FnMut(Stream, &str)) -> Result<End, CommandError> {
        // It stays in our group, so that Ctrl-C reaches it too.
        let mut running = Running::begin(self, Group::Ours)?;
        let end = running.wait(None, |stream, line| {
            let text = String::from_utf8_lossy(line);
            on_line(stream, text.trim_end_matches(['\n', '\r']));
        });
        Ok(end.map_err(|source| self.error(source))?.unwrap_or(End::Unknown))
    }

    /// Runs it to its end in a new session, so that it continues when we and our group are ended. Calls back
    /// with each line of its stdout, whole.
    ///
    /// # Errors
    /// It could not be started.
    pub fn session_lines(&self, mut on_line: impl FnMut(&[u8])) -> Result<End, CommandError> {
        let mut running = Running::begin(self, Group::Session)?;
        let mut line = Vec::new();
        let end = running.wait(None, |stream, bytes| {
            if stream == Stream::Stdout {
                line.extend_from_slice(bytes);
                if line.ends_with(b"\n") {
                    on_line(&line);
                    line.clear();
                }
            }
        });
        Ok(end.map_err(|source| self.error(source))?.unwrap_or(End::Unknown))
    }

    /// Runs it with our own stdin, stdout and stderr, in our own process group, to its end.
    ///
    /// # Errors
    /// It could not be started.
    pub fn attached(&self) -> Result<End, CommandError> {
        let mut child = self.std_command().spawn().map_err(|source| self.error(source))?;
        let status = child.wait().map_err(|source| self.error(source))?;
        Ok(end_of(status))
    }

    /// Starts it in a new session, without our descriptors, and detaches from it.
    ///
    /// # Errors
    /// It could not be started.
    pub fn detached(&self) -> Result<(), CommandError> {
        let mut command = self.std_command();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        own_session(&mut command);
        let mut child = command.spawn().map_err(|source| self.error(source))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program may choose not to read its stdin.
            let _unread = stdin.write_all(&self.stdin);
        }
        // Reaps it if it ends before we do.
        thread::spawn(move || child.wait());
        Ok(())
    }

    /// Executes this program in place of this process; returns only on failure.
    pub fn exec(&self) -> CommandError {
        self.error(self.std_command().exec())
    }

    #[expect(clippy::disallowed_methods, reason = "this crate starts processes")]
    fn std_command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args);
        if let Some(name) = &self.called {
            command.arg0(name);
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    fn error(&self, source: io::Error) -> CommandError {
        CommandError { program: self.program.clone(), source }
    }
}

#[expect(unsafe_code, reason = "CommandExt::setsid is not stable yet")]
fn own_session(command: &mut std::process::Command) {
    // SAFETY: setsid is async-signal-safe and allocates nothing.
    unsafe {
        command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?));
    }
}

fn end_of(status: std::process::ExitStatus) -> End {
    status.code().map(End::Code).or_else(|| status.signal().map(End::Signal)).unwrap_or(End::Code(1))
}

#[cfg(test)]
mod tests;

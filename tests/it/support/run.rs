//! Runs programs to their end and captures their output.
//!
//! A program has ended when its output has ended: a child that keeps our pipes open would hang `$(pipulate
//! start)`, and fails here.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::project::PIPULATE;

/// Longer than any of our programs takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program's exit code and output.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Fails with all output unless this is the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

/// A command with stdin at `/dev/null` and nothing else set.
#[expect(clippy::disallowed_methods, reason = "tests start programs with environments of their own making")]
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.stdin(Stdio::null());
    command
}

/// The same command as a user other than root.
pub(crate) fn as_user(user: &str, command: &Command) -> Command {
    let mut other = self::command("setpriv");
    other.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]);
    other.arg(for_everybody(command)).args(command.get_args()).env_clear();
    other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        other.current_dir(folder);
    }
    other
}

/// The command's program. Ours is copied beside the project: other users may not be able to
/// enter the checkout.
fn for_everybody(command: &Command) -> PathBuf {
    let program = PathBuf::from(command.get_program());
    let beside = command.get_current_dir().and_then(Path::parent).filter(|_| program == Path::new(PIPULATE));
    let Some(copy) = beside.map(|folder| folder.join("pipulate")) else { return program };
    if !copy.exists() {
        std::fs::copy(&program, &copy).unwrap();
    }
    copy
}

/// Runs a command to its end, its output in pipes.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> Output {
    output_of(command, "")
}

/// Runs a command with `input` in a pipe as stdin; an empty input leaves stdin as it is set.
#[track_caller]
pub(crate) fn output_of(command: &mut Command, input: &str) -> Output {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).unwrap();
    }
    let stdout = read_to_end(child.stdout.take().unwrap());
    let stderr = read_to_end(child.stderr.take().unwrap());
    let texts = stdout.recv_timeout(PATIENCE).and_then(|out| Ok((out, stderr.recv_timeout(PATIENCE)?)));
    let Ok((stdout, stderr)) = texts else {
        let _gone = child.kill();
        panic!("after {PATIENCE:?} somebody still holds the output of {command:?}");
    };
    let code = child.wait().unwrap().code();
    Output { code, stdout, stderr }
}

fn read_to_end(mut source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _read = source.read_to_end(&mut bytes);
        // After a failure there is no receiver.
        let _failed = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

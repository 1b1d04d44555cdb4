//! Runs programs as evidence, which is shown with the finding.

use std::time::Duration;

use pipulate_process::command::{Command, End};

/// A program that takes longer is considered hung.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that was run, with its output.
pub(super) struct Said {
    command: String,
    pub(super) end: Option<End>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Said {
    /// Returns true if it ended with 0.
    pub(super) fn is_well(&self) -> bool {
        self.end.is_some_and(End::success)
    }

    /// Replaces the command line in the evidence with a shorter name.
    pub(super) fn called(self, command: String) -> Self {
        Self { command, ..self }
    }

    /// The most relevant line: the last one of stderr, else of stdout.
    pub(super) fn last_line(&self) -> &str {
        last_line(&self.stderr).or_else(|| last_line(&self.stdout)).unwrap_or("nothing")
    }

    /// The command and its output, for a finding.
    pub(super) fn evidence(&self) -> String {
        ran(&self.command, self.last_line())
    }
}

/// Runs a program to its end. The machine's own programs don't get the libraries that were meant for Python,
/// which may break them.
pub(super) fn of_machine(command: Command) -> Said {
    of(command.env_remove("LD_LIBRARY_PATH").env_remove("PYTHONHOME").env_remove("PYTHONPATH"))
}

/// Runs a program to its end.
pub(super) fn of(command: Command) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = command.display();
    match command.output(PATIENCE) {
        Ok(output) => Said {
            command: name,
            end: Some(output.end),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        },
        Err(error) => Said { command: name, end: None, stdout: String::new(), stderr: error.to_string() },
    }
}

/// The words of a finding about a program that was run.
pub(super) fn ran(command: &str, said: &str) -> String {
    format!("ran: {command}\nit said: {said}")
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

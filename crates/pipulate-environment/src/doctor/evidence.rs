//! Running something to see what it says: the evidence is told with the finding.

use std::time::Duration;

use pipulate_process::command::{Command, End};

/// What does not answer by then hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that was run, and what it said.
pub(super) struct Said {
    command: String,
    pub(super) end: Option<End>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Said {
    /// Whether it ended with 0.
    pub(super) fn is_well(&self) -> bool {
        self.end.is_some_and(End::success)
    }

    /// The same under a shorter name than the command line.
    pub(super) fn called(self, command: String) -> Self {
        Self { command, ..self }
    }

    /// What a person needs of it: the error's last line, else the last line of all.
    pub(super) fn last_line(&self) -> &str {
        last_line(&self.stderr).or_else(|| last_line(&self.stdout)).unwrap_or("nothing")
    }

    /// What was run and what it said, for a finding.
    pub(super) fn evidence(&self) -> String {
        ran(&self.command, self.last_line())
    }
}

/// Runs a program to its end. Libraries that were meant for Python are not given to the machine's
/// own programs: they may break them.
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

/// The words of a finding about something that was run.
pub(super) fn ran(command: &str, said: &str) -> String {
    format!("ran: {command}\nit said: {said}")
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

//! A terminal with a user: `script` holds the other end.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::run;
use super::wait::wait_for;

/// A command that runs in a terminal of its own.
pub(crate) struct Terminal {
    script: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Runs a shell line in a new terminal, with the environment and folder of `like`.
    pub(crate) fn open(like: &Command, line: &str) -> Self {
        // The test runner may ignore SIGHUP; a user's terminal doesn't.
        let mut command = run::command("env");
        command.args(["--default-signal=HUP", "script"]);
        command.args(["--quiet", "--flush", "--return", "--command", line, "/dev/null"]).env_clear();
        command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.envs([("TERM", "xterm-256color"), ("SHELL", "/bin/sh")]);
        if let Some(folder) = like.get_current_dir() {
            command.current_dir(folder);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = command.spawn().expect("`script`, of util-linux, opens terminals");
        let mut screen = script.stdout.take().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&shown);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                writer.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { script, shown }
    }

    /// The output so far.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Types text.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.script.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the terminal has shown a text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        wait_for(&format!("{text:?} in the terminal"), || self.shown().contains(text).then_some(()));
    }

    /// Closes the window: its processes get SIGHUP.
    pub(crate) fn hang_up(mut self) {
        self.script.kill().unwrap();
        self.script.wait().unwrap();
    }

    /// Types when the line editor shows its prompt again and nothing after it.
    ///
    /// Before that, the terminal driver takes the keys: Ctrl-D is no end of input for the editor then.
    #[track_caller]
    pub(crate) fn type_at(&mut self, prompt: &str, text: &str) {
        wait_for(&format!("{prompt:?} at the end of the terminal"), || {
            let shown = self.shown();
            let (_, rest) = shown.rsplit_once(prompt)?;
            only_escapes(rest).then_some(())
        });
        self.type_text(text);
    }

    /// Waits until the command has ended, and returns its exit code.
    #[track_caller]
    pub(crate) fn end(mut self) -> Option<i32> {
        let script = &mut self.script;
        wait_for("the end of the command in the terminal", || script.try_wait().unwrap()).code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.script.kill();
        let _reaped = self.script.wait();
    }
}

/// Returns true if a text only moves the cursor and sets modes.
fn only_escapes(text: &str) -> bool {
    let mut parts = text.split('\x1b');
    let is_escape = |part: &str| {
        let parameters = |letter: char| letter.is_ascii_digit() || ";?".contains(letter);
        part.strip_prefix('[').is_some_and(|rest| rest.trim_start_matches(parameters).trim_end().len() == 1)
    };
    parts.next().is_some_and(|plain| plain.trim().is_empty()) && parts.all(is_escape)
}

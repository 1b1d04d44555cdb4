//! A terminal with a screen: tmux keeps the visible text and the cursor.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Process;
use super::run;
use super::wait::{holds, wait_for};

/// The width; longer lines continue in the next row.
pub(crate) const COLUMNS: usize = 60;

/// The text before the exit code.
const ENDED: &str = "the command ended with ";

/// A command on a screen of its own.
pub(crate) struct Screen {
    socket: PathBuf,
    server: Process,
    _folder: tempfile::TempDir,
}

impl Screen {
    /// Runs a shell line on a new screen, with the environment and folder of `like`.
    #[track_caller]
    pub(crate) fn open(like: &Command, line: &str) -> Self {
        // tmux sometimes misses the exit code, so the surrounding shell prints it.
        let line = format!("trap : INT\n{line}\necho \"{ENDED}$?.\"; read stay");
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("tmux");
        let mut server = tmux(&socket);
        server.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        server.env("TERM", "xterm-256color");
        if let Some(directory) = like.get_current_dir() {
            server.current_dir(directory);
        }
        server.args([
            "-f",
            "/dev/null",
            "set-option",
            "-g",
            "remain-on-exit",
            "on",
            ";",
            "new-session",
            "-d",
        ]);
        server.args(["-x", &COLUMNS.to_string(), "-y", "24", "sh", "-c", &line]);
        run::output(&mut server).expect(0);
        let pid = run::output(tmux(&socket).args(["display-message", "-p", "#{pid}"])).expect(0).stdout;
        let process = Process::find(pid.trim().parse().unwrap()).expect("tmux's server");
        Self { socket, server: process, _folder: folder }
    }

    /// Types text.
    #[track_caller]
    pub(crate) fn type_text(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    /// Presses a key by its name, such as `Up` or `C-c`.
    #[track_caller]
    pub(crate) fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Types a line.
    #[track_caller]
    pub(crate) fn enter(&self, line: &str) {
        self.type_text(line);
        self.press("Enter");
    }

    /// The rows without trailing spaces.
    #[track_caller]
    pub(crate) fn rows(&self) -> Vec<String> {
        self.tmux(&["capture-pane", "-p"]).lines().map(|row| row.trim_end().to_owned()).collect()
    }

    /// The screen's text, with wrapped lines joined.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J"])
    }

    /// The screen's text with its colors.
    #[track_caller]
    pub(crate) fn colored(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J", "-e"])
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        holds(&format!("{text:?} on the screen"), || self.text().contains(text));
    }

    /// Waits until the command has ended, and returns its exit code.
    #[track_caller]
    pub(crate) fn end(self) -> i32 {
        wait_for("the end of the command on the screen", || {
            self.text().split_once(ENDED)?.1.split_once('.')?.0.parse().ok()
        })
    }

    #[track_caller]
    fn tmux(&self, args: &[&str]) -> String {
        run::output(tmux(&self.socket).args(args)).expect(0).stdout
    }
}

impl Drop for Screen {
    #[expect(clippy::print_stderr, reason = "what a failed test shows last helps to understand it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the screen of the failed test:\n{}", self.text());
        }
        run::output(tmux(&self.socket).arg("kill-server"));
        if !std::thread::panicking() {
            holds("the end of tmux", || !self.server.lives());
        }
    }
}

fn tmux(socket: &Path) -> Command {
    let mut command = run::command("tmux");
    command.arg("-S").arg(socket);
    command
}

//! A command that is held right before it signals a supervisor: its decision is already made.

use std::fs;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use super::project::{PIPULATE, TestProject};
use super::run::{self, Output};
use super::wait::holds;

pub(crate) struct Held {
    go: PathBuf,
    sent: PathBuf,
    call: JoinHandle<Output>,
}

impl Held {
    /// Starts the command and waits until it is held.
    #[track_caller]
    pub(crate) fn begin(project: &TestProject, args: &[&str]) -> Self {
        let at = |name: &str| project.home().join(name);
        let (source, holder) = (at("held.c"), at("held"));
        if !holder.exists() {
            fs::write(&source, include_str!("held.c")).unwrap();
            run::output(project.foreign("cc").arg("-o").arg(&holder).arg(&source)).expect(0);
        }
        let number = fs::read_dir(project.home()).unwrap().count();
        let [about, go, sent] = ["about", "go", "sent"].map(|name| at(&format!("{name}.{number}")));
        let mut command = project.foreign(&holder);
        command.arg(&about).arg(&go).arg(&sent).arg(PIPULATE).args(args);
        let call = thread::spawn(move || run::output(&mut command));
        holds("the call to be held", || about.exists());
        Self { go, sent, call }
    }

    /// Lets it send its signal.
    #[track_caller]
    pub(crate) fn send(&self) {
        fs::write(&self.go, "").unwrap();
        holds("the signal to be sent", || self.sent.exists());
    }

    /// Lets the command run to its end.
    pub(crate) fn finish(self) -> Output {
        fs::write(self.go, "").unwrap();
        self.call.join().unwrap()
    }
}

//! A transcript of several commands, as a user sees them in a terminal.

use std::fmt::Write;

use super::project::TestProject;
use super::run::{self, Output};

/// A session for a snapshot.
pub(crate) struct Session<'a> {
    project: &'a TestProject,
    text: String,
}

impl<'a> Session<'a> {
    pub(crate) fn new(project: &'a TestProject) -> Self {
        Self { project, text: String::new() }
    }

    /// Runs the program, which must end with this code.
    #[track_caller]
    pub(crate) fn run(&mut self, args: &[&str], code: i32) -> Output {
        self.run_command(args, &mut self.project.command(args), code)
    }

    /// Runs a prepared command, shown as `line`, which must end with this code.
    #[track_caller]
    pub(crate) fn run_command(
        &mut self,
        args: &[&str],
        command: &mut std::process::Command,
        code: i32,
    ) -> Output {
        let output = run::output(command).expect(code);
        writeln!(self.text, "$ pipulate {}", args.join(" ")).unwrap();
        self.text += &output.stdout;
        if !output.stderr.is_empty() {
            self.text += "--- on stderr\n";
            self.text += &output.stderr;
        }
        writeln!(self.text, "--- {code}\n").unwrap();
        output
    }

    /// The transcript without the parts that differ from run to run, and without the warning for root.
    pub(crate) fn text(&self) -> String {
        let lines = self.text.split_inclusive('\n');
        let of_any_user: String = lines.filter(|line| !line.starts_with("warning: you are root: ")).collect();
        self.project.redact(&of_any_user)
    }
}

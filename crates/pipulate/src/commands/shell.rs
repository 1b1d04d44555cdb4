//! `shell`: the user's own shell with the environment active, in place of this process.

use std::path::Path;

use pipulate_environment::bare_words;
use pipulate_environment::shell::{self, Dialect, Subshell};

use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;

/// Executes the shell; returns only on failure.
pub(crate) fn shell(context: &Context) -> Result<ExitStatus, Failure> {
    let terminal = context.printer.terminal();
    if !terminal.stdin_is_terminal || !terminal.stdout_is_terminal {
        return Err(Failure::failed("`shell` needs an interactive terminal")
            .hint("run one command in the environment with: pipulate run -- COMMAND"));
    }
    let python = context.python()?;
    if shell::is_inside(&context.project.layout, &context.project.around) {
        context.printer.note("You are in it already; leave it with: exit");
        return Ok(ExitStatus::Success);
    }
    let context = &context.home()?;
    let program = shell::of_user(&context.project.around);
    let subshell = Subshell {
        shell: &program,
        layout: &context.project.layout,
        python: &python,
        program: &context.project.exe,
        around: &context.project.around,
    };
    let command = subshell.prepare()?;
    welcome(context, &python, &program);
    context.printer.detail(format!("running: {}", command.display()));
    let error = Failure::from(command.exec());
    Err(error.hint("the variable SHELL names the shell; set it to one that is there, such as /bin/bash"))
}

/// In the shell, the environment's programs come first.
fn welcome(context: &Context, python: &Path, program: &Path) {
    let printer = &context.printer;
    let word = |word: &'static str| match python.parent().is_some_and(|bin| bare_words::is_there(bin, word)) {
        true => word.to_owned(),
        false => format!("pipulate {word}"),
    };
    printer.note(format!("- Start JupyterLab and the web server with: {}", word("start")));
    printer.note(format!("- Stop JupyterLab and the web server with: {}", word("stop")));
    printer.note("- To exit the Pipulate environment, type: exit");
    if Dialect::of_program(program).is_none() {
        printer
            .note(format!("The environment is active; the prompt of {} does not show it", program.display()));
    }
}

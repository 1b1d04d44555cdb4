//! `run`: executes a command in the Python environment, in place of this process.

use std::path::Path;

use pipulate_environment::service::environment_of;
use pipulate_environment::shell::JUPYTER_RUNTIME;
use pipulate_process::command::Command;

use crate::call::RunSettings;
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::ui::notes;

/// Executes the command; returns only on failure. Its exit code is the command's own.
pub(crate) fn run(context: &Context, settings: RunSettings) -> Result<ExitStatus, Failure> {
    let command = inside(context, settings)?;
    context.project.remember_environment(&mut |note| notes::say(&context.printer, &note));
    context.printer.detail(format!("running: {}", command.display()));
    Err(command.exec().into())
}

/// The command with a service's environment.
fn inside(context: &Context, settings: RunSettings) -> Result<Command, Failure> {
    let python = context.python()?;
    let mut words = settings.command.into_iter();
    let program =
        words.next().ok_or_else(|| Failure::new(FailureKind::Usage, "there is no command to run"))?;
    refuse_another_pip(Path::new(&program), &python)?;
    let environment = environment_of(Path::new(&program), &python, &context.project.around);
    let command = environment.give_to(Command::new(program).args(words));
    // Jupyter's tools find this home's JupyterLab in this folder, and would create it.
    let runtime = context.project.layout.jupyter_runtime();
    Ok(if runtime.is_dir() { command.env(JUPYTER_RUNTIME, runtime.as_os_str()) } else { command })
}

/// A `pip` outside the environment would install into another Python.
fn refuse_another_pip(program: &Path, python: &Path) -> Result<(), Failure> {
    let is_pip = program.to_str().is_some_and(|name| name == "pip" || name == "pip3");
    if !is_pip || python.with_file_name(program).exists() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "there is no {} in this environment: {}",
        program.display(),
        python.display()
    ))
    .hint("add packages with: pipulate add PACKAGE")
    .hint("to have pip itself: pipulate run -- python -m ensurepip"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::context::samples;

    fn settings(words: &[&str]) -> RunSettings {
        RunSettings { command: words.iter().map(Into::into).collect() }
    }

    #[test]
    fn the_command_sees_the_environment() {
        let project = samples::project("");
        let bin = project.context.project.layout.inside(".venv/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.at("python"), "").unwrap();
        fs::write(project.context.project.layout.inside(".venv/pyvenv.cfg"), "home = /usr/bin\n").unwrap();
        let command =
            inside(&project.context, settings(&["sh", "-c", "echo $VIRTUAL_ENV; echo $PATH"])).unwrap();
        let output = String::from_utf8(command.output(Duration::from_secs(60)).unwrap().stdout).unwrap();
        let mut lines = output.lines();
        assert_eq!(lines.next().unwrap(), project.context.project.layout.inside(".venv").to_string());
        assert!(lines.next().unwrap().starts_with(&format!("{bin}:")), "{output}");
    }

    #[test]
    fn without_an_environment_it_says_how_to_make_one() {
        let project = samples::project("");
        let failure = inside(&project.context, settings(&["true"])).unwrap_err();
        assert!(failure.render(crate::style::Style::plain()).contains("hint: make it with: pipulate setup"));
    }
}

//! Carries out the automatic fix of a finding, and nothing else.

use std::path::PathBuf;

use pipulate_core::finding::{Finding, Fix};
use pipulate_core::project::AbsPath;
use pipulate_core::text::shell_words;
use pipulate_process::command::{Command, CommandError, End};
use rustix::fs::{Mode, OFlags, fchmod, open};

use super::{Examination, project, secrets};

/// The reason why a finding was not fixed.
#[derive(Debug, thiserror::Error)]
pub enum FixError {
    #[error("{id} can't be fixed automatically; see its advice")]
    NotAutomatic { id: &'static str },
    #[error("could not make {} readable for you alone: {source}", .path.display())]
    Permissions { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("{command} failed ({end}); the last it said: {said}")]
    Failed { command: String, end: String, said: String },
}

/// The findings to fix, without repetitions: several may need the same command.
pub fn repairs(findings: &[Finding]) -> Vec<&Finding> {
    let mut repairs: Vec<&Finding> = Vec::new();
    for finding in findings {
        let Some(fix) = automatic(finding) else { continue };
        if !repairs.iter().any(|other| automatic(other).is_some_and(|other| other.command == fix.command)) {
            repairs.push(finding);
        }
    }
    repairs
}

/// Fixes one finding and returns a description. A command's output goes to `on_line` as it comes.
///
/// # Errors
/// The finding has no automatic fix, or it failed.
pub fn fix(
    finding: &Finding,
    examination: &Examination,
    mut on_line: impl FnMut(&str),
) -> Result<String, FixError> {
    let Some(fix) = automatic(finding) else { return Err(FixError::NotAutomatic { id: finding.id }) };
    let layout = &examination.layout;
    match finding.id {
        secrets::PERMISSIONS => return close(&layout.dotenv(), Mode::RUSR | Mode::WUSR),
        project::PRIVATE => return close(layout.state(), Mode::RWXU),
        _ => {}
    }
    let Some(("pipulate", words)) =
        fix.command.split_first().map(|(program, words)| (program.as_str(), words))
    else {
        return Err(FixError::NotAutomatic { id: finding.id });
    };
    let mut said = String::new();
    let command = Command::new(&examination.exe).args(words);
    let end = command.lines(|_, line| {
        on_line(line);
        if !line.trim().is_empty() {
            line.clone_into(&mut said);
        }
    })?;
    match end {
        End::Code(0) => Ok(format!("Ran: {}", shell_words(&fix.command))),
        End::Code(code) => Err(failed(fix, format!("code {code}"), said)),
        End::Signal(signal) => Err(failed(fix, format!("signal {signal}"), said)),
        End::TimedOut | End::Unknown => Err(failed(fix, "exit status unknown".to_owned(), said)),
    }
}

fn automatic(finding: &Finding) -> Option<&Fix> {
    finding.fix.as_ref().filter(|fix| fix.automatic)
}

fn failed(fix: &Fix, end: String, said: String) -> FixError {
    FixError::Failed { command: shell_words(&fix.command), end, said }
}

/// By descriptor and never through a link: the file may have been replaced since the examination.
fn close(path: &AbsPath, mode: Mode) -> Result<String, FixError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let done = open(path.as_ref(), flags, Mode::empty()).and_then(|file| fchmod(file, mode));
    match done {
        Ok(()) => Ok(format!("Closed to others: {path}")),
        Err(error) => Err(FixError::Permissions { path: path.to_path_buf(), source: error.into() }),
    }
}

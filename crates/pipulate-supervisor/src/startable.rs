//! A check whether a service's program could be executed, as far as possible without starting it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceSpec;
use pipulate_process::{spawn, table};

/// Checks whether its program could be executed.
///
/// # Errors
/// It could not.
pub fn try_out_program(
    spec: &ServiceSpec,
    mut environment: BTreeMap<OsString, OsString>,
) -> Result<(), Reason> {
    environment.extend(spec.env.iter().map(|(name, value)| (name.into(), value.clone())));
    environment.retain(|name, _| spec.env_removed.iter().all(|removed| name != removed.as_str()));
    let mut command: Vec<OsString> = spec.command.iter().map(|word| word.resolve(None, "")).collect();
    // The app is this very program, whose file may be gone by now.
    if let (Some(word), Ok(own)) = (command.first_mut(), table::own_program())
        && *word == *own
    {
        *word = table::own_image(&own).into();
    }
    spawn::try_out(&command, &spec.directory, &environment)
        .map_err(|error| explain(&command, &spec.directory, &error))
}

/// Explains why a program could not be started.
pub(crate) fn explain(command: &[OsString], directory: &Path, error: &std::io::Error) -> Reason {
    let program = command.first().map(PathBuf::from).unwrap_or_default();
    match error.kind() {
        // A script whose interpreter is missing, or a program for another loader.
        std::io::ErrorKind::NotFound if program_is_there(&program, directory) => {
            Reason::InterpreterNotFound { program }
        }
        std::io::ErrorKind::NotFound => {
            let setups = ["jupyter-lab", "python", "python3"];
            let is_installed_by_setup = setups.iter().any(|name| program.ends_with(name));
            Reason::ProgramNotFound { program, is_installed_by_setup }
        }
        std::io::ErrorKind::ArgumentListTooLong => Reason::CommandTooLong { program },
        std::io::ErrorKind::PermissionDenied => {
            Reason::ProgramNotPermitted { program, error: error.to_string() }
        }
        _ if spawn::is_no_program(error) => Reason::NotAProgram { program },
        _ => Reason::ProgramFailed { program, error: error.to_string() },
    }
}

fn program_is_there(program: &Path, directory: &Path) -> bool {
    program.parent().is_some_and(|parent| *parent != *Path::new("")) && directory.join(program).is_file()
}

//! Whether a service's program could be executed, as far as that can be known without starting it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use pipulate_core::service::ServiceSpec;
use pipulate_process::{spawn, table};

/// Whether its program could be executed.
///
/// # Errors
/// It could not; the sentence says why.
pub fn try_out_program(
    spec: &ServiceSpec,
    mut environment: BTreeMap<OsString, OsString>,
) -> Result<(), String> {
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

/// Why a program could not be started, in words.
pub(crate) fn explain(command: &[OsString], directory: &Path, error: &std::io::Error) -> String {
    let word = command.first().map(Path::new).unwrap_or(Path::new(""));
    let program = word.display();
    match error.kind() {
        // A script, or a program for another loader.
        std::io::ErrorKind::NotFound if program_is_there(word, directory) => {
            format!("the program {program} can't be started: the interpreter that it names was not found")
        }
        std::io::ErrorKind::NotFound => {
            let is_setups = ["jupyter-lab", "python", "python3"].iter().any(|name| word.ends_with(name));
            let advice = if is_setups { "; `pipulate setup` installs what a home needs" } else { "" };
            format!("the program {program} was not found{advice}")
        }
        std::io::ErrorKind::ArgumentListTooLong => format!(
            "the program {program} could not be started: its command and its variables are longer than the \
             system allows; put what is long into a file"
        ),
        std::io::ErrorKind::PermissionDenied => format!("the program {program} may not be run: {error}"),
        _ if spawn::is_no_program(error) => format!(
            "{program} is neither a program nor a script whose first line names one, such as #!/bin/sh; \
             write that line, or put the program before it in command"
        ),
        _ => format!("the program {program} could not be started: {error}"),
    }
}

fn program_is_there(program: &Path, directory: &Path) -> bool {
    program.parent().is_some_and(|parent| *parent != *Path::new("")) && directory.join(program).is_file()
}

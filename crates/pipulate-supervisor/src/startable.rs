//! Whether a service could be started, as far as that can be known without starting it. What runs is
//! ended for a restart only if it could.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use pipulate_core::layout::Layout;
use pipulate_core::service::{PortWish, ServiceName, ServiceSpec};
use pipulate_process::{identity, ports, spawn, table};

use crate::owner::{PortOwner, port_owners};
use crate::query;
use crate::standing::{Standing, look_up};

/// Whether a new instance of a service could be started once the one that runs has been ended. It is
/// started in its supervisor's environment: `spec` says what that would run there. What does not run has
/// nothing to lose, and is not looked at.
///
/// # Errors
/// It could not, or `spec` has none; the sentence says why.
pub fn try_out(
    layout: &Layout,
    service: &ServiceName,
    spec: impl FnOnce(&BTreeMap<OsString, OsString>) -> Result<ServiceSpec, String>,
) -> Result<(), String> {
    let (record, standing) = look_up(layout, service, &identity::host());
    let Some(record) = record.filter(query::main_lives) else { return Ok(()) };
    let environment = match standing {
        Standing::Supervised(supervisor) => {
            if let Err(error) = table::try_out_program(supervisor) {
                let program = table::arguments(supervisor).into_iter().next().unwrap_or_default();
                return Err(format!("its supervisor can't be run again: {}: {error}", program.display()));
            }
            table::environment(supervisor)
        }
        // The one that is still to be started has ours.
        Standing::Unsupervised => Some(std::env::vars_os().collect()),
        Standing::Gone | Standing::Unknown(_) => None,
    };
    let Some(environment) = environment else { return Ok(()) };
    let spec = spec(&environment)?;
    try_out_program(&spec, environment)?;
    try_out_port(layout, &spec, record.port)
}

/// A port that was set by the user and is not the one that it has must be free. Another service of the
/// project may be about to leave it.
fn try_out_port(layout: &Layout, spec: &ServiceSpec, had: Option<u16>) -> Result<(), String> {
    let Some(PortWish { port, pinned: true }) = spec.port else { return Ok(()) };
    if had == Some(port) || ports::is_free(port) {
        return Ok(());
    }
    let is_ours = |owner: &PortOwner| matches!(owner, PortOwner::Process { project: Some(project), .. } if *project == **layout.root());
    match port_owners(port).into_iter().find(|owner| !is_ours(owner)) {
        Some(owner) => {
            Err(format!("port {port} is held by {owner}; end that, or set another port in pipulate.toml"))
        }
        None => Ok(()),
    }
}

/// Whether its program could be executed.
pub(crate) fn try_out_program(
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

//! All checks, in the order of their findings, and the page that lists them.

use std::fmt::Write as _;

use super::check::Group;
use super::{
    imports, jupyter, machine, nix, ollama, packages, ports, project, python, secrets, server, services,
    session, venv,
};

/// All groups.
pub(super) const GROUPS: [Group; 29] = [
    project::HOME,
    project::ROOM,
    project::PLACE,
    project::CONFIG,
    python::PYTHON,
    venv::VENV,
    packages::REQUIREMENTS,
    packages::CONSISTENT,
    imports::LIBRARIES,
    imports::MODULES,
    jupyter::KERNELSPEC,
    server::SERVER,
    server::ADDRESS,
    ports::PORTS,
    services::SERVICES,
    jupyter::ACCESS,
    ollama::OLLAMA,
    session::OPENER,
    secrets::FILE,
    secrets::GIT,
    secrets::PORTABLE,
    session::VARIABLES,
    session::LINE_EDITING,
    nix::FLAKES,
    nix::LOCAL,
    nix::CUDA,
    machine::LIMITS,
    machine::CLOCK,
    machine::LOGOUT,
];

/// The documentation page that lists them: `docs/reference/doctor.md`.
pub fn reference() -> String {
    let mut page = String::from(
        "# What `pipulate doctor` examines\n\n\
         Written by the program itself; a test keeps it current.\n\n\
         Each check has an id that stays the same: scripts find it in `doctor --json`, with a status \
         (`ok`, `warning`, `failure`, `skipped`), what was looked at or run and what it said (`detail`), \
         and what to do (`fix`). `doctor` ends with 1 if a check failed, else with 0. What is optional \
         and absent is `skipped`.\n\n\
         `doctor --fix` does what stands in the last column, and nothing else: it never installs under \
         running services, never touches an environment that Pipulate did not make, and a second run \
         has nothing left to do.\n\n\
         | id | what is examined | `--fix` |\n|---|---|---|\n",
    );
    for check in GROUPS.iter().flat_map(|group| group.checks) {
        // Writing to a String can't fail.
        let _written =
            writeln!(page, "| `{}` | {} | {} |", check.id, check.examines, check.mends.unwrap_or(""));
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn every_id_is_there_once() {
        let ids: Vec<_> = GROUPS.iter().flat_map(|group| group.checks).map(|check| check.id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    /// `INSTA_UPDATE=always` writes the page, as it does snapshots.
    #[test]
    fn the_page_of_the_documentation_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/doctor.md");
        if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
            fs::write(path, reference()).unwrap();
        }
        let written = fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == reference(),
            "docs/reference/doctor.md is not what the checks say; write it with: \
             INSTA_UPDATE=always cargo test -p pipulate-environment catalog"
        );
    }
}

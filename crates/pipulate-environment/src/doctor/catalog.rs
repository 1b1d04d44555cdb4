//! Every check that there is, in the order in which findings are told, and the page that lists them.

use std::fmt::Write as _;

use pipulate_core::finding::Finding;

use super::{
    Examination, browser, imports, jupyter, kernels, logout, machine, nix, ollama, packages, portable, ports,
    project, python, secrets, server, services, settings, shell, venv,
};

/// Checks that share their evidence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    /// What it answers for, in order.
    pub checks: &'static [Check],
    pub(super) examine: fn(&Examination) -> Vec<Finding>,
}

/// One thing that is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Stable, for scripts: `python.numpy`.
    pub id: &'static str,
    /// What is looked at or run, and what would be wrong.
    pub examines: &'static str,
    /// What `--fix` does about it, where it may do something.
    pub mends: Option<&'static str>,
}

impl Check {
    pub(super) const fn new(id: &'static str, examines: &'static str) -> Self {
        Self { id, examines, mends: None }
    }

    pub(super) const fn mended_by(mut self, deed: &'static str) -> Self {
        self.mends = Some(deed);
        self
    }
}

/// All of them.
pub(crate) const GROUPS: [Group; 29] = [
    project::HOME,
    project::ROOM,
    project::PLACE,
    settings::CONFIG,
    python::PYTHON,
    venv::VENV,
    packages::REQUIREMENTS,
    packages::CONSISTENT,
    imports::LIBRARIES,
    imports::MODULES,
    kernels::KERNELSPEC,
    server::SERVER,
    server::ADDRESS,
    ports::PORTS,
    services::SERVICES,
    jupyter::ACCESS,
    ollama::OLLAMA,
    browser::OPENER,
    secrets::FILE,
    secrets::GIT,
    portable::PORTABLE,
    shell::VARIABLES,
    shell::LINE_EDITING,
    nix::FLAKES,
    nix::LOCAL,
    nix::CUDA,
    machine::LIMITS,
    machine::CLOCK,
    logout::LOGOUT,
];

/// The page of the documentation that lists them: `docs/reference/doctor.md`.
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

//! The user's session: variables that mislead Python, libraries or requests, other programs with our name,
//! line editing, and opening a browser.

use std::path::{Path, PathBuf};

use pipulate_core::finding::Finding;
use pipulate_process::command::Command;
use pipulate_store::files;

use super::check::{Check, Group};
use super::{Examination, evidence, is_startable, real, skipped, warning};
use crate::browser::opener_programs;
use crate::browser::plan::Plan;
use crate::venv::bin_dir;

/// Larger programs are not compared.
const LARGEST: u64 = 64 << 20;

const LIBRARY_PATH: &str = "shell.library_path";
const PYTHON: &str = "shell.python";
const PROXY: &str = "shell.proxy";
const PIPULATE: &str = "shell.pipulate";
const EDITING: &str = "shell.line_editing";

pub(super) const VARIABLES: Group = Group {
    checks: &[
        Check::new(
            LIBRARY_PATH,
            "`LD_LIBRARY_PATH`: empty, relative and missing parts, Nix libraries outside of Nix",
        ),
        Check::new(
            PYTHON,
            "`PYTHONHOME`, `PYTHONPATH`, and another environment that is active in this shell",
        ),
        Check::new(PROXY, "whether a proxy is asked for addresses of this very machine"),
        Check::new(
            PIPULATE,
            "whether the `pipulate` on `PATH` and in the environment is this one (PyPI has another of that name)",
        ),
    ],
    examine: |examination| {
        vec![library_path(examination), python(examination), proxy(examination), pipulate(examination)]
    },
};

pub(super) const LINE_EDITING: Group = Group {
    checks: &[Check::new(
        EDITING,
        "`bash -c 'type -t bind'`: a bash built without readline has neither history nor completion",
    )],
    examine: |examination| vec![line_editing(examination)],
};

const BROWSER: &str = "browser.opener";

pub(super) const OPENER: Group = Group {
    checks: &[Check::new(BROWSER, "what would open pages here, or why addresses are printed instead")],
    examine: |examination| vec![opener(examination)],
};

fn library_path(examination: &Examination) -> Finding {
    let Some(value) = examination.variable("LD_LIBRARY_PATH") else {
        return Finding::ok(LIBRARY_PATH, "LD_LIBRARY_PATH is not set");
    };
    if examination.session.macos {
        return skipped(LIBRARY_PATH, "LD_LIBRARY_PATH has no effect on macOS");
    }
    // In a Nix shell, and on NixOS, the other programs are Nix's own too.
    let nix_is_home =
        examination.machine_file("etc/NIXOS").exists() || examination.variable("IN_NIX_SHELL").is_some();
    library_path_of(value, nix_is_home, Path::is_dir)
}

fn library_path_of(value: &str, nix_is_home: bool, is_folder: impl Fn(&Path) -> bool) -> Finding {
    let problem = |part: &str| match part {
        "" => {
            Some("an empty part, which means the current folder: a library there would be loaded".to_owned())
        }
        part if !part.starts_with('/') => Some(format!("{part}, which depends on the current folder")),
        part if !is_folder(Path::new(part)) => Some(format!("{part}, which is not there")),
        part if part.starts_with("/nix/store/") && !nix_is_home => {
            Some(format!("{part}, which breaks programs that are not Nix's"))
        }
        _ => None,
    };
    // The dynamic loader treats a semicolon as a colon.
    let parts: Vec<(&str, Option<String>)> =
        value.split([':', ';']).map(|part| (part, problem(part))).collect();
    let problems: Vec<&str> = parts.iter().filter_map(|(_, problem)| problem.as_deref()).collect();
    if problems.is_empty() {
        return Finding::ok(LIBRARY_PATH, "Every folder in LD_LIBRARY_PATH exists");
    }
    let good: Vec<&str> =
        parts.iter().filter(|(_, problem)| problem.is_none()).map(|(part, _)| *part).collect();
    let advice = match good.as_slice() {
        [] => "run: unset LD_LIBRARY_PATH".to_owned(),
        good => format!("run: export LD_LIBRARY_PATH={}", good.join(":")),
    };
    warning(LIBRARY_PATH, "LD_LIBRARY_PATH contains folders that cause problems")
        .detail(format!("LD_LIBRARY_PATH={value} holds {}", problems.join("; ")))
        .advice(format!("{advice} (and look for the line that sets it, in your shell's start-up file)"))
}

fn python(examination: &Examination) -> Finding {
    for name in ["PYTHONHOME", "PYTHONPATH"] {
        if let Some(value) = examination.variable(name) {
            return warning(
                PYTHON,
                format!("{name} is set: Python finds other modules than those of this home"),
            )
            .detail(format!("{name}={value}"))
            .advice(format!(
                "run: unset {name} (and look for the line that sets it, in your shell's start-up file)"
            ));
        }
    }
    let Some((name, folder)) =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().find_map(|name| Some((name, examination.variable(name)?)))
    else {
        return Finding::ok(PYTHON, "No other Python environment is active in this shell");
    };
    let own = examination.config.as_ref().ok().map(|config| match &config.python.interpreter {
        Some(interpreter) => examination.layout.inside(interpreter).to_path_buf(),
        None => examination.layout.inside(&config.python.venv).to_path_buf(),
    });
    if own.is_none_or(|own| own.starts_with(folder) || real(&own).starts_with(real(Path::new(folder)))) {
        return Finding::ok(PYTHON, "This home's own environment is active in this shell");
    }
    let leave = if *name == "VIRTUAL_ENV" { "deactivate" } else { "conda deactivate" };
    warning(PYTHON, format!("Another Python environment is active in this shell: {folder}"))
        .detail(format!("{name}={folder}; the services use this home's own, what you type uses the other"))
        .advice(format!("run: {leave}; then: source .venv/bin/activate"))
}

fn proxy(examination: &Examination) -> Finding {
    let either =
        |name: &str| examination.variable(&name.to_ascii_uppercase()).or_else(|| examination.variable(name));
    let proxies = ["http_proxy", "https_proxy", "all_proxy"];
    let Some(name) = proxies.into_iter().find(|name| either(name).is_some()) else {
        return Finding::ok(PROXY, "No proxy is set");
    };
    let exempt: Vec<&str> = either("no_proxy").unwrap_or_default().split(',').map(str::trim).collect();
    let covers = |names: &[&str]| names.iter().any(|name| exempt.contains(name));
    if covers(&["*"]) || (covers(&["127.0.0.1", "127.0.0.0/8", "127."]) && covers(&["localhost"])) {
        return Finding::ok(PROXY, "The proxy is not asked for this machine's own addresses");
    }
    warning(PROXY, "A proxy is asked for this machine's own addresses too")
        .detail(format!(
            "{name} is set and no_proxy lacks 127.0.0.1 or localhost: notebooks and programs that ask \
             http://127.0.0.1 get the proxy's answer"
        ))
        .advice("run: export no_proxy=\"127.0.0.1,localhost,::1,$no_proxy\" NO_PROXY=\"127.0.0.1,localhost,::1,$NO_PROXY\"")
}

fn pipulate(examination: &Examination) -> Finding {
    let on_path = examination.program("pipulate");
    let in_venv = examination.config().ok().map(|config| bin_dir(&examination.layout, &config.python));
    let in_venv = in_venv.map(|bin| bin.join("pipulate")).filter(|program| program.is_file());
    let is_other = |found: &&PathBuf| !is_same_program(found, &examination.exe);
    let others: Vec<&PathBuf> = [&on_path, &in_venv].into_iter().flatten().filter(is_other).collect();
    let this = format!("this one is: {}", examination.exe.display());
    match (others.as_slice(), &on_path) {
        ([], None) => skipped(PIPULATE, "No pipulate is on PATH").detail(this),
        ([], Some(found)) => {
            Finding::ok(PIPULATE, format!("The pipulate on PATH is this one: {}", found.display()))
        }
        ([other, ..], _) => {
            let place =
                if on_path.as_ref() == Some(*other) { "in this shell" } else { "in this environment" };
            let finding = warning(PIPULATE, format!("The word pipulate means another program {place}"))
                .detail(format!("there: {}; {this}", other.display()));
            // Scripts that pip and uv install begin with a line that names a Python; this program never does.
            match files::read_foreign(other).is_ok_and(|bytes| bytes.starts_with(b"#!")) {
                true => finding.detail(
                    "it is a script, as the Python package pipulate has one; this program's package is \
                     pipulate-home",
                ),
                false => finding,
            }
            .advice("put this one's folder first on PATH, or remove the other (pip uninstall pipulate)")
        }
    }
}

/// Returns true if both files are the same program: one file, or copies of one.
fn is_same_program(one: &Path, other: &Path) -> bool {
    let length = |path: &Path| path.metadata().map(|meta| meta.len()).ok();
    let content = |path: &Path| files::read_foreign_within(path, LARGEST).ok();
    let is_copy =
        || length(one) == length(other) && content(one).is_some_and(|it| Some(it) == content(other));
    real(one) == real(other) || is_copy()
}

fn line_editing(examination: &Examination) -> Finding {
    let Some(bash) = examination.program("bash") else {
        return skipped(EDITING, "There is no bash on PATH");
    };
    let command = Command::new(&bash).args(["--norc", "--noprofile", "-c", "type -t bind"]);
    let said = evidence::of_machine(command);
    if said.stdout.trim() == "builtin" {
        return Finding::ok(EDITING, "bash has history and completion").detail(said.evidence());
    }
    warning(EDITING, format!("{} has neither history nor completion", bash.display()))
        .detail(said.evidence())
        .advice("put a bash with readline first on PATH; in Nix that is the package bashInteractive")
}

fn opener(examination: &Examination) -> Finding {
    if examination.config.as_ref().is_ok_and(|config| config.browser.is_empty()) {
        return skipped(BROWSER, "pipulate.toml opens no page in the browser");
    }
    let ports: Vec<u16> = examination.ports.iter().map(|fact| fact.port).collect();
    let plan = Plan::decide(&examination.session, &ports);
    if let Plan::Print { reason, hint } = plan {
        let finding = skipped(BROWSER, format!("Addresses are printed, not opened: {reason}"));
        return finding.detail(hint.unwrap_or_default());
    }
    let programs = opener_programs(&plan);
    if let Some(program) = programs.iter().find(|program| is_startable(examination, program)) {
        return Finding::ok(BROWSER, format!("Pages are opened by {}", program.display()));
    }
    let names: Vec<String> = programs.iter().map(|program| program.display().to_string()).collect();
    let advice = match plan {
        Plan::BrowserVariable(_) => "set BROWSER to a browser that is installed, or unset it",
        Plan::System | Plan::Print { .. } => "install xdg-utils, or set BROWSER to your browser",
    };
    warning(BROWSER, "There is no program that opens pages in the browser")
        .detail(format!("none of these is there: {}", names.join(", ")))
        .advice(format!("{advice}; addresses can always be opened by hand"))
}

#[cfg(test)]
mod tests {
    use pipulate_core::finding::FindingStatus;

    use super::*;

    #[test]
    fn a_library_path_is_fine_when_each_part_is_a_folder() {
        let there = |path: &Path| path.starts_with("/good") || path.starts_with("/nix");
        let examine = |value| library_path_of(value, false, there);
        assert_eq!(examine("/good/a:/good/b").status, FindingStatus::Ok);
        for (value, advice) in [
            ("/good/a:", "export LD_LIBRARY_PATH=/good/a "),
            (":/good/a:/good/b", "export LD_LIBRARY_PATH=/good/a:/good/b "),
            ("/good/a::/gone", "export LD_LIBRARY_PATH=/good/a "),
            ("lib", "unset LD_LIBRARY_PATH "),
            (":", "unset LD_LIBRARY_PATH "),
            ("/nix/store/x-zlib/lib:/good/a", "export LD_LIBRARY_PATH=/good/a "),
        ] {
            let finding = examine(value);
            assert_eq!(finding.status, FindingStatus::Warning, "{value}");
            assert!(finding.fix.unwrap().text.contains(advice), "{value}");
        }
        let nix = library_path_of("/nix/store/x-zlib/lib", true, there);
        assert_eq!(nix.status, FindingStatus::Ok, "in a Nix shell that is as it should be");
    }
}

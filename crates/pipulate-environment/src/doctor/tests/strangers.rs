//! A folder that came with an environment and a checkout: examining it runs none of its programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pipulate_core::finding::FindingStatus;

use super::home::Home;

#[expect(clippy::disallowed_methods, reason = "a test stages what a person does")]
fn git(home: &Home, words: &[&str]) {
    let git = std::process::Command::new("git").args(words).current_dir(home.root()).output().unwrap();
    assert!(git.status.success(), "{git:?}");
}

/// A program that records that it was run.
fn trap(home: &Home, path: &str) {
    home.write(path, &format!("#!/bin/sh\necho run >> '{}'\n", home.path("was-run").display()));
    fs::set_permissions(home.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn nothing_of_a_folder_that_nobody_started_is_run() {
    let mut home = Home::set_up();
    home.is_clone = true;
    fs::remove_file(home.path(".venv/bin/python")).unwrap();
    let modules = ["ctypes.py", "traceback.py", "pip.py", "venv.py", "ensurepip.py", "ast.py"];
    for module in modules {
        home.write(module, &format!("open({:?}, 'a').write('run')\n", home.path("was-run")));
    }
    for program in [".venv/bin/python", ".venv/bin/git", ".venv/bin/uv", ".venv/bin/bash", "monitor"] {
        trap(&home, program);
    }
    let path = home.session.surroundings.variable("PATH").unwrap().to_owned();
    let path = std::env::split_paths(&path);
    home.set("PATH", std::env::join_paths([home.path(".venv/bin")].into_iter().chain(path)).unwrap());
    for (name, text) in
        [("server.py", "from fasthtml.common import *\n"), (".env", "A=1\n"), ("local.nix", "{}")]
    {
        home.write(name, text);
    }
    git(&home, &["init", "--quiet"]);
    git(&home, &["add", ".env", "local.nix"]);
    let monitor = home.path("monitor").display().to_string();
    for (key, value) in [("core.fsmonitor", &*monitor), ("core.hooksPath", "."), ("core.pager", &monitor)] {
        git(&home, &["config", key, value]);
    }
    assert_eq!(home.complaints_with("secrets.ignored"), ["secrets.ignored failure"], "the index is read");
    assert_eq!(home.complaints_with("nix.local"), Vec::<String>::new());
    let found = home.examine();
    assert!(!home.path("was-run").exists(), "{found:?}");
    let skipped = found.iter().filter(|finding| finding.title.starts_with("Not run: "));
    let ids: Vec<&str> = skipped.clone().map(|finding| finding.id).collect();
    assert!(ids.contains(&"venv.python") && ids.contains(&"python.ipykernel"), "{ids:?}");
    for finding in skipped {
        assert_eq!(finding.fix.as_ref().unwrap().command.last().unwrap(), "setup");
    }
    home.write("pipulate.toml", "[python]\ninterpreter = \"monitor\"\n");
    let found = home.examine();
    assert!(!home.path("was-run").exists(), "{found:?}");
    // The same after a start.
    home.is_clone = false;
    home.examine();
    assert!(home.path("was-run").exists());
}

#[test]
fn an_environment_that_changed_since_it_was_used_is_not_run() {
    let mut home = Home::set_up();
    assert_eq!(home.finding("venv.python").status, FindingStatus::Ok);
    home.is_clone = true;
    assert_eq!(home.finding("venv.python").status, FindingStatus::Ok);
    fs::remove_file(home.path(".venv/bin/python")).unwrap();
    trap(&home, ".venv/bin/python");
    assert_eq!(home.finding("venv.python").status, FindingStatus::Skipped);
    assert!(!home.path("was-run").exists());
}

//! An empty folder becomes a home, for real: a Python environment, packages from the index, the bare
//! words `start` and `stop`; and `doctor` looks at homes that are well and at homes that are not.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::process::Stranger;
use crate::support::project::python;
use crate::support::{TestProject, holds, http, run};

/// What reaching the package index may take on this machine.
const NETWORK: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The same with a network, and with a cache that outlives the test: packages are fetched once.
fn online(mut command: Command) -> Command {
    let known = NETWORK.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.envs(known);
    command.env("XDG_CACHE_HOME", concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-cache"));
    command
}

#[test]
fn an_empty_folder_becomes_a_home_and_its_bare_words_work_from_anywhere() {
    let project = TestProject::new();
    fs::remove_file(project.path(".venv")).unwrap();
    let started = run::output(&mut online(project.command(&["start"]))).expect(0);
    for said in
        ["Making a Python environment: ", "Installing 4 packages with uv", "- Done. ", "numpy is importable"]
    {
        assert!(started.stderr.contains(said), "{said:?} is missing: {}", started.stderr);
    }
    for (service, path) in [("jupyter", "/api"), ("server", "/login")] {
        let address = format!("http://127.0.0.1:{}{path}", project.port(service));
        assert!(http::get(&address, &[]).is_some(), "{service} answers");
    }
    it_is_an_ordinary_environment(&project);
    doctor_finds_nothing_wrong(&project);

    // From a folder that is no project, with nothing of the environment on PATH.
    let elsewhere = |word: &str| {
        let mut command = project.foreign(project.path(".venv/bin").join(word));
        command.current_dir("/");
        run::output(&mut online(command)).expect(0)
    };
    let stopped = elsewhere("stop");
    assert!(stopped.stdout.ends_with("\n0 processes left\n"), "{}", stopped.stdout);
    assert_eq!(project.processes(), []);
    let again = elsewhere("start");
    assert!(!again.stderr.contains("Installing"), "all is there already: {}", again.stderr);
    assert_eq!(again.stdout, started.stdout);
    project.run(&["status"]).expect(0);
    elsewhere("stop");
    assert_eq!(project.processes(), []);
}

fn it_is_an_ordinary_environment(project: &TestProject) {
    let venv = project.path(".venv");
    let mut pip = project.foreign(venv.join("bin/python"));
    let listed = run::output(pip.args(["-m", "pip", "list", "--format", "freeze"])).expect(0).stdout;
    let installed = |name: &str| listed.lines().any(|line| line.split("==").next() == Some(name));
    for package in ["pip", "jupyterlab", "numpy", "python-fasthtml", "python-dotenv"] {
        assert!(installed(package), "{package} is missing: {listed}");
    }
    assert!(!installed("uv"), "{listed}");
    let programs: BTreeSet<_> =
        fs::read_dir(venv.join("bin")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !programs.iter().any(|name| name == "pipulate"),
        "nothing of ours but the two words: {programs:?}"
    );
    let ran = project.run(&["run", "--", "python", "-c", "import sys; print(sys.prefix)"]).expect(0);
    assert_eq!(Path::new(ran.stdout.trim()), venv);
}

fn doctor_finds_nothing_wrong(project: &TestProject) {
    let findings = findings(project, 0);
    for finding in findings.as_array().unwrap() {
        let bad = finding["status"] == "failure" || finding["status"] == "warning";
        // How full the disk is, is not the home's fault.
        assert!(!bad || finding["id"] == "project.disk", "{finding}");
    }
    for id in ["venv.whole", "requirements.current", "python.numpy", "python.jupyterlab", "port.jupyter"] {
        assert_eq!(status_of(&findings, id), "ok");
    }
}

/// What `doctor --json` found, its shape checked; it is to end with this code.
#[track_caller]
fn findings(project: &TestProject, code: i32) -> Value {
    let output = project.run(&["doctor", "--json"]).expect(code);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&document["schema"], &document["ok"]), (&1.into(), &(code == 0).into()));
    let mut ids = BTreeSet::new();
    for finding in document["findings"].as_array().unwrap() {
        assert!(
            ["ok", "warning", "failure", "skipped"].contains(&finding["status"].as_str().unwrap()),
            "{finding}"
        );
        assert!(finding["title"].as_str().is_some_and(|title| !title.is_empty()), "{finding}");
        assert!(finding["detail"].is_string(), "{finding}");
        let fix = &finding["fix"];
        let whole = fix["text"].is_string() && fix["command"].is_array() && fix["automatic"].is_boolean();
        assert!(fix.is_null() || whole, "{finding}");
        assert!(ids.insert(finding["id"].as_str().unwrap()), "an id is said once: {finding}");
    }
    document["findings"].clone()
}

#[track_caller]
fn finding<'a>(findings: &'a Value, id: &str) -> &'a Value {
    let found = findings.as_array().unwrap().iter().find(|finding| finding["id"] == id);
    found.unwrap_or_else(|| panic!("no {id} in {findings}"))
}

#[track_caller]
fn status_of<'a>(findings: &'a Value, id: &str) -> &'a str {
    finding(findings, id)["status"].as_str().unwrap()
}

#[test]
fn doctor_names_who_holds_a_port_and_leaves_them_alone() {
    let project = TestProject::new();
    let port = project.port("server");
    let mut command = project.foreign(python());
    command.args(["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1"]);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let stranger = Stranger::start(&mut command);
    holds("the stranger to listen", || http::get(&format!("http://127.0.0.1:{port}/"), &[]).is_some());

    let findings = findings(&project, 1);
    let held = finding(&findings, "port.server");
    assert_eq!(held["status"], "failure", "a pinned port is a port that must be");
    let title = held["title"].as_str().unwrap();
    assert!(title.contains(&format!("pid {} (python -m http.server", stranger.process().pid)), "{title}");
    assert_eq!(held["fix"]["automatic"], false);
    assert_eq!(status_of(&findings, "port.jupyter"), "ok");
    project.run(&["doctor", "--fix"]).expect(1);
    stranger.process();
}

#[test]
fn doctor_finds_a_broken_environment_and_changes_nothing_unasked() {
    let project = TestProject::new();
    fs::remove_file(project.path(".venv")).unwrap();
    fs::create_dir_all(project.path(".venv/bin")).unwrap();
    symlink("/nowhere/python3", project.path(".venv/bin/python")).unwrap();
    project.write(".venv/pyvenv.cfg", "home = /nowhere\n");
    let findings = findings(&project, 1);
    let broken = finding(&findings, "venv.python");
    assert_eq!(broken["status"], "failure");
    let recreate = format!("{}", broken["fix"]["command"]);
    assert!(recreate.contains("setup") && recreate.contains("--recreate"), "{broken}");
    assert_eq!(fs::read_link(project.path(".venv/bin/python")).unwrap(), Path::new("/nowhere/python3"));
    assert!(!project.path(".pipulate").exists(), "a look makes no home");
    let shown = project.run(&["doctor"]).expect(1).stdout;
    assert!(shown.contains("what to do:") && shown.contains("--recreate"), "{shown}");
}

#[test]
fn doctor_says_the_same_ids_in_the_same_order_whatever_it_finds() {
    let project = TestProject::new();
    let ids = |findings: &Value| -> Vec<Value> {
        findings.as_array().unwrap().iter().map(|finding| finding["id"].clone()).collect()
    };
    let well = ids(&findings(&project, 0));
    project.write("pipulate.toml", "[services.server]\nprot = 1\n");
    let unwell = findings(&project, 1);
    assert_eq!(status_of(&unwell, "config.valid"), "failure");
    assert_eq!(ids(&unwell), well);
    insta::assert_json_snapshot!(well);
}

//! A real set-up of an empty folder: a Python environment, packages from the index, `start` and `stop`; and
//! `doctor` on healthy and broken homes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::mounts;
use crate::support::process::ForeignProcess;
use crate::support::project::{PIPULATE, python};
use crate::support::{Session, Terminal, TestProject, holds, http, run};

/// The environment variables that access to the package index may need.
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

/// Packages, and uv, are downloaded once.
const CACHE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-cache");

/// A command with network access, and with a cache that outlives the test: packages are downloaded once.
pub(crate) fn online(mut command: Command) -> Command {
    let known = NETWORK.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.envs(known);
    command.env("XDG_CACHE_HOME", CACHE);
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
    let said = started.stderr.lines().find_map(|line| line.strip_prefix("- Done. ")).unwrap();
    it_is_an_ordinary_environment(&project, said);
    doctor_finds_nothing_wrong(&project);

    // From a folder that is no project, without the environment on PATH.
    let elsewhere = |word: &str| {
        let mut command = project.foreign(project.path(".venv/bin").join(word));
        command.current_dir("/");
        run::output(&mut online(command)).expect(0)
    };
    let stopped = elsewhere("stop");
    assert!(stopped.stdout.ends_with("\n0 processes left\n"), "{}", stopped.stdout);
    assert_eq!(project.processes(), []);
    let outside = project.run(&["url"]).expect(1).stderr;
    assert!(outside.ends_with("hint: start it with: pipulate start\n"), "{outside}");
    let inside = project.run(&["run", "--", PIPULATE, "url"]).expect(1).stderr;
    assert!(inside.ends_with("hint: start it with: start\n"), "{inside}");
    let again = elsewhere("start");
    assert!(!again.stderr.contains("Installing"), "all is there already: {}", again.stderr);
    assert_eq!(again.stdout, started.stdout);
    project.run(&["status"]).expect(0);
    elsewhere("stop");
    assert_eq!(project.processes(), []);
}

fn it_is_an_ordinary_environment(project: &TestProject, said: &str) {
    let venv = project.path(".venv");
    let mut pip = project.foreign(venv.join("bin/python"));
    let listed = run::output(pip.args(["-m", "pip", "list", "--format", "freeze"])).expect(0).stdout;
    assert_eq!(said, format!("{} pip packages installed.", listed.lines().count()), "counted as pip does");
    // uv, like editors, looks for it in the project's folder.
    let uv = Path::new(CACHE).join("pipulate/uv/bin/uv");
    let seen = run::output(project.foreign(uv).args(["pip", "list", "--format", "freeze", "--offline"]))
        .expect(0)
        .stdout;
    assert_eq!(seen.lines().count(), listed.lines().count());
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

/// A project without an environment that needs these packages.
fn bare(requirements: &str) -> TestProject {
    let project = TestProject::light().file("requirements.txt", requirements).build();
    fs::remove_file(project.path(".venv")).unwrap();
    project
}

#[test]
fn a_set_up_that_is_killed_at_any_point_is_gone_on_with() {
    let has = |folder: &Path, end: &str| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(end))
    };
    let site = |root: &Path| {
        let lib = fs::read_dir(root.join(".venv/lib")).into_iter().flatten().flatten().next();
        lib.map(|lib| lib.path().join("site-packages")).unwrap_or_default()
    };
    let stamp = |root: &Path| fs::read_to_string(root.join(".pipulate/setup.json")).unwrap_or_default();
    type Moment<'a> = (&'a str, &'a dyn Fn(&Path) -> bool);
    let moments: [Moment<'_>; 6] = [
        ("the lock", &|root| root.join(".pipulate/setup.lock").exists()),
        ("the first stamp", &|root| stamp(root).contains("making")),
        ("half an environment", &|root| root.join(".venv/pyvenv.cfg").exists()),
        ("an environment without packages", &|root| stamp(root).contains("\"installed\": null")),
        ("the first package", &|root| has(&site(root), ".dist-info")),
        ("the last package", &|root| site(root).join("six.py").exists()),
    ];
    for (moment, is_reached) in moments {
        let project = bare("six\n");
        let mut command = online(project.command(&["setup"]));
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        // The set-up may be over first; then there was nothing to interrupt.
        holds(moment, || is_reached(project.root()) || child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        let again = run::output(&mut online(project.command(&["setup"]))).expect(0);
        assert!(again.stderr.contains("The environment "), "after {moment}: {}", again.stderr);
        project.run(&["run", "--", "python", "-c", "import six, pip"]).expect(0);
        assert!(!project.path(".venv.old").exists(), "after {moment}: half a venv is nothing to keep");
        let nothing = project.run(&["setup"]).expect(0);
        assert!(nothing.stderr.contains("The environment was ready already"), "{}", nothing.stderr);
    }
}

#[test]
fn an_environment_of_somebody_else_is_changed_after_a_yes_and_a_pipe_is_not_asked() {
    const QUESTION: &str = "Run `pipulate setup` now? [y/N] ";
    let project = bare("six\n");
    let mut python = project.foreign(python());
    run::output(python.args(["-m", "venv", "--without-pip", ".venv"])).expect(0);
    let command = || online(project.command(&["start"]));
    let has_six = || project.run(&["run", "--", "python", "-c", "import six"]).code == Some(0);
    let stop = || project.run(&["stop"]).expect(0);
    // The output of `start` for this answer; it asks only if there is one.
    let shown = |answer: Option<&str>| {
        let mut terminal =
            Terminal::open(&command(), &format!("{PIPULATE} start; echo ended with $?; read stay"));
        if let Some(answer) = answer {
            terminal.wait_for(QUESTION);
            terminal.type_text(answer);
        }
        terminal.wait_for("ended with 0");
        stop();
        terminal.shown()
    };
    let piped = run::output_of(&mut command(), "y\n").expect(0);
    assert!(piped.stderr.contains("was not changed; it lacks six"), "{}", piped.stderr);
    assert!(!piped.stderr.contains(QUESTION) && !has_six(), "{}", piped.stderr);
    stop();
    assert!(shown(Some("\n")).contains("it lacks six") && !has_six(), "no answer is a no");
    assert!(shown(Some("y\n")).contains("- Done. 1 pip packages installed.") && has_six());
    assert!(!shown(None).contains(QUESTION), "nothing is lacking any more");

    project.write("uv.lock", "");
    project.write("requirements.txt", "six\nidna\n");
    let asked = shown(Some("n\n"));
    assert!(asked.contains("uv manages this project's packages (uv.lock)"), "{asked}");
    assert!(!shown(Some("yes\n")).contains("error:"));
    project.run(&["run", "--", "python", "-c", "import idna"]).expect(0);
}

#[test]
fn under_running_services_nothing_is_replaced_and_nobody_is_asked() {
    let project = bare("--no-index\n");
    project.write(
        "pipulate.toml",
        &(project.read("pipulate.toml") + "[services.other]\ncommand = [\"sleep\", \"1000\"]\n"),
    );
    let mut python = project.foreign(python());
    run::output(python.args(["-m", "venv", "--without-pip", ".venv"])).expect(0);
    // The built-in app needs no Python; this service might.
    project.start(&["other"]);
    project.write("requirements.txt", "six\n");
    let mut session = Session::new(&project);
    session.run(&["setup", "--recreate"], 1);
    insta::assert_snapshot!(session.text());
    let terminal = Terminal::open(&project.command(&[]), &format!("exec {PIPULATE} start"));
    terminal.wait_for("it lacks six");
    assert_eq!(terminal.end(), Some(0), "it waits for no answer");
}

#[test]
fn what_an_installer_could_not_do_is_told_in_its_own_words_with_what_to_do() {
    let project = bare("six==99\n");
    let mut session = Session::new(&project);
    session.run_command(&["setup"], &mut online(project.command(&["setup"])), 1);
    project.write("requirements.txt", "six\n");
    let mut lonely = online(project.command(&["setup"]));
    lonely.env("UV_DEFAULT_INDEX", "http://127.0.0.1:9/").env("UV_HTTP_RETRIES", "0").env("UV_NO_CACHE", "1");
    session.run_command(&["setup"], &mut lonely, 1);
    let text = session.text();
    for words in
        ["there is no package six==99", "the package index can't be reached", "Last lines from the installer"]
    {
        assert!(text.contains(words), "{words:?} is missing: {text}");
    }
    assert!(text.contains("hint: connect to the network"), "{text}");
}

#[test]
fn a_disk_that_fills_up_is_told_as_such() {
    let project = bare("six\n");
    let Some(mut command) = mounts::in_a_namespace(online(project.foreign("unshare")), &[]) else { return };
    let script =
        "mkdir small; mount -t tmpfs -o size=3m tmpfs small; cd small; cp ../*.t* .; exec \"$0\" -C . setup";
    command.args(["--", "sh", "-ec", script, crate::support::project::PIPULATE]);
    let failed = run::output(&mut command).expect(1);
    assert!(failed.stderr.contains("free some disk space"), "{}", failed.stderr);
}

#[test]
fn a_module_that_does_not_import_is_told_and_the_start_goes_on() {
    let project = TestProject::light().config("[python]\nprobe = [\"nothing_zz\"]\n").build();
    let started = project.run(&["start"]).expect(0);
    assert!(started.stderr.contains("Error: nothing_zz could not be imported."), "{}", started.stderr);
    assert!(started.stderr.contains("the module nothing_zz is not installed"), "{}", started.stderr);
    assert_eq!(project.service("server")["state"], "ready");
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_recreation_keeps_the_old_environment_and_lists_what_went() {
    let project = bare("six\nidna\n");
    run::output(&mut online(project.command(&["setup"]))).expect(0);
    project.write("requirements.txt", "six\n");
    let made = run::output(&mut online(project.command(&["setup", "--recreate"]))).expect(0);
    assert!(made.stderr.contains("Only in the old one: idna"), "{}", made.stderr);
    assert!(project.path(".venv.old/bin/python").exists());
    let drifted = project.run(&["run", "--", "python", "-c", "import idna"]);
    assert_ne!(drifted.code, Some(0));
}

fn doctor_finds_nothing_wrong(project: &TestProject) {
    let findings = findings(project, 0);
    for finding in findings.as_array().unwrap() {
        let bad = finding["status"] == "failure" || finding["status"] == "warning";
        // A full disk is not the home's fault.
        assert!(!bad || finding["id"] == "project.disk", "{finding}");
    }
    for id in ["venv.whole", "requirements.current", "python.numpy", "python.jupyterlab", "port.jupyter"] {
        assert_eq!(status_of(&findings, id), "ok");
    }
}

/// The findings of `doctor --json`, their shape checked; it must end with this code.
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
    let foreign = ForeignProcess::start(&mut command);
    holds("the foreign process to listen", || http::get(&format!("http://127.0.0.1:{port}/"), &[]).is_some());

    let findings = findings(&project, 1);
    let held = finding(&findings, "port.server");
    assert_eq!(held["status"], "failure", "a pinned port is a port that must be");
    let title = held["title"].as_str().unwrap();
    assert!(title.contains(&format!("pid {} (python -m http.server", foreign.process().pid)), "{title}");
    assert_eq!(held["fix"]["automatic"], false);
    assert_eq!(status_of(&findings, "port.jupyter"), "ok");
    project.run(&["doctor", "--fix"]).expect(1);
    foreign.process();
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

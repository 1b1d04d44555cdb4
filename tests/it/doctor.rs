//! `doctor` on homes that are broken from outside: services that died, a full disk, missing libraries; what
//! `--fix` does, and that a second run finds nothing left to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::mounts;
use crate::support::project::{PIPULATE, python};
use crate::support::{Process, Session, TestProject, holds, run};

/// Runs `doctor`, which must end with this code, and returns the findings.
#[track_caller]
fn findings(mut command: Command, code: i32) -> Vec<Value> {
    let output = run::output(&mut command).expect(code);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    document["findings"].as_array().unwrap().clone()
}

/// The findings that are neither ok nor skipped, as `id status`.
fn complaints(findings: &[Value]) -> Vec<String> {
    let bad = |finding: &&Value| finding["status"] == "warning" || finding["status"] == "failure";
    let text = |finding: &Value| format!("{} {}", finding["id"], finding["status"]).replace('"', "");
    findings.iter().filter(bad).map(text).collect()
}

#[track_caller]
fn finding<'a>(findings: &'a [Value], id: &str) -> &'a Value {
    findings.iter().find(|finding| finding["id"] == id).unwrap()
}

/// The number of checks depends on the machine.
fn without_counts() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d+ checks passed, \d+ not", "[N] checks passed, [N] not");
    settings
}

#[test]
fn services_that_died_are_told_apart() {
    let project = TestProject::light()
        .config(
            "[services.worker]\ncommand = [\"sh\", \"-c\", \"echo no luck; exit 3\"]\nrestart = \"never\"\n",
        )
        .build();
    project.run(&["start", "--no-setup", "--no-wait", "worker"]).expect(0);
    project.wait_for_state("worker", "crashed");
    let doctor = |code| findings(project.command(&["doctor", "--json"]), code);
    let crashed = doctor(1);
    assert_eq!(complaints(&crashed), ["services.running failure"]);
    let detail = finding(&crashed, "services.running")["detail"].as_str().unwrap();
    assert!(detail.contains("| no luck"), "{detail}");
    project.run(&["stop"]).expect(0);
    assert_eq!(complaints(&doctor(0)), Vec::<String>::new(), "what was stopped is not missed");

    project.start(&["server"]);
    let pids = project.service("server");
    let supervisor = Process::of(&pids["supervisor_pid"]);
    supervisor.signal(Signal::KILL);
    holds("the supervisor to end", || !supervisor.lives());
    assert_eq!(complaints(&doctor(0)), ["services.supervised warning"]);

    let mut session = Session::new(&project);
    session.run(&["doctor", "--fix"], 0);
    without_counts().bind(|| insta::assert_snapshot!(session.text()));
    let after = project.service("server");
    assert_eq!(
        (&after["state"], &after["pid"]),
        (&"ready".into(), &pids["pid"]),
        "it was taken over as it is"
    );

    for process in [Process::of(&after["supervisor_pid"]), Process::of(&after["pid"])] {
        process.signal(Signal::KILL);
        holds("its end", || !process.lives());
    }
    assert_eq!(
        complaints(&findings(project.command(&["doctor", "--json", "--fix"]), 1)),
        ["services.records failure"]
    );
    assert_eq!(project.service("server")["state"], "crashed", "nothing is started that nobody asked for");
}

#[test]
fn what_is_safe_is_mended_and_the_second_time_there_is_nothing_to_mend() {
    let project = TestProject::light().build();
    fs::create_dir(project.path(".pipulate")).unwrap();
    project.write(".env", "API_KEY='it\\'s #1 secret'\n");
    let mode =
        |name: &str, mode| fs::set_permissions(project.path(name), fs::Permissions::from_mode(mode)).unwrap();
    mode(".env", 0o644);
    mode(".pipulate", 0o755);
    let mut session = Session::new(&project);
    session.run(&["doctor"], 0);
    session.run(&["doctor", "--fix"], 0);
    let again = project.run(&["doctor", "--fix"]).expect(0);
    assert_eq!(again.stderr, "", "there is nothing left to do");
    assert!(!session.text().contains("#1"), "no secret is shown: {}", session.text());
    without_counts().bind(|| insta::assert_snapshot!(session.text()));
    let is = |name: &str| fs::metadata(project.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((is(".env"), is(".pipulate")), (0o600, 0o700));
}

/// `sh -c SCRIPT` in a mount namespace of its own, in the project's environment; `$0` is the program. `None`
/// where users can't have namespaces.
fn in_a_namespace(project: &TestProject, script: &str) -> Option<Command> {
    let mut command = mounts::in_a_namespace(project.foreign("unshare"), &[])?;
    command.args(["--", "sh", "-ec", script, PIPULATE]);
    Some(command)
}

#[test]
fn a_full_disk_is_recognized_before_anything_fails_on_it() {
    let project = TestProject::new();
    fs::remove_file(project.path(".venv")).unwrap();
    let script = "mount -t tmpfs -o size=4m tmpfs .; cd \"$PWD\"; exec \"$0\" doctor --json";
    let Some(command) = in_a_namespace(&project, script) else { return };
    let findings = findings(command, 1);
    assert!(
        complaints(&findings).contains(&"project.disk failure".to_owned()),
        "{:?}",
        complaints(&findings)
    );
}

#[test]
fn a_disk_that_can_not_be_written_to_is_recognized() {
    let project = TestProject::light().build();
    project.run(&["setup"]).expect(0);
    let script = "mount --bind . .; mount -o remount,bind,ro .; cd \"$PWD\"; exec \"$0\" doctor --json";
    let Some(command) = in_a_namespace(&project, script) else { return };
    let findings = findings(command, 1);
    assert_eq!(complaints(&findings), ["project.writable failure"]);
    let detail = finding(&findings, "project.writable")["detail"].as_str().unwrap();
    assert!(detail.contains("Read-only file system"), "{detail}");
}

#[test]
fn what_stands_where_a_file_or_a_folder_belongs_is_told_by_every_verb_and_left_alone() {
    let project = TestProject::light().build();
    project.write(".pipulate", "mine");
    let mut session = Session::new(&project);
    for verb in ["start", "setup"] {
        session.run(&[verb], 1);
    }
    let doctor = || findings(project.command(&["doctor", "--json"]), 1);
    assert_eq!(complaints(&doctor()), ["project.private failure"]);
    assert_eq!(project.read(".pipulate"), "mine");
    fs::remove_file(project.path(".pipulate")).unwrap();

    fs::remove_file(project.path("pipulate.toml")).unwrap();
    fs::create_dir(project.path("pipulate.toml")).unwrap();
    session.run(&["setup"], 1);
    let found = doctor();
    assert_eq!(complaints(&found), ["config.valid failure"]);
    let fix = finding(&found, "config.valid")["fix"]["text"].as_str().unwrap();
    assert!(fix.contains("move it away"), "{fix}");
    insta::assert_snapshot!(session.text());
}

/// The folder of a library, from the dynamic loader.
fn folder_of(library: &str) -> String {
    let said = run::output(run::command(python()).args([
        "-c",
        "import ctypes, sys; ctypes.CDLL(sys.argv[1])\nprint([line.split()[-1] for line in open('/proc/self/maps') \
         if sys.argv[1].split('.so')[0] in line][0])",
        library,
    ]))
    .expect(0);
    said.stdout.trim().rsplit_once('/').unwrap().0.to_owned()
}

#[test]
fn a_missing_libstdcpp_is_recognized_and_named_as_the_cause() {
    let project = TestProject::new();
    // doctor runs a Python that was used here before.
    project.run(&["run", "--", "true"]).expect(0);
    // A view of the folder without that library is mounted over the folder itself.
    let script = format!(
        "all={folder}; mkdir real view; mount --bind $all real; ln -s \"$PWD\"/real/* view/; \
         rm view/libstdc++.so*; mount --bind view $all; exec \"$0\" doctor --json",
        folder = folder_of("libstdc++.so.6")
    );
    let Some(command) = in_a_namespace(&project, &script) else { return };
    let findings = findings(command, 1);
    // JupyterLab and its kernels need the library through pyzmq.
    for id in ["system.libraries", "python.numpy", "python.ipykernel", "python.jupyterlab"] {
        let finding = finding(&findings, id);
        assert_eq!(finding["status"], "failure", "{finding}");
        assert!(finding["title"].as_str().unwrap().contains("libstdc++.so.6"), "{finding}");
        assert!(finding["detail"].as_str().unwrap().contains("cannot open shared object file"), "{finding}");
    }
}

#[test]
fn a_shell_that_allows_few_open_files_is_recognized() {
    let project = TestProject::light().build();
    let mut command = project.foreign("sh");
    command.args(["-c", "ulimit -n 300; exec \"$0\" doctor --json", PIPULATE]);
    assert_eq!(complaints(&findings(command, 0)), ["machine.open_files warning"]);
}

//! docs/sharing.md is true: its examples for systemd, containers and Kubernetes are run here.

use std::fs;

use rustix::process::Signal;

use crate::support::jupyter::prepared;
use crate::support::mounts::in_a_namespace;
use crate::support::project::PIPULATE;
use crate::support::skip::skipped;
use crate::support::{TestProject, http, run, wait_for};

/// The page's block for this file.
#[track_caller]
fn shown(file: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sharing.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, block) = page.split_once(&format!("<!-- file: {file} -->\n```")).expect("it is on the page");
    let (_, text) = block.split_once('\n').unwrap();
    text.split_once("\n```").unwrap().0.to_owned() + "\n"
}

/// A command's arguments, as for exec.
fn words(command: &str) -> Vec<&str> {
    command.split(' ').skip(1).collect()
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let project = TestProject::light().build();
    let unit = shown("demo.service");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    // All arguments exist.
    project.run(&[words(command).as_slice(), &["--help"]].concat()).expect(0);
    let bin = project.home().join(".local/bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(PIPULATE, bin.join("pipulate")).unwrap();
    let file = project.path("demo.service");
    // In root's own units, %h is /root, not HOME.
    fs::write(&file, unit.replace("%h", project.home().to_str().unwrap())).unwrap();
    let mut verify = project.foreign("systemd-analyze");
    verify.args(["verify", "--user", "--man=no"]).arg(&file);
    match verify.output() {
        Err(error) => skipped("programs", &format!("systemd-analyze: {error}")),
        Ok(_) => {
            let verified = run::output(&mut verify).expect(0);
            assert!(!verified.stderr.contains("demo.service"), "{}", verified.stderr);
        }
    }
}

#[test]
fn as_the_first_process_of_a_container_it_starts_serves_and_ends_everything() {
    let project = TestProject::light().build();
    let line = shown("Dockerfile").lines().find_map(|line| Some(line.strip_prefix("CMD ")?.to_owned()));
    let command: Vec<String> = serde_json::from_str(&line.unwrap()).unwrap();
    assert_eq!(command, kubernetes_command(), "the pod runs the image's command");
    let Some(mut container) =
        in_a_namespace(project.foreign("unshare"), &["--pid", "--fork", "--mount-proc"])
    else {
        return;
    };
    container.args(["--kill-child", "--", PIPULATE]).args(&command[1..]).arg("--no-setup");
    let mut container =
        container.stderr(fs::File::create(project.path("container.err")).unwrap()).spawn().unwrap();
    let address = format!("http://127.0.0.1:{}/", project.port("server"));
    wait_for("the app in the container", || http::get(&address, &[]));
    let first = project.find_process(&format!("{PIPULATE} {} --no-setup", command[1..].join(" ")));
    first.signal(Signal::TERM);
    assert!(container.wait().unwrap().success(), "{}", project.read("container.err"));
    assert_eq!(
        project.service("server")["state"],
        "stopped",
        "by request, and not by the end of the container"
    );
    assert_eq!(project.processes(), [], "nothing outlives it");
    assert!(http::get(&address, &[]).is_none());
}

fn kubernetes_command() -> Vec<String> {
    let pod = shown("demo.yaml");
    let line = pod.lines().find_map(|line| line.trim().strip_prefix("command: ")).unwrap();
    serde_json::from_str(line).unwrap()
}

#[test]
fn the_pod_is_one_that_kubernetes_takes() {
    let project = TestProject::light().build();
    project.write("demo.yaml", &shown("demo.yaml"));
    let mut validate = project.foreign(crate::support::project::python());
    validate.env("PYTHONPATH", prepared("kubernetes")).args([
        "-m",
        "kubernetes_validate",
        "--strict",
        "demo.yaml",
    ]);
    run::output(&mut validate).expect(0);
}

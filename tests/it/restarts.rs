//! A restart first verifies that it can start again, and only then ends anything, even if Pipulate's file or
//! the service's program was changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::browser::Browser;
use crate::support::ports::Port;
use crate::support::process::ForeignProcess;
use crate::support::project::{PIPULATE, python};
use crate::support::{Process, Session, TestProject, holds, http, run, wait_for};

const TWO: &str =
    "[services.a]\ncommand = [\"sleep\", \"1000\"]\n[services.b]\ncommand = [\"sleep\", \"1001\"]\n";

fn only(config: &str) -> TestProject {
    TestProject::light().table("server", "enabled = false").config(config).build()
}

/// Installs the program under test where it can be deleted, and starts these services with it.
fn installed(project: &TestProject) -> PathBuf {
    let program = project.home().join("p");
    fs::copy(PIPULATE, &program).unwrap();
    run::output(project.foreign(&program).args(["start", "--no-setup"])).expect(0);
    program
}

/// Replaces the program's file as package managers do.
fn replace(program: &Path, text: &str) {
    let other = program.with_extension("new");
    fs::write(&other, text).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(other, program).unwrap();
}

fn supervisor(project: &TestProject, service: &str) -> Process {
    Process::of(&project.service(service)["supervisor_pid"])
}

/// The CPU time of a process, in ticks.
fn ticks(process: &Process) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn restart_rescue_and_crash_need_no_program_file() {
    for spoil in [
        |program: &Path| fs::remove_file(program).unwrap(),
        |program: &Path| replace(program, "half of a download"),
    ] {
        let project = TestProject::light().config(TWO).build();
        spoil(&installed(&project));
        let killed = supervisor(&project, "a");
        killed.kill();
        let now = project.wait_for_service("a", "to be supervised", |now| now["state"] == "running");
        assert_ne!(now["supervisor_pid"], killed.pid);
        for service in ["a", "server"] {
            let before = project.service(service)["pid"].clone();
            Process::of(&before).kill();
            project.wait_for_service(service, "to be back", |now| {
                now["pid"] != before && (now["state"] == "running" || now["state"] == "ready")
            });
        }
        let url = project.run(&["url", "server"]).expect(0).stdout;
        assert!(http::get(url.trim(), &[]).is_some(), "{url}");
        // The first restart hands over to the program of the command.
        for _ in 0..2 {
            let before = ["a", "b", "server"].map(|name| project.service(name));
            project.run(&["restart"]).expect(0);
            for old in before {
                let now = project.service(old["name"].as_str().unwrap());
                assert!(now["pid"] != old["pid"] && now["supervisor_pid"] == old["supervisor_pid"], "{now}");
                assert_eq!(Process::of(&now["supervisor_pid"]).program(), Path::new(PIPULATE));
            }
        }
    }
}

#[test]
fn the_page_restarts_a_service_although_the_program_file_is_gone() {
    let project = TestProject::light().config(TWO).build();
    fs::remove_file(installed(&project)).unwrap();
    let mut browser = Browser::start(&project);
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    // The page's own service comes last.
    for service in ["a", "server"] {
        let before = project.service(service)["pid"].clone();
        browser.click(&format!("button[aria-label='Restart {service}']"));
        project.wait_for_service(service, "to be restarted", |now| {
            now["pid"] != before && (now["state"] == "running" || now["state"] == "ready")
        });
    }
}

#[test]
fn what_could_not_be_started_again_is_not_ended() {
    let project = only(
        "[services.a]\ncommand = [\"sleep\", \"1000\"]\n[services.b]\ncommand = [\"sleep\", \"1001\"]\n",
    );
    project.start(&[]);
    for (name, text, mode) in [
        ("forbidden", "#!/bin/sh\n", 0o644),
        ("nowhere", "#!/no/such/sh\n", 0o755),
        ("by-env", "#!/usr/bin/env nosuchpython\n", 0o755),
        ("text", "echo no line that names a program\n", 0o755),
        ("fine", "#!/bin/sh\nexec sleep 1002\n", 0o755),
    ] {
        project.write(name, text);
        fs::set_permissions(project.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(project.path("folder")).unwrap();
    let long = format!("a = [\"true\", \"{}\"]", "x".repeat(128 << 10));
    let before = ["a", "b"].map(|name| project.service(name)["pid"].clone());
    let mut session = Session::new(&project);
    let commands =
        ["slep", "./missing", "no/folder/x", "./forbidden", "./nowhere", "./by-env", "./text", "./folder"];
    for command in commands.map(|command| format!("[\"{command}\"]")).iter().chain([&long[4..].to_owned()]) {
        let broken = TWO.replace("[\"sleep\", \"1001\"]", command);
        let whole = project.read("pipulate.toml");
        project.write("pipulate.toml", &whole.replace(TWO, &broken));
        session.run(&["restart"], 1);
        project.write("pipulate.toml", &whole);
        assert_eq!(["a", "b"].map(|name| project.service(name)["pid"].clone()), before, "{command:.40}");
    }
    insta::assert_snapshot!(session.text());
    project.write(
        "pipulate.toml",
        &project.read("pipulate.toml").replace("[\"sleep\", \"1001\"]", "[\"./fine\"]"),
    );
    project.run(&["restart"]).expect(0);
    project.find_process("sleep 1002");
}

#[test]
fn a_restart_looks_for_the_program_where_its_supervisor_will() {
    let project = only("[services.a]\ncommand = [\"sleeper\"]\n");
    project.write("bin/sleeper", "#!/bin/sh\nexec sleep 1000\n");
    fs::set_permissions(project.path("bin/sleeper"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
    run::output(project.command(&["start", "--no-setup"]).env("PATH", path)).expect(0);
    let before = project.service("a")["pid"].clone();
    project.run(&["restart", "a"]).expect(0);
    assert_ne!(project.service("a")["pid"], before);
    fs::remove_file(project.path("bin/sleeper")).unwrap();
    let before = project.service("a")["pid"].clone();
    let said = project.run(&["restart", "a"]).expect(1).stderr;
    assert!(said.contains("the program sleeper was not found"), "{said}");
    assert_eq!(project.service("a")["pid"], before);
}

#[test]
fn a_restart_onto_a_strangers_port_ends_nothing() {
    let project = TestProject::light().build();
    project.start(&[]);
    let port = Port::take();
    let mut command = project.foreign(python());
    command.args(["-m", "http.server", &port.number.to_string(), "--bind", "127.0.0.1"]);
    let _foreign = ForeignProcess::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    holds("the foreign process", || http::get(&format!("http://127.0.0.1:{}/", port.number), &[]).is_some());
    let before = project.service("server")["pid"].clone();
    let own = format!("port = {}", project.port("server"));
    let moved = project.read("pipulate.toml").replace(&own, &format!("port = {}", port.number));
    project.write("pipulate.toml", &moved);
    let said = project.run(&["restart"]).expect(1).stderr;
    assert!(said.contains(&format!("port {} is held by python", port.number)), "{said}");
    assert_eq!(project.service("server")["pid"], before);
}

#[test]
fn a_save_does_not_end_what_could_not_be_started_again() {
    let project = only("[services.a]\ncommand = [\"./run.sh\"]\nwatch = [\"*.txt\"]\n");
    let program = project.path("run.sh");
    project.write("run.sh", "#!/bin/sh\nexec sleep 1000\n");
    let allow = |mode| fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o755);
    project.start(&[]);
    let before = project.service("a")["pid"].clone();
    allow(0o644);
    project.write("a.txt", "1");
    let now = project.wait_for_service("a", "to say why it is not restarted", |now| !now["reason"].is_null());
    assert!(now["reason"].as_str().unwrap().starts_with("the program ./run.sh may not be run"), "{now}");
    assert_eq!((&now["pid"], &now["state"]), (&before, &"running".into()));
    allow(0o755);
    project.write("a.txt", "2");
    project.wait_for_service("a", "to be restarted", |now| {
        now["pid"] != before && now["state"] == "running" && now["reason"].is_null()
    });
}

#[test]
fn a_supervisor_that_can_not_be_run_again_keeps_its_service() {
    let project = only(TWO);
    let program = installed(&project);
    let before = project.service("a")["pid"].clone();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o600)).unwrap();
    let said = project.run(&["restart"]).expect(1).stderr;
    assert!(said.contains("its supervisor can't be run again"), "{said}");
    assert_eq!(project.service("a")["pid"], before);
}

#[test]
fn a_restart_that_fails_half_way_is_a_crash_with_its_reason_and_not_a_loop() {
    let project = only(TWO);
    let program = installed(&project);
    let supervisor = supervisor(&project, "a");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o600)).unwrap();
    // Signaled directly, without the command's check.
    supervisor.signal(Signal::USR2);
    let crashed = project.wait_for_state("a", "crashed");
    assert!(crashed["reason"].as_str().unwrap().contains("Permission denied"), "{crashed}");
    let log = project.read(".pipulate/log/supervisor.log");
    assert_eq!(log.matches("Permission denied").count(), 2, "the complaint and the state: {log}");
    holds("it to have ended", || !supervisor.lives());
    let status = project.run(&["status"]).expect(1).stdout;
    assert!(status.contains("crashed"), "{status}");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    project.start(&["a"]);
    assert_eq!(project.service("a")["state"], "running");
}

#[test]
fn what_stays_after_a_failed_restart_does_not_spin_and_can_be_started() {
    let config = "[services.a]\ncommand = [\"sleep\", \"1000\"]\nwatch = [\"*.txt\"]\n";
    let project = only(config);
    let program = installed(&project);
    let supervisor = supervisor(&project, "a");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o600)).unwrap();
    supervisor.signal(Signal::USR2);
    project.wait_for_state("a", "crashed");
    // A busy loop would use most of the time that 20 `status` calls take.
    let before = ticks(&supervisor);
    for _ in 0..20 {
        project.status();
    }
    assert!(ticks(&supervisor) - before < 3, "it sleeps");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    project.start(&["a"]);
    let now = project.service("a");
    assert_eq!((&now["state"], &now["supervisor_pid"]), (&"running".into(), &supervisor.pid.into()));
}

#[test]
fn a_newer_program_that_is_slow_to_say_its_version_takes_over() {
    let project = only(TWO);
    let program = installed(&project);
    let before = project.service("a");
    replace(&program, &format!("#!/bin/sh\n[ \"$1\" = --version ] && sleep 1.5\nexec {PIPULATE} \"$@\"\n"));
    let supervisor = supervisor(&project, "a");
    supervisor.signal(Signal::USR1);
    wait_for("the newer program", || (supervisor.program() == Path::new(PIPULATE)).then_some(()));
    let after = project.wait_for_state("a", "running");
    assert_eq!((&after["pid"], &after["supervisor_pid"]), (&before["pid"], &before["supervisor_pid"]));
    // A restart uses it, too.
    project.run(&["restart", "b"]).expect(0);
    assert_eq!(self::supervisor(&project, "b").program(), Path::new(PIPULATE));
}

//! Failures when a service starts or stops: the messages, and that no process is left.

use rustix::process::Signal;

use crate::support::ports::DefaultPorts;
use crate::support::process::ForeignProcess;
use crate::support::project::{Builder, python};
use crate::support::{Process, Session, TestProject, holds, http, run};

/// A project with only the services in the text.
fn only(services: &str) -> Builder {
    TestProject::light().table("server", "enabled = false").config(services)
}

/// Asserts that the failed command left no process.
fn holds_nothing(project: &TestProject) {
    holds("nothing to be left running", || project.processes().is_empty());
}

/// A foreign web server on a port.
fn foreign(project: &TestProject, port: u16) -> ForeignProcess {
    let mut command = project.foreign(python());
    command.args(["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1"]);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let foreign = ForeignProcess::start(&mut command);
    holds("the foreign process to listen", || http::get(&format!("http://127.0.0.1:{port}/"), &[]).is_some());
    foreign
}

#[test]
fn a_pinned_port_that_a_stranger_holds_fails_the_start_and_the_stranger_is_named() {
    let project = TestProject::light().build();
    let foreign = foreign(&project, project.port("server"));
    let mut session = Session::new(&project);
    let refused = session.run(&["start", "--no-setup"], 1);
    insta::assert_snapshot!(session.text());
    assert!(refused.stderr.contains(&format!("(pid {})", foreign.process().pid)), "{}", refused.stderr);
    holds_nothing(&project);

    let server = project.service("server");
    assert_eq!((&server["state"], &server["url"]), (&"crashed".into(), &serde_json::Value::Null));
    assert!(project.run(&["url", "server"]).expect(1).stderr.contains("has no page now"));
    project.run(&["stop"]).expect(0);
    foreign.process();
}

#[test]
fn the_app_in_the_foreground_takes_the_configured_port_unless_the_environment_names_another() {
    let project = TestProject::light().build();
    let _taken = foreign(&project, project.port("server"));
    let mut session = Session::new(&project);
    session.run(&["serve"], 1);
    let mut elsewhere = project.command(&["serve"]);
    session.run_command(&["serve"], elsewhere.env("PORT", "0"), 1);
    insta::assert_snapshot!(session.text(), @r"
    $ pipulate serve
    --- on stderr
    A new home: [ROOT]
    error: could not listen on 127.0.0.1:[PORT]
      because: Address already in use (os error 98)
    hint: choose another port: PORT=5003 pipulate serve
    --- 1

    $ pipulate serve
    --- on stderr
    error: PORT is not a port: 0
    --- 1
    ");
}

#[test]
fn a_port_that_is_not_pinned_gives_way_and_the_new_one_is_remembered() {
    let _ports = DefaultPorts::take();
    let project = TestProject::light().ports_by_default().build();
    project.start(&[]);
    let first = port_of(&project);
    project.run(&["stop"]).expect(0);

    let foreign = foreign(&project, first);
    let started = project.start(&[]);
    let second = port_of(&project);
    let said = format!("(pid {}); using {second}", foreign.process().pid);
    assert!(second != first && started.stderr.contains(&said), "{}", started.stderr);
    assert!(started.stderr.contains(&format!("port {first} is held by python")), "{}", started.stderr);
    assert_eq!(started.stdout, format!("server  http://127.0.0.1:{second}/\n"));
    // The note appears once: the next start doesn't start the server.
    project.write(
        "pipulate.toml",
        &format!("{}[services.other]\ncommand = [\"sleep\", \"1000\"]\n", project.read("pipulate.toml")),
    );
    let beside = project.start(&["server", "other"]);
    assert!(
        beside.stderr.contains("running other") && !beside.stderr.contains("held by"),
        "{}",
        beside.stderr
    );
    assert_eq!(http::get(&format!("http://127.0.0.1:{second}/"), &[]).unwrap().status, 401);
    project.run(&["stop"]).expect(0);

    drop(foreign);
    let again = project.start(&[]);
    assert!(port_of(&project) == second && !again.stderr.contains("is held by"), "{}", again.stderr);
}

#[test]
fn a_port_that_another_home_holds_is_said_to_be_that_homes() {
    let (project, other) = (TestProject::light().build(), TestProject::light().build());
    let port = project.port("server");
    other.write(
        "pipulate.toml",
        &format!("[services.jupyter]\nenabled = false\n[services.server]\nport = {port}\n"),
    );
    other.start(&[]);
    let refused = project.run(&["start", "--no-setup"]).expect(1);
    let home = format!("of the Pipulate project {}", other.path("").display());
    assert!(refused.stderr.contains(home.trim_end_matches('/')), "{}", refused.stderr);
    project.run(&["stop"]).expect(0);
    assert_eq!(other.service("server")["state"], "ready", "and it goes on");
}

fn port_of(project: &TestProject) -> u16 {
    project.service("server")["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap()
}

#[test]
fn a_command_that_is_not_there_or_may_not_be_run_fails_the_start() {
    let services = "[services.absent]\ncommand = [\"no-such-program\", \"--flag\"]\n\
                    [services.closed]\ncommand = [\"./closed\"]\n\
                    [services.long]\ncommand = [\"true\"]\nenv = { LONG = \"?\" }\n";
    let project = only(&services.replace('?', &"x".repeat(200 << 10))).file("closed", "#!/bin/sh\n").build();
    let mut session = Session::new(&project);
    for service in ["absent", "closed", "long"] {
        session.run(&["start", "--no-setup", service], 1);
        holds_nothing(&project);
    }
    session.run(&["status"], 1);
    session.run(&["stop"], 0);
    session.run(&["status"], 3);
    insta::assert_snapshot!(session.text());
}

#[test]
fn a_start_that_is_given_no_path_finds_programs_where_a_shell_would() {
    let project = only("[services.worker]\ncommand = [\"sh\", \"-c\", \"exec sleep 1000\"]\n").build();
    run::output(project.command(&["start", "--no-setup"]).env_remove("PATH")).expect(0);
    assert_eq!(project.service("worker")["state"], "running");
    run::output(project.command(&["restart"]).env_remove("PATH")).expect(0);
}

#[test]
fn a_service_that_takes_long_is_waited_for_no_longer_than_asked_and_goes_on() {
    let services = "[services.slow]\ncommand = [\"sleep\", \"1000\"]\nready = { log = \"never\" }\n";
    let project = only(services).build();
    let mut session = Session::new(&project);
    session.run(&["start", "--no-setup", "--wait-timeout", "200ms"], 124);
    let slow = project.service("slow");
    assert_eq!(slow["state"], "starting");
    project.run(&["status"]).expect(1);
    session.run(&["start", "--no-setup", "--wait-timeout", "200ms"], 124);
    assert_eq!(project.service("slow")["pid"], slow["pid"], "a second start starts no second one");
    session.run(&["stop"], 0);
    insta::assert_snapshot!(session.text());
    holds_nothing(&project);
}

#[test]
fn a_service_that_never_answers_is_degraded_and_the_start_says_so() {
    let services =
        "[services.mute]\ncommand = [\"sleep\", \"1000\"]\nready = { tcp = true, timeout = \"200ms\" }\n";
    let project = only(services).build();
    let mut session = Session::new(&project);
    session.run(&["start", "--no-setup"], 1);
    assert_eq!(project.service("mute")["state"], "degraded", "it lives, and nobody ends it unasked");
    session.run(&["stop"], 0);
    insta::assert_snapshot!(session.text());
    holds_nothing(&project);
}

#[test]
fn a_program_that_listens_on_another_port_than_the_pinned_one_is_told_of_the_variable() {
    let serve = "import socket, time\nlistener = socket.create_server(('127.0.0.1', 0))\ntime.sleep(1000)\n";
    let project = TestProject::light()
        .file("server.py", serve)
        .table("server", "ready = { http = \"/\", timeout = \"5s\" }")
        .build();
    let failed = project.run(&["start", "--no-setup", "server"]).expect(1).stderr;
    let why = format!(" instead of {}, which it finds in the variable PORT\n", project.port("server"));
    assert!(
        failed.contains("because: server: it has not answered within 5 s; it listens on port "),
        "{failed}"
    );
    assert!(failed.contains(&why), "{failed}");
}

#[test]
fn a_service_that_ignores_the_request_to_end_is_forced_and_named() {
    let services = "[services.deaf]\nready = { log = \"up\" }\nstop = { timeout = \"300ms\" }\n\
                    command = [\"sh\", \"-c\", \"trap '' TERM; echo up; while :; do sleep 1; done\"]\n";
    let project = only(services).build();
    for args in [&["stop"][..], &["stop", "--timeout", "10ms"], &["stop", "--force"]] {
        project.start(&[]);
        let deaf = Process::of(&project.service("deaf")["pid"]);
        let receipt = project.run(args).expect(0).stdout;
        assert!(receipt.contains(&format!("  forced: sh (pid {}), ", deaf.pid)), "{args:?}: {receipt}");
        assert!(receipt.ends_with("\n0 processes left\n"), "{args:?}: {receipt}");
        assert_eq!(project.processes(), []);
    }
}

#[test]
fn a_restart_starts_what_should_run_and_does_not_be_it_crashed_or_ended() {
    let project = TestProject::light()
        .file("server.py", "raise SystemExit('not yet')\n")
        .config("[services.once]\ncommand = [\"true\"]\n")
        .build();
    let idle = project.run(&["restart"]).expect(0);
    assert!(idle.stdout.is_empty() && idle.stderr.contains("nothing is running"), "{idle:?}");

    project.run(&["start", "--no-setup", "server", "once"]).expect(1);
    project.write(
        "server.py",
        "import http.server, os\nhttp.server.test(http.server.SimpleHTTPRequestHandler, \
        port=int(os.environ['PORT']), bind='127.0.0.1')\n",
    );
    let restarted = project.run(&["restart"]).expect(0).stdout;
    let mut lines: Vec<&str> = restarted.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["Restarted once", "Restarted server"]);
    assert_eq!(project.service("server")["state"], "ready");
    project.run(&["stop"]).expect(0);
    assert!(project.run(&["restart"]).expect(0).stdout.is_empty(), "what was stopped is not wanted");
}

#[test]
fn a_server_py_written_while_the_app_runs_is_not_taken_for_what_runs() {
    let project = TestProject::light().build();
    project.start(&[]);
    project.write("server.py", "");
    assert!(project.run(&["url"]).expect(0).stdout.contains("/login?code="), "the app wants a key as before");
    let again = project.run(&["start", "--no-setup"]).expect(0).stderr;
    assert!(
        again.contains("server still shows the app") && again.contains("pipulate restart server"),
        "{again}"
    );
    assert!(!project.run(&["start", "server", "-q"]).expect(0).stderr.contains("app"));
}

#[test]
fn a_restart_of_one_that_never_ran_begins_a_home() {
    let project = TestProject::light().config("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n").build();
    assert_eq!(project.run(&["restart", "worker"]).expect(0).stdout, "Restarted worker\n");
    assert_eq!(project.service("worker")["state"], "running");
    let all = project.run(&["status", "--all"]).expect(0);
    assert!(all.stdout.contains("worker"), "{}", all.stdout);
}

#[test]
fn a_supervisor_or_a_service_that_was_stopped_hears_that_it_is_to_end() {
    let project = only("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n").build();
    for stopped in ["supervisor_pid", "pid"] {
        project.start(&[]);
        Process::of(&project.service("worker")[stopped]).signal(Signal::STOP);
        let receipt = project.run(&["stop"]).expect(0).stdout;
        assert!(receipt.starts_with("Stopped worker: 1 process "), "{receipt}");
        assert!(!receipt.contains("forced"), "{receipt}");
        holds_nothing(&project);
    }
}

#[test]
fn a_dead_services_page_is_nobodys_who_listens_there_now() {
    let project = TestProject::light().build();
    project.start(&[]);
    assert!(project.run(&["url", "server"]).expect(0).stdout.contains("http://"));
    let service = project.service("server");
    for pid in ["supervisor_pid", "pid"] {
        Process::of(&service[pid]).kill();
    }
    let _foreign = foreign(&project, project.port("server"));
    let refused = project.run(&["url", "server"]).expect(1);
    assert_eq!(refused.stdout, "", "whoever opens it would give a foreign process a key");
}

#[test]
fn a_restart_leaves_alone_what_the_configuration_would_not_bring_back() {
    let service = |name: &str| format!("[services.{name}]\ncommand = [\"sleep\", \"1000\"]\n");
    let project = only(&(service("kept") + &service("removed") + &service("off"))).build();
    project.start(&[]);
    let before = ["removed", "off"].map(|name| project.service(name)["pid"].clone());
    let config = project.read("pipulate.toml").replace(&service("removed"), "");
    project.write("pipulate.toml", &(config + "enabled = false\n"));
    let mut session = Session::new(&project);
    session.run(&["restart"], 0);
    session.run(&["restart", "removed"], 2);
    session.run(&["restart", "off"], 2);
    insta::assert_snapshot!(session.text());
    assert_eq!(["removed", "off"].map(|name| project.service(name)["pid"].clone()), before);
}

#[test]
fn a_restart_that_could_not_bring_a_service_back_does_not_end_it() {
    let project = only("[services.worker]\ncommand = [\"sleep\", \"1000\"]\nenv_file = \".env\"\n").build();
    project.write(".env", "A=1\n");
    project.start(&[]);
    let worker = Process::of(&project.service("worker")["pid"]);
    std::fs::remove_file(project.path(".env")).unwrap();
    let mut session = Session::new(&project);
    session.run(&["restart", "worker"], 1);
    insta::assert_snapshot!(session.text());
    assert!(worker.lives());

    // Signaled directly, without the command's check, it ends; then the reason is known.
    Process::of(&project.service("worker")["supervisor_pid"]).signal(Signal::USR2);
    project.wait_for_state("worker", "crashed");
    assert!(project.run(&["status"]).expect(1).stdout.contains("its env_file is not there"));
    holds_nothing(&project);
}

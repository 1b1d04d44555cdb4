//! Main processes that can hardly be identified: without a readable environment or output, or
//! without a first thread.

use serde_json::Value;

use crate::support::process::ForeignProcess;
use crate::support::run::{self, as_user};
use crate::support::skip;
use crate::support::{Process, TestProject, holds, process, wait_for};

const NOBODY: &str = "65534";

fn project(services: &str) -> TestProject {
    TestProject::light().table("server", "enabled = false").config(services).build()
}

/// A service that clears its environment and closes its output; `secret` identifies its process.
fn hidden(name: &str, secret: &str) -> String {
    let script = format!("exec >/dev/null 2>&1; exec sleep {secret}");
    format!("[services.{name}]\ncommand = [\"env\", \"-i\", \"sh\", \"-c\", \"{script}\"]\n")
}

const SIBLING: &str = "[services.sibling]\ncommand = [\"sleep\", \"1000\"]\n";

fn secret() -> String {
    format!("1001.{}", std::process::id())
}

/// The running processes with this secret in their arguments.
fn running(secret: &str) -> Vec<Process> {
    process::with_argument(secret).into_iter().filter(|found| found.command.starts_with("sleep ")).collect()
}

/// Waits until the service has executed the program that hides.
fn main_process(project: &TestProject, secret: &str) -> Process {
    let main = wait_for("the hidden main process", || running(secret).into_iter().next());
    assert_eq!(project.service("worker")["pid"], main.pid);
    main
}

/// Every command names the process; none signals it or starts another one beside it.
fn is_refused_by_every_verb(project: &TestProject, main: &Process, secret: &str) {
    for (args, code) in [
        (&["status"][..], 4),
        (&["status", "--json"], 4),
        (&["start", "--no-setup"], 1),
        (&["start", "--no-setup", "worker"], 1),
        (&["restart", "worker"], 1),
        (&["stop", "worker"], 1),
        (&["stop", "worker", "--force"], 1),
    ] {
        let said = project.run(args).expect(code);
        assert!(said.stderr.contains(&format!("process {} (sleep)", main.pid)), "{args:?}: {said:?}");
        assert!(said.stderr.contains(&format!("kill {}", main.pid)), "{args:?}: {said:?}");
        assert!(!said.stdout.contains("processes left"), "{args:?}: {said:?}");
        let now = running(secret);
        assert!(now.len() == 1 && now[0].is(main), "{args:?}: {now:?}");
    }
    let worker = project.service("worker");
    assert_eq!((&worker["state"], &worker["pid"]), (&"unknown".into(), &Value::Null));
    assert!(worker["reason"].as_str().unwrap().contains(&main.pid.to_string()), "{worker}");
}

#[test]
fn a_main_process_that_shows_nothing_is_neither_replaced_nor_signaled_without_its_supervisor() {
    let secret = secret();
    let project = project(&(hidden("worker", &secret) + SIBLING));
    project.start(&[]);
    let main = main_process(&project, &secret);
    // With its supervisor running, it is a service like any other.
    project.run(&["restart", "worker"]).expect(0);
    assert!(!main.lives());
    let main = main_process(&project, &secret);
    let stopped = project.run(&["stop", "worker"]).expect(0);
    assert!(!main.lives() && stopped.stdout.starts_with("Stopped worker: 1 process "), "{stopped:?}");
    project.start(&[]);
    let main = main_process(&project, &secret);

    Process::of(&project.service("worker")["supervisor_pid"]).kill();
    holds("its sibling to have noticed", || {
        project.read(".pipulate/log/supervisor.log").contains("worker lost its supervisor and gets no other")
    });
    is_refused_by_every_verb(&project, &main, &secret);
    // The sibling's state is not affected.
    assert_eq!(project.service("sibling")["state"], "running");

    // The message's advice works.
    main.kill();
    assert_eq!(project.service("worker")["state"], "crashed");
    project.start(&[]);
    let main = main_process(&project, &secret);
    project.run(&["stop"]).expect(0);
    assert!(!main.lives());
    assert_eq!(running(&secret), []);
}

#[test]
fn a_sibling_that_inherits_a_hidden_process_neither_shows_nor_ends_it() {
    let secret = secret();
    let script = format!("exec >/dev/null 2>&1; sleep 5{secret} & exec sleep {secret}");
    let worker = format!("[services.worker]\ncommand = [\"env\", \"-i\", \"sh\", \"-c\", \"{script}\"]\n");
    let project = project(&(worker + SIBLING));
    project.start(&[]);
    let first = main_process(&project, &secret);
    // The sibling's supervisor starts the new supervisor, and so becomes the parent of its orphans.
    let supervisor = Process::of(&project.service("worker")["supervisor_pid"]);
    supervisor.signal(rustix::process::Signal::STOP);
    first.kill();
    running(&format!("5{secret}"))[0].kill();
    supervisor.kill();
    let second = project.wait_for_service("worker", "to be started again", |worker| {
        worker["state"] == "running" && worker["pid"].is_i64() && !running(&secret).is_empty()
    });
    let main = main_process(&project, &secret);
    let child = wait_for("its child", || running(&format!("5{secret}")).pop());
    let rescuer = &project.service("sibling")["supervisor_pid"];
    let supervisor = Process::of(&second["supervisor_pid"]);
    assert_eq!(*rescuer, supervisor.ppid);
    supervisor.kill();
    holds("the sibling to inherit it", || *rescuer == Process::find(main.pid).unwrap().ppid);

    let sibling = project.service("sibling");
    assert_eq!(sibling["processes"].as_array().unwrap().len(), 1, "{sibling}");
    assert_eq!(project.service("worker")["state"], "unknown");
    project.run(&["restart", "sibling"]).expect(0);
    assert!(main.lives() && child.lives());
    // A child without a parent is not counted either.
    main.kill();
    let sibling = project.service("sibling");
    assert_eq!(sibling["processes"].as_array().unwrap().len(), 1, "{sibling}");
    let stopped = project.run(&["stop", "sibling"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped sibling: 1 process "), "{stopped:?}");
    assert!(child.lives(), "{stopped:?}");
    child.kill();
}

#[test]
fn a_hidden_main_process_survives_an_upgrade_of_its_supervisor() {
    let secret = secret();
    let project = project(&hidden("worker", &secret));
    project.start(&[]);
    let main = main_process(&project, &secret);
    let supervisor = Process::of(&project.service("worker")["supervisor_pid"]);
    supervisor.signal(rustix::process::Signal::USR1);
    holds("the newer program", || project.read(".pipulate/log/supervisor.log").contains("makes way"));
    let worker = project.wait_for_state("worker", "running");
    assert_eq!((&worker["pid"], &worker["supervisor_pid"]), (&main.pid.into(), &supervisor.pid.into()));
    project.run(&["stop"]).expect(0);
    assert!(!main.lives() && running(&secret).is_empty());
}

#[test]
fn a_main_process_that_its_own_user_may_not_look_at_is_neither_replaced_nor_signaled() {
    if skip::unless_root() {
        return;
    }
    let secret = secret();
    // As ssh-agent does: PR_SET_DUMPABLE.
    let program = format!(
        "import ctypes, time\nctypes.CDLL(None).prctl(4, 0)\nopen('up', 'w')\ntime.sleep({secret})\n"
    );
    let python = std::fs::canonicalize("/usr/bin/python3").unwrap();
    let config = format!("[services.worker]\ncommand = [\"{}\", \"hides.py\"]\n", python.display());
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config(&config)
        .file("hides.py", &program)
        .build();
    let above = project.home().parent().unwrap();
    run::output(run::command("chown").args(["-R", NOBODY]).arg(above)).expect(0);
    let call = |args: &[&str]| run::output(&mut as_user(NOBODY, &project.command(args)));
    call(&["start", "--no-setup"]).expect(0);
    holds("it to hide", || project.path("up").exists());
    let status: Value = serde_json::from_str(&call(&["status", "--json"]).expect(0).stdout).unwrap();
    let is_worker = |service: &&Value| service["name"] == "worker";
    let before = status["services"].as_array().unwrap().iter().find(is_worker).unwrap().clone();
    let main = Process::of(&before["pid"]);
    Process::of(&before["supervisor_pid"]).kill();
    for (args, code) in
        [(&["status"][..], 4), (&["start", "--no-setup"], 1), (&["stop"], 1), (&["stop", "--force"], 1)]
    {
        let said = call(args).expect(code);
        assert!(said.stderr.contains(&format!("process {} (", main.pid)), "{args:?}: {said:?}");
        assert!(main.lives());
    }
    // Root can read the process and sees its owner.
    run::output(run::command("chown").args(["-R", "0"]).arg(above)).expect(0);
    project.run(&["stop"]).expect(0);
    assert!(!main.lives());
}

#[test]
fn a_main_process_that_overwrites_its_environment_is_known_by_its_output() {
    // As libraries do that set a process's title.
    let program = "import ctypes, os, time\n\
                   stat = open('/proc/self/stat').read().rsplit(')', 1)[1].split()\n\
                   start, end = int(stat[47]), int(stat[48])\n\
                   ctypes.memset(start, ord('x'), end - start)\n\
                   open('up', 'w')\ntime.sleep(1000)\n";
    let config = "[services.worker]\ncommand = [\"/usr/bin/python3\", \"title.py\"]\n";
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config(config)
        .file("title.py", program)
        .build();
    project.start(&[]);
    holds("its title", || project.path("up").exists());
    let before = project.service("worker");
    let main = Process::of(&before["pid"]);
    Process::of(&before["supervisor_pid"]).kill();
    assert_eq!(project.service("worker")["state"], "unsupervised");
    project.start(&[]);
    assert_eq!(project.service("worker")["pid"], main.pid);
    project.run(&["stop"]).expect(0);
    assert!(!main.lives());
}

#[test]
fn a_forged_record_whose_innocent_lives_is_refused_with_a_word() {
    let project = project("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n");
    project.start(&[]);
    let record = ".pipulate/run/worker.json";
    let mut forged: Value = serde_json::from_str(&project.read(record)).unwrap();
    project.run(&["stop"]).expect(0);
    let secret = secret();
    let innocent = ForeignProcess::start(run::command("sleep").arg(&secret).env_clear());
    let main = wait_for("the innocent", || running(&secret).into_iter().next());
    let identity = &mut forged["main"]["identity"];
    (identity["pid"], identity["start"]) = (main.pid.into(), main.start.into());
    project.write(record, &forged.to_string());
    is_refused_by_every_verb(&project, &main, &secret);
    innocent.process();
    // The message's advice works.
    std::fs::remove_file(project.path(record)).unwrap();
    project.start(&[]);
    project.run(&["stop"]).expect(0);
    innocent.process();
}

/// Compiles a C web server whose first thread ends.
fn compile_leaderless(project: &TestProject) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/fixtures/leaderless.c");
    let mut compiler = run::command("cc");
    run::output(compiler.arg("-pthread").arg("-o").arg(project.path("leaderless")).arg(source)).expect(0);
}

fn has_lost_its_first_thread(process: &Process) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap().contains(") Z ")
}

#[test]
fn a_service_whose_first_thread_has_ended_is_supervised_like_any_other() {
    let service = "[services.worker]\ncommand = [\"./leaderless\"]\nport = 0\n\
                   ready = { http = \"/\", timeout = \"20s\" }\n";
    let port = crate::support::ports::Port::take();
    let config = service.replace("port = 0", &format!("port = {}", port.number)) + SIBLING;
    let project = project(&config);
    compile_leaderless(&project);
    project.start(&[]);
    let main = Process::of(&project.service("worker")["pid"]);
    holds("the end of its first thread", || has_lost_its_first_thread(&main));
    let worker = project.service("worker");
    assert_eq!((&worker["state"], &worker["pid"]), (&"ready".into(), &main.pid.into()));
    assert!(worker["memory_bytes"].as_u64().unwrap() > 0, "{worker}");
    project.run(&["status"]).expect(0);

    // After a sibling's takeover it still belongs to the service.
    let supervisor = Process::of(&worker["supervisor_pid"]);
    supervisor.kill();
    let adopted = project.wait_for_service("worker", "to have another supervisor", |worker| {
        worker["state"] == "ready" && worker["supervisor_pid"] != supervisor.pid
    });
    assert_eq!(adopted["pid"], main.pid);
    // And without a takeover.
    project.run(&["stop", "sibling"]).expect(0);
    Process::of(&adopted["supervisor_pid"]).kill();
    assert_eq!(project.service("worker")["state"], "unsupervised");
    project.start(&["worker"]);
    assert_eq!(project.service("worker")["pid"], main.pid);

    project.run(&["restart", "worker"]).expect(0);
    assert!(!main.lives());
    let main = Process::of(&project.service("worker")["pid"]);
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped worker: 1 process "), "{stopped:?}");
    assert!(!main.lives());
}

#[test]
fn a_child_whose_first_thread_has_ended_is_ended_by_a_stop_and_named_as_a_ports_owner() {
    let port = crate::support::ports::Port::take();
    let config = format!(
        "[services.worker]\ncommand = [\"sh\", \"-c\", \"PORT={0} setsid ./leaderless & exec sleep 1000\"]\n\
         [services.other]\ncommand = [\"sleep\", \"1000\"]\nport = {0}\nready = {{ tcp = true }}\n",
        port.number
    );
    let project = project(&config);
    compile_leaderless(&project);
    project.start(&["worker"]);
    let child = project.find_process("./leaderless");
    holds("the end of its first thread", || has_lost_its_first_thread(&child));
    let refused = project.run(&["start", "--no-setup", "other"]).expect(1);
    assert!(refused.stderr.contains(&format!("leaderless (pid {})", child.pid)), "{refused:?}");
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.contains("Stopped worker: 2 processes"), "{stopped:?}");
    assert!(!child.lives());
}

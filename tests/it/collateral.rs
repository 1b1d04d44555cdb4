//! Nothing that is ended on request was anyone else's: foreign processes of every kind survive a `stop`.

use serde_json::Value;

use crate::support::process::ForeignProcess;
use crate::support::project::{PIPULATE, python};
use crate::support::{Jupyter, Process, TestProject, http};

const WORKER: &str = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
const SERVER_PY: &str = "import time\ntime.sleep(1000)\n";

#[test]
fn strangers_that_only_look_like_ours_survive() {
    let other = TestProject::new();
    let project =
        TestProject::builder().file("server.py", SERVER_PY).table("server", "ready = \"none\"").build();
    let program = |name: &str| {
        let mut command = project.foreign(name);
        command.args(["-c", "import time; time.sleep(1000)", "jupyter-lab", "pipulate"]);
        command
    };
    let mut by_hand = project.foreign(project.path(".venv/bin/python"));
    let mut in_shell = project.foreign("sh");
    in_shell.args(["-c", "sleep 1000; : jupyter-lab --ServerApp.ip=127.0.0.1"]);
    let foreign = [
        ForeignProcess::start(by_hand.arg("server.py")),
        ForeignProcess::start(&mut in_shell),
        ForeignProcess::start(&mut program(python().to_str().unwrap())),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| other.start(&[]));
        project.start(&[]);
    });
    let others = other.status();
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.ends_with("\n0 processes left\n"), "{}", stopped.stdout);
    assert_eq!(project.processes(), []);
    for foreign in &foreign {
        foreign.process();
    }
    for (index, service) in ["jupyter", "server"].into_iter().enumerate() {
        let (before, after) = (&others["services"][index], other.service(service));
        assert_eq!((&after["state"], &after["pid"]), (&"ready".into(), &before["pid"]));
        assert_eq!(after["supervisor_pid"], before["supervisor_pid"]);
    }
    let shell = foreign[1].process();
    shell.descendants().iter().for_each(Process::kill);
    drop(foreign);
    other.run(&["stop"]).expect(0);
}

#[test]
fn a_project_started_in_a_terminal_of_jupyterlab_is_not_its_own() {
    let project = TestProject::new();
    let inner = TestProject::light().config(WORKER).build();
    project.start(&["jupyter"]);
    let terminal = Jupyter::of(&project);
    let terminal = terminal.terminal();
    let start =
        format!("{PIPULATE} -C {} start --no-setup && echo started $((40 + 2))", inner.root().display());
    terminal.type_line(&start, "started 42");
    let before = inner.status();
    let inner_pids: Vec<i32> = inner.processes().iter().map(|process| process.pid).collect();
    assert_eq!(inner_pids.len(), 4, "two services with a supervisor each");
    let told = project.service("jupyter")["processes"].clone();
    let is_inner = |process: &Value| inner_pids.iter().any(|pid| process["pid"] == *pid);
    assert!(!told.as_array().unwrap().iter().any(is_inner), "{told}");

    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.contains("belongs to another project"), "{}", stopped.stdout);
    assert!(stopped.stdout.ends_with("\n0 processes left\n"), "{}", stopped.stdout);
    assert_eq!(project.processes(), []);
    let after = inner.status();
    for service in 0..2 {
        for field in ["name", "state", "pid", "supervisor_pid", "restarts"] {
            assert_eq!(after["services"][service][field], before["services"][service][field]);
        }
    }
    assert_eq!(after["state"], "ready");
    let url = format!("http://127.0.0.1:{}/", inner.port("server"));
    assert_eq!(http::get(&url, &[]).unwrap().status, 401);
    inner.run(&["stop"]).expect(0);
    assert_eq!(inner.processes(), []);
}

#[test]
fn what_detached_itself_from_a_terminal_of_jupyterlab_goes_on() {
    stop_and_look_what_is_left(|_| {});
}

#[test]
fn what_detached_itself_goes_on_when_the_supervisor_is_dead_too() {
    stop_and_look_what_is_left(|project| Process::of(&project.service("jupyter")["supervisor_pid"]).kill());
}

fn stop_and_look_what_is_left(before_the_stop: impl FnOnce(&TestProject)) {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let terminal = jupyter.terminal();
    terminal.type_line("tmux new-session -d 'sleep 1001'; echo tmux $((40 + 2))", "tmux 42");
    terminal.type_line("tmux new-window -d 'vim -u NONE notes.txt'; echo vim $((40 + 2))", "vim 42");
    let orphan = "tmux new-window -d '(sleep 1005 &); exec sleep 1006'; echo orphan $((40 + 2))";
    terminal.type_line(orphan, "orphan 42");
    terminal.type_line("nohup sleep 1002 & echo nohup $((40 + 2))", "nohup 42");
    terminal.type_line("setsid --fork sleep 1003; echo setsid $((40 + 2))", "setsid 42");
    terminal.type_line("sleep 1004 & echo job $((40 + 2))", "job 42");
    let [in_tmux, nohup, setsid, job, orphan, pane] =
        [1001, 1002, 1003, 1004, 1005, 1006].map(|seconds| project.find_process(&format!("sleep {seconds}")));
    let editor = project.find_process("vim -u NONE notes.txt");
    let tmux = Process::of(&in_tmux.ppid.into());
    assert!(tmux.command.starts_with("tmux"), "{tmux:?}");
    before_the_stop(&project);

    let stopped = project.run(&["stop", "--force"]).expect(0);
    for left in [&tmux, &in_tmux, &editor, &nohup, &setsid, &orphan, &pane] {
        assert!(left.lives(), "{left:?} was ended");
    }
    assert!(!job.lives(), "a job of the terminal ends with it");
    for left in [&tmux, &nohup, &setsid] {
        let pid = format!("(pid {}), detached itself from a JupyterLab terminal", left.pid);
        let line = stopped.stdout.lines().find(|line| line.contains(&pid));
        assert!(line.is_some_and(|line| line.contains("left running")), "{}", stopped.stdout);
    }
    assert!(stopped.stdout.ends_with("\n0 processes left\n"), "{}", stopped.stdout);
    assert_eq!(project.service("jupyter")["state"], "stopped");
    project.run(&["stop"]).expect(0);
    assert!([&tmux, &nohup, &setsid, &orphan].iter().all(|left| left.lives()), "the second stop ended them");
    for left in [&in_tmux, &editor, &tmux, &nohup, &setsid, &orphan, &pane] {
        left.kill();
    }
}

#[test]
fn a_stranger_who_reads_the_fifo_is_not_the_services() {
    let project = only_a_worker();
    project.start(&[]);
    let mut reader = crate::support::run::command("sh");
    reader.args(["-c", "exec sleep 1000 < \"$1\"", "sh"]).arg(project.path(".pipulate/run/worker.out"));
    let foreign = ForeignProcess::start(reader.env_clear());
    // Without its supervisor, all processes are searched for the service's.
    Process::of(&project.service("worker")["supervisor_pid"]).kill();
    assert_eq!(project.service("worker")["processes"].as_array().unwrap().len(), 1);
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped worker: 1 process "), "{}", stopped.stdout);
    foreign.process();
}

fn only_a_worker() -> TestProject {
    TestProject::light().table("server", "enabled = false").config(WORKER).build()
}

/// A sleeping process without the project's marker in its environment.
fn innocent() -> ForeignProcess {
    ForeignProcess::start(crate::support::run::command("sleep").arg("1000").env_clear())
}

/// `identity` with the pid and start time of `process`; the machine and boot stay.
fn identity_like(identity: &Value, process: &Process) -> Value {
    let mut forged = identity.clone();
    forged["pid"] = process.pid.into();
    forged["start"] = process.start.into();
    forged
}

#[test]
fn a_forged_record_makes_nobody_ours() {
    let [project, other] = [only_a_worker(), only_a_worker()];
    other.start(&[]);
    let record = ".pipulate/run/worker.json";
    let foreign = innocent();
    let others = Process::of(&other.service("worker")["pid"]);
    for victim in [foreign.process(), others, Process::find(1).unwrap()] {
        project.start(&[]);
        let genuine: Value = serde_json::from_str(&project.read(record)).unwrap();
        project.run(&["stop"]).expect(0);
        let identity = identity_like(&genuine["main"]["identity"], &victim);
        let (mut as_main, mut as_both) = (genuine.clone(), genuine.clone());
        as_main["main"]["identity"] = identity.clone();
        as_both["main"]["identity"] = identity.clone();
        as_both["supervisor"] = identity;
        for forged in [as_main, as_both] {
            for args in [
                &["status"][..],
                &["stop"],
                &["stop", "--force"],
                &["restart", "worker"],
                &["start", "--no-setup"],
                &["stop", "--force", "--timeout", "1ms"],
            ] {
                project.write(record, &forged.to_string());
                project.write(".pipulate/run/worker.pid", &format!("{}\n", victim.pid));
                let refused = project.run(args).expect(if args == ["status"] { 4 } else { 1 });
                assert!(
                    refused.stderr.contains(&format!("process {} (", victim.pid)),
                    "{args:?}: {refused:?}"
                );
                assert!(victim.lives(), "{args:?} ended {victim:?}");
                let told = project.service("worker");
                assert_ne!(told["pid"], victim.pid, "{args:?}: {told}");
                project.run(&["stop"]).expect(1);
            }
            assert_eq!(project.processes(), []);
            std::fs::remove_file(project.path(record)).unwrap();
        }
    }
    other.run(&["stop"]).expect(0);
}

#[test]
fn a_record_forged_while_its_service_runs_misleads_nobody() {
    let project = only_a_worker();
    let record = ".pipulate/run/worker.json";
    let foreign = innocent();
    project.start(&[]);
    let worker = Process::of(&project.service("worker")["pid"]);
    let mut forged: Value = serde_json::from_str(&project.read(record)).unwrap();
    let identity = identity_like(&forged["main"]["identity"], &foreign.process());
    forged["main"]["identity"] = identity.clone();
    forged["supervisor"] = identity;
    project.write(record, &forged.to_string());
    project.write(".pipulate/run/worker.pid", &format!("{}\n", foreign.process().pid));
    project.run(&["stop"]).expect(0);
    assert!(!worker.lives(), "stop ends the real one");
    foreign.process();
    assert_eq!(project.processes(), []);
}

#[test]
fn what_a_pid_file_says_is_nothing_to_us() {
    let project = only_a_worker();
    let foreign = innocent();
    let told = project.start(&[]).stdout;
    assert_eq!(told, "worker\n");
    for pid in [foreign.process().pid.to_string(), "1".to_owned(), "-1".to_owned(), "0".to_owned()] {
        let before = project.service("worker")["pid"].clone();
        project.write(".pipulate/run/worker.pid", &pid);
        assert_eq!(project.service("worker")["pid"], before);
        project.run(&["restart"]).expect(0);
        assert_ne!(project.service("worker")["pid"], before);
        project.write(".pipulate/run/worker.pid", &pid);
        project.run(&["stop"]).expect(0);
        assert_eq!(project.processes(), []);
        project.start(&[]);
    }
    foreign.process();
    project.run(&["stop"]).expect(0);
}

//! Unrequested ends: repeated crashes, daemons in the background, and a group that can't be ended.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::skip;
use crate::support::{Process, TestProject, holds, run, wait_for};

const SIBLING: &str = "[services.sibling]\ncommand = [\"sleep\", \"1000\"]\n";
/// Prints "up"; fails on USR1 and ends successfully on USR2.
const FAILING: &str = "[services.worker]\nready = { log = \"up\" }\ncommand = [\"bash\", \"-c\", \"\
    trap 'echo boom in line 7; exit 3' USR1; trap 'exit 0' USR2; echo up; while :; do sleep 0.02; done\"]\n";
/// Forks into the background, once or twice, and answers on its port if it has one.
const DAEMON: &str = "\
import os, sys, time, http.server
if os.fork():
    os._exit(0)
os.setsid()
if 'twice' in sys.argv and os.fork():
    os._exit(0)
open('ran', 'a').write('x')
if 'PORT' in os.environ:
    address = ('127.0.0.1', int(os.environ['PORT']))
    http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
time.sleep(1000)
";

fn project(config: &str) -> TestProject {
    let project = TestProject::light().table("server", "enabled = false").file("daemon.py", DAEMON);
    project.config(config).build()
}

/// Makes the worker fail and waits until it is up again.
fn fail(project: &TestProject) -> Value {
    let before = project.service("worker");
    Process::of(&before["pid"]).signal(Signal::USR1);
    project.wait_for_service("worker", "to be started again", |now| {
        let is_up = now["state"] == "ready" || now["state"] == "unstable";
        is_up && !now["pid"].is_null() && now["pid"] != before["pid"]
    })
}

/// Waits until the supervisor log contains these words at least `count` times.
fn noted(project: &TestProject, words: &str, count: usize) {
    let log = ".pipulate/log/supervisor.log";
    holds(words, || project.read(log).matches(words).count() >= count);
}

#[test]
fn a_service_that_fails_again_and_again_is_unstable_whoever_supervises_it() {
    let project = project(&(FAILING.to_owned() + SIBLING));
    project.start(&[]);
    for restarts in 1..=2 {
        let worker = fail(&project);
        assert_eq!((&worker["state"], &worker["restarts"]), (&"ready".into(), &restarts.into()));
    }
    let before = fail(&project);
    let why = "it ended 3 times since it was last up for a minute; the last time it ended with code 3";
    let is_unstable = |worker: &Value| {
        worker["state"] == "unstable" && worker["reason"] == why && worker["pid"] == before["pid"]
    };
    assert!(is_unstable(&before), "{before}");
    assert_eq!(project.status()["state"], "unstable");
    let said = project.run(&["status"]).expect(1);
    assert!(said.stdout.contains("unstable") && said.stdout.contains(why), "{said:?}");
    let refused = project.run(&["start", "--no-setup", "worker"]).expect(1);
    for words in ["unstable worker", "boom in line 7", why] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    let examined = project.run(&["doctor", "--json"]).stdout;
    assert!(examined.contains("worker keeps crashing") && examined.contains("boom in line 7"));

    // Killed; its sibling starts a new supervisor.
    Process::of(&before["supervisor_pid"]).kill();
    let adopted = project.wait_for_service("worker", "to have a new supervisor", |now| {
        !now["supervisor_pid"].is_null()
            && now["supervisor_pid"] != before["supervisor_pid"]
            && is_unstable(now)
    });
    // The same process, re-executed.
    Process::of(&adopted["supervisor_pid"]).signal(Signal::USR1);
    noted(&project, "makes way", 1);
    project.wait_for_service("worker", "to be as it was", |now| {
        now["supervisor_pid"] == adopted["supervisor_pid"] && is_unstable(now)
    });
    let after = fail(&project);
    assert_eq!((&after["state"], &after["restarts"]), (&"unstable".into(), &4.into()));

    project.run(&["restart", "worker"]).expect(0);
    assert_eq!(project.service("worker")["state"], "ready", "a new life");
    project.run(&["status"]).expect(0);
}

#[test]
fn a_supervisor_that_is_replaced_while_its_service_waits_goes_on_with_the_wait() {
    let project = project(&(FAILING.to_owned() + SIBLING));
    for kill in [true, false] {
        project.start(&[]);
        for _ in 0..3 {
            fail(&project);
        }
        let before = project.service("worker");
        Process::of(&before["pid"]).signal(Signal::USR1);
        // The backoff is two seconds or more.
        project.wait_for_service("worker", "to wait", |now| {
            now["state"] == "backoff" && now["reason"].as_str().is_some_and(|why| why.contains("4 times"))
        });
        let supervisor = Process::of(&before["supervisor_pid"]);
        supervisor.signal(if kill { Signal::KILL } else { Signal::USR1 });
        let after = project.wait_for_service("worker", "to be started again", |now| now["restarts"] == 4);
        let after = match after["state"] == "backoff" {
            true => project.wait_for_state("worker", "unstable"),
            false => after,
        };
        assert_eq!((&after["state"], &after["restarts"]), (&"unstable".into(), &4.into()), "{kill}");
        assert_eq!(after["supervisor_pid"] != before["supervisor_pid"], kill);
        project.run(&["stop"]).expect(0);
    }
}

/// The project's daemon processes that are running.
fn daemons(project: &TestProject) -> Vec<Process> {
    let is_one = |process: &Process| process.command.contains("daemon.py");
    project.processes().into_iter().filter(is_one).collect()
}

/// The `status` of a service in the background, once the process that forked the daemon has ended.
fn in_background(project: &TestProject) -> Value {
    project.wait_for_service("worker", "to be in the background", |now| {
        let [daemon] = &daemons(project)[..] else { return false };
        let why = format!("running in the background: python (pid {});", daemon.pid);
        let listed = json!([{"name": "python", "pid": daemon.pid, "ppid": daemon.ppid, "role": "child"}]);
        now["reason"].as_str().is_some_and(|reason| reason.contains(&why))
            && (&now["state"], &now["pid"]) == (&"degraded".into(), &daemon.pid.into())
            && now["processes"] == listed
    })
}

#[test]
fn no_second_instance_is_started_beside_one_that_put_itself_into_the_background() {
    let command = |twice: &str| format!("command = [\"python\", \"daemon.py\"{twice}]\n");
    let port = crate::support::ports::Port::take();
    let answering = format!("port = {}\nready = {{ tcp = true, timeout = \"20s\" }}\n", port.number);
    for rest in [
        command(""),
        command(", \"twice\""),
        command("") + &answering,
        command("") + "restart = \"always\"\n",
        command("") + "restart = \"never\"\n",
    ] {
        let project = project(&format!("[services.worker]\n{rest}{SIBLING}"));
        // The first start's exit code depends on the probe; by the second start the daemon is known.
        project.run(&["start", "--no-setup"]);
        let before = in_background(&project);
        let daemon = format!("(pid {})", before["pid"]);
        for args in [&["start", "--no-setup"][..], &["start", "--no-setup", "--no-wait", "worker"]] {
            let refused = project.run(args).expect(1);
            for words in ["running in the background: worker", &daemon, "pipulate restart worker"] {
                assert!(refused.stderr.contains(words), "{words}: {refused:?}");
            }
        }
        project.run(&["status"]).expect(1);
        assert_eq!(project.read("ran"), "x", "{rest}");

        project.run(&["restart", "worker"]);
        let after = in_background(&project);
        assert!(after["pid"] != before["pid"] && project.read("ran") == "xx", "{rest}");
        let stopped = project.run(&["stop", "worker"]).expect(0);
        assert!(stopped.stdout.starts_with("Stopped worker: 1 process "), "{stopped:?}");
        assert_eq!(daemons(&project), []);
    }
}

#[test]
fn whoever_takes_over_what_is_in_the_background_starts_nothing_beside_it() {
    let project = project(&format!("[services.worker]\ncommand = [\"python\", \"daemon.py\"]\n{SIBLING}"));
    project.start(&[]);
    let before = in_background(&project);
    let supervisor = Process::of(&before["supervisor_pid"]);
    supervisor.signal(Signal::USR1);
    noted(&project, "makes way", 1);
    noted(&project, "running in the background", 2);
    in_background(&project);
    // Killed, with a sibling that sees it and without one.
    supervisor.kill();
    let adopted = project.wait_for_service("worker", "to be adopted", |now| {
        !now["supervisor_pid"].is_null() && now["supervisor_pid"] != before["supervisor_pid"]
    });
    assert_eq!(in_background(&project)["pid"], before["pid"]);
    project.run(&["stop", "sibling"]).expect(0);
    Process::of(&adopted["supervisor_pid"]).kill();
    let alone = project.service("worker");
    assert_eq!((&alone["state"], &alone["pid"]), (&"unsupervised".into(), &before["pid"]));
    project.run(&["start", "--no-setup", "worker"]).expect(1);
    assert_eq!(in_background(&project)["pid"], before["pid"]);
    assert_eq!(project.read("ran"), "x");
    let log = project.read(".pipulate/log/supervisor.log");
    assert!(!log.contains("in the background: ;"), "its processes are always named: {log}");

    // Once the daemon ends, starts are no longer refused.
    Process::of(&before["pid"]).kill();
    project.wait_for_state("worker", "exited");
    project.start(&["worker"]);
    project.run(&["stop"]).expect(0);
    assert_eq!(daemons(&project), []);
}

#[test]
fn a_crash_with_a_group_that_nothing_ends_is_given_up_and_says_who_is_in_the_way() {
    if skip::unless_root() {
        return;
    }
    let user = &(1_100_000 + std::process::id()).to_string();
    let becomes_root = "./becomes-root -c 'import os, time; os.setresuid(0, 0, 0); open(\\\"is-root\\\", \\\"w\\\"); time.sleep(1000)'";
    let config =
        format!("[services.worker]\ncommand = [\"sh\", \"-c\", \"{becomes_root} & exec sleep 1000\"]\n");
    let project = project(&(config + SIBLING));
    let above = project.home().parent().unwrap();
    run::output(run::command("chown").args(["-R", user]).arg(above)).expect(0);
    fs::copy(fs::canonicalize("/usr/bin/python3").unwrap(), project.path("becomes-root")).unwrap();
    fs::set_permissions(project.path("becomes-root"), fs::Permissions::from_mode(0o4755)).unwrap();
    let call = |args: &[&str]| run::output(&mut run::as_user(user, &project.command(args)));
    let worker = || -> Value {
        let status: Value = serde_json::from_str(&call(&["status", "--json"]).stdout).unwrap();
        let services = status["services"].as_array().unwrap();
        services.iter().find(|found| found["name"] == "worker").unwrap().clone()
    };
    let another_users_child = || {
        let is_it = |found: &Process| found.command.starts_with("./becomes-root");
        holds("the child of another user", || fs::remove_file(project.path("is-root")).is_ok());
        let main = Process::of(&worker()["pid"]);
        wait_for("it among the processes", || main.descendants().into_iter().find(is_it))
    };
    call(&["start", "--no-setup"]).expect(0);
    let child = another_users_child();
    let main = Process::of(&worker()["pid"]);
    main.kill();

    let line = format!("becomes-root (pid {}) belongs to another user", child.pid);
    let given_up = wait_for("an end of the wait", || Some(worker()).filter(|now| now["state"] == "crashed"));
    assert!(given_up["reason"].as_str().unwrap().contains(&line), "{given_up}");
    let refused = call(&["start", "--no-setup", "worker"]).expect(1);
    assert!(refused.stderr.contains(&line), "{refused:?}");
    assert!(child.lives() && worker()["pid"].is_null());

    child.kill();
    call(&["start", "--no-setup", "worker"]).expect(0);
    assert_eq!(worker()["state"], "running");
    let child = another_users_child();
    let line = format!("becomes-root (pid {}) belongs to another user", child.pid);
    let refused = call(&["restart", "worker"]).expect(1);
    assert!(refused.stderr.contains(&line), "a restart that can't go on ends: {refused:?}");
    assert!(call(&["stop"]).expect(1).stdout.contains("1 process left"));
    let left = worker();
    assert_eq!(left["state"], "unsupervised");
    assert!(left["reason"].as_str().unwrap().contains(&line), "{left}");
    // The receipt counts the processes it ended, without those of an earlier stop.
    call(&["start", "--no-setup", "worker"]).expect(0);
    let other = another_users_child();
    let stopped = call(&["stop"]).expect(1);
    assert!(stopped.stdout.contains("Stopped worker: 1 process in"), "{stopped:?}");
    assert!(stopped.stdout.contains("2 processes left"), "{stopped:?}");
    other.kill();
    child.kill();
    call(&["stop"]).expect(0);
    run::output(run::command("chown").args(["-R", "0"]).arg(above)).expect(0);
}

#[test]
fn a_port_that_a_crash_left_in_use_by_the_services_own_process_is_named_with_what_to_do() {
    let port = crate::support::ports::Port::take();
    let leaving = "import os, sys, time, socket\n\
        listener = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n\
        if os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\n\
        while not os.path.exists('fail'):\n    time.sleep(0.02)\n\
        sys.exit(3)\n";
    let config = format!(
        "[services.worker]\ncommand = [\"python\", \"leaving.py\"]\nport = {}\nready = {{ tcp = true }}\n",
        port.number
    );
    let project = project(&config);
    project.write("leaving.py", leaving);
    project.start(&[]);
    project.write("fail", "");
    let crashed = project.wait_for_state("worker", "crashed");
    let why = crashed["reason"].as_str().unwrap();
    let held = format!("port {} is held by what worker left running when it ended: ", port.number);
    assert!(why.starts_with(&held) && why.ends_with("; end that with: pipulate stop worker"), "{why}");

    project.run(&["stop", "worker"]).expect(0);
    fs::remove_file(project.path("fail")).unwrap();
    project.start(&["worker"]);
}

#[test]
fn without_a_usable_configuration_a_wait_ends_with_a_word() {
    let project = project(&(FAILING.to_owned() + SIBLING));
    project.start(&[]);
    for _ in 0..3 {
        fail(&project);
    }
    let before = project.service("worker");
    let whole = project.read("pipulate.toml");
    project.write("pipulate.toml", &format!("{whole}half = ["));
    Process::of(&before["pid"]).signal(Signal::USR1);
    project.wait_for_state("worker", "backoff");
    Process::of(&before["supervisor_pid"]).kill();
    let crashed = project.wait_for_service("worker", "to say why", |now| {
        now["reason"].as_str().is_some_and(|why| why.contains("it is not known what to start"))
    });
    assert_eq!(crashed["state"], "crashed");
    // The reason is still shown after its supervisor has ended.
    holds("the end of its supervisor", || project.supervisors("worker").is_empty());
    assert_eq!(project.service("worker")["reason"], crashed["reason"]);
    project.run(&["status"]).expect(1);
    project.write("pipulate.toml", &whole);
    project.start(&["worker"]);
    assert_eq!(project.service("worker")["state"], "ready");
}

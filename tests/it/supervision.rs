//! Supervisors and services die: which processes survive, what is restarted, and what is reported.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::json;

use crate::support::project::{PIPULATE, python};
use crate::support::{Jupyter, Process, TestProject, holds, wait_for};

const WORKER: &str = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";

#[test]
fn what_a_killed_supervisor_leaves_lives_on_until_start_adopts_it() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("x = 42");
    let before = project.service("jupyter");
    Process::of(&before["supervisor_pid"]).kill();

    project.run(&["status"]).expect(1);
    let alone = project.service("jupyter");
    assert_eq!(alone["state"], "unsupervised");
    assert_eq!((&alone["pid"], &alone["kernels"]), (&before["pid"], &before["kernels"]));
    assert_eq!(alone["supervisor_pid"], json!(null));
    assert_eq!(kernel.run("print(x)"), "42\n");
    let meanwhile = jupyter.kernel();

    project.start(&["jupyter"]);
    // While JupyterLab is busy for longer than a probe waits, the state is `degraded`.
    wait_for("a status that is well", || (project.run(&["status"]).code == Some(0)).then_some(()));
    let adopted = project.wait_for_state("jupyter", "ready");
    assert_eq!((&adopted["pid"], &adopted["started_at"]), (&before["pid"], &before["started_at"]));
    assert_ne!(adopted["supervisor_pid"], before["supervisor_pid"]);
    assert_eq!(kernel.run("print(x)"), "42\n");

    let after = jupyter.kernel();
    wait_for("the lines printed before, during and after the absence", || {
        let logs = project.run(&["logs", "jupyter", "--tail", "all"]).stdout;
        [&kernel, &meanwhile, &after].iter().all(|kernel| logs.contains(&kernel.id)).then_some(())
    });
    // A starting kernel has short-lived children, which the receipt would count.
    wait_for("JupyterLab and three kernels, and nothing else", || {
        (project.service("jupyter")["processes"].as_array().unwrap().len() == 4).then_some(())
    });
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped jupyter: 4 processes"), "{}", stopped.stdout);
    assert_eq!(project.processes(), []);
}

#[test]
fn stop_ends_everything_without_a_supervisor_too() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let kernel_of = Jupyter::of(&project);
    let kernel = kernel_of.kernel();
    kernel.run("import subprocess; subprocess.Popen(['sleep', '1001'], start_new_session=True)");
    kernel.run("subprocess.run(['setsid', '--fork', 'sleep', '1002'], check=True)");
    kernel_of.terminal().type_line("sleep 1003 & echo started $((40 + 2))", "started 42");
    for seconds in 1001..=1003 {
        project.find_process(&format!("sleep {seconds}"));
    }
    Process::of(&project.service("jupyter")["supervisor_pid"]).kill();
    // JupyterLab, the kernel, the terminal's shell, and three sleeps.
    let count = project.service("jupyter")["processes"].as_array().unwrap().len();
    assert_eq!((count, project.processes().len()), (6, 6));

    let stopped = project.run(&["stop", "--force"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped jupyter: 6 processes"), "{}", stopped.stdout);
    assert!(stopped.stdout.ends_with("\n0 processes left\n"), "{}", stopped.stdout);
    assert_eq!(project.processes(), []);
    assert_eq!(project.service("jupyter")["state"], "stopped");
    project.run(&["status"]).expect(3);
}

#[test]
fn stop_and_restart_typed_inside_of_what_lost_its_supervisor_are_finished() {
    let obeys = "import os, subprocess, time\n\
                 while True:\n    \
                     time.sleep(0.02)\n    \
                     if os.path.exists('order'):\n        \
                         words = open('order').read().split()\n        \
                         os.remove('order')\n        \
                         subprocess.run(words)\n";
    let config = "[services.worker]\ncommand = [\"python3\", \"obeys.py\"]\n";
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config(config)
        .file("obeys.py", obeys)
        .build();
    let order = |verb: &str| {
        project.write("new", &format!("{PIPULATE} {verb} worker"));
        std::fs::rename(project.path("new"), project.path("order")).unwrap();
    };
    project.start(&[]);
    let before = project.service("worker");
    Process::of(&before["supervisor_pid"]).kill();
    order("restart");
    wait_for("a new worker", || {
        Some(project.service("worker")).filter(|now| now["state"] == "running" && now["pid"] != before["pid"])
    });
    Process::of(&project.service("worker")["supervisor_pid"]).kill();
    order("stop");
    project.wait_for_state("worker", "stopped");
    holds("the end of everything", || project.processes().is_empty());
}

#[test]
fn supervisors_replace_each_other() {
    let project = TestProject::light().config(WORKER).build();
    project.start(&[]);
    for (service, state) in [("server", "ready"), ("worker", "running"), ("server", "ready")] {
        let before = project.service(service);
        Process::of(&before["supervisor_pid"]).kill();
        let after = wait_for("a new supervisor", || {
            Some(project.service(service))
                .filter(|now| now["state"] == state && !now["supervisor_pid"].is_null())
        });
        assert_ne!(after["supervisor_pid"], before["supervisor_pid"]);
        assert_eq!((&after["pid"], &after["restarts"]), (&before["pid"], &before["restarts"]));
    }
    // The new supervisor does everything that the first one did.
    let before = project.service("worker");
    Process::of(&before["pid"]).kill();
    let after = wait_for("a new worker", || {
        Some(project.service("worker")).filter(|now| now["state"] == "running" && now["pid"] != before["pid"])
    });
    assert_eq!((&after["supervisor_pid"], &after["restarts"]), (&before["supervisor_pid"], &1.into()));
    let stopped = project.run(&["stop"]).expect(0).stdout;
    assert!(!stopped.contains("left running"), "one supervisor was the other one's child: {stopped}");
    assert_eq!(project.processes(), []);
}

#[test]
fn a_supervisor_is_told_in_memory_what_to_run_and_keeps_no_trace_of_it() {
    let secret = "sesame-0815-open";
    let worker = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\nenv_file = \".env\"";
    let project = TestProject::light().config(worker).file(".env", &format!("API_KEY={secret}\n")).build();
    project.start(&["worker"]);
    let status = project.service("worker");
    let read = |pid: i32, file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap();
    let has_secret = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(secret);
    assert!(has_secret(&read(Process::of(&status["pid"]).pid, "environ")), "the service has its env_file");
    let supervisor = Process::of(&status["supervisor_pid"]).pid;
    for file in ["cmdline", "environ"] {
        assert!(!has_secret(&read(supervisor, file)), "{file}");
    }
    let descriptors = fs::read_dir(format!("/proc/{supervisor}/fd")).unwrap();
    let open: Vec<_> = descriptors.map(|file| fs::read_link(file.unwrap().path()).unwrap()).collect();
    assert!(open.iter().all(|target| !target.to_string_lossy().contains("memfd")), "{open:?}");
    for folder in [".pipulate/run", ".pipulate/log"] {
        for file in fs::read_dir(project.path(folder)).unwrap().map(|file| file.unwrap().path()) {
            // Opening a FIFO would wait for a writer.
            assert!(!file.is_file() || !has_secret(&fs::read(&file).unwrap()), "{}", file.display());
        }
    }

    // The next supervisor isn't passed the secret: it reads the configuration.
    Process::of(&status["supervisor_pid"]).kill();
    project.start(&["worker"]);
    project.run(&["restart", "worker"]).expect(0);
    assert!(has_secret(&read(Process::of(&project.service("worker")["pid"]).pid, "environ")));
}

#[test]
fn a_killed_worker_is_started_again_and_counted() {
    let project = TestProject::light().config(WORKER).build();
    project.start(&["worker"]);
    for restarts in 1..=2 {
        let before = project.service("worker");
        assert_eq!(before["state"], "running");
        Process::of(&before["pid"]).kill();
        let after = wait_for("a new worker", || {
            Some(project.service("worker"))
                .filter(|now| now["state"] == "running" && now["pid"] != before["pid"])
        });
        assert_eq!(after["restarts"], restarts);
        assert_eq!(after["supervisor_pid"], before["supervisor_pid"]);
        let exit = &after["last_exit"];
        assert_eq!((&exit["code"], &exit["signal"]), (&json!(null), &json!(9)));
        assert!(exit["at"].as_str().unwrap() <= after["started_at"].as_str().unwrap(), "{after}");
    }
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

#[test]
fn a_service_that_dies_before_it_is_ready_has_crashed_and_start_shows_why() {
    let dies = "[services.worker]\nport = 20000\nready = { tcp = true }\n\
                command = [\"sh\", \"-c\", \"echo almost there; echo no bananas >&2; exit 3\"]\n";
    let project = TestProject::light().config(dies).build();
    let failed = project.run(&["start", "--no-setup"]).expect(1);
    assert_eq!(failed.stdout, format!("server  http://127.0.0.1:{}/\n", project.port("server")));
    for said in ["almost there", "no bananas", "could not start: worker", "pipulate logs worker"] {
        assert!(failed.stderr.contains(said), "{said:?} is missing in: {}", failed.stderr);
    }
    project.run(&["status"]).expect(1);
    assert_eq!(project.status()["state"], "crashed");
    let worker = project.service("worker");
    assert_eq!(
        (&worker["state"], &worker["pid"], &worker["restarts"]),
        (&"crashed".into(), &json!(null), &0.into())
    );
    assert_eq!((&worker["last_exit"]["code"], &worker["last_exit"]["signal"]), (&3.into(), &json!(null)));
    assert_eq!(project.service("server")["state"], "ready", "the others are not touched");
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let project = TestProject::light().config("[services.worker]\ncommand = [\"no-such-program\"]\n").build();
    for _ in ["now", "and when it is tried again, with the very same outcome"] {
        let failed = project.run(&["start", "--no-setup", "worker"]).expect(1);
        assert!(failed.stderr.contains("no-such-program was not found"), "{}", failed.stderr);
        assert_eq!(project.service("worker")["state"], "crashed");
    }
}

#[test]
fn no_shell_reads_a_script_that_does_not_name_it() {
    let config = "[services.worker]\ncommand = [\"./worker\"]\n";
    let project = TestProject::light().config(config).file("worker", "touch hit\nsleep 1000\n").build();
    fs::set_permissions(project.path("worker"), fs::Permissions::from_mode(0o755)).unwrap();
    let failed = project.run(&["start", "--no-setup", "worker"]).expect(1);
    insta::assert_snapshot!(project.redact(&failed.stderr), @r"
    A new home: [ROOT]
    Starting worker...
    crashed worker
    error: could not start: worker
      because: worker: ./worker is neither a program nor a script whose first line names one, such as #!/bin/sh; write that line, or put the program before it in command
    hint: what else may be wrong: pipulate doctor
    ");
    assert!(!project.path("hit").exists(), "a shell ran it");
    project.write("worker", "#!/bin/sh\ntouch hit\nexec sleep 1000\n");
    project.start(&["worker"]);
    holds("the script's work", || project.path("hit").exists());
}

#[test]
fn a_service_that_dies_again_and_again_has_crashed() {
    let dies = "[services.worker]\ncommand = [\"sh\", \"-c\", \"echo up; sleep 0.01; exit 4\"]\n\
                ready = { log = \"up\" }\n";
    let project = TestProject::light().config(dies).build();
    project.run(&["start", "--no-setup", "worker"]);
    let crashed = project.wait_for_state("worker", "crashed");
    assert_eq!((&crashed["restarts"], &crashed["last_exit"]["code"]), (&4.into(), &4.into()));
    project.run(&["status"]).expect(1);
}

#[test]
fn kernels_outlive_a_crash_of_jupyterlab_until_stop() {
    let project = TestProject::new();
    // A kernel that does not end itself when its parent does, as ipykernel 7 does and 6 does not.
    let spec = json!({
        "display_name": "outliving", "language": "python",
        "argv": ["/usr/bin/env", "-u", "JPY_PARENT_PID", python().to_str().unwrap(),
                 "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    });
    project.write("../.local/share/jupyter/kernels/outliving/kernel.json", &spec.to_string());
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel_of("outliving");
    kernel.begin("import os, time\nwhile not os.path.exists('go'): time.sleep(0.1)\nwhile True: pass");
    let kernel = kernel.id;
    let before = project.service("jupyter");
    let process = Process::of(&before["kernels"][0]["pid"]);
    Process::of(&before["pid"]).kill();
    let after = wait_for("a new JupyterLab", || {
        Some(project.service("jupyter")).filter(|now| now["state"] == "ready" && now["pid"] != before["pid"])
    });
    assert!(process.lives(), "the kernel was ended");
    assert_eq!((&after["restarts"], &after["last_exit"]["signal"]), (&1.into(), &9.into()));
    assert_eq!(
        (&after["kernels"][0]["id"], &after["kernels"][0]["pid"]),
        (&kernel.into(), &process.pid.into())
    );
    let role = |process: &Process| {
        let processes = after["processes"].as_array().unwrap();
        processes.iter().find(|other| other["pid"] == process.pid).unwrap()["role"].clone()
    };
    assert_eq!(role(&process), "orphaned");
    project.write("go", "");
    let refused = wait_for("a refusal to stop", || {
        let waits = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap().contains(") S ");
        (!waits).then(|| project.run(&["stop"]).expect(1).stderr)
    });
    let named = format!("a kernel that outlived its JupyterLab is busy (pid {}, ", process.pid);
    assert!(refused.contains(&named) && process.lives(), "{refused}");
    process.signal(Signal::INT);
    wait_for("the orphan to be idle, and a stop", || (project.run(&["stop"]).code == Some(0)).then_some(()));
    holds("the end of the orphan", || !process.lives());
    assert_eq!(project.processes(), []);
}

#[test]
fn what_a_dead_main_process_left_in_its_group_ends_before_the_next_one_begins() {
    let child = "import signal, sys, time\n\
                 def end(*_):\n    time.sleep(0.3)\n    open('diary', 'a').write('child ends\\n')\n    sys.exit()\n\
                 signal.signal(signal.SIGTERM, end)\n\
                 open('diary', 'a').write('child begins\\n')\n\
                 print('up', flush=True)\n\
                 signal.pause()\n";
    let config = "[services.worker]\nready = { log = \"up\" }\n\
                  command = [\"sh\", \"-c\", \"echo begins >> diary; python3 child.py & exec sleep 1000\"]\n";
    let project = TestProject::light().table("server", "enabled = false").config(config);
    let project = project.file("child.py", child).build();
    project.start(&[]);
    let before = project.service("worker");
    Process::of(&before["pid"]).kill();
    wait_for("a new worker", || {
        Some(project.service("worker")).filter(|now| now["state"] == "ready" && now["pid"] != before["pid"])
    });
    assert_eq!(project.read("diary"), "begins\nchild begins\nchild ends\nbegins\nchild begins\n");
}

#[test]
fn what_follows_an_end_is_what_the_policy_says() {
    let service = |name: &str, policy: &str, code: u32| {
        format!(
            "[services.{name}]\nrestart = \"{policy}\"\nready = {{ log = \"up\" }}\n\
             command = [\"sh\", \"-c\", \"echo up; while test ! -e go; do sleep 0.05; done; \
             test -e {name} || {{ touch {name}; exit {code}; }}; exec sleep 1000\"]\n"
        )
    };
    let services = service("always", "always", 0)
        + &service("failing", "on-failure", 3)
        + &service("finishing", "on-failure", 0)
        + &service("never", "never", 3);
    let project = TestProject::light().table("server", "enabled = false").config(&services).build();
    project.start(&[]);
    project.write("go", "");
    let wanted = [
        ("always", "ready", 1, 0),
        ("failing", "ready", 1, 3),
        ("finishing", "exited", 0, 0),
        ("never", "crashed", 0, 3),
    ];
    for (service, state, restarts, code) in wanted {
        let ended = || {
            Some(project.service(service)).filter(|now| !now["last_exit"].is_null() && now["state"] == state)
        };
        let now = wait_for(&format!("{service} to be {state} again"), ended);
        assert_eq!(
            (&now["restarts"], &now["last_exit"]["code"]),
            (&restarts.into(), &code.into()),
            "{service}"
        );
    }
    project.run(&["status"]).expect(1);
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_logout_and_a_laptop_that_sleeps_touch_nothing() {
    let project = TestProject::light().config(WORKER).build();
    project.start(&[]);
    let before = ["server", "worker"].map(|service| project.service(service));
    let everybody = project.processes();
    assert_eq!(everybody.len(), 4, "two services with a supervisor each");
    for service in &before {
        Process::of(&service["supervisor_pid"]).signal(Signal::HUP);
    }
    let is_asleep = |process: &Process| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
        status.contains("State:\tT")
    };
    for process in &everybody {
        process.signal(Signal::STOP);
        holds("everybody to sleep", || is_asleep(process));
    }
    for process in &everybody {
        process.signal(Signal::CONT);
    }
    for (before, state) in before.into_iter().zip(["ready", "running"]) {
        let now = project.wait_for_state(before["name"].as_str().unwrap(), state);
        assert_eq!((&now["pid"], &now["restarts"]), (&before["pid"], &0.into()));
    }
    assert_eq!(project.processes(), everybody);
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_clock_that_was_set_since_a_start_makes_a_service_neither_younger_nor_older() {
    let project = TestProject::light().table("server", "enabled = false").config(WORKER).build();
    project.start(&[]);
    let record = ".pipulate/run/worker.json";
    for set in ["2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"] {
        let mut started: serde_json::Value = serde_json::from_str(&project.read(record)).unwrap();
        started["main"]["started_at"] = set.into();
        project.write(record, &started.to_string());
        assert_eq!(project.service("worker")["started_at"], set);
        holds("it to be a little old", || {
            project.service("worker")["uptime_seconds"].as_f64().is_some_and(|age| age > 0.0 && age < 3600.0)
        });
    }
}

//! A folder becomes a home and stops being one: `start`, `status`, `logs`, `restart`, `stop` with a real
//! JupyterLab and the embedded web app.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::assistant;
use crate::support::ports::DefaultPorts;
use crate::support::process::every_command_line;
use crate::support::project::PIPULATE;
use crate::support::{Jupyter, Process, Session, Terminal, TestProject, holds, http, run, wait_for};

#[test]
fn start_returns_when_both_answer_and_says_where_in_plain_urls() {
    let project = TestProject::new();
    assert_eq!(project.run(&["status"]).code, Some(3), "nothing runs yet");
    let started = project.start(&[]);
    // One request, without a retry: `start` has promised it.
    let [jupyter, server] = ["jupyter", "server"].map(|name| project.port(name));
    assert_eq!(http::get(&format!("http://127.0.0.1:{jupyter}/api"), &[]).unwrap().status, 200);
    let page = http::get(&format!("http://127.0.0.1:{server}/"), &[]).unwrap();
    assert!(page.status == 401 && page.body.contains("sign"), "{page:?}");
    assert_eq!(
        started.stdout,
        format!("jupyter  http://127.0.0.1:{jupyter}/lab\nserver   http://127.0.0.1:{server}/\n")
    );
    project.run(&["status"]).expect(0);

    let before = project.status();
    let again = project.start(&[]);
    assert_eq!(again.stdout, started.stdout);
    assert!(again.stderr.contains("Everything is running already"), "{}", again.stderr);
    let after = project.status();
    for service in 0..2 {
        assert_eq!(after["services"][service]["pid"], before["services"][service]["pid"]);
    }

    its_files_are_its_users_alone(&project);
    its_tokens_are_nowhere_else(&project, &started.stdout);

    // JupyterLab searches for Node.js and language servers when it starts.
    project.wait_for_service("jupyter", "what it begins with to be over", |jupyter| {
        jupyter["processes"].as_array().is_some_and(|processes| processes.len() == 1)
    });
    let stopped = project.run(&["stop"]).expect(0);
    insta::assert_snapshot!(project.redact(&stopped.stdout), @r"
    Stopped jupyter: 1 process in [DURATION]
    Stopped server: 1 process in [DURATION]
    0 processes left
    ");
    assert_eq!(project.processes(), []);
    project.run(&["status"]).expect(3);
    let again = project.run(&["stop"]).expect(0);
    assert!(again.stderr.contains("Nothing was running"), "{}", again.stderr);
    for gone in ["token", "jupyter-token"] {
        assert!(!project.path(".pipulate/run").join(gone).exists(), "{gone} is of no use any more");
    }
}

fn its_files_are_its_users_alone(project: &TestProject) {
    let mode = |path: &str| {
        let meta = fs::symlink_metadata(project.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        format!("{:03o}", meta.permissions().mode() & 0o777)
    };
    for folder in [".pipulate", ".pipulate/run", ".pipulate/log", ".pipulate/run/jupyter"] {
        assert_eq!(mode(folder), "700", "{folder}");
    }
    for service in ["jupyter", "server"] {
        for file in ["run/S.json", "run/S.pid", "run/S.lock", "run/S.out", "log/S.log"] {
            let file = format!(".pipulate/{}", file.replace('S', service));
            assert_eq!(mode(&file), "600", "{file}");
        }
        let pid = project.service(service)["pid"].to_string();
        assert_eq!(project.read(&format!(".pipulate/run/{service}.pid")), format!("{pid}\n"));
    }
    for file in ["run/token", "run/jupyter-token", "log/supervisor.log", ".gitignore"] {
        assert_eq!(mode(&format!(".pipulate/{file}")), "600", "{file}");
    }
    assert_eq!(project.read(".pipulate/.gitignore"), "*\n");
    assert!(!project.read(".pipulate/run/jupyter-token").ends_with('\n'));
}

#[test]
fn a_log_has_a_time_index() {
    let project = TestProject::light().config("[services.worker]\ncommand = [\"echo\", \"hello\"]").build();
    project.start(&["worker"]);
    holds("what it said in its log", || project.read(".pipulate/log/worker.log") == "hello\n");
    let index = fs::metadata(project.path(".pipulate/log/worker.log.idx")).unwrap();
    assert!(index.len() > 0 && index.permissions().mode() & 0o777 == 0o600, "{index:?}");
}

fn its_tokens_are_nowhere_else(project: &TestProject, started: &str) {
    let mut seen = vec![("the output of start", started.to_owned())];
    seen.push(("somebody's arguments", every_command_line()));
    for args in [&["status"][..], &["status", "--json"], &["-v", "status"], &["logs"], &["config", "--show"]]
    {
        let output = project.run(args);
        seen.push(("the output of a question", output.stdout + &output.stderr));
    }
    for entry in fs::read_dir(project.path(".pipulate/log")).unwrap() {
        seen.push(("a log", String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap()).into_owned()));
    }
    for file in ["token", "jupyter-token"] {
        let token = project.read(&format!(".pipulate/run/{file}"));
        assert!(token.len() >= 32, "{file}");
        for (place, text) in &seen {
            assert!(!text.contains(&token), "the secret of {file} is in {place}");
        }
    }
}

#[test]
fn start_jupyter_starts_only_that() {
    let project = TestProject::new();
    let started = project.start(&["jupyter"]);
    assert_eq!(project.redact(&started.stdout), "jupyter  http://127.0.0.1:[PORT]/lab\n");
    assert_eq!(project.service("server")["state"], "stopped");
    assert_eq!(project.service("server")["pid"], serde_json::Value::Null);
    project.run(&["status"]).expect(0);
    project.run(&["stop"]).expect(0);
}

#[test]
fn services_survive_the_end_of_the_terminal_that_started_them() {
    let project = TestProject::light().build();
    let line = format!("{PIPULATE} start --no-setup && echo all is up; exec sleep 1000");
    let terminal = Terminal::open(&project.command(&[]), &line);
    terminal.wait_for("all is up");
    assert!(terminal.shown().contains("/login?"), "people get a signed-in URL: {}", terminal.shown());
    let before = project.service("server");
    let shell = project.find_process("sleep 1000");
    terminal.hang_up();
    holds("the hang-up to end the shell", || !shell.lives());
    let after = project.service("server");
    assert_eq!((&after["state"], &after["pid"]), (&"ready".into(), &before["pid"]));
    assert_eq!(after["supervisor_pid"], before["supervisor_pid"]);
    project.run(&["stop"]).expect(0);
}

#[test]
fn start_works_without_a_terminal_or_stdin_or_much_of_an_environment() {
    let project = TestProject::light().build();
    let shell = |line: &str| {
        let mut shell = project.foreign("/bin/sh");
        shell.args(["-c", line]).env("PIPULATE", PIPULATE);
        shell
    };
    let stop = || {
        assert_eq!(project.service("server")["state"], "ready");
        project.run(&["stop"]).expect(0);
        assert_eq!(project.processes(), []);
    };
    run::output(&mut shell("exec \"$PIPULATE\" start --no-setup <&-")).expect(0);
    stop();
    run::output(&mut shell("exec \"$PIPULATE\" start --no-setup <&- >&- 2>&-")).expect(0);
    stop();
    run::output_of(&mut shell("exec \"$PIPULATE\" start --no-setup"), "yes\n").expect(0);
    stop();
    let cron = format!(
        "cd / && exec env -i PATH=/usr/bin:/bin HOME={} PIPULATE_NO_BROWSER=1 \"$PIPULATE\" -C {} start --no-setup",
        project.home().display(),
        project.root().display()
    );
    run::output(&mut shell(&cron)).expect(0);
    stop();
}

#[test]
fn stop_ends_kernels_terminals_and_all_that_they_started() {
    let project = TestProject::new();
    project.start(&[]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    assert_eq!(kernel.run("print(6 * 7)"), "42\n");
    it_is_seen_under_jupyter(&project, &kernel.id);

    let terminal = jupyter.terminal();
    terminal.type_line("sleep 1003 & echo started $((40 + 2))", "started 42");
    kernel.run("import subprocess; subprocess.Popen(['sleep', '1001'], start_new_session=True)");
    kernel.run("subprocess.run(['setsid', '--fork', 'sleep', '1002'], check=True)");
    kernel.run("import os; os.fork() or os.execvp('sleep', ['sleep', '1004'])");
    for seconds in 1001..=1004 {
        project.find_process(&format!("sleep {seconds}"));
    }
    let (jupyters, servers) = (count_below(&project, "jupyter"), count_below(&project, "server"));
    // jupyter-lab, kernel, the terminal's shell, and four sleeps.
    assert_eq!((jupyters, servers), (7, 1));

    let stopped = project.run(&["stop", "--force"]).expect(0);
    assert_eq!(project.processes(), []);
    let first_words = |line: &str| line.split(" in ").next().unwrap().to_owned();
    let said: Vec<String> =
        stopped.stdout.lines().filter(|line| !line.starts_with(' ')).map(first_words).collect();
    assert_eq!(said, ["Stopped jupyter: 7 processes", "Stopped server: 1 process", "0 processes left"]);
}

fn it_is_seen_under_jupyter(project: &TestProject, kernel: &str) {
    let status = project.run(&["status", "--json"]).expect(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let jupyter = &status["services"][0];
    assert_eq!(
        (&status["schema"], &jupyter["name"], &jupyter["state"]),
        (&1.into(), &"jupyter".into(), &"ready".into())
    );
    let seen = &jupyter["kernels"][0];
    assert_eq!((&seen["id"], &seen["name"]), (&kernel.into(), &"python3".into()));
    assert!(Process::of(&seen["pid"]).command.contains(kernel), "the pid is the kernel's");
    let roles =
        jupyter["processes"].as_array().unwrap().iter().map(|process| process["role"].as_str().unwrap());
    assert_eq!(roles.collect::<Vec<_>>(), ["main", "kernel"]);

    let table = project.run(&["status"]).expect(0).stdout;
    let kernel_line = format!("kernel python3 (pid {})", seen["pid"]);
    let below_jupyter = table.lines().skip_while(|line| !line.contains("jupyter")).nth(1);
    assert!(below_jupyter.is_some_and(|line| line.contains(&kernel_line)), "{table}");

    let logs = project.run(&["logs", "jupyter"]).expect(0).stdout;
    assert!(logs.lines().any(|line| line.contains(kernel)), "JupyterLab logs its kernels: {logs}");
}

/// The number of processes below a service's supervisor, once marker, process tree and `status` agree.
fn count_below(project: &TestProject, service: &str) -> usize {
    wait_for("three ways of counting to agree", || {
        let status = project.service(service);
        let supervisor = Process::of(&status["supervisor_pid"]);
        let below: BTreeSet<i32> = supervisor.descendants().iter().map(|process| process.pid).collect();
        let told = status["processes"].as_array().unwrap().iter();
        let told: BTreeSet<i32> = told.map(|process| Process::of(&process["pid"]).pid).collect();
        let marked: BTreeSet<i32> = project.processes().iter().map(|process| process.pid).collect();
        (told == below && below.is_subset(&marked)).then_some(below.len())
    })
}

#[test]
fn a_taken_port_is_left_to_its_owner() {
    let _ports = DefaultPorts::take();
    // If another process holds the default port already, the claim is the same.
    let _owner = TcpListener::bind(("127.0.0.1", 5001));
    let free = TestProject::light().ports_by_default().build();
    let started = free.start(&[]);
    let port = free.service("server")["port"].as_u64().unwrap();
    assert_ne!(port, 5001);
    assert_eq!(started.stdout, format!("server  http://127.0.0.1:{port}/\n"));
    let doctor = free.run(&["doctor", "-v"]).expect(0).stdout;
    assert!(doctor.contains(&format!("Port {port} is held by server itself")), "{doctor}");
    assert!(
        started.stderr.contains("5001") && started.stderr.contains(&port.to_string()),
        "{}",
        started.stderr
    );
    free.run(&["stop"]).expect(0);
    free.start(&[]);
    assert_eq!(free.service("server")["port"], port, "the choice is remembered");

    let pinned = TestProject::light().build();
    let _owner = TcpListener::bind(("127.0.0.1", pinned.port("server"))).unwrap();
    let failed = pinned.run(&["start", "--no-setup"]).expect(1);
    let (port, owner) = (pinned.port("server").to_string(), format!("pid {}", std::process::id()));
    assert!(failed.stderr.contains(&port) && failed.stderr.contains(&owner), "{}", failed.stderr);
    pinned.run(&["status"]).expect(1);
}

#[test]
fn a_busy_kernel_is_not_stopped_without_force() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.notebook("train.ipynb");
    kernel.begin("import time; time.sleep(1000)");
    let process = Process::of(&project.service("jupyter")["kernels"][0]["pid"]);
    let mut session = Session::new(&project);
    session.run(&["stop"], 1);
    insta::assert_snapshot!(session.text());
    for verb in ["stop", "restart"] {
        let refused = project.run(&[verb, "jupyter"]).expect(1);
        assert!(refused.stderr.contains("work is in progress"), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("pipulate {verb} jupyter --force")), "{}", refused.stderr);
        assert!(process.lives(), "{verb} ended a busy kernel");
    }
    assistant::is_refused(&project, "jupyter", "train.ipynb");
    assert!(process.lives(), "an assistant ended a busy kernel");
    assert_eq!(project.service("jupyter")["state"], "ready");
    project.run(&["stop", "--force"]).expect(0);
    assert_eq!(project.processes(), []);
    assert!(!process.lives());
}

#[test]
fn a_daemon_that_a_kernel_started_is_not_ended_without_force() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("import os; os.system(\"setsid sh -c 'sleep 1001 &'\")");
    let daemon = project.find_process("sleep 1001");
    let refused = project.run(&["stop"]).expect(1);
    let named = format!("sleep (pid {}) was started from a kernel", daemon.pid);
    assert!(refused.stderr.contains(&named) && daemon.lives(), "{}", refused.stderr);
    project.run(&["stop", "--force"]).expect(0);
    assert!(!daemon.lives());
}

#[test]
fn a_person_is_asked_before_work_is_cut_off() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    jupyter.kernel().begin("import time; time.sleep(1000)");
    let process = Process::of(&project.service("jupyter")["kernels"][0]["pid"]);
    let answers = [("stop", "n\n", 1), ("restart jupyter", "n\n", 1), ("stop", "\n", 1), ("stop", "y\n", 0)];
    for (command, answer, code) in answers {
        let mut terminal = Terminal::open(&project.command(&[]), &format!("exec {PIPULATE} {command}"));
        terminal.wait_for(&format!("{command} anyway?"));
        terminal.type_text(answer);
        assert_eq!(terminal.end(), Some(code), "after {answer:?}");
        assert_eq!(process.lives(), code != 0, "after {answer:?}");
    }
    assert_eq!(project.processes(), []);
}

#[test]
fn restart_and_stop_typed_inside_of_jupyterlab_are_finished() {
    let project = TestProject::new();
    project.start(&[]);
    let before = project.service("jupyter");
    let jupyter = Jupyter::of(&project);
    jupyter.terminal().type_line(&format!("{PIPULATE} restart jupyter"), "restart jupyter");
    wait_for("a new JupyterLab", || {
        Some(project.service("jupyter")).filter(|now| now["state"] == "ready" && now["pid"] != before["pid"])
    });
    assert_eq!(jupyter.kernel().run("print(6 * 7)"), "42\n");
    jupyter.terminal().type_line(&format!("{PIPULATE} stop"), "pipulate stop");
    holds("the end of everything", || project.processes().is_empty());
    project.run(&["status"]).expect(3);
}

#[test]
fn what_a_kernel_or_a_terminal_is_doing_is_work_in_progress() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("import subprocess; training = subprocess.Popen(['sleep', '1001'], start_new_session=True)");
    let training = project.find_process("sleep 1001");
    let refused = project.run(&["stop"]).expect(1);
    assert!(training.lives() && refused.stderr.contains("sleep"), "{}", refused.stderr);
    kernel.run("training.kill(); training.wait()");

    let terminal = jupyter.terminal();
    // The text is the shell's output and not the terminal's echo of the input.
    terminal.type_line("echo now $((40 + 2)); sleep 1002", "now 42");
    let job = project.find_process("sleep 1002");
    let refused = project.run(&["stop"]).expect(1);
    assert!(job.lives() && refused.stderr.contains("sleep"), "{}", refused.stderr);
    job.kill();
    project.run(&["stop"]).expect(0);
}

#[test]
fn restart_leaves_kernels_and_other_services_alone() {
    let project = TestProject::new();
    project.start(&[]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("x = 42");
    let before = project.status();
    for args in [&["restart", "server"][..], &["restart"]] {
        let old = Process::of(&project.service("server")["pid"]);
        let restarted = project.run(args).expect(0);
        assert_eq!(restarted.stdout, "Restarted server\n");
        assert_eq!(
            restarted.stderr.contains("jupyter was not restarted"),
            args.len() == 1,
            "{}",
            restarted.stderr
        );
        assert!(!old.lives());
        assert_eq!(project.service("server")["state"], "ready");
    }
    let after = project.status();
    assert_eq!(after["services"][0]["pid"], before["services"][0]["pid"]);
    assert_eq!(after["services"][0]["kernels"], before["services"][0]["kernels"]);
    assert_eq!(kernel.run("print(x)"), "42\n");
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

#[test]
fn the_output_of_start_can_be_read_by_nobody() {
    let project = TestProject::light().build();
    let mut start = project.command(&["start", "--no-setup"]);
    let mut child = start.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    holds("start to end without readers", || child.try_wait().unwrap().is_some());
    project.wait_for_state("server", "ready");
    project.run(&["stop"]).expect(0);
}

//! A notebook's kernel is private: its sockets are, and it has no TCP port and no debugger.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use pipulate_core::identity::Pid;
use pipulate_process::ports::Listeners;
use serde_json::{Value, json};

use crate::support::jupyter::{ipykernel_6, run_in_kernel};
use crate::support::project::{PIPULATE, python};
use crate::support::{Jupyter, Process, Terminal, TestProject, holds, run, skip, wait_for};

const CONFIG: &str = "../.jupyter/jupyter_server_config.py";
const RUNTIME: &str = ".pipulate/run/jupyter";

/// The TCP ports that processes of this home listen on.
fn tcp_ports(project: &TestProject) -> BTreeSet<u16> {
    let pids = project.processes().into_iter().filter_map(|process| Pid::new(process.pid));
    Listeners::of(pids).unwrap().own().map(|listener| listener.port).collect()
}

/// A kernel's connection file.
fn connection(project: &TestProject, id: &str) -> Value {
    serde_json::from_str(&project.read(&format!("{RUNTIME}/kernel-{id}.json"))).unwrap()
}

/// The folder of a kernel's sockets.
fn sockets_of(project: &TestProject, id: &str) -> PathBuf {
    let connection = connection(project, id);
    assert_eq!(connection["transport"], "ipc", "{connection}");
    Path::new(connection["ip"].as_str().unwrap()).parent().unwrap().to_path_buf()
}

fn sockets_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sockets = entries.filter(|entry| entry.file_type().unwrap().is_socket());
    sockets.map(|entry| entry.path()).collect()
}

/// `doctor`'s finding about access to kernels' output.
fn kernels_finding(project: &TestProject) -> Value {
    let document: Value = serde_json::from_str(&project.run(&["doctor", "--json"]).stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["id"] == "jupyter.kernels").unwrap().clone()
}

/// Adds a kernelspec of the user.
fn add_kernelspec(project: &TestProject, name: &str, argv: &[&str], env: &Value) {
    let spec = json!({ "display_name": name, "language": "python", "argv": argv, "env": env });
    project.write(&format!("../.local/share/jupyter/kernels/{name}/kernel.json"), &spec.to_string());
}

#[test]
fn kernels_listen_on_no_tcp_port_and_leave_no_socket_behind() {
    let project = TestProject::new();
    let six = json!({ "PYTHONPATH": ipykernel_6() });
    add_kernelspec(
        &project,
        "six",
        &[python().to_str().unwrap(), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        &six,
    );
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    // The output of forked children has a pipe of its own.
    let forks = "import multiprocessing, time, ipykernel\n\
                 def child(): print('child of', ipykernel.version_info[0], flush=True)\n\
                 process = multiprocessing.get_context('fork').Process(target=child)\n\
                 process.start(); process.join(); time.sleep(1)";
    let mut folders = BTreeSet::new();
    for (spec, said) in [("six", "child of 6\n"), ("python3", "child of 7\n")] {
        let kernel = jupyter.kernel_of(spec);
        assert_eq!(kernel.run(forks), said);
        assert_eq!(tcp_ports(&project), BTreeSet::from([project.port("jupyter")]), "{spec}");
        kernel.run("x = 42");
        kernel.restart();
        assert_eq!(kernel.run("print('x' in globals())"), "False\n");
        assert_eq!(
            run_in_kernel(&project.path(&format!("{RUNTIME}/kernel-{}.json", kernel.id)), "print(7)"),
            "7\n"
        );
        folders.insert(sockets_of(&project, &kernel.id));
    }
    assert_eq!(kernels_finding(&project)["status"], "ok");
    let [folder] = folders.iter().collect::<Vec<_>>()[..] else { panic!("{folders:?}") };
    assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(sockets_in(folder).len() >= 10, "{:?}", sockets_in(folder));
    assert_eq!(project.service("jupyter")["kernels"].as_array().unwrap().len(), 2);

    // A killed kernel removes nothing; the stop does.
    for kernel in project.service("jupyter")["kernels"].as_array().unwrap() {
        Process::of(&kernel["pid"]).kill();
    }
    project.run(&["stop", "--force"]).expect(0);
    assert_eq!(sockets_in(folder), [] as [PathBuf; 0]);
}

#[test]
fn another_user_can_connect_to_no_socket_of_a_kernel() {
    if skip::unless_root() {
        return;
    }
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("print('secret')");
    let above = project.home().parent().unwrap();
    for folder in [above, project.home(), project.root()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let connect =
        "import socket, sys\nfor path in sys.argv[1:]:\n    socket.socket(socket.AF_UNIX).connect(path)";
    let sockets = sockets_in(&sockets_of(&project, &kernel.id));
    assert!(sockets.len() >= 5, "{sockets:?}");
    let mut own = run::command("/usr/bin/python3");
    run::output(own.args(["-c", connect]).args(&sockets)).expect(0);
    for socket in &sockets {
        let mut stranger = run::command("setpriv");
        stranger.args([
            "--reuid",
            "1002",
            "--regid",
            "1002",
            "--clear-groups",
            "--",
            "/usr/bin/python3",
            "-c",
            connect,
        ]);
        let refused = run::output(stranger.arg(socket)).expect(1).stderr;
        assert!(refused.contains("Permission denied"), "{refused}");
    }
}

#[test]
fn kernels_of_a_folder_with_a_long_path_outlive_jupyterlab_with_sockets_in_another_private_folder() {
    let project = TestProject::builder().named(&"long-".repeat(16)).build();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("x = 42");
    let folder = sockets_of(&project, &kernel.id);
    assert!(!folder.starts_with(project.root()), "{}", folder.display());
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(tcp_ports(&project), BTreeSet::from([project.port("jupyter")]));
    let before = project.service("jupyter");
    Process::of(&before["pid"]).kill();
    wait_for("a new JupyterLab", || {
        Some(project.service("jupyter")).filter(|now| now["state"] == "ready" && now["pid"] != before["pid"])
    });
    let file = project.path(&format!("{RUNTIME}/kernel-{}.json", kernel.id));
    assert_eq!(run_in_kernel(&file, "print(x)"), "42\n");
    let second = jupyter.kernel();
    assert_eq!(
        (second.run("print(1)"), sockets_of(&project, &second.id)),
        ("1\n".to_owned(), folder.clone())
    );
    project.run(&["stop"]).expect(0);
    assert!(!folder.exists(), "{}", folder.display());
}

#[test]
fn the_users_own_configuration_and_kernels_that_may_not_know_sockets_keep_tcp() {
    let project = TestProject::new();
    project.write("kernel.sh", &format!("exec {} -m ipykernel_launcher \"$@\"\n", python().display()));
    let script = project.path("kernel.sh");
    add_kernelspec(
        &project,
        "wrapped",
        &["/bin/sh", script.to_str().unwrap(), "-f", "{connection_file}"],
        &json!({}),
    );
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let wrapped = jupyter.kernel_of("wrapped");
    assert_eq!(wrapped.run("print(7)"), "7\n");
    assert_eq!(connection(&project, &wrapped.id)["transport"], "tcp");
    let finding = kernels_finding(&project);
    assert_eq!(finding["status"], "warning", "{finding}");
    let title = finding["title"].as_str().unwrap();
    assert!(
        title.starts_with("Every user of this machine can read what these kernels print: wrapped (pid "),
        "{title}"
    );
    for (configuration, transport) in [
        ("c.KernelManager.transport = 'tcp'\n", "tcp"),
        ("c.KernelManager.ip = '127.0.0.1'\n", "tcp"),
        ("c.KernelManager.transport = 'ipc'\n", "ipc"),
    ] {
        project.write(CONFIG, configuration);
        project.run(&["restart", "jupyter", "--force"]).expect(0);
        let kernel = jupyter.kernel();
        assert_eq!(kernel.run("print(7)"), "7\n", "{configuration}");
        assert_eq!(connection(&project, &kernel.id)["transport"], transport, "{configuration}");
    }
}

#[test]
fn a_kernel_has_no_debugger_unless_jupyterlabs_environment_asks_for_it() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let initialize = json!({ "type": "request", "seq": 1, "command": "initialize", "arguments": {
        "clientID": "test", "adapterID": "", "pathFormat": "path", "linesStartAt1": true, "columnsStartAt1": true,
    }});
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    assert_eq!(kernel.debug(&initialize)["success"], Value::Null);
    assert_eq!(tcp_ports(&project), BTreeSet::from([project.port("jupyter")]));
    assert_eq!(kernel.run("import debugpy; print(debugpy.__name__)"), "debugpy\n", "it can be imported");
    assert_eq!(jupyter.kernelspec("python3")["metadata"]["debugger"], false);

    let config = project.read("pipulate.toml");
    project.write(
        "pipulate.toml",
        &config.replace("[services.jupyter]\n", "[services.jupyter]\nenv = { PIPULATE_DEBUGGER = \"on\" }\n"),
    );
    project.run(&["restart", "jupyter", "--force"]).expect(0);
    assert_eq!(jupyter.kernelspec("python3")["metadata"]["debugger"], true);
    let title = kernels_finding(&project)["title"].as_str().unwrap().to_owned();
    assert!(title.starts_with("The debugger is on: "), "{title}");
    assert_eq!(jupyter.kernel().debug(&initialize)["success"], true);
    holds("the debugger's port", || tcp_ports(&project).len() > 1);
}

#[test]
fn kernels_without_work_are_named_when_they_end_and_a_person_is_asked_before_a_restart() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    Jupyter::of(&project).notebook("analysis.ipynb").run("x = 1");
    let kernel = || Process::of(&project.service("jupyter")["kernels"][0]["pid"]);
    let first = kernel();
    let mut terminal = Terminal::open(&project.command(&[]), &format!("exec {PIPULATE} restart jupyter"));
    terminal.wait_for("This ends kernels with their variables: analysis.ipynb. restart jupyter anyway?");
    terminal.type_text("n\n");
    assert_eq!(terminal.end(), Some(1));
    assert!(first.lives(), "it was to be kept");
    // In a pipe the question can't be asked, and no work is interrupted.
    let restarted = project.run(&["restart", "jupyter"]).expect(0);
    let named = "ended with it: the kernel of analysis.ipynb, with its variables";
    assert!(restarted.stderr.contains(named), "{}", restarted.stderr);
    assert!(!first.lives());
    Jupyter::of(&project).notebook("analysis.ipynb").run("x = 1");
    let second = kernel();
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.contains(named), "{}", stopped.stdout);
    assert!(stopped.stderr.starts_with("Stopping JupyterLab and Jupyter kernels...\n"), "{}", stopped.stderr);
    assert!(!second.lives());
}

#[test]
fn kernels_whose_records_are_gone_end_only_after_a_yes() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel_of("python3");
    let pid: i32 = kernel.run("import os; print(os.getpid())").trim().parse().unwrap();
    let process = Process::find(pid).unwrap();
    fs::rename(project.path(".pipulate"), project.home().join("trash")).unwrap();
    let refused = project.run(&["stop"]).expect(1);
    assert!(refused.stderr.contains("does not say whether its kernel is busy"), "{}", refused.stderr);
    assert!(process.lives());
    project.run(&["stop", "--yes"]).expect(0);
    holds("its end", || !process.lives());
}

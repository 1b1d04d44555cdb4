//! Problems inside the home: its folder, its environment, its packages, its files. Each fault is real,
//! recognized by its own id, and causes no other complaint.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use pipulate_core::identity::Pid;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::{LastExit, LiveService, ProcessInfo, Role, ServiceStatus};

use super::super::{PortFact, PortState};
use super::home::{Home, python, recognized};

#[test]
fn what_is_wrong_with_the_folder_is_recognized() {
    recognized([
        ("project.private warning", |home| {
            fs::set_permissions(home.path(".pipulate"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("project.place warning", |home| {
            let root = home.root().canonicalize().unwrap();
            let mount = format!("70 22 0:40 / {} rw - 9p C:\\134 rw\n", root.display());
            home.write_machine("proc/self/mountinfo", &mount);
        }),
        ("machine.clock warning", |home| {
            let file = fs::File::create(home.path("notebook.ipynb")).unwrap();
            file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_hours(3)).unwrap();
        }),
        ("config.valid failure", |home| home.write("pipulate.toml", "[services.server]\nprot = 1\n")),
    ]);
}

#[test]
fn what_is_wrong_with_python_is_recognized() {
    let answer = |version: &str, ensurepip: &str| {
        format!("printf '%s\\0%s\\0%s\\0%s\\0%s' \"$0\" {version} 1 {ensurepip} 0")
    };
    let with_python = |script: String| {
        let mut home = Home::new();
        home.write_program("stand-in", &script);
        let stand_in = home.session.surroundings.programs("stand-in").next().unwrap();
        home.set("PIPULATE_PYTHON", stand_in);
        home
    };
    let mut home = Home::set_up();
    home.set("PIPULATE_PYTHON", "/nowhere/python3");
    let complaints = |home: &Home| home.complaints_with("python.found");
    assert_eq!(complaints(&home), ["python.found warning"], "the environment has its own");
    home.unset("PATH");
    home.unset("PIPULATE_PYTHON");
    assert_eq!(complaints(&home), ["python.found warning"]);

    let mut none = Home::new();
    none.set("PIPULATE_PYTHON", "/nowhere/python3");
    assert_eq!(complaints(&none), ["python.found failure"]);
    let broken = with_python("echo 'cannot execute' >&2; exit 126".to_owned());
    assert!(broken.finding("python.found").detail.contains("cannot execute"));

    // A Python that was named is an error in itself; one that was found is judged.
    for (script, complaint) in [
        (answer("3.8.10", "1"), "python.version failure"),
        (answer("3.11.2", "0"), "python.venv_module failure"),
    ] {
        let mut home = with_python(String::new());
        home.unset("PIPULATE_PYTHON");
        home.write_program("python3", &script);
        let only = home.session.surroundings.programs("python3").next().unwrap();
        home.set("PATH", only.parent().unwrap().to_owned());
        assert_eq!(complaints(&home), [complaint]);
    }
}

#[test]
fn what_is_wrong_with_the_environment_is_recognized() {
    recognized([
        ("venv.whole failure", |home| fs::remove_dir_all(home.path(".venv")).unwrap()),
        ("venv.whole failure", |home| fs::remove_file(home.path(".venv/pyvenv.cfg")).unwrap()),
        ("venv.python failure", |home| {
            fs::remove_file(home.path(".venv/bin/python")).unwrap();
            symlink("/nix/store/collected/bin/python3.11", home.path(".venv/bin/python")).unwrap();
        }),
        ("venv.version failure", |home| {
            let config = home.path(".venv/pyvenv.cfg");
            let text = fs::read_to_string(&config).unwrap();
            let other = text.lines().map(|line| match line.split_once('=') {
                Some((key, _)) if key.trim().starts_with("version") => format!("{key}= 3.1.4\n"),
                _ => format!("{line}\n"),
            });
            fs::write(&config, other.collect::<String>()).unwrap();
        }),
    ]);
    let home = Home::set_up();
    let script = fs::read_to_string(home.path(".venv/bin/activate")).unwrap();
    let root = home.root().canonicalize().unwrap().display().to_string();
    fs::write(home.path(".venv/bin/activate"), script.replace(&root, "/home/ann/before")).unwrap();
    assert_eq!(home.complaints_with("venv.moved"), ["venv.moved failure"]);
    assert!(home.finding("venv.moved").detail.contains("/home/ann/before/.venv"));
}

#[test]
fn what_is_wrong_with_the_packages_is_recognized() {
    recognized([
        ("requirements.readable failure", |home| home.write("requirements.txt", "-r not-there.txt\n")),
        ("requirements.current warning", |home| home.write("requirements.txt", "six\n")),
        ("packages.pip warning", |home| {
            fs::remove_dir_all(home.site().join("pip-24.0.dist-info")).unwrap();
            // As after a set-up: `uv venv` makes environments without pip.
            home.stamp();
        }),
        ("packages.consistent warning", |home| {
            home.give_pip();
            let metadata = "Metadata-Version: 2.1\nName: half\nVersion: 1.0\nRequires-Dist: absent-zz\n";
            home.write_site("half-1.0.dist-info/METADATA", metadata);
        }),
        ("python.numpy failure", |home| {
            home.write_module("numpy", "raise ImportError('libz.so.1: cannot open shared object file')");
        }),
        ("python.ipykernel failure", |home| home.write_module("ipykernel", "import nothing_of_this_name")),
        ("python.jupyterlab failure", |home| {
            home.write_module("jupyterlab", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)");
        }),
        ("python.fasthtml failure", |home| {
            home.write("server.py", "from fasthtml.common import *\n");
            home.write_module("fasthtml", "raise ImportError(\"version `GLIBC_2.99' not found\")");
        }),
    ]);
}

/// The interpreter's own libraries: reinstalling its packages would not help.
#[test]
fn libraries_with_which_python_does_not_start_are_recognized() {
    let mut home = Home::set_up();
    home.write("libraries/libm.so.6", "not a library at all");
    home.set("PIPULATE_LIBRARY_PATH", home.path("libraries"));
    let finding = home.finding("system.libraries");
    assert_eq!(finding.title, "Python does not start with the libraries of PIPULATE_LIBRARY_PATH");
    assert!(finding.detail.contains("libm.so.6"), "{}", finding.detail);
    let module = home.finding("python.ipykernel");
    assert!(module.title.contains("Python does not start: "), "{}", module.title);
    let fix = module.fix.unwrap().text;
    assert!(fix.contains("out of PIPULATE_LIBRARY_PATH"), "{fix}");
}

/// A broken library takes precedence over the system's of the same name.
#[test]
fn a_system_library_that_python_can_not_load_is_recognized() {
    let mut home = Home::set_up();
    home.write("libraries/libz.so.1", "not a library at all");
    home.set("PIPULATE_LIBRARY_PATH", home.path("libraries"));
    assert_eq!(home.complaints_with("system.libraries"), ["system.libraries failure"]);
    let finding = home.finding("system.libraries");
    assert!(finding.detail.contains("ran: ") && finding.detail.contains("libz.so.1"), "{}", finding.detail);
}

#[test]
fn what_is_wrong_with_kernels_is_recognized() {
    recognized([
        ("jupyter.kernelspec failure", |home| {
            home.write(
                "specs/kernels/python3/kernel.json",
                r#"{"argv": ["/gone/bin/python", "-m", "ipykernel"]}"#,
            );
            home.set("JUPYTER_PATH", home.path("specs"));
        }),
        ("jupyter.kernelspec failure", |home| {
            // Another environment's, whose links lead to the same Python as ours.
            fs::create_dir_all(home.path("other/bin")).unwrap();
            symlink(python(), home.path("other/bin/python")).unwrap();
            let spec = format!(r#"{{"argv": [{:?}, "-m", "ipykernel"]}}"#, home.path("other/bin/python"));
            home.write(".venv/share/jupyter/kernels/python3/kernel.json", &spec);
        }),
        ("jupyter.kernelspec warning", |home| {
            home.set("XDG_DATA_HOME", home.path("data"));
            home.write("data/jupyter/kernels/old/kernel.json", r#"{"argv": ["/gone/bin/python"]}"#);
            home.write(".venv/share/jupyter/kernels/python3/kernel.json", r#"{"argv": ["python"]}"#);
        }),
    ]);
}

#[test]
fn what_is_wrong_with_the_server_is_recognized() {
    recognized([
        ("server.syntax failure", |home| home.write("server.py", "import os\ndef broken(:\n")),
        ("server.address warning", |home| {
            home.write("server.py", "from fasthtml.common import *\napp, rt = fast_app()\nserve()\n");
        }),
        ("server.address warning", |home| {
            home.write("server.py", "import uvicorn\nuvicorn.run('server:app', host='0.0.0.0')\n");
        }),
        ("server.reload warning", |home| {
            home.write("server.py", "import uvicorn\n");
            home.write_site("uvicorn/__init__.py", "");
        }),
        ("port.others failure", |home| {
            home.write("pipulate.toml", "[services.api]\ncommand = [\"true\"]\nport = 7000\n");
            let state =
                PortState::Foreign { pid: Pid::new(7).unwrap(), command: "nginx".to_owned(), project: None };
            let service = ServiceName::parse("api").unwrap();
            home.ports = vec![PortFact { service, port: 7000, state }];
        }),
    ]);
    let home = Home::set_up();
    home.write("server.py", "import os\ndef broken(:\n");
    let finding = home.finding("server.syntax");
    assert!(finding.title.contains("line 2"), "{}", finding.title);
    let address = |home: &Home| home.complaints_with("server.address");
    home.write("server.py", "from fasthtml.common import *\nserve(host='127.0.0.1')\n");
    assert_eq!(address(&home), Vec::<String>::new());
    // Values that are only known at run time are not guessed.
    home.write("server.py", "from fasthtml.common import *\nserve(**options)\nlisten(host=given)\n");
    assert_eq!(address(&home), Vec::<String>::new());
}

fn service(home: &Home, state: ServiceState) -> ServiceStatus {
    let name = ServiceName::parse("worker").unwrap();
    ServiceStatus {
        log: home.layout().log(&name),
        name,
        state,
        wanted: Wanted::Run,
        live: None,
        supervisor_pid: None,
        restarts: 0,
        last_exit: Some(LastExit {
            code: Some(3),
            signal: None,
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
        }),
        port: None,
        url: None,
        log_dropped: 0,
        log_trouble: None,
        reasons: Vec::new(),
        notes: Vec::new(),
    }
}

#[test]
fn a_crashed_service_is_told_with_its_last_lines_and_none_of_its_secrets() {
    let mut home = Home::set_up();
    home.write(".env", "API_KEY=hunter2hunter2\n");
    fs::set_permissions(home.path(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    home.write(".pipulate/log/worker.log", "one\n\x1b[2JTraceback\nValueError: hunter2hunter2\n");
    home.services = vec![service(&home, ServiceState::Crashed)];
    assert_eq!(home.complaints_with("services.running"), ["services.running failure"]);
    let detail = home.finding("services.running").detail;
    assert_eq!(detail, "it ended with code 3\n| one\n| Traceback\n| ValueError: ****");

    home.services = vec![service(&home, ServiceState::Degraded)];
    assert_eq!(home.complaints_with("services.running"), ["services.running warning"]);
    home.services = vec![service(&home, ServiceState::Unstable)];
    assert_eq!(home.complaints_with("services.running"), ["services.running failure"]);
    assert_eq!(home.finding("services.running").title, "worker keeps crashing");
    assert_eq!(home.mending("services.running").0, "pipulate -C HOME restart worker");
    home.services = vec![service(&home, ServiceState::Unsupervised)];
    assert_eq!(home.complaints_with("services.running"), ["services.supervised warning"]);
    let (command, automatic) = home.mending("services.supervised");
    assert_eq!(command, "pipulate -C HOME start --no-setup --no-browser worker");
    assert!(automatic, "it is taken over as it is");
}

#[test]
fn a_port_that_an_extension_of_jupyterlab_opened_is_named_and_one_of_a_kernel_is_not() {
    let mut home = Home::set_up();
    // This pid stands for a server's child without a socket: no process has it.
    let server = Pid::new(i32::MAX).unwrap();
    let own = Pid::new(i32::try_from(std::process::id()).unwrap()).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let mut complaints = |role: Role, port: Option<u16>| {
        let process = |pid, ppid, role| ProcessInfo { pid, ppid, role, name: "worker".to_owned() };
        let mut jupyter = service(&home, ServiceState::Ready);
        jupyter.name = ServiceName::parse("jupyter").unwrap();
        jupyter.port = port;
        jupyter.live = Some(LiveService {
            pid: server,
            pgid: server,
            started_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            uptime_seconds: 1.0,
            cpu_percent: 0.0,
            cpu_seconds: 0.0,
            memory_bytes: 0,
            // A kernel's own programs belong to the notebook.
            processes: vec![process(server, 1, Role::Main), process(own, server.get(), role)],
            kernels: Vec::new(),
        });
        home.services = vec![jupyter];
        home.finding("jupyter.listeners").title
    };
    let named = format!("worker (pid {}) on {place}", own.get());
    assert!(complaints(Role::Child, None).contains(&named));
    assert!(!complaints(Role::Child, Some(place.port())).contains(&named));
    assert!(!complaints(Role::Kernel, None).contains(&named));
}

#[test]
fn what_is_wrong_with_secrets_is_recognized() {
    let git = |home: &Home, words: &[&str]| {
        let git = home.session.surroundings.programs("git").next().expect("git is installed");
        let command = pipulate_process::command::Command::new(git).args(words.iter().copied());
        let said = command.directory(home.root()).output(std::time::Duration::from_secs(60)).unwrap();
        assert!(said.end.success(), "{}", String::from_utf8_lossy(&said.stderr));
    };
    let with_env = |text: &str| {
        let home = Home::set_up();
        home.write(".env", text);
        fs::set_permissions(home.path(".env"), fs::Permissions::from_mode(0o600)).unwrap();
        home
    };
    let fine = with_env("A=1\nB='x y'\n");
    assert_eq!(fine.complaints_with("env.portable"), Vec::<String>::new());
    assert_eq!(fine.complaints_with("secrets.permissions"), Vec::<String>::new());

    let different = with_env("FINE=1\nMISREAD='it\\'s #1'\n");
    assert_eq!(different.complaints_with("env.portable"), ["env.portable warning"]);
    let detail = different.finding("env.portable").detail;
    assert!(detail.contains("MISREAD") && !detail.contains("FINE") && !detail.contains("#1"), "{detail}");

    let broken = with_env("FINE=1\nthis is no line of it\n");
    let detail = broken.finding("env.portable").detail;
    assert!(detail.ends_with(".env: no reader understands line 2"), "{detail}");

    let lacking = with_env("OTHER=1\nEMPTY=\n");
    lacking.write("pipulate.toml", "[secrets]\nrequired = [\"OTHER\", \"EMPTY\", \"TOKEN\"]\n");
    assert_eq!(lacking.complaints_with("secrets.required"), ["secrets.required warning"]);
    assert!(lacking.finding("secrets.required").title.ends_with(": EMPTY, TOKEN"));

    let checkout = with_env("A=1\n");
    git(&checkout, &["init", "--quiet"]);
    assert_eq!(checkout.complaints_with("secrets.ignored"), ["secrets.ignored warning"]);
    git(&checkout, &["add", ".env"]);
    assert_eq!(checkout.complaints_with("secrets.ignored"), ["secrets.ignored failure"]);
    // The command works in every folder.
    let told = checkout.finding("secrets.ignored").fix.unwrap().command;
    git(&fine, &told[1..].iter().map(String::as_str).collect::<Vec<_>>());
    checkout.write(".gitignore", ".env\n");
    assert_eq!(checkout.complaints_with("secrets.ignored"), Vec::<String>::new());
}

#[test]
fn a_folder_of_state_that_is_a_link_is_recognized_and_left_alone() {
    let home = Home::new();
    symlink("/nowhere", home.path(".pipulate")).unwrap();
    assert_eq!(home.complaints_with("project.private"), ["project.private failure"]);
    assert_eq!(AbsPath::new(home.root()).map(|root| root.at(".pipulate").is_symlink()), Some(true));
}

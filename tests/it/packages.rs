//! Packages in the first hour: a failed set-up can be repeated, changes are named, missing packages are added
//! while services run. The index is a folder; only uv is downloaded.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::index::{self, PACKAGE};
use crate::support::ports::Port;
use crate::support::project::python;
use crate::support::run::Output;
use crate::support::{Terminal, TestProject, http, run, wait_for};

/// Another package of the index.
const OTHER: &str = "other-probe";

/// A project, an index, and a service that runs the environment's Python.
struct Home {
    project: TestProject,
}

const SERVICE: &str =
    "[services.worker]\ncommand = [\"python\", \"-c\", \"import signal; signal.pause()\"]\n";

impl Home {
    fn new(requirements: &str) -> Self {
        let project = TestProject::light().file("requirements.txt", requirements).build();
        fs::remove_file(project.path(".venv")).unwrap();
        index::make(&project.path("index"), PACKAGE, &["1.0", "2.0"]);
        index::make(&project.path("index"), OTHER, &["1.0"]);
        Self { project }
    }

    fn with_a_service(requirements: &str) -> Self {
        let home = Self::new(requirements);
        home.project.write("pipulate.toml", &(home.project.read("pipulate.toml") + SERVICE));
        home
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command.env("XDG_CACHE_HOME", concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-cache"));
        command.env("UV_DEFAULT_INDEX", format!("file://{}/simple", self.project.path("index").display()));
        command.env("UV_HTTP_RETRIES", "0").env("UV_NO_CACHE", "1");
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> Output {
        run::output(&mut self.command(args)).expect(code)
    }

    /// The installed version of a package.
    fn version(&self, package: &str) -> String {
        let module = package.replace('-', "_");
        let code = format!("import {module}; print({module}.version)");
        let said = self.project.run(&["run", "--", "python", "-c", &code]);
        if said.code == Some(0) { said.stdout.trim().to_owned() } else { "none".to_owned() }
    }

    /// The app's front page.
    fn page(&self) -> String {
        let address = self.project.run(&["url", "server"]).expect(0).stdout;
        let welcome = http::get(address.trim(), &[]).unwrap();
        let session = format!("Cookie: {}", welcome.header("set-cookie").unwrap().split(';').next().unwrap());
        http::get(&format!("http://127.0.0.1:{}/", self.project.port("server")), &[&session]).unwrap().body
    }

    fn pid(&self, service: &str) -> u64 {
        self.project.service(service)["pid"].as_u64().unwrap()
    }
}

#[track_caller]
fn says(output: &Output, words: &str) {
    assert!(output.stderr.contains(words), "{words:?} is missing: {}", output.stderr);
}

#[track_caller]
fn says_not(output: &Output, words: &str) {
    assert!(!output.stderr.contains(words), "{words:?} is said: {}", output.stderr);
}

#[test]
fn a_set_up_that_failed_is_made_good_while_the_app_that_needs_none_runs() {
    let home = Home::new("nosuch-package-zz\n");
    let failed = home.run(&["start"], 0);
    says(&failed, "there is no package nosuch-package-zz");
    says_not(&failed, "trying with pip");
    says_not(&failed, "numpy");
    let app = home.pid("server");
    home.project.write("requirements.txt", "pipulate-probe==1.0\n");
    says_not(&home.run(&["start"], 0), "warning:");
    assert_eq!((home.version(PACKAGE).as_str(), home.pid("server")), ("1.0", app));
    // Packages that the app doesn't use may be replaced while it runs.
    home.project.write("requirements.txt", "pipulate-probe==2.0\n");
    home.run(&["setup"], 0);
    assert_eq!((home.version(PACKAGE).as_str(), home.pid("server")), ("2.0", app));
    home.project.run(&["stop"]).expect(0);
}

#[test]
fn what_changed_is_named_and_what_is_missing_is_added_beside_what_runs() {
    let home = Home::with_a_service("# ours\r\npipulate-probe==1.0  # pinned\r\n");
    home.run(&["start"], 0);
    let worker = home.pid("worker");
    let before = home.project.read("requirements.txt");

    says(&home.run(&["add", "nosuch-package-zz"], 1), "hint: requirements.txt was not changed");
    assert_eq!(home.project.read("requirements.txt"), before);
    says(&home.run(&["add", "other-probe"], 0), "Added to requirements.txt: other-probe");
    assert_eq!(home.project.read("requirements.txt"), format!("{before}other-probe\r\n"));
    assert_eq!(home.version(OTHER), "1.0");
    says(&home.run(&["add", "Other_Probe"], 0), "Already in requirements.txt: Other_Probe");

    // A package that may be loaded is not replaced; others are still installed.
    let refused = home.run(&["add", "pipulate-probe==2.0"], 1);
    says(&refused, "running services may be using what would be replaced: pipulate-probe 1.0 by 2.0");
    says(&refused, "hint: run `pipulate stop`, then `pipulate setup`");
    assert!(home.project.read("requirements.txt").contains("pipulate-probe==2.0  # pinned\r\n"));
    assert!(home.page().contains("The requirements changed; run `pipulate setup`"));
    for args in [&["start"][..], &["restart", "server"]] {
        says(&home.run(args, 0), "warning: the requirements changed; run `pipulate setup`");
    }
    says(&home.run(&["setup"], 1), "pipulate-probe 1.0 by 2.0");
    assert_eq!((home.version(PACKAGE).as_str(), home.pid("worker")), ("1.0", worker));
    home.project.run(&["stop"]).expect(0);
    home.run(&["setup"], 0);
    assert_eq!(home.version(PACKAGE), "2.0");
}

#[test]
fn a_package_is_added_although_another_one_waits_for_a_stop() {
    let home = Home::with_a_service("pipulate-probe==1.0\n");
    home.run(&["start"], 0);
    home.project.write("requirements.txt", "pipulate-probe==2.0\n");
    let added = home.run(&["add", "other-probe"], 0);
    says(&added, "warning: the requirements changed");
    assert_eq!((home.version(OTHER).as_str(), home.version(PACKAGE).as_str()), ("1.0", "1.0"));
    home.project.run(&["stop"]).expect(0);
}

#[test]
fn other_settings_than_a_service_runs_with_are_named_with_the_command() {
    let home = Home::with_a_service("");
    home.project.start(&["worker"]);
    let other = home.project.read("pipulate.toml") + "env = { SECRET_KEY = \"sk-12345678\" }\n";
    home.project.write("pipulate.toml", &other);
    let words = "worker is running with other settings than pipulate.toml has now (env); to apply them: pipulate \
                 restart worker";
    let said = home.project.run(&["start", "--no-setup", "worker"]).expect(0);
    says(&said, words);
    says(&home.project.run(&["start", "--no-setup", "server"]).expect(0), "");
    says(&home.project.run(&["restart", "server"]).expect(0), words);
    let examined = home.project.run(&["doctor", "--json"]).stdout;
    assert!(examined.contains("other settings than pipulate.toml has now (env)"), "{examined}");
    let page = home.page();
    assert!(page.contains("orker is running with other settings than pipulate.toml has now (env)"), "{page}");
    home.project.run(&["restart", "worker"]).expect(0);
    says_not(&home.project.run(&["start", "--no-setup", "worker"]).expect(0), "other settings");
    assert!(!home.project.read(".pipulate/run/worker.json").contains("sk-12345678"));
    home.project.run(&["stop"]).expect(0);
}

#[test]
fn a_lock_file_of_uv_says_what_is_installed_and_uv_adds_to_it() {
    let home = Home::new("");
    fs::remove_file(home.project.path("requirements.txt")).unwrap();
    let pyproject = |dependency: &str| {
        let text = format!(
            "[project]\nname = \"demo\"\nversion = \"0\"\nrequires-python = \">=3.10\"\ndependencies = [{dependency:?}]\n"
        );
        home.project.write("pyproject.toml", &text);
    };
    pyproject("pipulate-probe==1.0");
    // Creates the lock file; the newest version isn't the locked one.
    home.run(&["setup"], 0);
    home.run(&["run", "--", "true"], 0);
    let uv = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-cache/pipulate/uv/bin/uv");
    let like = home.command(&[]);
    let mut lock = home.project.foreign(uv);
    lock.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run::output(lock.arg("lock")).expect(0);
    pyproject("pipulate-probe");
    fs::remove_dir_all(home.project.path(".venv")).unwrap();
    let made = home.run(&["setup"], 0);
    says_not(&made, "warning:");
    assert_eq!(home.version(PACKAGE), "1.0", "as it is locked");
    says(&home.run(&["add", "other-probe"], 0), "Added to pyproject.toml: other-probe");
    assert!(home.project.read("uv.lock").contains("other-probe"));
    assert_eq!((home.version(OTHER).as_str(), home.version(PACKAGE).as_str()), ("1.0", "1.0"));
    home.run(&["run", "--", "python", "-m", "pip", "--version"], 0);
}

#[test]
fn another_tools_command_is_named_and_run_on_a_yes() {
    let home = Home::new("");
    fs::remove_file(home.project.path("requirements.txt")).unwrap();
    home.project.write("poetry.lock", "");
    let programs = home.project.path("../programs");
    fs::create_dir_all(&programs).unwrap();
    let script =
        format!("#!/bin/sh\necho \"poetry $*\"\nexec {} -m venv --without-pip .venv\n", python().display());
    fs::write(programs.join("poetry"), script).unwrap();
    fs::set_permissions(programs.join("poetry"), fs::Permissions::from_mode(0o755)).unwrap();
    let command = |args: &[&str]| {
        let mut command = home.command(args);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", programs.display()));
        command
    };
    let refused = run::output(&mut command(&["setup"])).expect(1);
    says(&refused, "error: poetry manages this project's packages (poetry.lock)");
    says(&refused, "hint: run `poetry install`");
    assert!(!home.project.path(".venv").exists(), "nothing is made in a pipe");
    says(&run::output(&mut command(&["add", "six"])).expect(1), "hint: add them with: poetry add six");
    let mut terminal = Terminal::open(
        &command(&[]),
        &format!("{} setup; echo ended with $?; read stay", crate::support::project::PIPULATE),
    );
    terminal.wait_for("Run `poetry install` now? [y/N] ");
    terminal.type_text("y\n");
    terminal.wait_for("ended with ");
    assert!(terminal.shown().contains("poetry install"), "{}", terminal.shown());
    assert!(home.project.path(".venv/pyvenv.cfg").exists());

    // `poetry install` wouldn't install the packages that this environment lacks.
    let config = home.project.read("pipulate.toml");
    let (off, on) = ("enabled = false\n[services.server]", "enabled = true\n[services.server]");
    assert!(config.contains(off), "{config}");
    home.project.write("pipulate.toml", &config.replace(off, on));
    let lacks = "the Python environment lacks jupyterlab, and poetry manages this project's packages (poetry.lock); \
                 add what is missing with: poetry add jupyterlab";
    says(&run::output(&mut command(&["setup"])).expect(0), lacks);
    let examined = run::output(&mut command(&["doctor"]));
    assert!(examined.stdout.contains("poetry add jupyterlab"), "{examined:?}");
}

#[test]
fn packages_that_land_elsewhere_are_not_taken_for_installed() {
    let home = Home::new("pipulate-probe\n");
    let index = format!("file://{}/simple", home.project.path("index").display());
    let mut command = home.command(&["setup"]);
    command.env_remove("UV_DEFAULT_INDEX").env("PIP_INDEX_URL", index);
    command.env("PIP_TARGET", home.project.path("elsewhere"));
    let failed = run::output(&mut command).expect(1);
    says(
        &failed,
        "pip could not install the packages: it did not install into this environment: PIP_TARGET is set",
    );
    says(&failed, "missing are pipulate-probe");
    assert!(home.project.path("elsewhere/pipulate_probe.py").exists());
}

#[test]
fn pinned_hashes_without_jupyterlab_are_told_as_what_they_are() {
    let home = Home::new("");
    home.project.write("pipulate.toml", "");
    let wheel = home.project.path("index/wheels/pipulate_probe-1.0-py3-none-any.whl");
    let sum = run::output(home.project.foreign("sha256sum").arg(wheel)).expect(0).stdout;
    let hash = sum.split_whitespace().next().unwrap();
    home.project.write("requirements.txt", &format!("pipulate-probe==1.0 --hash=sha256:{hash}\n"));
    for _ in 0..2 {
        let said = home.run(&["setup"], 0);
        says(&said, "jupyterlab is not in ");
        says(&said, "pinned with hashes");
    }
    says(&home.run(&["add", "other-probe"], 1), "are pinned with hashes");
    assert_eq!(home.version(PACKAGE), "1.0");
}

#[test]
fn pip_of_another_python_is_not_run_for_this_environment() {
    let home = Home::new("");
    let mut make = home.project.foreign(python());
    run::output(make.args(["-m", "venv", "--without-pip", ".venv"])).expect(0);
    let refused = home.project.run(&["run", "--", "pip", "--version"]).expect(1);
    says(&refused, "there is no pip in this environment");
    says(&refused, "pipulate add PACKAGE");
}

#[test]
fn a_module_that_a_service_misses_is_named_with_the_command_that_adds_its_package() {
    let home = Home::new("");
    home.project.write("server.py", "import sklearn.linear_model\n");
    let mut make = home.project.foreign(python());
    run::output(make.args(["-m", "venv", "--without-pip", ".venv"])).expect(0);
    let failed = home.project.run(&["start", "--no-setup", "server"]).expect(1);
    says(
        &failed,
        "hint: server needs sklearn, which is not installed; add it with: pipulate add scikit-learn",
    );
}

#[test]
fn why_answers_without_a_model_from_how_it_ended_and_what_it_printed() {
    let config = "[services.worker]\ncommand = [\"python\", \"worker.py\"]\nrestart = \"never\"\n";
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config(config)
        .file("worker.py", "import not_there_sklearn.linear_model\n")
        .build();
    project.run(&["start", "worker"]);
    wait_for("its end", || (project.service("worker")["state"] == "crashed").then_some(()));
    let said = project.run(&["why"]).expect(0);
    for words in [
        "worker is crashed: it ended with code 1",
        "ModuleNotFoundError: No module named 'not_there_sklearn'",
        "the module not_there_sklearn is not installed; add it with: pipulate add not_there_sklearn",
    ] {
        assert!(said.stdout.contains(words), "{words}: {said:?}");
    }
    says(&said, "No local LLM was asked: could not reach Ollama");
    let code = project.service("worker")["reason_code"].clone();
    assert_eq!(code, "ended", "the first reason");

    project.write("worker.py", "\n\n1 / 0\n");
    project.run(&["start", "worker"]);
    wait_for("its end", || (project.service("worker")["state"] == "crashed").then_some(()));
    let said = project.run(&["why", "worker"]).expect(0);
    assert!(said.stdout.contains("worker: ZeroDivisionError in line 3 of worker.py"), "{said:?}");
    assert!(!said.stdout.contains("pipulate add"), "{said:?}");
}

/// A reloader keeps running when its program can't be imported.
const FAILED_RELOADER: &str = "\
import sys, time
print(\"ModuleNotFoundError: No module named 'not_there_probe'\", file=sys.stderr, flush=True)
time.sleep(1000)
";

#[test]
fn a_missing_module_is_named_although_a_reloader_stays_alive() {
    let port = Port::take();
    let config = format!(
        "[services.worker]\ncommand = [\"python\", \"worker.py\"]\nport = {}\nready = {{ http = \"/\", timeout = \
         \"2s\" }}\n",
        port.number
    );
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config(&config)
        .file("worker.py", FAILED_RELOADER)
        .build();
    let named = "add it with: pipulate add not_there_probe";
    says(&project.run(&["start", "--no-setup", "worker"]).expect(1), named);
    assert_eq!(project.service("worker")["state"], "degraded");
    for verb in ["status", "why"] {
        let said = project.run(&[verb]).stdout;
        assert!(
            said.contains(&format!("the module not_there_probe is not installed; {named}")),
            "{verb}: {said}"
        );
    }
    says(&project.run(&["restart", "worker"]).expect(1), named);

    project.write("requirements.txt", "Not-there.probe\n");
    let failed = project.run(&["restart", "worker"]).expect(1);
    says(&failed, "not_there_probe is listed, but not installed; run `pipulate setup`");
    says_not(&failed, "pipulate add");

    // An earlier run's error doesn't concern this run.
    project.write("worker.py", "import time\ntime.sleep(1000)\n");
    says_not(&project.run(&["restart", "worker"]).expect(1), "not_there_probe");
    assert!(!project.run(&["status"]).stdout.contains("not_there_probe"));
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_dotenv_that_no_program_can_read_is_a_finding() {
    let home = Home::new("");
    let wide: Vec<u8> = "\u{feff}KEY=value\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(home.project.path(".env"), wide).unwrap();
    let found = home.project.run(&["doctor"]).stdout;
    assert!(found.contains("No program can read .env") && found.contains("save it as UTF-8"), "{found}");
}

//! A project folder with a home directory of its own, and the program in it.
//!
//! On drop, all its services are stopped; any process that still runs fails the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pipulate_core::project::{AbsPath, ProjectId};
use rustix::process::Signal;
use serde_json::Value;

use super::ports::Port;
use super::process::{self, Process};
use super::redact::redact;
use super::run::{self, Output};
use super::wait::{holds, wait_for, wait_for_ok};

/// The program under test.
pub(crate) const PIPULATE: &str = env!("CARGO_BIN_EXE_pipulate");

/// A project that a test may do anything to.
pub(crate) struct TestProject {
    /// The folder of everything; removed at the end.
    folder: tempfile::TempDir,
    home: PathBuf,
    root: PathBuf,
    ports: [(&'static str, Port); 3],
    /// A port without a listener, configured as Ollama's.
    nobody: Port,
}

/// The contents of a new project.
pub(crate) struct Builder {
    folder: String,
    config: String,
    tables: Vec<(&'static str, String)>,
    files: Vec<(String, String)>,
    pinned: bool,
}

impl TestProject {
    /// A project with JupyterLab and the embedded web app on free ports.
    pub(crate) fn new() -> Self {
        Self::builder().build()
    }

    /// A project with only the embedded web app and the services that the test adds: quick to start.
    pub(crate) fn light() -> Builder {
        Self::builder().table("jupyter", "enabled = false")
    }

    pub(crate) fn builder() -> Builder {
        Builder {
            folder: "demo".to_owned(),
            config: String::new(),
            tables: Vec::new(),
            files: Vec::new(),
            pinned: true,
        }
    }

    /// The project's folder as a path without links.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the project's folder.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The home directory.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The port of a built-in service.
    pub(crate) fn port(&self, service: &str) -> u16 {
        self.ports.iter().find(|(name, _)| *name == service).expect("a built-in service").1.number
    }

    /// Creates a file or replaces it.
    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file.
    #[track_caller]
    pub(crate) fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }

    /// The program with these arguments, in the project's folder, with stdin at `/dev/null`.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.foreign(PIPULATE);
        command.args(args);
        command
    }

    /// Another program in the same folder and environment.
    pub(crate) fn foreign(&self, program: impl AsRef<Path>) -> Command {
        let mut command = run::command(program);
        let inside = |name: &str| self.home.join(name).into_os_string();
        command.current_dir(&self.root).env_clear().envs([
            ("PATH", std::env::var_os("PATH").unwrap()),
            ("HOME", self.home.clone().into_os_string()),
            ("XDG_CONFIG_HOME", inside(".config")),
            ("XDG_CACHE_HOME", inside(".cache")),
            ("XDG_DATA_HOME", inside(".local/share")),
            ("XDG_STATE_HOME", inside(".local/state")),
            ("XDG_RUNTIME_DIR", inside(".runtime")),
            ("TMUX_TMPDIR", inside(".runtime")),
        ]);
        // The program under test is in cargo's target folder, and is large.
        command.env("PIPULATE_NO_COPY", "1");
        command.envs([("LANG", "C.UTF-8"), ("SHELL", "/bin/bash"), ("PIPULATE_NO_BROWSER", "1")]);
        command.env("OLLAMA_HOST", format!("127.0.0.1:{}", self.nobody.number));
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        run::output(&mut self.command(args))
    }

    /// `start --no-setup` of these services, or of all; fails the test unless it succeeds.
    #[track_caller]
    pub(crate) fn start(&self, services: &[&str]) -> Output {
        self.run(&[&["start", "--no-setup"], services].concat()).expect(0)
    }

    /// `status --json`, with any exit code.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        let output = self.run(&["status", "--json"]);
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// One service of `status --json`.
    #[track_caller]
    pub(crate) fn service(&self, name: &str) -> Value {
        let status = self.status();
        let found = status["services"].as_array().unwrap().iter().find(|service| service["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {status}")).clone()
    }

    /// Waits until `status --json` has this state for a service, and returns its entry.
    #[track_caller]
    pub(crate) fn wait_for_state(&self, service: &str, state: &str) -> Value {
        self.wait_for_service(service, &format!("to be {state}"), |found| found["state"] == state)
    }

    /// Waits for a condition on a service; the timeout shows its last status.
    #[track_caller]
    pub(crate) fn wait_for_service(&self, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        wait_for_ok(&format!("{name} {what}"), || {
            let found = self.service(name);
            if is_so(&found) { Ok(found) } else { Err(found.to_string()) }
        })
    }

    /// The running processes with this project's marker.
    pub(crate) fn processes(&self) -> Vec<Process> {
        process::with_variable(&format!("PIPULATE_SESSION={}/", self.id()))
    }

    /// The running processes whose arguments are those of a service's supervisor, ready or not.
    pub(crate) fn supervisors(&self, service: &str) -> Vec<Process> {
        process::with_variable(&format!("PIPULATE_SESSION={}/{service}/supervisor", self.id()))
    }

    /// Waits for a process with these arguments among those started with this home directory.
    #[track_caller]
    pub(crate) fn find_process(&self, command: &str) -> Process {
        wait_for(command, || self.everything().into_iter().find(|found| found.command == command))
    }

    /// The output without the parts that differ from run to run.
    pub(crate) fn redact(&self, text: &str) -> String {
        let text_of = |path: &Path| path.to_str().unwrap().to_owned();
        let (root, home) = (text_of(&self.root), text_of(&self.home));
        let ports: Vec<u16> = self.ports.iter().map(|(_, port)| port.number).collect();
        redact(text, &[(PIPULATE, "[PIPULATE]"), (&root, "[ROOT]"), (&home, "[HOME]")], &ports)
    }

    /// The project id in the marker.
    fn id(&self) -> ProjectId {
        ProjectId::of_root(&AbsPath::new(&self.root).unwrap())
    }

    /// All processes that were started with this project's home directory, with or without the marker.
    fn everything(&self) -> Vec<Process> {
        process::with_variable(&format!("HOME={}", self.home.display()))
    }
}

impl Drop for TestProject {
    #[expect(clippy::print_stderr, reason = "what a failed test leaves behind helps to understand it")]
    fn drop(&mut self) {
        let stop = run::output(&mut self.command(&["stop", "--force"]));
        let left = self.everything();
        for process in &left {
            process.signal(Signal::KILL);
        }
        if std::thread::panicking() {
            let folder = self.folder.path().display();
            eprintln!("the folder of the failed test: {folder}\n{}", self.redact(&stop.stderr));
            self.folder.disable_cleanup(std::env::var_os("PIPULATE_TEST_KEEP").is_some());
            return;
        }
        assert!(left.is_empty(), "the test left processes behind: {left:#?}");
        holds("the end of everything", || self.everything().is_empty());
    }
}

impl Builder {
    /// Appends to `pipulate.toml`.
    pub(crate) fn config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self
    }

    /// Adds lines to the table of a built-in service.
    pub(crate) fn table(mut self, service: &'static str, lines: &str) -> Self {
        self.tables.push((service, lines.to_owned()));
        self
    }

    /// Adds a file to the project's folder.
    pub(crate) fn file(mut self, relative: &str, text: &str) -> Self {
        self.files.push((relative.to_owned(), text.to_owned()));
        self
    }

    /// Doesn't configure ports: the program chooses them.
    pub(crate) fn ports_by_default(mut self) -> Self {
        self.pinned = false;
        self
    }

    /// Creates the folders. The Python environment is a link to the tests' one. `folder`
    /// replaces the name `demo`.
    pub(crate) fn named(self, folder: &str) -> Self {
        Self { folder: folder.to_owned(), ..self }
    }

    pub(crate) fn build(self) -> TestProject {
        let folder = tempfile::Builder::new().prefix("pipulate-it-").tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap().join("home");
        let root = home.join(&self.folder);
        fs::create_dir_all(home.join(".runtime")).unwrap();
        fs::create_dir_all(&root).unwrap();
        std::os::unix::fs::symlink(environment(), root.join(".venv")).unwrap();
        let ports = ["jupyter", "server", "dashboard"].map(|name| (name, Port::take()));
        let project = TestProject { folder, home, root, ports, nobody: Port::take() };
        let mut config = String::new();
        for (service, port) in &project.ports {
            config.push_str(&format!("[services.{service}]\n"));
            if self.pinned {
                config.push_str(&format!("port = {}\n", port.number));
            }
            for (_, lines) in self.tables.iter().filter(|(name, _)| name == service) {
                config.push_str(&format!("{lines}\n"));
            }
        }
        project.write("pipulate.toml", &(config + &self.config));
        for (path, text) in &self.files {
            project.write(path, text);
        }
        project
    }
}

/// The tests' Python; fails with advice if it is missing.
pub(crate) fn python() -> PathBuf {
    environment().join("bin/python")
}

fn environment() -> PathBuf {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-venv/bin/python");
    let python = std::env::var_os("PIPULATE_TEST_PYTHON").map_or(prepared, PathBuf::from);
    assert!(
        python.is_file(),
        "{} is missing: run the tests with `cargo xtask test`, which prepares it",
        python.display()
    );
    // Not canonical: `bin/python` is itself a link out of the environment.
    python.parent().and_then(Path::parent).unwrap().canonicalize().unwrap()
}

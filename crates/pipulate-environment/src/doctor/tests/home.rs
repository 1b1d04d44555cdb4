//! A home with arbitrary damage: a real folder with a real venv, on a machine whose own files are real ones
//! in another folder.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use pipulate_core::config::Config;
use pipulate_core::finding::{Finding, FindingStatus};
use pipulate_core::layout::{Layout, UserDirs};
use pipulate_core::project::AbsPath;
use pipulate_core::resources::{Disk, Load, Memory, Resources};
use pipulate_core::status::{ProjectStatus, ServiceStatus};
use pipulate_process::command::Command;

use super::super::catalog::GROUPS;
use super::super::check::Group;
use super::super::{Examination, PortFact, examine};
use crate::browser::session::Session;
use crate::python::Python;
use crate::stamp::{Made, Origin, Stamp};
use crate::surroundings::Surroundings;
use crate::venv::{VenvState, inspect};

const AMPLE: Duration = Duration::from_secs(120);

pub(super) struct Home {
    folder: tempfile::TempDir,
    /// The machine's own files.
    pub(super) machine: tempfile::TempDir,
    /// The first entry of `PATH`.
    programs: tempfile::TempDir,
    pub(super) alive: bool,
    /// True if nothing was set up or started here.
    pub(super) is_clone: bool,
    pub(super) jupyter_is_open: Option<bool>,
    pub(super) ports: Vec<PortFact>,
    pub(super) services: Vec<ServiceStatus>,
    pub(super) session: Session,
    pub(super) resources: Resources,
}

impl Home {
    pub(super) fn new() -> Self {
        let programs = tempfile::tempdir().unwrap();
        let path = Surroundings::of_this_process().variable("PATH").unwrap_or_default().to_owned();
        let path = std::env::join_paths(
            std::iter::once(programs.path().to_owned()).chain(std::env::split_paths(&path)),
        );
        let surroundings = Surroundings::default()
            .with("PATH", path.unwrap())
            .with("PIPULATE_PYTHON", python())
            // Port 9 is discard: Ollama doesn't listen there.
            .with("OLLAMA_HOST", "127.0.0.1:9")
            .with("PIPULATE_NO_BROWSER", "1");
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
            machine: tempfile::tempdir().unwrap(),
            programs,
            alive: false,
            is_clone: false,
            jupyter_is_open: None,
            ports: Vec::new(),
            services: Vec::new(),
            session: Session { surroundings, ..Session::default() },
            resources: Resources {
                memory: Some(Memory { total: 8 << 30, available: 5 << 30, swap_total: 0, swap_used: 0 }),
                load: Some(Load { averages: [0.5; 3], processors: 4 }),
                disk: Some(Disk { total: 100 << 30, free: 50 << 30 }),
            },
        };
        home.write_machine("proc/self/mountinfo", "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n");
        home.write_machine("proc/sys/fs/inotify/max_user_watches", "65536\n");
        home.write_machine("proc/sys/fs/inotify/max_user_instances", "128\n");
        home.write_machine("etc/hosts", "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n");
        home.write_machine("etc/debian_version", "12\n");
        home
    }

    /// With a venv of ours, and modules that are empty files.
    pub(super) fn set_up() -> Self {
        let home = Self::new();
        home.make_venv();
        for module in ["numpy", "ipykernel", "jupyterlab", "fasthtml"] {
            home.write_module(module, "");
        }
        home.write_site("pip-24.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pip\nVersion: 24.0\n");
        pipulate_store::home::ensure(&home.layout()).unwrap();
        home.stamp();
        home
    }

    /// The files of `python -m venv --without-pip`, without running it: there are many homes here.
    fn make_venv(&self) {
        let found = found();
        let root = self.layout().inside(".venv");
        let (bin, version) = (found.program.parent().unwrap().display(), found.version);
        self.write(".venv/pyvenv.cfg", &format!("home = {bin}\nversion = {version}\n"));
        self.write(".venv/bin/activate", &format!("VIRTUAL_ENV={root}\nexport VIRTUAL_ENV\n"));
        std::os::unix::fs::symlink(&found.program, self.path(".venv/bin/python")).unwrap();
        let site = format!(".venv/lib/python{}.{}/site-packages", version.major, version.minor);
        fs::create_dir_all(self.path(&site)).unwrap();
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(super) fn layout(&self) -> Layout {
        let user = UserDirs { state: AbsPath::new(self.machine.path()).unwrap().at("state"), runtime: None };
        Layout::new(AbsPath::new(self.root().canonicalize().unwrap()).unwrap()).of_user(Some(user))
    }

    pub(super) fn write_module(&self, name: &str, text: &str) {
        self.write_site(&format!("{name}.py"), text);
    }

    /// A file among the installed packages.
    pub(super) fn write_site(&self, name: &str, text: &str) {
        write(&self.site().join(name), text);
    }

    /// The real pip of the prepared environment: a system's Python may have none.
    pub(super) fn give_pip(&self) {
        let where_is_it = ["-c", "import pip, os; print(os.path.dirname(pip.__file__))"];
        let with_pip = if Path::new(PREPARED).is_file() { Path::new(PREPARED) } else { python() };
        let said = Command::new(with_pip).args(where_is_it).output(AMPLE).unwrap();
        let folder = String::from_utf8(said.stdout).unwrap();
        std::os::unix::fs::symlink(folder.trim(), self.site().join("pip")).unwrap();
    }

    pub(super) fn site(&self) -> PathBuf {
        let lib = fs::read_dir(self.path(".venv/lib")).unwrap().next().unwrap().unwrap();
        lib.path().join("site-packages")
    }

    pub(super) fn stamp(&self) {
        let root = self.layout().inside(".venv").to_path_buf();
        let VenvState::Whole(venv) = inspect(&root) else { panic!("{:?}", inspect(&root)) };
        let python = &pipulate_core::config::Config::parse("").unwrap().python;
        let wanted =
            crate::requirements::Requirements::read(&self.layout(), python, true, &Surroundings::default())
                .unwrap();
        let installed = crate::stamp::Installed {
            installer: crate::installer_kind::InstallerKind::Pip,
            requirements: wanted.fingerprint,
            listing: None,
        };
        Stamp::Made(Made {
            origin: Origin::Made,
            venv: root,
            identity: venv.identity,
            real_python: venv.real_python,
            version: venv.version.unwrap(),
            installed: Some(installed),
        })
        .write(&self.layout())
        .unwrap();
    }

    /// Sets a variable of the examination's shell.
    pub(super) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.session.surroundings = self.session.surroundings.clone().with(name, value);
    }

    /// Removes that variable.
    pub(super) fn unset(&mut self, name: &str) {
        self.session.surroundings = self.session.surroundings.clone().without(name);
    }

    /// A file of the project.
    pub(super) fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    /// One of the machine's own files.
    pub(super) fn write_machine(&self, name: &str, text: &str) {
        write(&self.machine.path().join(name), text);
    }

    /// A program on `PATH`, for faults that real ones don't have here.
    pub(super) fn write_program(&self, name: &str, script: &str) {
        let path = self.programs.path().join(name);
        write(&path, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(super) fn examination(&self) -> Examination {
        let text = fs::read_to_string(self.path("pipulate.toml")).unwrap_or_default();
        let config = Config::parse(&text);
        if let (false, Ok(config)) = (self.is_clone, &config) {
            // As a start with the current files does.
            crate::venv::remember(&self.layout(), &config.python).unwrap();
        }
        Examination {
            layout: self.layout(),
            config,
            session: self.session.clone(),
            exe: self.path("our-program"),
            ports: self.ports.clone(),
            status: ProjectStatus {
                name: "demo".to_owned(),
                root: self.layout().root().clone(),
                services: self.services.clone(),
                unknown: Vec::new(),
            },
            jupyter_is_open: self.jupyter_is_open,
            alive: self.alive,
            resources: self.resources,
            machine: self.machine.path().to_owned(),
        }
    }

    pub(super) fn examine(&self) -> Vec<Finding> {
        examine(&self.examination())
    }

    /// The findings that are neither ok nor skipped, as `id status`.
    pub(super) fn complaints(&self) -> Vec<String> {
        complaints(self.examine())
    }

    /// [`Home::complaints`] of the group of checks that has this id: all of them take a while.
    pub(super) fn complaints_with(&self, id: &str) -> Vec<String> {
        complaints((group_of(id).examine)(&self.examination()))
    }

    pub(super) fn finding(&self, id: &str) -> Finding {
        let findings = (group_of(id).examine)(&self.examination());
        findings.into_iter().find(|finding| finding.id == id).unwrap()
    }

    /// The command that fixes it, without our folder, and whether it is automatic.
    pub(super) fn mending(&self, id: &str) -> (String, bool) {
        let fix = self.finding(id).fix.unwrap();
        let root = self.root().canonicalize().unwrap().display().to_string();
        (fix.command.join(" ").replace(&root, "HOME"), fix.automatic)
    }
}

fn group_of(id: &str) -> Group {
    let has = |group: &Group| group.checks.iter().any(|check| check.id == id);
    GROUPS.into_iter().find(has).unwrap_or_else(|| panic!("no check {id}"))
}

fn complaints(findings: Vec<Finding>) -> Vec<String> {
    let bad = |finding: &Finding| match finding.status {
        FindingStatus::Ok | FindingStatus::Skipped => false,
        FindingStatus::Warning | FindingStatus::Failure => true,
    };
    let bad = findings.into_iter().filter(bad);
    bad.map(|finding| format!("{} {}", finding.id, finding.status.word())).collect()
}

/// The Python of these tests.
pub(super) fn python() -> &'static Path {
    &found().program
}

/// The Python of the prepared environment.
const PREPARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-venv/bin/python");

/// The Python that the prepared environment is based on, if there is one: version managers are slow.
fn found() -> &'static Python {
    static PYTHON: OnceLock<Python> = OnceLock::new();
    let prepared = Path::new(PREPARED);
    PYTHON.get_or_init(|| {
        let around = Surroundings::of_this_process();
        let named = prepared.is_file().then(|| around.clone().with("PIPULATE_PYTHON", prepared));
        crate::python::discover(&named.unwrap_or(around), Path::new("/"), false, None).unwrap()
    })
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Damages a healthy home.
pub(super) type Fault = fn(&mut Home);

/// Applies each fault to a home of its own, and asserts that it is recognized by its own id.
#[track_caller]
pub(super) fn recognized<const N: usize>(faults: [(&str, Fault); N]) {
    for (complaint, fault) in faults {
        let mut home = Home::set_up();
        fault(&mut home);
        let id = complaint.split(' ').next().unwrap();
        assert_eq!(home.complaints_with(id), [complaint], "{:#?}", home.finding(id));
    }
}

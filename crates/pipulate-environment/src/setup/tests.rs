//! Whole set-ups with real Pythons. Only one of them uses the network.

mod failures;
mod rules;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::mpsc;
use std::thread;

use pipulate_core::config::Config;
use pipulate_core::layout::UserDirs;
use pipulate_core::project::AbsPath;
use pipulate_process::command::{Command, End};

use super::*;
use crate::managers::Manager;
use crate::stamp::{Origin, Stamp};
use crate::venv::{Breakage, inspect};

/// Nothing to install, and no index: a set-up without network.
const NOTHING: &str = "--no-index\n";

struct Home {
    folder: tempfile::TempDir,
    layout: Layout,
    config: Config,
    around: Surroundings,
    alive: bool,
    programs: Vec<PathBuf>,
}

/// The project in a folder with this name; the user's state is beside it.
fn layout(folder: &tempfile::TempDir, name: &str) -> Layout {
    let folder = AbsPath::new(folder.path()).unwrap();
    let user = UserDirs { state: folder.at("state"), runtime: None };
    Layout::new(folder.at(name)).of_user(Some(user))
}

impl Home {
    fn new(requirements: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(&folder, "my project");
        fs::create_dir(layout.root()).unwrap();
        fs::write(layout.inside("requirements.txt"), requirements).unwrap();
        // With rules for pip alone, uv is not downloaded.
        let around = Surroundings::of_this_process()
            .without("PIPULATE_PYTHON")
            .with("PIP_NO_INDEX", "1")
            .without("UV_FIND_LINKS")
            .with_home(folder.path().join("home"))
            .with_cache(folder.path().join("cache"));
        Self {
            config: Config::parse("").unwrap(),
            layout,
            around,
            folder,
            alive: false,
            programs: vec!["/usr/bin/pipulate".into()],
        }
    }

    fn request(&self, mode: Mode) -> SetupRequest<'_> {
        SetupRequest {
            layout: &self.layout,
            python: &self.config.python,
            project_name: "my project",
            jupyter: false,
            mode,
            compile: mode != Mode::Automatic,
            home_is_alive: self.alive,
            programs: &self.programs,
            around: &self.around,
        }
    }

    fn set_up(&self, mode: Mode) -> (Result<SetupReport, SetupError>, Vec<SetupEvent>) {
        let mut events = Vec::new();
        let result = ensure(&self.request(mode), &mut |event| events.push(event));
        (result, events)
    }

    fn drift(&self) -> Vec<Drift> {
        drift(&self.request(Mode::Automatic))
    }

    /// A package that looks installed.
    fn add_package(&self, name: &str) {
        let site = crate::venv::site_packages(&self.venv()).pop().unwrap();
        fs::create_dir(site.join(format!("{name}-1.0.dist-info"))).unwrap();
    }

    fn start(&self) -> SetupReport {
        self.set_up(Mode::Automatic).0.unwrap()
    }

    fn venv(&self) -> PathBuf {
        self.layout.inside(".venv").to_path_buf()
    }

    fn stamp(&self) -> Option<Stamp> {
        Stamp::read(&self.layout)
    }

    /// A foreign venv.
    fn foreign_venv(&self) {
        let python = crate::python::discover(&self.around, self.layout.root(), false, None).unwrap();
        let command = Command::new(python.program).args(["-m", "venv", "--without-pip"]).arg(self.venv());
        assert!(command.output(std::time::Duration::from_secs(300)).unwrap().end.success());
    }

    fn lose_its_python(&self) {
        fs::remove_file(self.venv().join("bin/python")).unwrap();
        symlink("/gone/python3", self.venv().join("bin/python")).unwrap();
    }

    /// Every path in the venv with its time and size.
    fn fingerprint(&self) -> Vec<(PathBuf, std::time::SystemTime, u64)> {
        fn walk(folder: &Path, all: &mut Vec<(PathBuf, std::time::SystemTime, u64)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let data = path.symlink_metadata().unwrap();
                all.push((path.clone(), data.modified().unwrap(), data.len()));
                if data.is_dir() {
                    walk(&path, all);
                }
            }
        }
        let mut all = Vec::new();
        walk(&self.venv(), &mut all);
        all.sort();
        all
    }
}

#[test]
fn a_folder_gets_its_environment_and_the_second_time_there_is_nothing_to_do() {
    let mut home = Home::new(NOTHING);
    let (report, events) = home.set_up(Mode::Automatic);
    let report = report.unwrap();
    assert!(report.changed && report.warning.is_none() && report.drift.is_empty(), "{report:?}");
    assert_eq!(report.installer, Some(InstallerKind::Pip));
    assert!(report.packages >= 1, "pip is in it: {report:?}");
    assert!(matches!(&events[0], SetupEvent::PythonFound { why: Why::OnPath { .. }, .. }), "{events:?}");
    assert!(home.venv().join("bin/start").exists() && home.venv().join("bin/stop").exists());
    let prompt = fs::read_to_string(home.venv().join("pyvenv.cfg")).unwrap();
    assert!(prompt.contains("my project"), "{prompt}");
    let mode = |name: &str| fs::metadata(home.layout.inside(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(".pipulate"), mode(".pipulate/setup.json")), (0o700, 0o600));
    let (explicit, events) = home.set_up(Mode::Explicit);
    assert!(!explicit.unwrap().changed && events.is_empty(), "{events:?}");
    home.add_package("by_hand");
    assert_eq!(home.drift(), [], "extra packages are not drift");
    let report = SetupReport { packages: report.packages + 1, ..report };
    // No Python is available, and none is needed.
    home.around = Surroundings::default();
    let before = home.fingerprint();
    let (again, events) = home.set_up(Mode::Automatic);
    assert_eq!(again.unwrap(), SetupReport { changed: false, notes: Vec::new(), ..report });
    assert!(events.is_empty(), "{events:?}");
    assert_eq!(before, home.fingerprint());
}

fn existing(home: &Home) -> bool {
    crate::venv::existing_python(&home.layout, &home.config.python).is_some()
}

#[test]
fn a_venv_of_somebody_else_is_used_as_it_is_until_a_set_up_is_asked_for() {
    let home = Home::new("--no-index\nsix\n");
    home.foreign_venv();
    let before = home.fingerprint();
    let report = home.start();
    assert_eq!(report.drift, [Drift::NotOurs { missing: vec!["six".to_owned()] }]);
    assert_eq!((before, home.stamp()), (home.fingerprint(), None));
    fs::write(home.layout.inside("requirements.txt"), NOTHING).unwrap();
    assert!(home.start().drift.is_empty());
    // It was made without pip, and there is no uv: an explicit set-up reports that, and has taken it over.
    let (report, _) = home.set_up(Mode::Explicit);
    match report.unwrap().warning {
        Some(SetupWarning::Install(failure)) => assert_eq!(failure.cause, crate::failure::Cause::NoPip),
        other => panic!("{other:?}"),
    }
    assert!(matches!(home.stamp(), Some(Stamp::Made(made)) if made.origin == Origin::Adopted));
}

#[test]
fn a_broken_venv_of_ours_is_made_anew_and_kept() {
    let home = Home::new(NOTHING);
    home.start();
    home.add_package("by_hand");
    home.lose_its_python();
    let broken = Drift::VenvBroken(Breakage::DanglingInterpreter("/gone/python3".into()));
    assert_eq!(home.drift(), [broken]);
    let (report, events) = home.set_up(Mode::Automatic);
    let report = report.unwrap();
    assert!(report.changed);
    assert_eq!(report.gone, ["by-hand"], "what went is listed");
    let kept = home.layout.inside(".venv.old").to_path_buf();
    assert!(events.contains(&SetupEvent::Replacing {
        why: Some(Drift::VenvBroken(Breakage::DanglingInterpreter("/gone/python3".into()))),
        kept_as: Some(kept.clone()),
    }));
    assert!(kept.join("pyvenv.cfg").exists() && existing(&home));
}

#[test]
fn a_broken_venv_of_somebody_else_is_left_alone_with_a_word_on_what_to_do() {
    let home = Home::new(NOTHING);
    home.foreign_venv();
    home.lose_its_python();
    let before = home.fingerprint();
    let error = home.set_up(Mode::Automatic).0.unwrap_err();
    assert!(matches!(&error, SetupError::Refused(Refusal::BrokenAndNotOurs { .. })), "{error}");
    assert!(error.to_string().contains("pipulate setup --recreate"), "{error}");
    assert_eq!(before, home.fingerprint());
    assert!(home.set_up(Mode::Recreate).0.unwrap().changed);
    assert!(home.layout.inside(".venv.old/pyvenv.cfg").exists());
}

#[test]
fn a_moved_project_gets_a_venv_of_its_own_again() {
    let mut home = Home::new(NOTHING);
    home.start();
    let moved = home.folder.path().join("elsewhere");
    fs::rename(home.layout.root(), &moved).unwrap();
    let from = home.venv();
    home.layout = layout(&home.folder, "elsewhere");
    assert_eq!(home.drift(), [Drift::VenvMoved { from }]);
    let report = home.start();
    assert!(report.changed && report.drift.is_empty(), "{report:?}");
    assert!(matches!(inspect(&home.venv()), VenvState::Whole(_)));
}

#[test]
fn a_set_up_that_was_cut_short_is_gone_on_with() {
    let home = Home::new(NOTHING);
    pipulate_store::home::ensure(&home.layout).unwrap();
    Stamp::Making { venv: home.venv() }.write(&home.layout).unwrap();
    fs::create_dir_all(home.venv().join("bin")).unwrap();
    fs::write(home.venv().join("pyvenv.cfg"), "home = /usr/bin\n").unwrap();
    assert!(home.start().changed);
    assert!(!home.layout.inside(".venv.old").exists(), "half a venv is nothing to keep");
    assert!(matches!(home.stamp(), Some(Stamp::Made(made)) if made.installed.is_some()));
}

#[test]
fn of_two_set_ups_at_once_one_waits_and_finds_it_done() {
    let home = Home::new(NOTHING);
    let events = thread::scope(|scope| {
        let both =
            [scope.spawn(|| home.set_up(Mode::Automatic)), scope.spawn(|| home.set_up(Mode::Automatic))];
        both.map(|thread| {
            let (report, events) = thread.join().unwrap();
            assert!(report.unwrap().warning.is_none());
            events
        })
        .concat()
    });
    let made = events.iter().filter(|event| matches!(event, SetupEvent::MakingVenv { .. })).count();
    assert_eq!(made, 1, "{events:?}");
}

#[test]
fn the_lock_is_waited_for() {
    let home = Home::new(NOTHING);
    pipulate_store::home::ensure(&home.layout).unwrap();
    let held = lock::hold(&home.layout, || panic!("nobody has it")).unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| lock::hold(&home.layout, move || sender.send(()).unwrap()).unwrap());
        receiver.recv().unwrap();
        drop(held);
    });
}

#[test]
fn under_living_services_a_change_is_named_and_made_only_when_asked_for() {
    let mut home = Home::new(NOTHING);
    home.start();
    fs::write(home.layout.inside("requirements.txt"), "--no-index\nsix\n").unwrap();
    assert_eq!(home.drift(), [Drift::RequirementsChanged]);
    home.alive = true;
    let before = home.fingerprint();
    assert_eq!(home.start().drift, [Drift::RequirementsChanged]);
    // The dry run for replacements comes first, and there is no index.
    let (report, events) = home.set_up(Mode::Explicit);
    assert!(matches!(report.unwrap().warning, Some(SetupWarning::Install(_))));
    assert!(!events.iter().any(|event| matches!(event, SetupEvent::Installing { .. })), "{events:?}");
    assert_eq!(before, home.fingerprint());
    let error = home.set_up(Mode::Recreate).0.unwrap_err();
    assert!(matches!(error, SetupError::Refused(Refusal::HomeIsAlive { .. })), "{error}");
    assert_eq!(before, home.fingerprint());
}

#[test]
fn a_home_without_a_good_set_up_is_set_up_under_living_services_too() {
    let mut home = Home::new("--no-index\nnosuch-zz\n");
    assert!(home.start().warning.is_some());
    home.alive = true;
    fs::write(home.layout.inside("requirements.txt"), NOTHING).unwrap();
    let report = home.start();
    assert!(report.warning.is_none() && report.drift.is_empty(), "{report:?}");
    assert_eq!(home.drift(), []);
}

#[test]
fn beside_another_package_managers_lock_nothing_changes_by_itself() {
    let home = Home::new(NOTHING);
    home.start();
    fs::write(home.layout.inside("uv.lock"), "").unwrap();
    fs::write(home.layout.inside("requirements.txt"), "--no-index\nsix\n").unwrap();
    let report = home.start();
    assert_eq!(report.drift, [Drift::RequirementsChanged, Drift::ManagedBy(Manager::with_file("uv.lock"))]);
    assert!(report.warning.is_none());
}

#[test]
fn an_interpreter_that_is_named_is_used_and_never_changed() {
    let mut home = Home::new("six\n");
    home.foreign_venv();
    let before = home.fingerprint();
    let lacks_six = [Drift::InterpreterLacks { missing: vec!["six".to_owned()] }];
    let named = |path: &Path| {
        Config::parse(&format!("[python]\ninterpreter = {:?}\n", path.display().to_string())).unwrap()
    };
    home.config = named(&home.venv().join("bin/python"));
    for mode in [Mode::Automatic, Mode::Explicit, Mode::Recreate] {
        let report = home.set_up(mode).0.unwrap();
        assert_eq!(report.drift, lacks_six);
    }
    assert_eq!(home.drift(), lacks_six);
    assert_eq!(before, home.fingerprint());
    home.config = named(Path::new("/nowhere/python"));
    let error = home.set_up(Mode::Automatic).0.unwrap_err();
    assert!(error.to_string().contains("/nowhere/python, but there is no such program"), "{error}");
}

#[test]
fn an_interpreter_without_jupyterlab_whose_packages_are_elsewhere_lacks_it() {
    let mut home = Home::new("");
    let prefix = home.folder.path().join("distribution");
    fs::create_dir_all(prefix.join("bin")).unwrap();
    let program = |name: &str| {
        fs::write(prefix.join("bin").join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(prefix.join("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("python");
    let python = prefix.join("bin/python").display().to_string();
    home.config = Config::parse(&format!("[python]\ninterpreter = {python:?}\n")).unwrap();
    home.around = home.around.clone().with("PATH", "/nowhere");
    let drift = |home: &Home| drift(&SetupRequest { jupyter: true, ..home.request(Mode::Automatic) });
    assert_eq!(drift(&home), [Drift::InterpreterLacks { missing: vec!["jupyterlab".to_owned()] }]);
    program("jupyter-lab");
    assert_eq!(drift(&home), []);
}

/// The one test that uses the package index: uv is downloaded, and installs a small package.
#[test]
fn uv_is_fetched_into_the_users_cache_and_installs() {
    let mut home = Home::new("six\n");
    home.around = Surroundings::of_this_process()
        .without("PIPULATE_PYTHON")
        .without("PYTHONDONTWRITEBYTECODE")
        .with("PIP_CONFIG_FILE", "/dev/null")
        // Not the user's own, and kept between runs.
        .with("UV_CACHE_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-cache/uv"))
        .with_home(home.folder.path().join("home"))
        .with_cache(home.folder.path().join("cache"));
    let path = std::env::split_paths(home.around.variable("PATH").unwrap())
        .filter(|folder| !folder.join("uv").exists())
        .collect::<Vec<_>>();
    home.around = home.around.clone().with("PATH", std::env::join_paths(path).unwrap());
    let (report, events) = home.set_up(Mode::Automatic);
    let report = report.unwrap();
    assert_eq!((report.installer, report.warning), (Some(InstallerKind::Uv), None), "{:?}", report.notes);
    assert!(events.contains(&SetupEvent::Progress(InstallProgress::Resolved { total: 1 })), "{events:?}");
    assert!(home.folder.path().join("cache/uv/bin/uv").exists());
    assert!(!home.venv().join("bin/uv").exists(), "never into the venv");
    assert!(home.venv().join("bin/pip").exists(), "an ordinary venv has pip");
    let compiled = |home: &Home| {
        let cache = crate::venv::site_packages(&home.venv()).pop().unwrap().join("__pycache__");
        let files = fs::read_dir(cache).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("six.")).count()
    };
    assert_eq!(compiled(&home), 0, "a start waits for no compiler");
    let six = Command::new(&report.python).args(["-c", "import six"]).env_remove("PYTHONDONTWRITEBYTECODE");
    assert_eq!(six.output(std::time::Duration::from_secs(60)).unwrap().end, End::Code(0));
    assert_eq!(compiled(&home), 1, "Python compiles what it imports");
    home.set_up(Mode::Recreate).0.unwrap();
    assert_eq!(compiled(&home), 1, "a set-up that is asked for compiles all");
    fs::remove_dir_all(home.venv()).unwrap();
    home.around = home.around.clone().with("PYTHONDONTWRITEBYTECODE", "1");
    home.start();
    assert_eq!(compiled(&home), 1, "and so does a start where Python would not");
    assert!(crate::uv::at_hand(&home.around).unwrap().program.starts_with(home.folder.path()));
}

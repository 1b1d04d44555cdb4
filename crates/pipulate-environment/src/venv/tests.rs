//! Real venvs, and damage over time.

use std::os::unix::fs::symlink;

use pipulate_core::config::Config;
use pipulate_core::project::AbsPath;
use pipulate_process::command::Command;

use super::*;
use crate::python::discover;
use crate::surroundings::Surroundings;

/// A real venv, without pip: that takes a tenth of the time and changes nothing here.
fn real_venv(root: &Path) {
    let around = Surroundings::of_this_process().without("PIPULATE_PYTHON");
    let python = discover(&around, Path::new("/"), false, None).unwrap();
    let command = Command::new(python.program).args(["-m", "venv", "--without-pip"]).arg(root);
    assert!(command.output(std::time::Duration::from_secs(300)).unwrap().end.success());
}

fn problem(root: &Path) -> Breakage {
    match inspect(root) {
        VenvState::Broken { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_real_venv_is_whole_and_says_its_version() {
    let folder = tempfile::tempdir().unwrap();
    for name in [".venv", "it's \"my\" venv", "$HOME"] {
        let root = folder.path().join(name);
        assert_eq!(inspect(&root), VenvState::Absent);
        real_venv(&root);
        match inspect(&root) {
            VenvState::Whole(venv) => assert!(venv.version.unwrap() >= crate::python::OLDEST, "{venv:?}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_venv_that_was_moved_with_its_folder_is_the_same_one_at_another_place() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("a/.venv"), folder.path().join("b/.venv"));
    real_venv(&before);
    let VenvState::Whole(venv) = inspect(&before) else { panic!() };
    fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
    match inspect(&after) {
        VenvState::Moved { venv: moved, from } => {
            assert_eq!((moved.identity, from), (venv.identity, before.clone()));
        }
        other => panic!("{other:?}"),
    }
    // Reached through a link, it has not moved.
    fs::rename(folder.path().join("b"), folder.path().join("a")).unwrap();
    symlink(folder.path().join("a"), folder.path().join("link")).unwrap();
    assert!(matches!(inspect(&folder.path().join("link/.venv")), VenvState::Whole(_)));
}

#[test]
fn what_broke_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join(".venv");
    let python = root.join("bin/python");
    let config = root.join("pyvenv.cfg");
    real_venv(&root);
    let text = fs::read_to_string(&config).unwrap();

    fs::write(&config, text.replace("home = /", "home = /gone/")).unwrap();
    assert!(matches!(problem(&root), Breakage::HomeGone(home) if home.starts_with("/gone")));

    fs::write(&config, "home = /\nversion = 3.1.0\n").unwrap();
    assert!(matches!(problem(&root), Breakage::OtherPython { venv, .. } if venv.minor == 1));
    fs::write(&config, text).unwrap();

    fs::remove_file(&python).unwrap();
    assert_eq!(problem(&root), Breakage::NoInterpreter);
    symlink("/nix/store/collected/bin/python3.11", &python).unwrap();
    assert_eq!(problem(&root), Breakage::DanglingInterpreter("/nix/store/collected/bin/python3.11".into()));

    fs::remove_file(&config).unwrap();
    assert_eq!(problem(&root), Breakage::NotAVenv);
}

#[test]
fn what_never_was_a_venv_is_told_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join(".venv");
    fs::create_dir(&root).unwrap();
    assert_eq!(inspect(&root), VenvState::Absent);
    fs::remove_dir(&root).unwrap();
    fs::write(&root, "file").unwrap();
    assert_eq!(problem(&root), Breakage::NotAVenv);
    fs::remove_file(&root).unwrap();
    symlink("/nowhere", &root).unwrap();
    assert_eq!(problem(&root), Breakage::NotAVenv);
}

#[test]
fn made_anew_it_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join(".venv");
    let identity = || {
        real_venv(&root);
        let VenvState::Whole(venv) = inspect(&root) else { panic!() };
        fs::remove_dir_all(&root).unwrap();
        venv.identity
    };
    assert_ne!(identity(), identity());
}

#[test]
fn packages_are_counted_as_pip_lists_them() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("lib/python3.11/site-packages");
    for name in
        ["six-1.17.0.dist-info", "python_dotenv-1.2.4.dist-info", "~ip-1.dist-info", "six", "__pycache__"]
    {
        fs::create_dir_all(site.join(name)).unwrap();
    }
    let names: Vec<_> = Packages::below(folder.path()).names().into_iter().collect();
    assert_eq!(names, ["python-dotenv", "six"]);
}

#[test]
fn the_python_of_the_services_is_found_without_starting_one() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(AbsPath::new(folder.path()).unwrap());
    let config = Config::parse("").unwrap().python;
    assert_eq!(existing_python(&layout, &config), None);
    assert_eq!(bin_dir(&layout, &config), folder.path().join(".venv/bin"));
    fs::create_dir_all(folder.path().join(".venv/bin")).unwrap();
    symlink("/nowhere/python", folder.path().join(".venv/bin/python")).unwrap();
    assert_eq!(existing_python(&layout, &config), None);
    fs::remove_file(folder.path().join(".venv/bin/python")).unwrap();
    fs::write(folder.path().join(".venv/bin/python"), "").unwrap();
    assert_eq!(existing_python(&layout, &config), Some(folder.path().join(".venv/bin/python")));
    let named = Config::parse("[python]\ninterpreter = \"/bin/sh\"\n").unwrap().python;
    assert_eq!(existing_python(&layout, &named), Some("/bin/sh".into()));
}

#[test]
fn versions_of_environments_that_are_not_ours_are_read_from_their_files() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(version_in_files(folder.path()), None);
    fs::create_dir(folder.path().join("conda-meta")).unwrap();
    for name in ["python-dateutil-2.9.json", "python-3.12.1-h99_0.json"] {
        fs::write(folder.path().join("conda-meta").join(name), "").unwrap();
    }
    assert_eq!(version_in_files(folder.path()).unwrap().to_string(), "3.12.1");
    fs::write(folder.path().join("pyvenv.cfg"), "home = /x\nversion_info = 3.11.2\n").unwrap();
    assert_eq!(version_in_files(folder.path()).unwrap().to_string(), "3.11.2");
}

//! Discovery with stand-ins on a `PATH` of the test, and with the machine's real Python.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A stand-in that answers as a Python with that version would.
    fn python(&self, name: &str, version: &str, ensurepip: bool) -> PathBuf {
        let ensurepip = u8::from(ensurepip);
        let answer = "printf '%s\\0%s\\0%s\\0%s\\0%s' \"$0\"";
        self.program(name, &format!("{answer} {version} 1 {ensurepip} 0"))
    }

    fn around(&self) -> Surroundings {
        Surroundings::default().with("PATH", self.folder.path())
    }

    fn discover(&self, around: &Surroundings) -> Result<Python, PythonError> {
        discover(around, self.folder.path(), false, None)
    }
}

#[test]
fn versions_are_read_as_pythons_write_them() {
    for (text, wanted) in
        [("3.11.7", "3.11.7"), ("3.13", "3.13.0"), ("3.14.0rc1", "3.14.0"), ("3.11.7.final.0", "3.11.7")]
    {
        assert_eq!(Version::parse(text).unwrap().to_string(), wanted, "{text}");
    }
    for text in ["", "3", "three.ten", "x.1"] {
        assert_eq!(Version::parse(text), None, "{text}");
    }
    assert!(Version::parse("3.9.20").unwrap() < OLDEST);
}

#[test]
fn the_real_python_of_this_machine_is_found_and_is_the_interpreter_itself() {
    let around = Surroundings::of_this_process().without("PIPULATE_PYTHON");
    let python = discover(&around, Path::new("/"), false, None).unwrap();
    assert!(python.version >= OLDEST);
    assert!(!python.program.to_string_lossy().contains("shims"), "{python:?}");
}

#[test]
fn a_stand_in_that_does_not_run_is_passed_over() {
    let bench = Bench::new();
    bench.program("python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127");
    bench.python("python3.12", "3.12.1", true);
    let python = bench.discover(&bench.around()).unwrap();
    assert_eq!(python.why, Why::OnPath { name: "python3.12" });
}

#[test]
fn the_error_names_what_was_tried_and_what_it_said() {
    let bench = Bench::new();
    bench.program("python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127");
    let words = bench.discover(&bench.around()).unwrap_err().to_string();
    assert!(
        words.contains("pyenv: python3.13: command not found") && words.contains("PIPULATE_PYTHON"),
        "{words}"
    );
    let words = Bench::new().discover(&Surroundings::default()).unwrap_err().to_string();
    assert!(words.contains("python3.13, python3.12"), "{words}");
}

#[test]
fn an_old_python_is_told_from_none_and_from_one_without_venv() {
    let bench = Bench::new();
    bench.python("python", "2.7.18", false);
    bench.python("python3", "3.8.10", true);
    match bench.discover(&bench.around()).unwrap_err() {
        PythonError::TooOld { version, tried, .. } => {
            assert_eq!((version.to_string().as_str(), tried.len()), ("3.8.10", 2));
        }
        other => panic!("{other}"),
    }
    bench.python("python3.11", "3.11.2", false);
    let error = bench.discover(&bench.around()).unwrap_err();
    assert!(matches!(error, PythonError::NoVenv { .. }), "{error}");
    assert!(error.to_string().contains("apt install python3-venv"), "{error}");
}

#[test]
fn with_uv_at_hand_a_python_without_ensurepip_will_do() {
    let bench = Bench::new();
    bench.python("python3", "3.11.2", false);
    assert!(discover(&bench.around(), bench.folder.path(), true, None).is_ok());
}

#[test]
fn the_named_python_is_taken_at_its_word() {
    let bench = Bench::new();
    bench.python("python3.12", "3.12.1", true);
    bench.python("mine", "3.11.0", true);
    let python = bench.discover(&bench.around().with("PIPULATE_PYTHON", "mine")).unwrap();
    assert_eq!((python.why, python.version.minor), (Why::Variable, 11));
    let error = bench.discover(&bench.around().with("PIPULATE_PYTHON", "/nowhere/python")).unwrap_err();
    assert!(matches!(error, PythonError::Named { problem: Problem::NotThere, .. }), "{error}");
}

#[test]
fn a_python_that_names_modules_of_the_project_is_not_fooled_by_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("venv.py"), "raise SystemExit('not yours')").unwrap();
    let around = Surroundings::of_this_process().without("PIPULATE_PYTHON");
    assert!(discover(&around, folder.path(), false, None).is_ok());
}

#[test]
fn the_projects_own_pin_is_met_where_it_can_be() {
    let bench = Bench::new();
    let around = bench.around();
    let discover = || discover(&around, bench.folder.path(), false, None).unwrap();
    bench.python("python3.13", "3.13.2", true);
    bench.python("python3", "3.11.2", true);
    assert_eq!(discover().why, Why::OnPath { name: "python3.13" });
    let pin = |text: &str| fs::write(bench.folder.path().join(".python-version"), text).unwrap();
    pin("3.11\n");
    let python = discover();
    assert_eq!(
        (python.version.minor, python.why.to_string().as_str()),
        (11, ".python-version asks for 3.11")
    );
    pin("3.11.9\n");
    let python = discover();
    assert_eq!(python.version.minor, 13);
    assert_eq!(
        python.why.to_string(),
        "python3.13 is the first usable one on PATH; the 3.11.9 of .python-version is not there"
    );
    let named = around.clone().with("PIPULATE_PYTHON", "python3.13");
    assert_eq!(super::discover(&named, bench.folder.path(), false, None).unwrap().why, Why::Variable);
}

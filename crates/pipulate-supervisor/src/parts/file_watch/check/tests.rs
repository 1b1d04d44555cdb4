use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pipulate_process::command::End;
use pipulate_process::{identity, reaper};

use super::*;
use crate::parts::samples;

/// A service in its own folder, with these files.
fn service(files: &[(&str, &[u8])]) -> (tempfile::TempDir, ServiceSpec) {
    let (folder, layout) = samples::home();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let spec = samples::spec(&layout);
    (folder, spec)
}

fn begin(python: &str, spec: &ServiceSpec, files: &[&str]) -> Check {
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    Check::begin(Path::new(python), &files, spec, &identity::host()).unwrap()
}

fn found(python: &str, spec: &ServiceSpec, files: &[&str]) -> Verdict {
    let mut check = begin(python, spec, files);
    loop {
        poll::wait(&[(check.as_fd(), Interest::Read)], Some(PATIENCE)).unwrap();
        if let Some(verdict) = check.verdict(Instant::now()) {
            return verdict;
        }
    }
}

#[test]
fn the_first_mistake_is_told_and_nothing_runs() {
    let (folder, spec) = service(&[
        ("good.py", b"open('ran', 'w')\nimport no_such_module\n"),
        ("latin.py", b"# coding: latin-1\nname = '\xe9'\n"),
        ("-c", b"open('ran', 'w')\n"),
        ("bad\x1b[2J.py", b"x = 1\ndef f(:\n"),
        ("nul.py", b"x = 1\0\n"),
        ("return.py", b"return\n"),
        ("warned.py", b"if 1 is 1: pass\n"),
        ("sitecustomize.py", b"open('ran', 'w')\n"),
        ("ast.py", b"open('ran', 'w')\n"),
    ]);
    let sound = ["good.py", "latin.py", "-c", "warned.py", "gone.py", "ast.py"];
    assert_eq!(found("python3", &spec, &sound), Verdict::Sound);
    for (file, wanted) in [
        ("bad\x1b[2J.py", (2, "bad\u{fffd}[2J.py", "invalid syntax")),
        ("return.py", (1, "return.py", "'return' outside function")),
    ] {
        let (line, file_name, message) = wanted;
        let mistake = Reason::MistakeInFile {
            file: file_name.to_owned(),
            line: Some(line),
            message: message.to_owned(),
        };
        assert_eq!(found("python3", &spec, &["good.py", file]), Verdict::Mistake(mistake));
    }
    let Verdict::Mistake(told) = found("python3", &spec, &["nul.py"]) else { panic!("it is sound") };
    let is_it =
        |told: &Reason| matches!(told, Reason::MistakeInFile { file, line: None, .. } if file == "nul.py");
    assert!(is_it(&told), "{told:?}");
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn what_does_not_say_or_takes_too_long_is_unknown_and_ended() {
    let (folder, spec) = service(&[("slow", b"#!/bin/sh\nexec sleep 1000\n")]);
    assert!(matches!(found("true", &spec, &["a.py"]), Verdict::Unknown(_)));

    let slow = folder.path().join("slow");
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
    let mut check = begin(slow.to_str().unwrap(), &spec, &["a.py"]);
    assert_eq!(check.verdict(Instant::now()), None);
    let verdict = check.verdict(check.deadline());
    assert_eq!(verdict, Some(Verdict::Unknown("Python took too long".to_owned())));
    let pid = check.python.identity().pid;
    drop(check);
    let end = std::iter::repeat_with(|| reaper::peek(pid)).find_map(|end| end);
    assert_eq!(end, Some(End::Signal(9)));
    reaper::reap(pid);

    let missing = Check::begin(Path::new("/no/python"), &[], &spec, &identity::host());
    assert!(missing.is_err());
}

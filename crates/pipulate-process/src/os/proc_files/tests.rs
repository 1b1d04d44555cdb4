//! Real processes with incomplete files in `/proc`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pipulate_core::identity::Liveness;

use super::*;
use crate::command::End;
use crate::identity::{self, Verified};
use crate::poll::{self, Interest};
use crate::ports::{self, Owner};
use crate::signals::Signal;
use crate::{reaper, table};

#[expect(clippy::disallowed_methods, reason = "processes to look at")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

fn pid_of(child: &Child) -> Pid {
    Pid::new(i32::try_from(child.id()).unwrap()).unwrap()
}

/// Compiles the C program whose first thread ends.
fn leaderless(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/fixtures/leaderless.c");
    let program = folder.join("leaderless");
    assert!(command("cc").arg("-pthread").arg("-o").arg(&program).arg(source).status().unwrap().success());
    program
}

#[test]
fn a_process_whose_first_thread_has_ended_is_alive_and_seen_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let program = leaderless(&folder);
    let log = fs::File::create(folder.join("log")).unwrap();
    let meta = log.metadata().unwrap();
    let marker = "PIPULATE_SESSION=0123456789abcdef/worker/0123456789abcdef";
    let (name, value) = marker.split_once('=').unwrap();
    let mut child = command(&program);
    child.arg("word").env(name, value).env("PORT", "0").current_dir(&folder);
    let mut child = child.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut port = String::new();
    // The other thread has joined the first one before it writes this.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let (pid, here) = (pid_of(&child), identity::host());
    // The kernel wakes the other thread before it records that the first one ended.
    while !fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ") {
        std::thread::yield_now();
    }

    let entry = table::entry(pid).unwrap();
    assert!(entry.lives() && entry.memory_bytes > 0 && !table::is_ending(pid), "{entry:?}");
    let found = identity::identify(pid, &here).unwrap();
    assert_eq!(identity::liveness(&found, &here), Liveness::Alive);
    assert_eq!(table::variable(pid, name).unwrap(), value);
    assert_eq!(table::arguments(pid), [program.as_os_str(), "word".as_ref()]);
    assert_eq!(table::working_directory(pid), Some(folder.clone()));
    assert!(table::writes_to(pid, meta.dev(), meta.ino()));
    assert_eq!(ports::owners(port.trim().parse().unwrap()).unwrap(), [Owner::Process(pid)]);
    let pinned = Verified::pin(&found, &here).unwrap().unwrap();
    assert!(pinned.lives() && reaper::peek(pid).is_none());

    pinned.signal(Signal::KILL).unwrap();
    poll::wait(&[(pinned.descriptor().unwrap(), Interest::Read)], None).unwrap();
    assert_eq!(identity::liveness(&found, &here), Liveness::Gone);
    assert!(!table::entry(pid).unwrap().lives() && !pinned.lives() && table::is_ending(pid));
    assert_eq!(reaper::peek(pid), Some(End::Signal(9)));
    assert_eq!(pinned.exit(), Some(End::Signal(9)));
    child.wait().unwrap();
}

#[test]
fn an_empty_environment_is_not_waited_for() {
    let mut child = command("sleep").arg("300").env_clear().spawn().unwrap();
    let pid = pid_of(&child);
    assert_eq!(of_memory(pid, Part::Environment).unwrap(), b"");
    let stat = read(&format!("/proc/{pid}/stat")).unwrap();
    assert_eq!(why_hidden(pid, &Stat::parse(&stat).unwrap(), Part::Environment), Hidden::Empty);
    child.kill().unwrap();
    child.wait().unwrap();
    // A kernel thread, if visible.
    if let Ok(stat) = read("/proc/2/stat") {
        let stat = Stat::parse(&stat).filter(|stat| stat.name == "kthreadd");
        assert!(
            stat.is_none_or(|stat| why_hidden(Pid::new(2).unwrap(), &stat, Part::Arguments) == Hidden::Empty)
        );
    }
}

#[test]
fn the_environment_of_a_program_is_there_as_soon_as_the_one_before_is_gone() {
    let script = "for i in $(seq 300); do env A=1 true; done";
    let mut shell = command("bash").args(["-c", script]).env_clear().env("A", "1").spawn().unwrap();
    let root = pid_of(&shell);
    let mut looks = 0;
    while shell.try_wait().unwrap().is_none() {
        for pid in table::children(root) {
            let environment = of_memory(pid, Part::Environment).unwrap_or_default();
            looks += 1;
            let shows = environment.split(|&byte| byte == 0).any(|variable| variable == b"A=1");
            assert!(shows || table::is_ending(pid), "{}", String::from_utf8_lossy(&environment));
        }
    }
    assert!(looks > 0);
}

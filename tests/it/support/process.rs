//! The process table, read from `/proc` and not through the product.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal};

use super::wait::holds;

/// A process at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) ppid: i32,
    /// The start time, in ticks since boot: distinguishes processes with the same pid.
    pub(crate) start: u64,
    /// The arguments, in one line.
    pub(crate) command: String,
}

impl Process {
    /// The running process with that pid; zombies don't count.
    pub(crate) fn find(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // A process whose first thread has ended may run on in other threads.
        if matches!(*fields.first()?, "Z" | "X") && fields.get(17)? == &"1" {
            return None;
        }
        let command = read(pid, "cmdline").join(" ");
        Some(Self { pid, ppid: fields.get(1)?.parse().ok()?, start: fields.get(19)?.parse().ok()?, command })
    }

    /// [`Process::find`] for a pid of `status --json`.
    #[track_caller]
    pub(crate) fn of(pid: &serde_json::Value) -> Self {
        let number = pid.as_i64().and_then(|pid| i32::try_from(pid).ok());
        let number = number.unwrap_or_else(|| panic!("a pid was expected: {pid}"));
        Self::find(number).unwrap_or_else(|| panic!("process {number} does not live"))
    }

    /// The path of its executable.
    pub(crate) fn program(&self) -> PathBuf {
        fs::read_link(format!("/proc/{}/exe", self.pid)).unwrap_or_default()
    }

    /// Returns true if this process still runs; a reused pid doesn't count.
    pub(crate) fn lives(&self) -> bool {
        Self::find(self.pid).is_some_and(|now| now.is(self))
    }

    /// Returns true if both are the same process; the parent may differ.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }

    /// All its descendants.
    pub(crate) fn descendants(&self) -> Vec<Self> {
        let all = all();
        let mut family: HashSet<i32> = HashSet::from([self.pid]);
        loop {
            let before = family.len();
            family.extend(
                all.iter()
                    .filter(|other| family.contains(&other.ppid))
                    .map(|other| other.pid)
                    .collect::<Vec<_>>(),
            );
            if family.len() == before {
                return all
                    .into_iter()
                    .filter(|other| other.pid != self.pid && family.contains(&other.pid))
                    .collect();
            }
        }
    }

    /// Signals this process, if it still runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.lives() {
            // It may end at any moment.
            let _gone = rustix::process::kill_process(Pid::from_raw(self.pid).unwrap(), signal);
        }
    }

    /// Kills it and waits until it is gone.
    #[track_caller]
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
        holds(&format!("the end of {self:?}"), || !self.lives());
    }
}

/// Every running process.
pub(crate) fn all() -> Vec<Process> {
    let names = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| Process::find(name.to_str()?.parse().ok()?)).collect()
}

/// The running processes with an environment entry that starts with this text.
pub(crate) fn with_variable(beginning: &str) -> Vec<Process> {
    let carries = |process: &Process| {
        read(process.pid, "environ").iter().any(|variable| variable.starts_with(beginning))
    };
    all().into_iter().filter(carries).collect()
}

/// The arguments of every process as one text, including other users'.
pub(crate) fn every_command_line() -> String {
    all().into_iter().map(|process| process.command + "\n").collect()
}

/// The running processes with an argument that starts with this text.
pub(crate) fn with_argument(beginning: &str) -> Vec<Process> {
    let carries =
        |process: &Process| read(process.pid, "cmdline").iter().any(|word| word.starts_with(beginning));
    all().into_iter().filter(carries).collect()
}

/// The NUL-separated parts of a file of `/proc`.
fn read(pid: i32, file: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let bytes = if bytes.is_empty() { read_in_threads(pid, file) } else { bytes };
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    bytes.split(|&byte| byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Reads a file from the other threads, for a process whose first thread has ended.
fn read_in_threads(pid: i32, file: &str) -> Vec<u8> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = threads.filter_map(|thread| fs::read(thread.path().join(file)).ok());
    texts.into_iter().find(|bytes| !bytes.is_empty()).unwrap_or_default()
}

/// A process of the test, unrelated to any project; ended on drop.
pub(crate) struct ForeignProcess {
    child: std::process::Child,
}

impl ForeignProcess {
    /// Starts it.
    pub(crate) fn start(command: &mut std::process::Command) -> Self {
        Self { child: command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")) }
    }

    /// Its current entry in the process table; fails if it has ended.
    #[track_caller]
    pub(crate) fn process(&self) -> Process {
        let pid = i32::try_from(self.child.id()).unwrap();
        Process::find(pid).unwrap_or_else(|| panic!("the foreign process {pid} was ended"))
    }
}

impl Drop for ForeignProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

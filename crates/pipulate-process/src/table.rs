//! The process table: what can be seen of other processes, at one moment.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use pipulate_core::identity::Pid;
use pipulate_core::text::printable;

pub use crate::entry::{Entry, RunState};
use crate::os;

/// The process with that pid, zombies included.
pub fn entry(pid: Pid) -> Option<Entry> {
    os::entry(pid)
}

/// How long ago a process was started, to a hundredth of a second, sleep of the machine included. On Linux, a
/// clock that is set does not change it.
pub fn age(entry: &Entry) -> Duration {
    os::age(entry)
}

/// Every pid that can be seen.
pub fn all_pids() -> Vec<Pid> {
    os::all_pids()
}

/// The direct children of a process.
pub fn children(pid: Pid) -> Vec<Pid> {
    os::children(pid)
}

/// Walks down from `root`, which is not part of the answer. `enter` decides for each process
/// whether it and what is below it belong to the answer.
pub fn descendants(root: Pid, mut enter: impl FnMut(&Entry) -> bool) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut open = os::children(root);
    while let Some(pid) = open.pop() {
        // A pid may be reused while we look; nobody is visited twice.
        if !seen.insert(pid) {
            continue;
        }
        let Some(entry) = os::entry(pid).filter(Entry::lives) else { continue };
        if enter(&entry) {
            open.extend(os::children_of_entry(&entry));
            found.push(entry);
        }
    }
    found
}

/// The arguments of a process, the program first.
pub fn arguments(pid: Pid) -> Vec<OsString> {
    os::arguments(pid)
}

/// The words of its command for people, at most 200 characters of each, control characters made harmless.
pub fn words(pid: Pid) -> Vec<String> {
    let text = |word: OsString| printable(&word.to_string_lossy()).chars().take(200).collect();
    arguments(pid).into_iter().map(text).collect()
}

/// Returns a variable of the environment that it was started with; `None` also where we may not look.
pub fn variable(pid: Pid, name: &str) -> Option<OsString> {
    let environment = os::environment(pid).ok()?;
    let prefix = format!("{name}=");
    let value =
        environment.split(|&b| b == 0).find_map(|variable| variable.strip_prefix(prefix.as_bytes()))?;
    Some(OsString::from_vec(value.to_vec()))
}

/// Whether a process has given up its memory, and with it its environment: it is about to end, or has ended.
pub fn is_ending(pid: Pid) -> bool {
    os::is_ending(pid)
}

/// The environment that it was started with; `None` where we may not look.
pub fn environment(pid: Pid) -> Option<BTreeMap<OsString, OsString>> {
    let bytes = os::environment(pid).ok()?;
    let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let pairs = bytes.split(|&byte| byte == 0).filter_map(|variable| {
        let at = variable.iter().position(|&byte| byte == b'=')?;
        Some((text(&variable[..at]), text(&variable[at + 1..])))
    });
    Some(pairs.collect())
}

/// Whether a process may be ours by its user: the one that we run as or, for root, any that one of
/// our services may have changed to.
pub fn is_ours_by_user(pid: Pid) -> bool {
    os::is_ours_by_user(pid)
}

/// Its working directory, where we may know it.
pub fn working_directory(pid: Pid) -> Option<PathBuf> {
    os::working_directory(pid)
}

/// Whether a process runs another program than the one in this file. False where that can't be told, as of
/// a file that is gone.
pub fn runs_another(pid: Pid, file: &Path) -> bool {
    os::runs_another(pid, file)
}

/// The file of the program that a process runs, as it was called before it was deleted.
pub fn program(pid: Pid) -> Option<PathBuf> {
    os::program(pid)
}

/// The file of the program that this process runs, also if it was deleted since.
///
/// # Errors
/// The system does not tell.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe().map(os::without_deleted_mark)
}

/// What to execute to run this very program again: `path`, where that is still its file, else the
/// kernel's own link to it.
pub fn own_image(path: &Path) -> PathBuf {
    let Some(image) = os::own_image() else { return path.to_owned() };
    if is_own_program(path) { path.to_owned() } else { image.to_owned() }
}

/// Whether `path` is the file of the program that this process runs.
pub fn is_own_program(path: &Path) -> bool {
    let Some(image) = os::own_image() else { return path.exists() };
    let file = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    file(path).is_some_and(|there| Some(there) == file(image))
}

/// Whether a process could execute its own program once more.
///
/// # Errors
/// It could not, as after `chmod -x`.
pub fn try_out_program(pid: Pid) -> io::Result<()> {
    os::try_out_program(pid)
}

/// Whether it has a file open that was deleted and had this path.
pub fn holds_deleted(pid: Pid, path: &Path) -> bool {
    os::holds_deleted(pid, path)
}

/// Whether it ignores SIGHUP, as `nohup` makes a program do.
pub fn ignores_hangup(pid: Pid) -> bool {
    os::ignores_hangup(pid)
}

/// Whether its first thread waits for an event, as an idle server does. False if that can't be told.
pub fn waits_for_events(pid: Pid) -> bool {
    os::waits_for_events(pid)
}

/// The FIFOs that it holds open for writing and that have a path.
pub fn fifos_written(pid: Pid) -> Vec<PathBuf> {
    os::fifos_written(pid)
}

/// The FIFOs that it holds open for writing, as `(device, inode)`.
pub fn fifos_held(pid: Pid) -> Vec<(u64, u64)> {
    os::fifos_held(pid)
}

/// Whether it holds the file `(device, inode)` open for writing.
pub fn writes_to(pid: Pid, device: u64, inode: u64) -> bool {
    os::writes_to(pid, device, inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_see_ourselves_and_our_children() {
        let me = Pid::new(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(entry(me).unwrap().lives());
        assert!(all_pids().contains(&me));
        assert!(is_ours_by_user(me));
        assert!(arguments(me)[0].to_string_lossy().contains("pipulate_process"));
        assert!(entry(Pid::new(i32::MAX).unwrap()).is_none());
    }
}

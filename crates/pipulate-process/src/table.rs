//! The process table: snapshots of other processes.

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

/// Returns the process with this pid, zombies included.
pub fn entry(pid: Pid) -> Option<Entry> {
    os::entry(pid)
}

/// Returns the time since a process was started, to a hundredth of a second, including sleep of the machine.
/// On Linux, setting the clock does not change it.
pub fn age(entry: &Entry) -> Duration {
    os::age(entry)
}

/// Returns every visible pid.
pub fn all_pids() -> Vec<Pid> {
    os::all_pids()
}

/// Returns the direct children of a process.
pub fn children(pid: Pid) -> Vec<Pid> {
    os::children(pid)
}

/// Returns the descendants of `root`, without `root`. `enter` decides for each process whether it and its
/// descendants are included.
pub fn descendants(root: Pid, mut enter: impl FnMut(&Entry) -> bool) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut open = os::children(root);
    while let Some(pid) = open.pop() {
        // A pid may be reused during the walk; no process is visited twice.
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

/// Returns the arguments of a process, the program first.
pub fn arguments(pid: Pid) -> Vec<OsString> {
    os::arguments(pid)
}

/// Returns the words of its command for display, at most 200 characters of each, without control characters.
pub fn words(pid: Pid) -> Vec<String> {
    let text = |word: OsString| printable(&word.to_string_lossy()).chars().take(200).collect();
    arguments(pid).into_iter().map(text).collect()
}

/// Returns a variable of the environment that it was started with; `None` also if we lack permission.
pub fn variable(pid: Pid, name: &str) -> Option<OsString> {
    let environment = os::environment(pid).ok()?;
    let prefix = format!("{name}=");
    let value =
        environment.split(|&b| b == 0).find_map(|variable| variable.strip_prefix(prefix.as_bytes()))?;
    Some(OsString::from_vec(value.to_vec()))
}

/// True if a process has given up its memory, and its environment with it: it is ending or has ended.
pub fn is_ending(pid: Pid) -> bool {
    os::is_ending(pid)
}

/// Returns the environment that it was started with; `None` if we lack permission.
pub fn environment(pid: Pid) -> Option<BTreeMap<OsString, OsString>> {
    let bytes = os::environment(pid).ok()?;
    let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let pairs = bytes.split(|&byte| byte == 0).filter_map(|variable| {
        let at = variable.iter().position(|&byte| byte == b'=')?;
        Some((text(&variable[..at]), text(&variable[at + 1..])))
    });
    Some(pairs.collect())
}

/// True if a process may be ours by its user: our own user or, for root, any, since a service may have
/// changed its user.
pub fn is_ours_by_user(pid: Pid) -> bool {
    os::is_ours_by_user(pid)
}

/// Returns its working directory, if we have permission.
pub fn working_directory(pid: Pid) -> Option<PathBuf> {
    os::working_directory(pid)
}

/// True if a process runs another program than this file. False if unknown, for example because the file is
/// gone.
pub fn runs_another(pid: Pid, file: &Path) -> bool {
    os::runs_another(pid, file)
}

/// Returns the file of the program that a process runs; of a deleted file, its last path.
pub fn program(pid: Pid) -> Option<PathBuf> {
    os::program(pid)
}

/// Returns the file of the program that this process runs, even if it was deleted since.
///
/// # Errors
/// The system does not say.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe().map(os::without_deleted_mark)
}

/// Returns the path to execute for running this very program again: `path`, if that is still its file, or
/// else the kernel's own link to it.
pub fn own_image(path: &Path) -> PathBuf {
    let Some(image) = os::own_image() else { return path.to_owned() };
    if is_own_program(path) { path.to_owned() } else { image.to_owned() }
}

/// True if `path` is the file of the program that this process runs.
pub fn is_own_program(path: &Path) -> bool {
    let Some(image) = os::own_image() else { return path.exists() };
    let file = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    file(path).is_some_and(|there| Some(there) == file(image))
}

/// Checks that a process could execute its own program again.
///
/// # Errors
/// It could not, as after `chmod -x`.
pub fn try_out_program(pid: Pid) -> io::Result<()> {
    os::try_out_program(pid)
}

/// True if it has a deleted file open that had this path.
pub fn holds_deleted(pid: Pid, path: &Path) -> bool {
    os::holds_deleted(pid, path)
}

/// True if it has a file open with this path's name that is not the file at the path now.
pub fn holds_another(pid: Pid, path: &Path) -> bool {
    os::holds_another(pid, path)
}

/// True if it ignores SIGHUP, as under `nohup`.
pub fn ignores_hangup(pid: Pid) -> bool {
    os::ignores_hangup(pid)
}

/// True if its first thread waits for an event, like an idle server. False if unknown.
pub fn waits_for_events(pid: Pid) -> bool {
    os::waits_for_events(pid)
}

/// Returns the paths of the FIFOs that it has open for writing.
pub fn fifos_written(pid: Pid) -> Vec<PathBuf> {
    os::fifos_written(pid)
}

/// Returns the FIFOs that it has open for writing, as `(device, inode)`.
pub fn fifos_held(pid: Pid) -> Vec<(u64, u64)> {
    os::fifos_held(pid)
}

/// True if it has the file `(device, inode)` open for writing.
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

    #[test]
    fn a_file_that_was_moved_away_or_replaced_while_open_is_another_one() {
        let me = Pid::new(i32::try_from(std::process::id()).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (here, away) = (folder.path().join("here"), folder.path().join("away"));
        fs::create_dir(&here).unwrap();
        let path = here.join("worker.lock");
        assert!(!holds_another(me, &path));
        let _open = fs::File::create(&path).unwrap();
        assert!(!holds_another(me, &path), "it is the file at that path");
        assert!(!holds_another(me, &here.join("other.lock")), "it has another name");
        fs::rename(&here, &away).unwrap();
        assert!(holds_another(me, &path), "no file is at that path");
        assert!(!holds_another(me, &away.join("worker.lock")));
        fs::create_dir(&here).unwrap();
        fs::write(&path, "").unwrap();
        assert!(holds_another(me, &path), "a new file is at that path");
        fs::remove_dir_all(&away).unwrap();
        assert!(holds_another(me, &path), "it was deleted after that");
    }
}

//! Linux: `/proc`, pidfds, the subreaper, sock_diag.
//!
//! Every result may be outdated when it is returned; only a pidfd identifies one process permanently.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::Duration;

use pipulate_core::identity::{Host, Pid, ProcessIdentity};
use rustix::process as sys;

use super::proc_files::{self, Stat, read};
pub(crate) use super::proc_files::{holds_another, is_ending};
use crate::command::End;
use crate::entry::{Entry, RunState};
use crate::socket::{Endpoint, Listener};

/// The longest argument or variable (`MAX_ARG_STRLEN`: 32 pages), its NUL included.
pub(crate) const LONGEST_WORD: usize = 128 << 10;
/// Interpreters of interpreters that the kernel follows (`exec_binprm` in `fs/exec.c`).
pub(crate) const DEEPEST_INTERPRETER: usize = 5;
/// True: the kernel makes our orphaned descendants our children.
pub(crate) const KEEPS_ORPHANS: bool = true;

/// Returns the boot, pid namespace and machine that our pids belong to.
pub(crate) fn host() -> Host {
    let word = |path| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    Host {
        boot: word("/proc/sys/kernel/random/boot_id"),
        pid_namespace: fs::metadata("/proc/self/ns/pid").map(|meta| meta.ino()).unwrap_or(0),
        machine: word("/etc/machine-id"),
    }
}

/// Parses `/proc/PID/stat`; `None` if there is no such process.
pub(crate) fn entry(pid: Pid) -> Option<Entry> {
    let text = read(&format!("/proc/{pid}/stat")).ok()?;
    let first = Stat::parse(&text)?;
    let entry = entry_of(pid, &first)?;
    match first.runs_on_in_others() {
        true => Some(in_other_threads(entry)),
        false => Some(entry),
    }
}

fn entry_of(pid: Pid, stat: &Stat<'_>) -> Option<Entry> {
    let state = match stat.field::<char>(3)? {
        _ if stat.has_ended() => RunState::Dead,
        'D' => RunState::Uninterruptible,
        'R' => RunState::Running,
        _ => RunState::Living,
    };
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    Some(Entry {
        pid,
        name: stat.name.clone(),
        state,
        parent: stat.field(4)?,
        group: stat.field(5)?,
        session: stat.field(6)?,
        has_terminal: stat.field::<i32>(7)? != 0,
        foreground_group: stat.field(8)?,
        cpu_seconds: (stat.field::<u64>(14)? + stat.field::<u64>(15)?) as f64 / ticks,
        start: stat.field(22)?,
        memory_bytes: stat.field::<u64>(24)? * rustix::param::page_size() as u64,
        threads: stat.threads()?,
    })
}

/// Takes the state and the memory of a process whose first thread has ended from its other threads.
fn in_other_threads(entry: Entry) -> Entry {
    let thread = |folder: String| {
        let text = read(&format!("{folder}/stat")).ok()?;
        entry_of(entry.pid, &Stat::parse(&text)?).filter(Entry::lives)
    };
    let busiest =
        proc_files::other_threads(entry.pid).filter_map(thread).max_by_key(|thread| match thread.state {
            RunState::Running => 3,
            RunState::Uninterruptible => 2,
            RunState::Living => 1,
            RunState::Dead => 0,
        });
    match busiest {
        Some(Entry { state, memory_bytes, .. }) => Entry { state, memory_bytes, ..entry },
        None => entry,
    }
}

/// Returns the time since a process was started: its start token counts from boot.
pub(crate) fn age(entry: &Entry) -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let started = entry.start as f64 / rustix::param::clock_ticks_per_second() as f64;
    let seconds = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9 - started;
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Returns every visible pid.
pub(crate) fn all_pids() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let number = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    entries.filter_map(number).filter_map(Pid::new).collect()
}

/// Returns the children of every thread of `pid`.
pub(crate) fn children(pid: Pid) -> Vec<Pid> {
    // The folder's link count is the number of threads plus 2.
    let is_alone = fs::metadata(format!("/proc/{pid}/task")).is_ok_and(|meta| meta.nlink() == 3);
    children_of(pid, is_alone)
}

/// Returns the children of a process whose entry was just read.
pub(crate) fn children_of_entry(entry: &Entry) -> Vec<Pid> {
    children_of(entry.pid, entry.threads == 1)
}

/// If there is only one thread, the threads need not be listed.
fn children_of(pid: Pid, has_one_thread: bool) -> Vec<Pid> {
    let tasks = format!("/proc/{pid}/task");
    if has_one_thread {
        return children_of_thread(&format!("{tasks}/{pid}"));
    }
    let Ok(threads) = fs::read_dir(tasks) else { return Vec::new() };
    threads.flatten().flat_map(|thread| children_of_thread(&thread.path().to_string_lossy())).collect()
}

fn children_of_thread(folder: &str) -> Vec<Pid> {
    let bytes = read(&format!("{folder}/children")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).filter_map(Pid::new).collect()
}

/// Returns the environment that `pid` was started with, NUL-separated.
pub(crate) fn environment(pid: Pid) -> io::Result<Vec<u8>> {
    proc_files::of_memory(pid, proc_files::Part::Environment)
}

/// Returns its arguments, the program first.
pub(crate) fn arguments(pid: Pid) -> Vec<OsString> {
    let bytes = proc_files::of_memory(pid, proc_files::Part::Arguments).unwrap_or_default();
    let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|&b| b == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
}

/// Returns its user.
pub(crate) fn owner(pid: Pid) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}")).ok().map(|meta| meta.uid())
}

/// True if it runs as our user; for root, always.
pub(crate) fn is_ours_by_user(pid: Pid) -> bool {
    let user = rustix::process::geteuid();
    owner(pid).is_some_and(|owner| user.is_root() || owner == user.as_raw())
}

/// Returns its working directory, if we have permission.
pub(crate) fn working_directory(pid: Pid) -> Option<std::path::PathBuf> {
    proc_files::working_directory(pid)
}

/// True if it runs another program than this file.
pub(crate) fn runs_another(pid: Pid, file: &std::path::Path) -> bool {
    let (Ok(running), Ok(there)) = (fs::metadata(format!("/proc/{pid}/exe")), fs::metadata(file)) else {
        return false;
    };
    (running.dev(), running.ino()) != (there.dev(), there.ino())
}

/// Returns the file of its program.
pub(crate) fn program(pid: Pid) -> Option<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok().map(without_deleted_mark)
}

/// Returns a path to the program of this process that works after its file was deleted or replaced. Not for
/// other programs: it would lead them to their own file.
pub(crate) fn own_image() -> Option<&'static std::path::Path> {
    Some(std::path::Path::new("/proc/self/exe"))
}

/// Checks that a process could execute its own program again.
pub(crate) fn try_out_program(pid: Pid) -> io::Result<()> {
    let (here, effective) = (rustix::fs::CWD, rustix::fs::AtFlags::EACCESS);
    let image = format!("/proc/{pid}/exe");
    Ok(rustix::fs::accessat(here, image, rustix::fs::Access::EXEC_OK, effective)?)
}

/// True if a file begins like a program: ELF, or any format if binfmt_misc may know it.
pub(crate) fn is_program(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF") || has_other_formats()
}

/// True if the system executes more than ELF files and scripts (binfmt_misc).
fn has_other_formats() -> bool {
    let own = ["register", "status"].map(std::ffi::OsStr::new);
    let formats = fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    formats.into_iter().any(|format| own.iter().all(|own| format.file_name() != **own))
}

/// Returns the path of a program without the kernel's mark of a deleted file.
pub(crate) fn without_deleted_mark(path: std::path::PathBuf) -> std::path::PathBuf {
    let bytes = path.as_os_str().as_encoded_bytes();
    match bytes.strip_suffix(b" (deleted)") {
        Some(before) if !path.exists() => OsString::from_vec(before.to_vec()).into(),
        Some(_) | None => path,
    }
}

/// True if it has a deleted file open that had this path.
pub(crate) fn holds_deleted(pid: Pid, path: &std::path::Path) -> bool {
    let mut deleted = path.as_os_str().to_owned();
    deleted.push(" (deleted)");
    let mut descriptors = proc_files::descriptors(pid).into_iter();
    descriptors.any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|target| target == deleted))
}

/// True if it ignores SIGHUP, as under `nohup`.
pub(crate) fn ignores_hangup(pid: Pid) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// True if its first thread sleeps in epoll_wait, like an idle event loop.
pub(crate) fn waits_for_events(pid: Pid) -> bool {
    let channel = fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    channel.contains("epoll") || channel.contains("ep_poll")
}

/// True if it has the file `(device, inode)` open for writing.
pub(crate) fn writes_to(pid: Pid, device: u64, inode: u64) -> bool {
    proc_files::descriptors(pid).into_iter().any(|descriptor| {
        let same =
            fs::metadata(descriptor.path()).is_ok_and(|meta| (meta.dev(), meta.ino()) == (device, inode));
        same && is_open_for_writing(&descriptor)
    })
}

/// Returns the FIFOs that it has open for writing, as `(device, inode)`.
pub(crate) fn fifos_held(pid: Pid) -> Vec<(u64, u64)> {
    let fifo = |descriptor: fs::DirEntry| {
        let meta = fs::metadata(descriptor.path()).ok().filter(|meta| meta.file_type().is_fifo())?;
        is_open_for_writing(&descriptor).then(|| (meta.dev(), meta.ino()))
    };
    proc_files::descriptors(pid).into_iter().filter_map(fifo).collect()
}

/// Returns the paths of the FIFOs that it has open for writing.
pub(crate) fn fifos_written(pid: Pid) -> Vec<std::path::PathBuf> {
    let path = |descriptor: fs::DirEntry| {
        let is_fifo = fs::metadata(descriptor.path()).is_ok_and(|meta| meta.file_type().is_fifo());
        let target = fs::read_link(descriptor.path()).ok().filter(|path| is_fifo && path.is_absolute())?;
        is_open_for_writing(&descriptor).then_some(target)
    };
    proc_files::descriptors(pid).into_iter().filter_map(path).collect()
}

fn is_open_for_writing(descriptor: &fs::DirEntry) -> bool {
    let folder = descriptor.path().parent().map(|fd| fd.with_file_name("fdinfo")).unwrap_or_default();
    let text = fs::read_to_string(folder.join(descriptor.file_name())).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    // The two lowest bits are the access mode: 0 is O_RDONLY.
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 3 != 0)
}

/// A pidfd: the process can't be replaced while this is held.
#[derive(Debug)]
pub(crate) struct Pin(OwnedFd);

impl Pin {
    /// Pins the process that has this pid now; `None` if there is none.
    pub(crate) fn open(pid: Pid) -> io::Result<Option<Self>> {
        let Some(raw) = sys::Pid::from_raw(pid.get()) else { return Ok(None) };
        match sys::pidfd_open(raw, sys::PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(Self(fd))),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a signal by number. A pinned process that has ended is no error.
    pub(crate) fn signal(&self, number: i32) -> io::Result<()> {
        let signal = sys::Signal::from_named_raw(number)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        match sys::pidfd_send_signal(&self.0, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a marked signal by number, or a plain one if the system has no marks.
    pub(crate) fn signal_marked(&self, number: i32) -> io::Result<()> {
        match super::marked_signal::send_marked(self.0.as_fd(), number) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => self.signal(number),
            sent => sent,
        }
    }

    /// Sends a signal to the group that the process leads or led: even after it has ended, its pid names that
    /// group only, as long as the group has members. An empty group is no error.
    #[expect(unsafe_code, reason = "pidfd_send_signal has no safe form with flags")]
    pub(crate) fn signal_group(&self, number: i32) -> io::Result<()> {
        // PIDFD_SIGNAL_PROCESS_GROUP, since Linux 6.9.
        const GROUP: libc::c_uint = 1 << 2;
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is open, and without an info the kernel makes its own.
        let result =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), number, no_info, GROUP) };
        match result {
            0 => Ok(()),
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Returns how the process ended, if the kernel tells processes other than its parent.
    pub(crate) fn exit(&self, process: &ProcessIdentity) -> Option<End> {
        super::pidfd_info::exit(self.0.as_fd(), process)
    }

    /// A descriptor that becomes readable when the process ends.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

/// Makes the next exec close every descriptor except the three standard ones. Async-signal-safe. Kernels
/// before 5.11 can't; there the descriptors stay open.
#[expect(unsafe_code, reason = "close_range has no safe form")]
pub(crate) fn close_others_on_exec() {
    // SAFETY: no descriptor is closed now, and the executed program keeps none but the standard ones.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

/// Makes an empty file in memory, gone with its last descriptor.
pub(crate) fn nameless_file() -> io::Result<fs::File> {
    Ok(rustix::fs::memfd_create("pipulate", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

/// Makes later orphans among our descendants our children.
pub(crate) fn become_subreaper() -> io::Result<()> {
    Ok(sys::set_child_subreaper(Some(sys::getpid()))?)
}

/// Always false: orphans are our children here, and counted as such.
pub(crate) fn has_orphans() -> bool {
    false
}

/// Returns every listening TCP socket of the machine.
pub(crate) fn listeners() -> io::Result<Vec<Listener>> {
    super::sock_diag::listeners()
}

/// Returns one end of a TCP connection: the socket bound to `own` and connected to `other`.
pub(crate) fn connection(
    own: std::net::SocketAddr,
    other: std::net::SocketAddr,
) -> io::Result<Option<Endpoint>> {
    super::sock_diag::connection(own, other)
}

/// True in WSL: browsers on Windows may connect without a socket on this side.
pub(crate) fn is_beside_windows() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.to_ascii_lowercase().contains("microsoft")
}

/// Returns the sockets of a process, by inode.
pub(crate) fn sockets(pid: Pid) -> Vec<u64> {
    let inode = |descriptor: fs::DirEntry| {
        let target = fs::read_link(descriptor.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    proc_files::descriptors(pid).into_iter().filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = b"42 (a) R 1 (b) S 7 42 41 34816 42 4194304 1 0 0 0 100 50 0 0 20 0 1 0 987654 0 3 0";
        let entry = entry_of(Pid::new(42).unwrap(), &Stat::parse(line).unwrap()).unwrap();
        assert_eq!((entry.name.as_str(), entry.parent, entry.group, entry.session), ("a) R 1 (b", 7, 42, 41));
        assert_eq!((entry.start, entry.has_terminal, entry.state), (987_654, true, RunState::Living));
        assert!(Stat::parse(b"42 (x").is_none());
    }
}

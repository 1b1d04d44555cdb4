//! macOS: libproc(3), `KERN_PROCARGS2`, kqueue(2). Type-checked and linked on Linux; we have not run it on a
//! Mac yet.
//!
//! The kernel hides the environment of Apple's own programs, even from their user.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pipulate_core::identity::{Host, Pid};

use super::darwin::{self, File, Task, Words};
use super::facts::process;
use super::libproc::{self, Kind};
use super::{lineage, pcblist};
use crate::entry::{Entry, RunState};
use crate::socket::{Endpoint, Listener};

/// The longest argument or variable: the limit for their total (`ARG_MAX`).
pub(crate) const LONGEST_WORD: usize = 1 << 20;
/// Interpreters of interpreters that the kernel follows (`exec_shell_imgact` in XNU's bsd/kern/kern_exec.c).
pub(crate) const DEEPEST_INTERPRETER: usize = 1;
/// False: the kernel gives our orphaned descendants to launchd.
pub(crate) const KEEPS_ORPHANS: bool = false;

/// How long to wait for an exec to complete.
const EXEC_PATIENCE: Duration = Duration::from_secs(1);
/// Poll interval during an exec: nothing reports that another process's exec is complete.
const EXEC_POLL: Duration = Duration::from_micros(200);

/// There are no pid namespaces, and each boot has its own UUID.
pub(crate) fn host() -> Host {
    let boot = libproc::sysctl_by_name(c"kern.bootsessionuuid").unwrap_or_default();
    let text = boot.split(|&byte| byte == 0).next().unwrap_or_default();
    let machine = libproc::machine().map(|number| number.iter().map(|byte| format!("{byte:02x}")).collect());
    Host {
        boot: String::from_utf8_lossy(text).into_owned(),
        pid_namespace: 0,
        machine: machine.unwrap_or_default(),
    }
}

/// Returns the current entry of a process; `None` if there is no such process.
pub(crate) fn entry(pid: Pid) -> Option<Entry> {
    let found = process(pid)?;
    let task = libproc::info::<{ darwin::task::SIZE }>(pid, libc::PROC_PIDTASKINFO, 0);
    let task = task.and_then(|bytes| Task::parse(&bytes));
    let (numerator, denominator) = libproc::clock_unit();
    let seconds = |units: u64| units as f64 * f64::from(numerator) / f64::from(denominator) / 1e9;
    let session = rustix::process::Pid::from_raw(pid.get())
        .and_then(|pid| rustix::process::getsid(Some(pid)).ok())
        .map_or(0, |session| session.as_raw_nonzero().get());
    Some(Entry {
        pid,
        state: match task {
            _ if found.is_zombie() => RunState::Dead,
            Some(Task { is_running: true, .. }) => RunState::Running,
            Some(_) | None => RunState::Living,
        },
        parent: found.parent,
        group: found.group,
        session,
        has_terminal: found.has_terminal,
        foreground_group: found.foreground_group,
        cpu_seconds: task.map_or(0.0, |task| seconds(task.cpu_time)),
        start: found.ids.own,
        memory_bytes: task.map_or(0, |task| task.resident_bytes),
        threads: task.map_or(1, |task| task.threads.into()),
        name: found.name,
    })
}

/// Returns the time since a process was started, by the clock then and now. Zero if it is gone.
pub(crate) fn age(entry: &Entry) -> Duration {
    let found = process(entry.pid).filter(|found| found.ids.own == entry.start);
    let started = found.and_then(|found| found.started);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    started.map(|started| now.saturating_sub(started)).unwrap_or_default()
}

/// Returns every pid.
pub(crate) fn all_pids() -> Vec<Pid> {
    let mut all = libproc::pids(None);
    // The kernel lists the youngest first.
    all.sort_unstable();
    all
}

/// Returns the children of `pid`; for ourselves, including our orphans.
pub(crate) fn children(pid: Pid) -> Vec<Pid> {
    let mut children = libproc::pids(Some(pid));
    if rustix::process::getpid().as_raw_nonzero().get() == pid.get() {
        children.extend(lineage::orphans());
    }
    children
}

/// Returns the children of a process whose entry was just read.
pub(crate) fn children_of_entry(entry: &Entry) -> Vec<Pid> {
    children(entry.pid)
}

/// True if launchd has adopted a descendant of ours.
pub(crate) fn has_orphans() -> bool {
    !lineage::orphans().is_empty()
}

pub(crate) use super::lineage::become_subreaper;
pub(crate) use super::pin::Pin;

/// Returns the environment that `pid` was started with, NUL-separated.
///
/// # Errors
/// It is another user's, or its environment is hidden.
pub(crate) fn environment(pid: Pid) -> io::Result<Vec<u8>> {
    let bytes = words(pid)?;
    let words = Words::parse(&bytes).ok_or(io::ErrorKind::InvalidData)?;
    match words.environment {
        [] => Err(io::ErrorKind::PermissionDenied.into()),
        shown => Ok(shown.to_vec()),
    }
}

/// Returns its arguments, the program first.
pub(crate) fn arguments(pid: Pid) -> Vec<OsString> {
    let bytes = words(pid).unwrap_or_default();
    Words::parse(&bytes).map(|words| words.arguments).unwrap_or_default()
}

/// Returns `KERN_PROCARGS2`. Waits for an exec to complete, during which it is empty.
fn words(pid: Pid) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    let name = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid.get()];
    loop {
        // If the buffer is too small, the kernel returns the end of the words instead of the beginning.
        let found = libproc::sysctl(&name, LONGEST_WORD + 4096);
        let Err(error) = found else { return found };
        let may_come = process(pid).is_some_and(|found| {
            !found.is_ending() && !found.changed_user() && found.user == rustix::process::geteuid().as_raw()
        });
        if !may_come || begun.elapsed() >= EXEC_PATIENCE {
            return Err(error);
        }
        thread::sleep(EXEC_POLL);
    }
}

/// True if it runs as our user; for root, always.
pub(crate) fn is_ours_by_user(pid: Pid) -> bool {
    let user = rustix::process::geteuid();
    process(pid).is_some_and(|found| user.is_root() || found.user == user.as_raw())
}

/// True if a process is ending or has ended.
pub(crate) fn is_ending(pid: Pid) -> bool {
    process(pid).is_none_or(|found| found.is_ending())
}

/// Returns its working directory, if we have permission.
pub(crate) fn working_directory(pid: Pid) -> Option<PathBuf> {
    const SIZE: usize = size_of::<libc::proc_vnodepathinfo>();
    let bytes = libproc::info::<SIZE>(pid, libc::PROC_PIDVNODEPATHINFO, 0)?;
    File::parse(&bytes).map(|file| file.path).filter(|path| !path.as_os_str().is_empty())
}

/// Returns the file of its program.
pub(crate) fn program(pid: Pid) -> Option<PathBuf> {
    libproc::program(pid).map(|path| OsString::from_vec(path).into())
}

/// True if it runs another program than this file. The first file that is mapped into a process is its
/// program; if that is a different file, the result is unknown.
pub(crate) fn runs_another(pid: Pid, file: &Path) -> bool {
    let region = libproc::info::<{ darwin::REGION_SIZE }>(pid, libproc::PROC_PIDREGIONPATHINFO, 0);
    let mapped = region.and_then(|bytes| File::parse_region(&bytes));
    let mapped = mapped.filter(|mapped| program(pid).is_some_and(|program| program == mapped.path));
    let (Some(mapped), Ok(there)) = (mapped, fs::metadata(file)) else { return false };
    (mapped.device, mapped.inode) != (there.dev(), there.ino())
}

/// Always `None`: no path leads to the program of this process once its file was replaced.
pub(crate) fn own_image() -> Option<&'static Path> {
    None
}

/// Checks that a process could execute its own program again.
pub(crate) fn try_out_program(pid: Pid) -> io::Result<()> {
    let program = program(pid).ok_or(io::ErrorKind::NotFound)?;
    let (here, effective) = (rustix::fs::CWD, rustix::fs::AtFlags::EACCESS);
    Ok(rustix::fs::accessat(here, program, rustix::fs::Access::EXEC_OK, effective)?)
}

/// Returns the path unchanged: deleted files have no mark here.
pub(crate) fn without_deleted_mark(path: PathBuf) -> PathBuf {
    path
}

/// True if a file begins like a program: Mach-O, for one or several processors (mach-o/loader.h, fat.h).
pub(crate) fn is_program(head: &[u8]) -> bool {
    const STARTS: [[u8; 4]; 4] = [
        [0xcf, 0xfa, 0xed, 0xfe],
        [0xce, 0xfa, 0xed, 0xfe],
        [0xca, 0xfe, 0xba, 0xbe],
        [0xca, 0xfe, 0xba, 0xbf],
    ];
    STARTS.iter().any(|start| head.starts_with(start))
}

fn open_files(pid: Pid) -> impl Iterator<Item = (File, bool)> {
    libproc::opened::<{ darwin::OPEN_FILE_SIZE }>(pid, Kind::File)
        .filter_map(|bytes| darwin::open_file(&bytes))
}

/// True if it has a deleted file open that had this path, where a new file may be by now.
pub(crate) fn holds_deleted(pid: Pid, path: &Path) -> bool {
    // The kernel's paths have no symbolic links: /private/tmp for /tmp.
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let path = match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        (_, _) => path.to_owned(),
    };
    let there = fs::symlink_metadata(&path).ok().map(|meta| meta.ino());
    open_files(pid).any(|(file, _)| file.path == path && Some(file.inode) != there)
}

/// True if it has a file open with this path's name that is not the file at the path now.
pub(crate) fn holds_another(pid: Pid, path: &Path) -> bool {
    let there = fs::metadata(path).ok().map(|meta| meta.ino());
    open_files(pid).any(|(file, _)| file.path.file_name() == path.file_name() && Some(file.inode) != there)
}

/// True if it ignores SIGHUP, as under `nohup`.
pub(crate) fn ignores_hangup(pid: Pid) -> bool {
    let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, pid.get()];
    let kinfo = libproc::sysctl(&name, darwin::KINFO_SIZE).unwrap_or_default();
    darwin::ignores(&kinfo, libc::SIGHUP.unsigned_abs()).unwrap_or(false)
}

/// Always false: the kernel does not say.
pub(crate) fn waits_for_events(_pid: Pid) -> bool {
    false
}

/// True if it has the file `(device, inode)` open for writing.
pub(crate) fn writes_to(pid: Pid, device: u64, inode: u64) -> bool {
    open_files(pid).any(|(file, is_written)| is_written && (file.device, file.inode) == (device, inode))
}

/// Returns the FIFOs that it has open for writing, as `(device, inode)`.
pub(crate) fn fifos_held(pid: Pid) -> Vec<(u64, u64)> {
    written_fifos(pid).map(|fifo| (fifo.device, fifo.inode)).collect()
}

/// Returns the paths of the FIFOs that it has open for writing.
pub(crate) fn fifos_written(pid: Pid) -> Vec<PathBuf> {
    written_fifos(pid).map(|fifo| fifo.path).filter(|path| path.is_absolute()).collect()
}

fn written_fifos(pid: Pid) -> impl Iterator<Item = File> {
    open_files(pid).filter_map(|(file, is_written)| (is_written && file.is_fifo()).then_some(file))
}

/// Makes the next exec close every descriptor except the three standard ones. Async-signal-safe.
pub(crate) fn close_others_on_exec() {
    libproc::close_others_on_exec();
}

/// Does nothing: the kernel reclaims memory by itself.
pub(crate) fn give_back_memory() {}

/// Makes an empty file without a name, gone with its last descriptor.
pub(crate) fn nameless_file() -> io::Result<fs::File> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let (me, now) =
            (std::process::id(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let name = format!("pipulate-{me}-{}-{}", now.as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let opened = fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        match opened {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns every listening TCP socket, IPv4 and IPv6.
pub(crate) fn listeners() -> io::Result<Vec<Listener>> {
    let list = libproc::sysctl_by_name(c"net.inet.tcp.pcblist_n")?;
    Ok(pcblist::parse(&list).iter().filter_map(pcblist::Socket::listener).collect())
}

/// Returns the socket that is bound to `own` and connected to `other`; `None` if this machine has none.
pub(crate) fn connection(
    own: std::net::SocketAddr,
    other: std::net::SocketAddr,
) -> io::Result<Option<Endpoint>> {
    let list = libproc::sysctl_by_name(c"net.inet.tcp.pcblist_n")?;
    Ok(pcblist::parse(&list).iter().find_map(|socket| socket.end_of(own, other)))
}

/// Returns the sockets of a process.
pub(crate) fn sockets(pid: Pid) -> Vec<u64> {
    let described = libproc::opened::<{ pcblist::DESCRIPTION_SIZE }>(pid, Kind::Socket);
    described.filter_map(|bytes| pcblist::socket_of(&bytes)).collect()
}

/// Always false: WSL only exists on Windows.
pub(crate) fn is_beside_windows() -> bool {
    false
}

//! macOS: the calls of libproc(3) and sysctl(3) that fill buffers, with all of their `unsafe` code.

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::mem::offset_of;
use std::ptr;

use pipulate_core::identity::Pid;

use super::darwin::{bsd, short, task, vnode};

/// From bsd/sys/proc_info_private.h.
pub(super) const PROC_PIDUNIQIDENTIFIERINFO: c_int = 17;
pub(super) const PROC_PIDT_BSDINFOWITHUNIQID: c_int = 18;
/// From sys/proc_info.h.
pub(super) const PROC_PIDREGIONPATHINFO: c_int = 8;
const PROC_PIDFDVNODEPATHINFO: c_int = 2;
const PROC_PIDFDSOCKETINFO: c_int = 3;
const PROC_ALL_PIDS: u32 = 1;
const PROC_PPID_ONLY: u32 = 6;

// The offsets of darwin.rs agree with libc.
const _: () = {
    use libc::{proc_bsdinfo, proc_bsdshortinfo, proc_taskinfo, vinfo_stat, vnode_info_path};
    assert!(size_of::<proc_bsdinfo>() == bsd::SIZE);
    assert!(offset_of!(proc_bsdinfo, pbi_flags) == bsd::FLAGS);
    assert!(offset_of!(proc_bsdinfo, pbi_status) == bsd::STATUS);
    assert!(offset_of!(proc_bsdinfo, pbi_xstatus) == bsd::EXIT_STATUS);
    assert!(offset_of!(proc_bsdinfo, pbi_ppid) == bsd::PARENT);
    assert!(offset_of!(proc_bsdinfo, pbi_uid) == bsd::USER);
    assert!(offset_of!(proc_bsdinfo, pbi_comm) == bsd::COMMAND);
    assert!(offset_of!(proc_bsdinfo, pbi_pgid) == bsd::GROUP);
    assert!(offset_of!(proc_bsdinfo, e_tdev) == bsd::TERMINAL);
    assert!(offset_of!(proc_bsdinfo, e_tpgid) == bsd::FOREGROUND);
    assert!(offset_of!(proc_bsdinfo, pbi_start_tvsec) == bsd::START_SECONDS);
    assert!(offset_of!(proc_bsdinfo, pbi_start_tvusec) == bsd::START_MICROSECONDS);
    assert!(size_of::<proc_bsdshortinfo>() == short::SIZE);
    assert!(offset_of!(proc_bsdshortinfo, pbsi_ppid) == short::PARENT);
    assert!(offset_of!(proc_bsdshortinfo, pbsi_pgid) == short::GROUP);
    assert!(offset_of!(proc_bsdshortinfo, pbsi_status) == short::STATUS);
    assert!(offset_of!(proc_bsdshortinfo, pbsi_comm) == short::COMMAND);
    assert!(offset_of!(proc_bsdshortinfo, pbsi_flags) == short::FLAGS);
    assert!(offset_of!(proc_bsdshortinfo, pbsi_uid) == short::USER);
    assert!(size_of::<proc_taskinfo>() == task::SIZE);
    assert!(offset_of!(proc_taskinfo, pti_resident_size) == task::RESIDENT);
    assert!(offset_of!(proc_taskinfo, pti_total_user) == task::USER_TIME);
    assert!(offset_of!(proc_taskinfo, pti_total_system) == task::SYSTEM_TIME);
    assert!(offset_of!(proc_taskinfo, pti_threadnum) == task::THREADS);
    assert!(offset_of!(proc_taskinfo, pti_numrunning) == task::RUNNING);
    assert!(size_of::<vnode_info_path>() == vnode::SIZE);
    assert!(offset_of!(vnode_info_path, vip_path) == vnode::PATH);
    assert!(offset_of!(vinfo_stat, vst_dev) == vnode::DEVICE);
    assert!(offset_of!(vinfo_stat, vst_mode) == vnode::MODE);
    assert!(offset_of!(vinfo_stat, vst_ino) == vnode::INODE);
};

/// Calls `proc_pidinfo`. For the flavors that identify a process, `argument` 1 includes zombies.
pub(super) fn info<const SIZE: usize>(pid: Pid, flavor: c_int, argument: u64) -> Option<[u8; SIZE]> {
    let mut buffer = [0; SIZE];
    let size = c_int::try_from(SIZE).ok()?;
    #[expect(unsafe_code, reason = "libproc has no safe form")]
    // SAFETY: the kernel writes at most `size` bytes, which is the size of the buffer.
    let got = unsafe { libc::proc_pidinfo(pid.get(), flavor, argument, buffer.as_mut_ptr().cast(), size) };
    (got == size).then_some(buffer)
}

/// Returns the pids of all processes, zombies included, or of the children of one.
pub(super) fn pids(parent: Option<Pid>) -> Vec<Pid> {
    let (kind, parent) = match parent {
        Some(pid) => (PROC_PPID_ONLY, pid.get().cast_unsigned()),
        None => (PROC_ALL_PIDS, 0),
    };
    let numbers: Vec<c_int> = growing(1024, |buffer, size| {
        #[expect(unsafe_code, reason = "libproc has no safe form")]
        // SAFETY: the kernel writes at most `size` bytes, which is the size of the buffer.
        unsafe {
            libc::proc_listpids(kind, parent, buffer, size)
        }
    });
    numbers.into_iter().filter_map(Pid::new).collect()
}

/// Returns the descriptors of a process with their kinds, as in `struct proc_fdinfo`.
fn descriptors(pid: Pid) -> Vec<[u32; 2]> {
    growing(256, |buffer, size| {
        #[expect(unsafe_code, reason = "libproc has no safe form")]
        // SAFETY: the kernel writes at most `size` bytes, which is the size of the buffer.
        unsafe {
            libc::proc_pidinfo(pid.get(), libc::PROC_PIDLISTFDS, 0, buffer, size)
        }
    })
}

/// Returns a list of unknown length; `fill` returns how many bytes it wrote, at most the size of the buffer.
fn growing<T: Default + Clone>(room: usize, fill: impl Fn(*mut c_void, c_int) -> c_int) -> Vec<T> {
    let mut list = vec![T::default(); room];
    loop {
        let size = c_int::try_from(size_of_val(list.as_slice())).unwrap_or(c_int::MAX);
        let written = fill(list.as_mut_ptr().cast(), size).clamp(0, size);
        let count = written.unsigned_abs() as usize / size_of::<T>();
        if count < list.len() || size == c_int::MAX {
            list.truncate(count);
            return list;
        }
        list.resize(list.len() * 2, T::default());
    }
}

/// The kinds of descriptors that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `PROX_FDTYPE_VNODE`: files, and FIFOs that have a name.
    File,
    /// `PROX_FDTYPE_SOCKET`.
    Socket,
}

/// Returns the descriptions of a process's open files or sockets; none if we lack permission.
pub(super) fn opened<const SIZE: usize>(pid: Pid, kind: Kind) -> impl Iterator<Item = [u8; SIZE]> {
    let (number, flavor) = match kind {
        Kind::File => (1, PROC_PIDFDVNODEPATHINFO),
        Kind::Socket => (2, PROC_PIDFDSOCKETINFO),
    };
    let descriptors = descriptors(pid).into_iter().filter(move |[_, kind]| *kind == number);
    descriptors.filter_map(move |[descriptor, _]| {
        let mut buffer = [0; SIZE];
        let size = c_int::try_from(SIZE).ok()?;
        let descriptor = descriptor.cast_signed();
        #[expect(unsafe_code, reason = "libproc has no safe form")]
        // SAFETY: the kernel writes at most `size` bytes, which is the size of the buffer.
        let got =
            unsafe { libc::proc_pidfdinfo(pid.get(), descriptor, flavor, buffer.as_mut_ptr().cast(), size) };
        (got == size).then_some(buffer)
    })
}

/// Returns the path of the program that a process runs, as bytes.
pub(super) fn program(pid: Pid) -> Option<Vec<u8>> {
    let mut buffer = vec![0; libc::PROC_PIDPATHINFO_MAXSIZE.unsigned_abs() as usize];
    let size = libc::PROC_PIDPATHINFO_MAXSIZE.unsigned_abs();
    #[expect(unsafe_code, reason = "libproc has no safe form")]
    // SAFETY: the call writes at most `size` bytes, which is the size of the buffer.
    let length = unsafe { libc::proc_pidpath(pid.get(), buffer.as_mut_ptr().cast(), size) };
    let length = usize::try_from(length).ok().filter(|&length| length > 0)?;
    buffer.truncate(length);
    Some(buffer)
}

/// Returns a sysctl(3) value by its numbers, at most `room` bytes. If it is longer, the kernel returns an
/// error.
pub(super) fn sysctl(name: &[c_int], room: usize) -> io::Result<Vec<u8>> {
    let (mut name, mut value, mut size) = (name.to_vec(), vec![0; room], room);
    let parts = u32::try_from(name.len()).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "sysctl has no safe form")]
    // SAFETY: the number of parts is the length of the name, the kernel writes at most `size` bytes, which is
    // the size of the buffer, and no new value is given.
    let done = unsafe {
        let (value, size) = (value.as_mut_ptr().cast(), &raw mut size);
        libc::sysctl(name.as_mut_ptr(), parts, value, size, ptr::null_mut(), 0)
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    value.truncate(size);
    Ok(value)
}

/// Returns a value of sysctl(3) by its name, of any length.
pub(super) fn sysctl_by_name(name: &CStr) -> io::Result<Vec<u8>> {
    // The value may grow between two calls.
    for _ in 0..10 {
        let mut size = 0;
        ask_by_name(name, ptr::null_mut(), &mut size)?;
        size += size / 8 + 64;
        let mut value = vec![0; size];
        match ask_by_name(name, value.as_mut_ptr().cast(), &mut size) {
            Ok(()) => {
                value.truncate(size);
                return Ok(value);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::OutOfMemory.into())
}

/// `value` is null, or has room for `size` bytes.
fn ask_by_name(name: &CStr, value: *mut c_void, size: &mut usize) -> io::Result<()> {
    #[expect(unsafe_code, reason = "sysctl has no safe form")]
    // SAFETY: the name ends with NUL, the kernel writes at most `size` bytes to a value that is not null, and
    // no new value is given.
    let done = unsafe { libc::sysctlbyname(name.as_ptr(), value, size, ptr::null_mut(), 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns the machine's UUID, which is kept over boots and system updates (gethostuuid(2)).
pub(super) fn machine() -> Option<[u8; 16]> {
    let mut number = [0; 16];
    let patience = libc::timespec { tv_sec: 1, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "gethostuuid has no safe form")]
    // SAFETY: the call writes the 16 bytes of a uuid_t.
    let done = unsafe { libc::gethostuuid(number.as_mut_ptr(), &raw const patience) };
    (done == 0).then_some(number)
}

/// Returns the length of a unit of the kernel's clock in nanoseconds, as a fraction: 1 on Intel, 125/3 on
/// Apple silicon.
#[expect(deprecated, reason = "libc would rather have another crate for it")]
pub(super) fn clock_unit() -> (u32, u32) {
    let mut unit = libc::mach_timebase_info { numer: 1, denom: 1 };
    #[expect(unsafe_code, reason = "mach_timebase_info has no safe form")]
    // SAFETY: the call fills in the structure.
    let _always_succeeds = unsafe { libc::mach_timebase_info(&raw mut unit) };
    (unit.numer, unit.denom.max(1))
}

/// Signals the process with this number and, if the system can compare it, this version; the caller
/// interprets ESRCH.
///
/// # Errors
/// ESRCH if no running process has both, EPERM if the signal is not allowed.
pub(super) fn signal(pid: Pid, version: u32, number: c_int) -> io::Result<()> {
    /// `audit_token_t` of mach/message.h; the kernel reads the number and the version.
    type Token = [u32; 8];
    type Call = unsafe extern "C" fn(*mut Token, c_int) -> c_int;
    // Not in the libSystem of macOS 14.1 and before: a program that links it would not start there.
    #[expect(unsafe_code, reason = "a function that may not be there is asked for by name")]
    // SAFETY: the name ends with NUL.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"proc_signal_with_audittoken".as_ptr()) };
    if found.is_null() {
        #[expect(unsafe_code, reason = "kill has no safe form for a number that no type of ours has")]
        // SAFETY: kill touches no memory; a Pid is positive, so it is no group.
        let done = unsafe { libc::kill(pid.get(), number) };
        return if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    }
    let mut token: Token = [0, 0, 0, 0, 0, pid.get().cast_unsigned(), 0, version];
    #[expect(unsafe_code, reason = "a function that was found by its name")]
    // SAFETY: libproc.h declares it with this signature, and the token is the 32 bytes that it reads.
    let error = unsafe {
        let call = std::mem::transmute::<*mut c_void, Call>(found);
        call(&raw mut token, number)
    };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Makes the next exec close every descriptor except the three standard ones. Async-signal-safe: proc_pidinfo
/// is one system call, and nothing allocates.
pub(super) fn close_others_on_exec() {
    const ROOM: usize = 1024;
    let mut list = [[0_u32; 2]; ROOM];
    let close = |descriptor: c_int| {
        #[expect(unsafe_code, reason = "these descriptors have no owner here")]
        // SAFETY: no descriptor is closed now, and the executed program keeps none but the standard ones.
        unsafe {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    };
    #[expect(unsafe_code, reason = "libproc has no safe form")]
    // SAFETY: the kernel writes at most the size of the list; the other two calls only return values.
    let (written, most) = unsafe {
        let size = size_of::<[[u32; 2]; ROOM]>() as c_int;
        let list = list.as_mut_ptr().cast();
        (libc::proc_pidinfo(libc::getpid(), libc::PROC_PIDLISTFDS, 0, list, size), libc::getdtablesize())
    };
    let count = (written.max(0).unsigned_abs() as usize / size_of::<[u32; 2]>()).min(ROOM);
    let mut last = 2;
    for [descriptor, _] in &list[..count] {
        last = last.max(descriptor.cast_signed());
        if descriptor.cast_signed() > 2 {
            close(descriptor.cast_signed());
        }
    }
    // The list was full, or could not be read.
    if count == ROOM || count == 0 {
        (last + 1..most).for_each(close);
    }
}

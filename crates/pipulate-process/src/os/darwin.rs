//! Darwin's structures, parsed from bytes, so that the parsers can be tested on any system.
//!
//! Offsets are those of `sys/proc_info.h`, of XNU's `bsd/sys/proc_info_private.h` (whose sizes the kernel
//! checks on each call, and which are unchanged since macOS 10.9) and of `sys/sysctl.h`. If `libc` has a
//! structure, macos.rs compares the offsets with it at compile time; `cargo xtask macos` compares the public
//! ones with Apple's headers.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::command::End;

/// `struct proc_bsdinfo`.
pub(super) mod bsd {
    pub(in crate::os) const SIZE: usize = 136;
    pub(in crate::os) const FLAGS: usize = 0;
    pub(in crate::os) const STATUS: usize = 4;
    pub(in crate::os) const EXIT_STATUS: usize = 8;
    pub(in crate::os) const PARENT: usize = 16;
    pub(in crate::os) const USER: usize = 20;
    pub(in crate::os) const COMMAND: usize = 48;
    pub(in crate::os) const GROUP: usize = 100;
    pub(in crate::os) const TERMINAL: usize = 108;
    pub(in crate::os) const FOREGROUND: usize = 112;
    pub(in crate::os) const START_SECONDS: usize = 120;
    pub(in crate::os) const START_MICROSECONDS: usize = 128;
}

/// `struct proc_bsdshortinfo`, which the kernel returns for every user's processes.
pub(super) mod short {
    pub(in crate::os) const SIZE: usize = 64;
    pub(in crate::os) const PARENT: usize = 4;
    pub(in crate::os) const GROUP: usize = 8;
    pub(in crate::os) const STATUS: usize = 12;
    pub(in crate::os) const COMMAND: usize = 16;
    pub(in crate::os) const FLAGS: usize = 32;
    pub(in crate::os) const USER: usize = 36;
}

/// `struct proc_uniqidentifierinfo`.
pub(super) mod ids {
    pub(in crate::os) const SIZE: usize = 56;
    pub(in crate::os) const OWN: usize = 16;
    pub(in crate::os) const PARENT: usize = 24;
    pub(in crate::os) const VERSION: usize = 32;
}

/// `struct proc_taskinfo`.
pub(super) mod task {
    pub(in crate::os) const SIZE: usize = 96;
    pub(in crate::os) const RESIDENT: usize = 8;
    pub(in crate::os) const USER_TIME: usize = 16;
    pub(in crate::os) const SYSTEM_TIME: usize = 24;
    pub(in crate::os) const THREADS: usize = 84;
    pub(in crate::os) const RUNNING: usize = 88;
}

/// `struct vnode_info_path`, as part of other structures.
pub(super) mod vnode {
    pub(in crate::os) const SIZE: usize = 1176;
    pub(in crate::os) const DEVICE: usize = 0;
    pub(in crate::os) const MODE: usize = 4;
    pub(in crate::os) const INODE: usize = 8;
    pub(in crate::os) const PATH: usize = 152;
}

/// `struct vnode_fdinfowithpath`: how the file is open, then its `vnode_info_path`.
pub(super) const OPEN_FILE_SIZE: usize = OPEN_FILE_VNODE + vnode::SIZE;
const OPEN_FILE_VNODE: usize = 24;
/// `struct proc_regionwithpathinfo`: a range of memory, then the file that is mapped there.
pub(super) const REGION_SIZE: usize = REGION_VNODE + vnode::SIZE;
const REGION_VNODE: usize = 96;
/// `struct kinfo_proc`, and `kp_proc.p_sigignore` in it.
pub(super) const KINFO_SIZE: usize = 648;
const KINFO_IGNORED: usize = 232;

/// `SZOMB` of sys/proc.h.
const ZOMBIE: u32 = 5;
/// `PROC_FLAG_INEXIT` and `PROC_FLAG_PSUGID`.
const IN_EXIT: u32 = 4;
const CHANGED_USER: u32 = 0x2000;
/// `FWRITE` of sys/fcntl.h, as the kernel keeps `O_WRONLY` and `O_RDWR`.
const WRITE: u32 = 2;

/// The kernel's information about a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    flags: u32,
    status: u32,
    exit_status: u32,
    pub(super) parent: i32,
    pub(super) user: u32,
    pub(super) name: String,
    pub(super) group: i32,
    pub(super) has_terminal: bool,
    pub(super) foreground_group: i32,
    /// Since 1970, by the clock of that moment; `None` for another user's process.
    pub(super) started: Option<Duration>,
    pub(super) ids: Ids,
}

/// Permanent process numbers: `p_uniqueid` and `p_puniqueid` are not reused before the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) own: u64,
    /// The number of the process that forked it, even if that one ended and launchd is the parent now.
    pub(super) parent: u64,
    /// Changes with each exec.
    pub(super) version: u32,
}

impl Process {
    /// Reads `struct proc_bsdinfowithuniqid`.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let foreground = i32_at(bytes, bsd::FOREGROUND)?;
        let has_terminal = u32_at(bytes, bsd::TERMINAL)? != u32::MAX;
        Some(Self {
            flags: u32_at(bytes, bsd::FLAGS)?,
            status: u32_at(bytes, bsd::STATUS)?,
            exit_status: u32_at(bytes, bsd::EXIT_STATUS)?,
            parent: i32_at(bytes, bsd::PARENT)?,
            user: u32_at(bytes, bsd::USER)?,
            name: text_at(bytes, bsd::COMMAND, 16)?,
            group: i32_at(bytes, bsd::GROUP)?,
            has_terminal,
            foreground_group: if has_terminal && foreground > 0 { foreground } else { -1 },
            started: Some(
                Duration::from_secs(u64_at(bytes, bsd::START_SECONDS)?)
                    + Duration::from_micros(u64_at(bytes, bsd::START_MICROSECONDS)?),
            ),
            ids: Ids::parse(bytes.get(bsd::SIZE..)?)?,
        })
    }

    /// Reads `struct proc_bsdshortinfo`.
    pub(super) fn parse_short(bytes: &[u8], ids: Ids) -> Option<Self> {
        Some(Self {
            flags: u32_at(bytes, short::FLAGS)?,
            status: u32_at(bytes, short::STATUS)?,
            exit_status: 0,
            parent: i32_at(bytes, short::PARENT)?,
            user: u32_at(bytes, short::USER)?,
            name: text_at(bytes, short::COMMAND, 16)?,
            group: i32_at(bytes, short::GROUP)?,
            has_terminal: false,
            foreground_group: -1,
            started: None,
            ids,
        })
    }

    pub(super) fn is_zombie(&self) -> bool {
        self.status == ZOMBIE
    }

    /// True if it is ending or has ended.
    pub(super) fn is_ending(&self) -> bool {
        self.is_zombie() || self.flags & IN_EXIT != 0
    }

    /// True if it gained rights by its program (set-user-ID): only root sees its arguments.
    pub(super) fn changed_user(&self) -> bool {
        self.flags & CHANGED_USER != 0
    }

    /// Returns how it ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        self.is_ending().then(|| end(self.exit_status))
    }
}

impl Ids {
    /// Reads `struct proc_uniqidentifierinfo`.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            own: u64_at(bytes, ids::OWN)?,
            parent: u64_at(bytes, ids::PARENT)?,
            version: u32_at(bytes, ids::VERSION)?,
        })
    }
}

/// Decodes a status of wait(2).
pub(super) fn end(status: u32) -> End {
    let [low, high, ..] = status.to_le_bytes();
    match low & 0x7f {
        0 => End::Code(high.into()),
        signal => End::Signal(signal.into()),
    }
}

/// The resource usage of a process: `struct proc_taskinfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) resident_bytes: u64,
    /// In units of `mach_timebase_info`.
    pub(super) cpu_time: u64,
    pub(super) threads: u32,
    pub(super) is_running: bool,
}

impl Task {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            resident_bytes: u64_at(bytes, task::RESIDENT)?,
            cpu_time: u64_at(bytes, task::USER_TIME)?.saturating_add(u64_at(bytes, task::SYSTEM_TIME)?),
            threads: u32_at(bytes, task::THREADS)?,
            is_running: u32_at(bytes, task::RUNNING)? > 0,
        })
    }
}

/// A file that a process has open or mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Sign-extended from `dev_t`, like `MetadataExt::dev`.
    pub(super) device: u64,
    pub(super) inode: u64,
    mode: u16,
    /// Without symbolic links; empty if the kernel no longer has it.
    pub(super) path: PathBuf,
}

impl File {
    /// Reads `struct vnode_info_path`.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let path = bytes.get(vnode::PATH..vnode::SIZE)?;
        let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
        Some(Self {
            device: i64::from(i32_at(bytes, vnode::DEVICE)?).cast_unsigned(),
            inode: u64_at(bytes, vnode::INODE)?,
            mode: u16::from_ne_bytes(at(bytes, vnode::MODE)?),
            path: OsString::from_vec(path.to_vec()).into(),
        })
    }

    /// Reads `struct proc_regionwithpathinfo`.
    pub(super) fn parse_region(bytes: &[u8]) -> Option<Self> {
        Self::parse(bytes.get(REGION_VNODE..)?)
    }

    pub(super) fn is_fifo(&self) -> bool {
        // `S_IFMT` and `S_IFIFO`.
        self.mode & 0o170_000 == 0o010_000
    }
}

/// Reads `struct vnode_fdinfowithpath`: the file, and whether it is open for writing.
pub(super) fn open_file(bytes: &[u8]) -> Option<(File, bool)> {
    let flags = u32_at(bytes, 0)?;
    Some((File::parse(bytes.get(OPEN_FILE_VNODE..)?)?, flags & WRITE != 0))
}

/// Returns whether the process of this `struct kinfo_proc` ignores a signal.
pub(super) fn ignores(kinfo: &[u8], signal: u32) -> Option<bool> {
    Some(u32_at(kinfo, KINFO_IGNORED)? & 1 << (signal - 1) != 0)
}

/// The arguments and the environment of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words<'a> {
    pub(super) arguments: Vec<OsString>,
    /// NUL-separated; empty if the kernel hides it.
    pub(super) environment: &'a [u8],
}

impl<'a> Words<'a> {
    /// Parses `KERN_PROCARGS2`: the number of arguments, then strings in the layout of `exec_extract_strings`
    /// in XNU's bsd/kern/kern_exec.c: the program's path, NULs up to a multiple of a pointer's size, the
    /// arguments, the environment, an empty string, and further strings that we ignore.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let count = usize::try_from(i32_at(bytes, 0)?).ok()?;
        let strings = bytes.get(4..)?;
        let path = strings.iter().position(|&byte| byte == 0)?;
        let mut rest = strings.get((path + 1).next_multiple_of(size_of::<u64>())..)?;
        let mut arguments = Vec::new();
        for _ in 0..count {
            let end = rest.iter().position(|&byte| byte == 0)?;
            arguments.push(OsString::from_vec(rest[..end].to_vec()));
            rest = &rest[end + 1..];
        }
        let mut length = 0;
        while let Some(end) = rest[length..].iter().position(|&byte| byte == 0).filter(|&end| end > 0) {
            length += end + 1;
        }
        Some(Self { arguments, environment: &rest[..length.saturating_sub(1)] })
    }
}

pub(super) fn at<const N: usize>(bytes: &[u8], start: usize) -> Option<[u8; N]> {
    bytes.get(start..start + N)?.try_into().ok()
}

pub(super) fn u32_at(bytes: &[u8], start: usize) -> Option<u32> {
    at(bytes, start).map(u32::from_ne_bytes)
}

pub(super) fn u64_at(bytes: &[u8], start: usize) -> Option<u64> {
    at(bytes, start).map(u64::from_ne_bytes)
}

fn i32_at(bytes: &[u8], start: usize) -> Option<i32> {
    at(bytes, start).map(i32::from_ne_bytes)
}

/// Reads a string from a field of `most` bytes.
fn text_at(bytes: &[u8], start: usize, most: usize) -> Option<String> {
    let field = bytes.get(start..start + most)?;
    let text = field.split(|&byte| byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests;

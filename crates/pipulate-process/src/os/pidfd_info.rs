//! The exit status of a process that is not our child. Until its parent reaps it, `/proc` has the status;
//! afterwards PIDFD_GET_INFO, which Linux has since 6.13, with the exit status since 6.15.

use std::os::fd::{AsFd, BorrowedFd};

use pipulate_core::identity::ProcessIdentity;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::ioctl::{Updater, ioctl, opcode};

use crate::command::End;

/// How long to wait for the parent to reap it if `/proc` hides the status.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Requests the exit status, and marks it as present.
const EXIT: u64 = 1 << 3;

/// The kernel's `struct pidfd_info` in its first version.
#[repr(C)]
#[derive(Debug, Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    /// In the form of wait(2).
    exit_code: i32,
}

const GET_INFO: rustix::ioctl::Opcode = opcode::read_write::<Info>(0xff, 11);

/// Returns how the process with this identity ended, after its pidfd became readable; `None` if the system
/// does not say.
pub(crate) fn exit(pidfd: BorrowedFd<'_>, process: &ProcessIdentity) -> Option<End> {
    if let Some(end) = unasked(process) {
        return Some(end);
    }
    let first = ask(pidfd)?;
    let info = match first.mask & EXIT {
        0 => {
            let mut hung_up = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::empty())];
            let _whatever_came = rustix::event::poll(&mut hung_up, Some(&PATIENCE));
            ask(pidfd)?
        }
        _ => first,
    };
    (info.mask & EXIT != 0).then(|| end(info.exit_code))
}

/// Returns how a zombie ended. If we lack permission, the kernel shows 0 instead of the status.
fn unasked(process: &ProcessIdentity) -> Option<End> {
    super::entry(process.pid).filter(|entry| entry.start == process.start && !entry.lives())?;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).ok()?;
    let status: i32 = stat.split_ascii_whitespace().next_back()?.parse().ok()?;
    (status != 0 || super::is_ours_by_user(process.pid)).then(|| end(status))
}

/// Decodes a status of wait(2).
fn end(status: i32) -> End {
    let signal = status & 0x7f;
    if signal == 0 { End::Code(status >> 8 & 0xff) } else { End::Signal(signal) }
}

#[expect(unsafe_code, reason = "an ioctl has no safe form")]
fn ask(pidfd: BorrowedFd<'_>) -> Option<Info> {
    let mut info = Info { mask: EXIT, ..Info::default() };
    // SAFETY: the structure is the one that this operation fills in, of the size in its number.
    unsafe { ioctl(pidfd, Updater::<{ GET_INFO }, Info>::new(&mut info)) }.ok()?;
    Some(info)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::Stdio;

    use pipulate_core::identity::Pid;

    use super::*;
    use crate::identity::{self, Verified};
    use crate::poll::{self, Interest};

    /// True if the kernel keeps the exit status after reaping.
    fn has_exits() -> bool {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut numbers = release.split('.').map_while(|word| word.parse::<u32>().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 15)
    }

    #[test]
    fn a_stranger_is_told_how_a_process_ended() {
        // Its parent is the shell, which reaps it, or becomes a program that never does.
        for (parent, may_be_unknown) in [("wait $!", !has_exits()), ("exec sleep 1000 >&-", false)] {
            for (script, end) in
                [("exit 42", End::Code(42)), ("kill -9 $$", End::Signal(9)), ("exit 0", End::Code(0))]
            {
                let script = format!("exec 3<&0; sh -c 'read go <&3; {script}' & echo $!; {parent}");
                #[expect(clippy::disallowed_methods, reason = "a process to look at")]
                let mut shell = std::process::Command::new("bash")
                    .args(["-c", &script])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut line = String::new();
                BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
                let (pid, here) = (Pid::new(line.trim().parse().unwrap()).unwrap(), identity::host());
                let process = identity::identify(pid, &here).unwrap();
                let pinned = Verified::pin(&process, &here).unwrap().unwrap();
                shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
                poll::wait(&[(pinned.descriptor().unwrap(), Interest::Read)], None).unwrap();
                let told = pinned.exit();
                assert!(told == Some(end) || (told.is_none() && may_be_unknown), "{parent}: {told:?}");
                shell.kill().unwrap();
                shell.wait().unwrap();
            }
        }
    }
}

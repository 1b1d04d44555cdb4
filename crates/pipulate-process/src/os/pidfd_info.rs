//! How a process ended that is not our child: PIDFD_GET_INFO, which Linux has since 6.13, and the
//! exit in it since 6.15.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::ioctl::{Updater, ioctl, opcode};

use crate::command::End;

/// The kernel knows how a process ended once its parent has asked; some parents take their time.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Asks for the exit, and says that it is there.
const EXIT: u64 = 1 << 3;

/// The kernel's `struct pidfd_info`, as it was first.
#[repr(C)]
#[derive(Debug, Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    /// As wait(2) gives it.
    exit_code: i32,
}

const GET_INFO: rustix::ioctl::Opcode = opcode::read_write::<Info>(0xff, 11);

/// How the process behind a pidfd that has become readable ended; `None` where nobody can tell.
pub(crate) fn exit(pidfd: BorrowedFd<'_>) -> Option<End> {
    let first = ask(pidfd)?;
    let info = match first.mask & EXIT {
        0 => {
            let mut hung_up = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::empty())];
            let _whatever_came = rustix::event::poll(&mut hung_up, Some(&PATIENCE));
            ask(pidfd)?
        }
        _ => first,
    };
    let signal = info.exit_code & 0x7f;
    let end = if signal == 0 { End::Code(info.exit_code >> 8 & 0xff) } else { End::Signal(signal) };
    (info.mask & EXIT != 0).then_some(end)
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
    use super::*;

    #[test]
    fn a_stranger_is_told_how_a_process_ended_where_the_kernel_can() {
        // Its parent is the shell, which reaps it, and not we.
        for (script, end) in
            [("exit 42", End::Code(42)), ("kill -9 $$", End::Signal(9)), ("exit 0", End::Code(0))]
        {
            let script = format!("sh -c 'read go; {script}' & echo $!; wait $!");
            #[expect(clippy::disallowed_methods, reason = "a process to look at")]
            let mut shell = std::process::Command::new("bash")
                .args(["-c", &format!("exec 3<&0; {}", script.replace("read go", "read go <&3"))])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            std::io::BufRead::read_line(
                &mut std::io::BufReader::new(shell.stdout.take().unwrap()),
                &mut line,
            )
            .unwrap();
            let pid = rustix::process::Pid::from_raw(line.trim().parse().unwrap()).unwrap();
            let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
            let can_tell = ask(pidfd.as_fd()).is_some();
            std::io::Write::write_all(&mut shell.stdin.take().unwrap(), b"go\n").unwrap();
            let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
            rustix::event::poll(&mut ended, None).unwrap();
            let told = exit(pidfd.as_fd());
            // Kernels between the two know the question and not this answer.
            assert!(told == Some(end) || (told.is_none() && !has_exits(can_tell)), "{told:?}");
            shell.wait().unwrap();
        }
    }

    fn has_exits(can_tell: bool) -> bool {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut numbers = release.split('.').map_while(|word| word.parse::<u32>().ok());
        can_tell && (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 15)
    }
}

//! Our children: becoming the parent of orphans, learning how children ended, and ending their groups.

use std::io;

use pipulate_core::identity::Pid;

use crate::command::End;
use crate::identity::own_pid;
use crate::os;
use crate::signals::Signal;

/// From now on orphans among our descendants become our children, so that a process which left
/// its session is still found. Where the kernel does not do that, they are remembered as far as they are seen:
/// see [`KEEPS_ORPHANS`].
///
/// # Errors
/// The kernel refused.
pub fn become_subreaper() -> io::Result<()> {
    os::become_subreaper()
}

/// Whether each orphan among our descendants is found below us. Elsewhere, the child of a process that was forked
/// and ended at once may be missed: it takes another sign than its descent to find it.
pub const KEEPS_ORPHANS: bool = os::KEEPS_ORPHANS;

/// How our child `pid` ended, leaving it a zombie: its pid and group stay its own until
/// [`reap`]. `None` while it lives, or when it is no child of ours.
pub fn peek(pid: Pid) -> Option<End> {
    wait(libc::P_PID, pid.get(), libc::WNOWAIT).map(|(_, end)| end)
}

/// Forgets our child `pid`, which has ended.
pub fn reap(pid: Pid) {
    let _already_told = wait(libc::P_PID, pid.get(), 0);
}

/// Forgets every child that has ended, except `kept`.
pub fn reap_others(kept: &[Pid]) {
    // A kept one, when it has ended, would be told again and again: look past it by pid.
    while let Some((pid, _)) = wait(libc::P_ALL, 0, libc::WNOWAIT) {
        if kept.contains(&pid) {
            reap_known_children(kept);
            return;
        }
        reap(pid);
    }
}

/// Whether we have a child at all, living or ended. The kernel's word, and no look at a list that
/// changes while it is read: without one, nothing descends from us any more.
pub fn has_children() -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let only_look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, only_look), Err(rustix::io::Errno::CHILD)) || os::has_orphans()
}

/// Signals the whole group of a child of ours that we have not reaped: until then its number
/// can't be anybody else's. Whoever in it was stopped goes on, to hear it.
pub fn signal_group_of_child(child: Pid, signal: Signal) {
    let Some(group) = rustix::process::Pid::from_raw(child.get()) else { return };
    let Some(signal) = rustix::process::Signal::from_named_raw(signal.number()) else { return };
    for signal in [signal, rustix::process::Signal::CONT] {
        // ESRCH: nobody is left in it. EPERM: what is left is another user's.
        let _nobody = rustix::process::kill_process_group(group, signal);
    }
}

fn reap_known_children(kept: &[Pid]) {
    let Some(me) = own_pid() else { return };
    for child in os::children(me).into_iter().filter(|child| !kept.contains(child)) {
        reap(child);
    }
}

#[expect(unsafe_code, reason = "waitid tells pid and status only through siginfo_t")]
fn wait(kind: libc::idtype_t, id: i32, flags: i32) -> Option<(Pid, End)> {
    // SAFETY: siginfo_t is plain data, zero is a valid value of it, and the kernel fills it in.
    let (result, info) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = libc::id_t::try_from(id).ok()?;
        (libc::waitid(kind, id, &raw mut info, libc::WEXITED | libc::WNOHANG | flags), info)
    };
    if result != 0 {
        return None;
    }
    // SAFETY: after a successful waitid these are the fields that SIGCHLD's siginfo has.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let end = if info.si_code == libc::CLD_EXITED { End::Code(status) } else { End::Signal(status) };
    Pid::new(pid).map(|pid| (pid, end))
}

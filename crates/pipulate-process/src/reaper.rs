//! Our children: adopting orphans, reading exit statuses, and signaling groups.

use std::io;

use pipulate_core::identity::Pid;

use crate::command::End;
use crate::identity::own_pid;
use crate::os;
use crate::signals::Signal;

/// Makes later orphans among our descendants our children, so that a process which left its session is still
/// found. If the kernel can't, they are tracked as far as they are seen: see [`KEEPS_ORPHANS`].
///
/// # Errors
/// The kernel refused.
pub fn become_subreaper() -> io::Result<()> {
    os::become_subreaper()
}

/// True if every orphan among our descendants is found below us. If false, the child of a process that was
/// forked and ended at once may be missed: it has to be found by something other than its parents.
pub const KEEPS_ORPHANS: bool = os::KEEPS_ORPHANS;

/// Returns how our child `pid` ended, without reaping it: its pid and group are not reused until [`reap`].
/// `None` while it runs, or if it is not a child of ours.
pub fn peek(pid: Pid) -> Option<End> {
    wait(libc::P_PID, pid.get(), libc::WNOWAIT).map(|(_, end)| end)
}

/// Reaps our child `pid`, which has ended.
pub fn reap(pid: Pid) {
    let _already_told = wait(libc::P_PID, pid.get(), 0);
}

/// Reaps every child that has ended, except `kept`.
pub fn reap_others(kept: &[Pid]) {
    // An ended child in `kept` would be returned again and again: skip it by pid.
    while let Some((pid, _)) = wait(libc::P_ALL, 0, libc::WNOWAIT) {
        if kept.contains(&pid) {
            reap_known_children(kept);
            return;
        }
        reap(pid);
    }
}

/// True if we have a child at all, running or ended. One system call, not a list that changes while it is
/// read: without a child, no process descends from us any more.
pub fn has_children() -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let only_look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, only_look), Err(rustix::io::Errno::CHILD)) || os::has_orphans()
}

/// Signals the whole group of a child of ours that we have not reaped: until then its pid can't be reused.
/// Stopped members are continued, so that they handle the signal.
pub fn signal_group_of_child(child: Pid, signal: Signal) {
    let Some(group) = rustix::process::Pid::from_raw(child.get()) else { return };
    let Some(signal) = rustix::process::Signal::from_named_raw(signal.number()) else { return };
    for signal in [signal, rustix::process::Signal::CONT] {
        // ESRCH: the group is empty. EPERM: only another user's processes are left.
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
    // SAFETY: siginfo_t is plain data, for which zero is valid, and the kernel fills it in.
    let (result, info) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = libc::id_t::try_from(id).ok()?;
        (libc::waitid(kind, id, &raw mut info, libc::WEXITED | libc::WNOHANG | flags), info)
    };
    if result != 0 {
        return None;
    }
    // SAFETY: after a successful waitid these are the fields of a SIGCHLD siginfo.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let end = if info.si_code == libc::CLD_EXITED { End::Code(status) } else { End::Signal(status) };
    Pid::new(pid).map(|pid| (pid, end))
}

//! macOS: the kernel's information about a process.

use pipulate_core::identity::Pid;

use super::darwin::{self, Ids, Process};
use super::libproc;

/// Returns the numbers of a process, zombies included.
pub(super) fn ids(pid: Pid) -> Option<Ids> {
    ids_of(pid, 1)
}

/// Returns the numbers of a running process.
pub(super) fn ids_if_it_runs(pid: Pid) -> Option<Ids> {
    ids_of(pid, 0)
}

fn ids_of(pid: Pid, zombies: u64) -> Option<Ids> {
    let bytes = libproc::info::<{ darwin::ids::SIZE }>(pid, libproc::PROC_PIDUNIQIDENTIFIERINFO, zombies)?;
    Ids::parse(&bytes)
}

/// Returns the kernel's information about a process, zombies included; less about another user's.
pub(super) fn process(pid: Pid) -> Option<Process> {
    const WITH_IDS: usize = darwin::bsd::SIZE + darwin::ids::SIZE;
    if let Some(bytes) = libproc::info::<WITH_IDS>(pid, libproc::PROC_PIDT_BSDINFOWITHUNIQID, 1) {
        return Process::parse(&bytes);
    }
    let ids = ids(pid)?;
    let bytes = libproc::info::<{ darwin::short::SIZE }>(pid, libc::PROC_PIDT_SHORTBSDINFO, 1)?;
    Process::parse_short(&bytes, ids)
}

//! Differences between systems: one file each with the same signatures.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod marked_signal;
#[cfg(target_os = "linux")]
mod own_memory;
#[cfg(target_os = "linux")]
mod pidfd_info;
#[cfg(target_os = "linux")]
mod proc_files;
#[cfg(target_os = "linux")]
mod sock_diag;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "linux")]
pub(crate) use own_memory::give_back_memory;

// The parsers of bytes are tested on Linux, too.
#[cfg(any(target_os = "macos", test))]
#[cfg_attr(not(target_os = "macos"), expect(dead_code, reason = "nothing gives us such bytes here"))]
mod darwin;
#[cfg(target_os = "macos")]
mod facts;
#[cfg(target_os = "macos")]
pub(crate) mod kqueue;
#[cfg(target_os = "macos")]
mod libproc;
#[cfg(target_os = "macos")]
mod lineage;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(any(target_os = "macos", test))]
mod pcblist;
#[cfg(target_os = "macos")]
mod pin;

#[cfg(target_os = "macos")]
pub(crate) use macos::*;

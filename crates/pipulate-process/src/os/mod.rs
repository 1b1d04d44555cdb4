//! What differs between systems, one file each behind the same signatures.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod sock_diag;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;

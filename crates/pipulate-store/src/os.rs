//! Differences between systems: one folder each with the same signatures.
//!
//! The feature `portable` chooses the portable folder on Linux too, so that it is tested there.

mod held;

#[cfg(target_os = "linux")]
#[path = "os/linux/calls.rs"]
pub(crate) mod calls;
#[cfg(target_os = "macos")]
#[path = "os/macos/calls.rs"]
pub(crate) mod calls;
#[cfg(test)]
#[cfg(target_os = "linux")]
#[path = "os/linux/tests.rs"]
mod tests;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux {
    pub(super) mod mover;
    pub(super) mod notifier;
}
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use linux::{mover::Mover, notifier::Notifier};

#[cfg(any(not(target_os = "linux"), feature = "portable"))]
mod portable {
    pub(super) mod mover;
    pub(super) mod notifier;
}
#[cfg(any(not(target_os = "linux"), feature = "portable"))]
pub(crate) use portable::{mover::Mover, notifier::Notifier};

//! The properties of this session that matter for opening a browser.
//!
//! [`Session::gather`] is the only function of [`super`] that reads the system's state.

use std::fs;
use std::path::Path;

use crate::surroundings::Surroundings;

/// The facts, gathered once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    pub surroundings: Surroundings,
    pub macos: bool,
    /// In a container, by the files that Docker and Podman create in it.
    pub container: bool,
    pub wsl: Wsl,
}

/// The Windows Subsystem for Linux.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wsl {
    #[default]
    No,
    /// Windows programs can be started from here.
    Interop,
    /// Windows programs can't be started: interop is disabled.
    NoInterop,
}

impl Session {
    /// Gathers the facts.
    pub fn gather(surroundings: Surroundings) -> Self {
        let container = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists());
        Self { surroundings, macos: std::env::consts::OS == "macos", container, wsl: Wsl::gather() }
    }

    /// A variable's value; an empty one counts as unset.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.surroundings.text(name)
    }
}

impl Wsl {
    fn gather() -> Self {
        let reads = |path: &str| fs::read_to_string(path).unwrap_or_default().to_lowercase();
        if !reads("/proc/sys/kernel/osrelease").contains("microsoft") {
            return Self::No;
        }
        // With systemd, WSL registers its handler late and under another name.
        let handlers = ["/proc/sys/fs/binfmt_misc/WSLInterop", "/proc/sys/fs/binfmt_misc/WSLInterop-late"];
        if handlers.iter().any(|path| reads(path).contains("enabled")) {
            Self::Interop
        } else {
            Self::NoInterop
        }
    }
}

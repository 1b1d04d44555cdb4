//! Whether this machine has the program Ollama, which is optional, and what to do where nobody answers.

use std::path::Path;

use crate::browser::session::{Session, Wsl};
use crate::surroundings::Surroundings;

/// Where it is got.
const DOWNLOAD: &str = "https://ollama.com/download";

/// Whether it is installed: on `PATH`, or as the app of a Mac. `machine` is where the machine's own
/// files are: `/`, except in tests.
fn is_installed(around: &Surroundings, machine: &Path) -> bool {
    around.programs("ollama").next().is_some() || machine.join("Applications/Ollama.app").exists()
}

/// Why nobody answers, as far as this machine tells, and so what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It is installed here and does not run.
    Stopped,
    /// It is not installed here, which is nobody's duty.
    NotInstalled,
    /// The same inside of WSL, where 127.0.0.1 is not that of the Windows around it.
    NotInstalledInWsl,
    /// It is looked for on another machine.
    Elsewhere,
}

impl Absence {
    /// Looks; `is_loopback` tells whether Ollama is looked for on this machine. `machine` is where the
    /// machine's own files are: `/`, except in tests.
    pub fn look(is_loopback: bool, session: &Session, machine: &Path) -> Self {
        if !is_loopback {
            return Self::Elsewhere;
        }
        match (is_installed(&session.surroundings, machine), session.wsl) {
            (true, Wsl::No | Wsl::Interop | Wsl::NoInterop) => Self::Stopped,
            (false, Wsl::No) => Self::NotInstalled,
            (false, Wsl::Interop | Wsl::NoInterop) => Self::NotInstalledInWsl,
        }
    }

    /// What has it run.
    pub fn command(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Stopped => Some(["ollama", "serve"]),
            Self::NotInstalled | Self::NotInstalledInWsl | Self::Elsewhere => None,
        }
    }

    /// What else there is to do, as a fragment.
    pub fn advice(self) -> Option<String> {
        match self {
            Self::NotInstalled => Some(format!("it is optional; to have it, install it: {DOWNLOAD}")),
            Self::NotInstalledInWsl => Some(format!(
                "it is optional; to have it, install it inside of WSL: {DOWNLOAD}/linux (one that runs on Windows \
                 is reached with OLLAMA_HOST=0.0.0.0 there, and here OLLAMA_HOST set to the address of Windows, \
                 which `ip route show default` tells)"
            )),
            Self::Stopped | Self::Elsewhere => None,
        }
    }

    /// All of it in one fragment.
    pub fn way(self) -> Option<String> {
        self.command()
            .map(|command| format!("start it with: {}", command.join(" ")))
            .or_else(|| self.advice())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_what_is_installed_is_to_be_started_and_only_inside_of_wsl_windows_is_thought_of() {
        let folder = tempfile::tempdir().unwrap();
        let around = Surroundings::default().with("PATH", folder.path().as_os_str());
        let session = Session { wsl: Wsl::No, ..Session::gather(around) };
        let look = || Absence::look(true, &session, folder.path());
        assert_eq!(look(), Absence::NotInstalled);
        let way = look().way().unwrap();
        assert_eq!(way, "it is optional; to have it, install it: https://ollama.com/download");
        let inside = Session { wsl: Wsl::NoInterop, ..session.clone() };
        let inside = Absence::look(true, &inside, folder.path());
        assert!(inside.way().is_some_and(|way| way.contains("inside of WSL") && way.contains("ip route")));
        assert_eq!(Absence::look(false, &session, folder.path()).way(), None);

        let program = folder.path().join("ollama");
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(look().way().unwrap(), "start it with: ollama serve");
        fs::remove_file(program).unwrap();
        fs::create_dir_all(folder.path().join("Applications/Ollama.app")).unwrap();
        assert_eq!(look(), Absence::Stopped);
    }
}

//! Ollama's address and whether it may be contacted, whether the optional program is installed on this
//! machine, and the advice if it doesn't answer.

use std::path::Path;

use pipulate_core::config::Config;
use pipulate_core::layout::Layout;
use pipulate_ollama::host::{Host, HostError, Source};
use pipulate_store::consent;
use pipulate_store::dotenv::EnvFile;

use crate::browser::session::{Session, Wsl};
use crate::surroundings::Surroundings;

/// The variable with its address.
pub const VARIABLE: &str = "OLLAMA_HOST";

/// Ollama's address, and whether it may be contacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this machine, named by the user, or allowed.
    Open(Host),
    /// On another machine, named by a file of the project's folder, and not yet allowed for this project.
    Unasked(Host),
}

impl Place {
    /// Finds the address: the environment takes precedence over `pipulate.toml`, and that over Ollama's
    /// default.
    ///
    /// # Errors
    /// The value is no address.
    pub fn find(layout: &Layout, config: &Config, variable: Option<&str>) -> Result<Self, HostError> {
        let chosen = Host::choose(None, variable, config.ollama.host.as_deref())?;
        let by_folder = match chosen.source {
            Source::File => true,
            Source::Environment => variable.is_some_and(|value| is_of_a_service(layout, config, value)),
            Source::Flag | Source::Default => false,
        };
        let is_open =
            !by_folder || chosen.host.is_loopback() || consent::is_given(layout, &chosen.host.to_string());
        Ok(if is_open { Self::Open(chosen.host) } else { Self::Unasked(chosen.host) })
    }

    /// The address.
    pub fn host(&self) -> &Host {
        match self {
            Self::Open(host) | Self::Unasked(host) => host,
        }
    }
}

/// Returns true if a file of the folder sets this value in a service's environment. The embedded app and
/// JupyterLab's terminals have such an environment.
fn is_of_a_service(layout: &Layout, config: &Config, value: &str) -> bool {
    config.services.iter().any(|service| {
        let by_file = || {
            let file = EnvFile::new(layout.inside(service.env_file.as_ref()?), layout.dotenv_lock());
            let variables = file.variables().ok()?;
            let value = variables.into_iter().find(|(name, _)| name == VARIABLE);
            Some(value?.1.expose().to_owned())
        };
        service.env.get(VARIABLE).is_some_and(|said| said == value)
            || by_file().is_some_and(|said| said == value)
    })
}

/// The download page.
const DOWNLOAD: &str = "https://ollama.com/download";

/// Returns true if it is installed: on `PATH`, or as the app of a Mac. `machine` is the root of the machine's
/// own files: `/`, except in tests.
fn is_installed(around: &Surroundings, machine: &Path) -> bool {
    around.programs("ollama").next().is_some() || machine.join("Applications/Ollama.app").exists()
}

/// The reason why Ollama doesn't answer, as far as it is known, which decides the advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It is installed here but not running.
    Stopped,
    /// It is not installed here, and need not be.
    NotInstalled,
    /// It is not installed in this WSL, whose 127.0.0.1 differs from that of Windows.
    NotInstalledInWsl,
    /// The configured address is on another machine.
    Elsewhere,
}

impl Absence {
    /// Finds the reason; `is_loopback`: Ollama's address is on this machine. `machine` is the root of the
    /// machine's own files: `/`, except in tests.
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

    /// The command that starts it.
    pub fn command(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Stopped => Some(["ollama", "serve"]),
            Self::NotInstalled | Self::NotInstalledInWsl | Self::Elsewhere => None,
        }
    }

    /// Other advice, as a fragment.
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

    /// The command or the advice in one fragment.
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

//! The user's own shell with the environment active: the activation code, and how to enter the shell.
//!
//! A shell reads all its user's files first; our code comes last and can be undone. Nothing is
//! written into a user's file.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use pipulate_core::layout::Layout;
use pipulate_core::text::{quoted_for_fish, quoted_for_sh};
use pipulate_process::command::Command;
use pipulate_store::error::StoreError;
use pipulate_store::files;

use crate::service::service_environment;
use crate::surroundings::Surroundings;
use crate::template::fill;

/// Set to the project's folder in the shell that [`Subshell`] starts, until `deactivate`.
pub(crate) const MARK: &str = "PIPULATE_SHELL";

/// The variable with the folder in which Jupyter's tools find servers and kernels.
pub const JUPYTER_RUNTIME: &str = "JUPYTER_RUNTIME_DIR";

/// The quoting of a shell.
type Quote = fn(&[u8]) -> Vec<u8>;

/// A supported shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Bash,
    Zsh,
    Fish,
}

impl Dialect {
    /// By the name of its program.
    pub fn of_program(shell: &Path) -> Option<Self> {
        match shell.file_name()?.to_str()? {
            "bash" => Some(Self::Bash),
            "zsh" => Some(Self::Zsh),
            "fish" => Some(Self::Fish),
            _ => None,
        }
    }

    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// The command that a user types to evaluate [`hook`].
    pub fn usage(self) -> &'static str {
        match self {
            Self::Bash => "eval \"$(pipulate activate bash)\"",
            Self::Zsh => "eval \"$(pipulate activate zsh)\"",
            Self::Fish => "pipulate activate fish | source",
        }
    }
}

/// The input of an activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    bin: PathBuf,
    /// `None` for an environment that is no venv.
    venv: Option<PathBuf>,
    /// The runtime folder of this home's JupyterLab.
    runtime: PathBuf,
    /// Shown in the prompt. Contains no special characters for a shell.
    label: String,
}

impl Activation {
    /// The activation of this Python's environment in this home.
    pub fn of(python: &Path, layout: &Layout) -> Self {
        let bin = python.parent().unwrap_or(Path::new("/"));
        let prefix = bin.parent().unwrap_or(Path::new("/"));
        let name = prefix.file_name().unwrap_or_default().to_string_lossy();
        let harmless = |c: char| if c.is_alphanumeric() || " ._-+".contains(c) { c } else { '_' };
        Self {
            bin: bin.to_owned(),
            venv: prefix.join("pyvenv.cfg").is_file().then(|| prefix.to_owned()),
            runtime: layout.jupyter_runtime().to_path_buf(),
            label: name.chars().map(harmless).collect(),
        }
    }
}

/// The code that a shell evaluates to activate the environment. Evaluating it twice has no further effect; it
/// defines `deactivate`, which undoes all of it.
pub fn hook(dialect: Dialect, activation: &Activation) -> Vec<u8> {
    let (script, quote) = match dialect {
        Dialect::Bash => (include_str!("shell/activate.bash"), quoted_for_sh as Quote),
        Dialect::Zsh => (include_str!("shell/activate.zsh"), quoted_for_sh as Quote),
        Dialect::Fish => (include_str!("shell/activate.fish"), quoted_for_fish as Quote),
    };
    let bin = quote(activation.bin.as_os_str().as_bytes());
    let venv = quote(activation.venv.as_deref().map_or(b"", |venv| venv.as_os_str().as_bytes()));
    let runtime = quote(activation.runtime.as_os_str().as_bytes());
    let label = activation.label.as_bytes();
    fill(script, &[("BIN", &bin), ("VENV", &venv), ("RUNTIME", &runtime), ("LABEL", label)])
}

/// The user's shell. In a Nix build environment, `SHELL` names a bash without history and line editing; then
/// the one on `PATH` is used.
pub fn of_user(around: &Surroundings) -> PathBuf {
    let named = around.variable("SHELL").map(PathBuf::from).filter(|shell| shell.is_absolute());
    let is_for_builds = around.variable("IN_NIX_SHELL").is_some()
        && named.as_ref().is_some_and(|shell| shell.starts_with("/nix/store"));
    let on_path = |name: &str| around.programs(name).next();
    let interactive = named.as_ref().filter(|_| is_for_builds).and_then(|shell| {
        let name = shell.file_name()?.to_str()?;
        on_path(name)
    });
    interactive.or(named).or_else(|| on_path("bash")).unwrap_or_else(|| PathBuf::from("/bin/sh"))
}

/// Returns true inside this project's shell, or in its startup files: entering it there would never end.
pub fn is_inside(layout: &Layout, around: &Surroundings) -> bool {
    around.variable(MARK) == Some(layout.root().as_os_str())
}

/// A shell with the environment active, to be started.
#[derive(Debug, Clone, Copy)]
pub struct Subshell<'a> {
    /// The shell's program.
    pub shell: &'a Path,
    pub layout: &'a Layout,
    pub python: &'a Path,
    /// Our own program, which the shell runs for its [`hook`].
    pub program: &'a Path,
    pub around: &'a Surroundings,
}

impl Subshell<'_> {
    /// The command that becomes the shell. For bash and zsh, it writes startup files; an unknown shell only
    /// gets the environment.
    ///
    /// # Errors
    /// Those files can't be written.
    pub fn prepare(&self) -> Result<Command, StoreError> {
        let command = Command::new(self.shell).env(MARK, self.layout.root().as_os_str());
        match Dialect::of_program(self.shell) {
            Some(Dialect::Bash) => {
                let rc = self.write("bashrc", include_str!("shell/enter.bash"))?;
                Ok(command.arg("--rcfile").arg(rc).arg("-i"))
            }
            Some(Dialect::Zsh) => {
                self.write(".zshenv", include_str!("shell/enter.zshenv"))?;
                self.write(".zshrc", include_str!("shell/enter.zshrc"))?;
                let ours = self.layout.shell();
                // Our folder is never the user's own, even in a nested shell.
                let command = match self.around.variable("ZDOTDIR").filter(|dir| *dir != ours.as_os_str()) {
                    Some(theirs) => command.env("PIPULATE_ZDOTDIR", theirs),
                    None => command.env_remove("PIPULATE_ZDOTDIR"),
                };
                Ok(command.env("ZDOTDIR", ours.as_os_str()).arg("-i"))
            }
            Some(Dialect::Fish) => {
                let script = self.filled(include_str!("shell/enter.fish"), quoted_for_fish);
                Ok(command.arg("--init-command").arg(OsString::from_vec(script)))
            }
            None => {
                let command = command.env(JUPYTER_RUNTIME, self.layout.jupyter_runtime().as_os_str());
                Ok(service_environment(self.python, self.around).give_to(command))
            }
        }
    }

    fn write(&self, name: &str, script: &str) -> Result<PathBuf, StoreError> {
        let folder = self.layout.shell();
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&folder).map_err(StoreError::io("make", &folder))?;
        let path = folder.at(name);
        files::write_private(&path, &self.filled(script, quoted_for_sh))?;
        Ok(path.to_path_buf())
    }

    fn filled(&self, script: &str, quote: Quote) -> Vec<u8> {
        let quote = |path: &Path| quote(path.as_os_str().as_bytes());
        let (program, project) = (quote(self.program), quote(self.layout.root()));
        let here = quote(&self.layout.shell());
        fill(script, &[("PROGRAM", &program), ("PROJECT", &project), ("HERE", &here)])
    }
}

//! The verbs that talk to shells.

use clap::{Args, ValueEnum};
use pipulate_environment::shell::Dialect;

pub(super) const ACTIVATE: &str = "\
How to use it:
  bash, zsh  eval \"$(pipulate activate bash)\"
  fish       pipulate activate fish | source

`deactivate` takes it back.";

pub(super) const COMPLETIONS: &str = "\
How to use it:
  bash  echo 'source <(pipulate completions bash)' >> ~/.bashrc
  zsh   echo 'source <(pipulate completions zsh)' >> ~/.zshrc
  fish  echo 'pipulate completions fish | source' >> ~/.config/fish/config.fish";

#[derive(Debug, Args)]
pub(super) struct ShellArgument {
    /// For which shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: DialectArgument,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DialectArgument {
    Bash,
    Zsh,
    Fish,
}

impl ShellArgument {
    pub(super) fn resolve(&self) -> Dialect {
        match self.shell {
            DialectArgument::Bash => Dialect::Bash,
            DialectArgument::Zsh => Dialect::Zsh,
            DialectArgument::Fish => Dialect::Fish,
        }
    }
}

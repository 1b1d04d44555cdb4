//! The original's welcome: the name in large letters, and the system.

use figlet_rs::FIGlet;

use super::printer::{Printer, Verbosity};

/// Terminals narrower than this get the name in small letters.
const WIDTH: u16 = 40;

/// Prints the welcome.
pub(crate) fn print(printer: &Printer) {
    // The font takes a moment to parse, so skip that if it isn't shown.
    if printer.verbosity() == Verbosity::Quiet {
        return;
    }
    let is_wide = printer.terminal().width.is_none_or(|width| width >= WIDTH);
    let name = if is_wide { large_name() } else { None };
    printer.note(name.as_deref().unwrap_or("Pipulate"));
    let system = system(std::env::consts::ARCH, std::env::consts::OS);
    printer.note(format!("Welcome to the Pipulate development environment on {system}!"));
}

/// `None` if the font can't be read.
fn large_name() -> Option<String> {
    let font = FIGlet::standard().ok()?;
    let figure = font.convert("Pipulate")?.as_str();
    let lines = figure.lines().map(str::trim_end).filter(|line| !line.is_empty());
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// The system as Nix names it: `x86_64-linux`, `aarch64-darwin`.
fn system(architecture: &str, os: &str) -> String {
    let os = if os == "macos" { "darwin" } else { os };
    format!("{architecture}-{os}")
}

#[cfg(test)]
mod tests {
    use super::super::printer::memory;
    use super::*;

    #[test]
    fn the_name_is_in_large_letters() {
        let name = large_name().unwrap();
        insta::assert_snapshot!(name);
        assert!(name.lines().all(|line| line.len() < usize::from(WIDTH)));
    }

    #[test]
    fn systems_are_named_as_nix_does() {
        assert_eq!(system("x86_64", "linux"), "x86_64-linux");
        assert_eq!(system("aarch64", "macos"), "aarch64-darwin");
    }

    #[test]
    fn nobody_is_welcomed_quietly() {
        let (printer, printed) = memory::printer(Verbosity::Quiet);
        print(&printer);
        assert_eq!(printed.stderr(), "");
    }
}

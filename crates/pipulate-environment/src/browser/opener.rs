//! The programs that can open an address, as commands in the order of trying.

use std::path::Path;

use pipulate_process::command::{Command, CommandError, End};

/// PowerShell on Windows, for a WSL without Windows on its `PATH`.
const POWERSHELL: &str = "/mnt/c/Windows/System32/WindowsPowerShell/v1.0/powershell.exe";

/// The commands that may open `url`: the programs of `$BROWSER` if set, else the system's.
pub(super) fn candidates(programs: Option<&[String]>, url: &str) -> Vec<Command> {
    match programs {
        Some(programs) => programs.iter().filter_map(|program| named(program, url)).collect(),
        None => open::commands(url).iter().flat_map(system).collect(),
    }
}

/// The reason why an opener did not accept an address; `None` if it did.
pub(super) fn refusal(program: &Path, ended: &Result<End, CommandError>) -> Option<String> {
    let name = program.file_name().unwrap_or(program.as_os_str()).display();
    match ended {
        Ok(End::Code(0)) => None,
        Ok(End::Code(code)) => Some(format!("{name} ended with code {code}{}", meaning(program, *code))),
        Ok(End::Signal(signal)) => Some(format!("{name} was ended by signal {signal}")),
        Ok(End::TimedOut) => Some(format!("{name} took too long")),
        Ok(End::Unknown) => Some(format!("{name} ended with an unknown status")),
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {
            Some(format!("{name} was not found"))
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Parses one entry of `$BROWSER`: words as in a shell, `%s` for the address, which otherwise comes last. The
/// path of a program may contain unquoted spaces and quotes.
fn named(program: &str, url: &str) -> Option<Command> {
    if Path::new(program).is_file() {
        return Some(Command::new(program).arg(url));
    }
    let by_spaces = || program.split_whitespace().map(str::to_owned).collect();
    let mut words = shlex::split(program).unwrap_or_else(by_spaces).into_iter();
    let command = words.next()?;
    let command = words.fold(Command::new(command), |command, word| command.arg(word.replace("%s", url)));
    Some(if program.contains("%s") { command } else { command.arg(url) })
}

fn system(opener: &std::process::Command) -> Vec<Command> {
    let with = |program: &Path| {
        let command = Command::new(program).args(opener.get_args());
        opener.get_envs().fold(command, |command, (name, value)| match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        })
    };
    let program = Path::new(opener.get_program());
    let mut commands = vec![with(program)];
    if program == Path::new("powershell.exe") {
        commands.push(with(Path::new(POWERSHELL)));
    }
    commands
}

/// The meaning of `xdg-open`'s exit codes; other programs have no common ones.
fn meaning(program: &Path, code: i32) -> &'static str {
    match (program.to_str(), code) {
        (Some("xdg-open"), 3) => " (no browser is installed)",
        (Some("xdg-open"), 4) => " (the browser did not start)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_the_variable_gets_the_address_once() {
        let programs = ["firefox".to_owned(), "w3m -o %s x".to_owned(), "sh --url=%s".to_owned()];
        let lines: Vec<String> =
            candidates(Some(&programs), "http://x/").iter().map(Command::display).collect();
        assert_eq!(lines, ["firefox http://x/", "w3m -o http://x/ x", "sh --url=http://x/"]);
    }

    #[test]
    fn a_program_of_the_variable_may_have_spaces_and_quotes_in_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my \"best\" browser");
        std::fs::write(&path, "").unwrap();
        let path = path.to_str().unwrap();
        let quoted = format!("{} --new %s", shlex::try_quote(path).unwrap());
        for (entry, arguments) in [(path, 1), (&*quoted, 2)] {
            let command = candidates(Some(&[entry.to_owned()]), "http://x/").remove(0);
            assert_eq!(command.program(), path, "{entry}");
            assert_eq!(command.display().matches("http://x/").count(), 1);
            assert_eq!(command.display().contains("--new"), arguments == 2);
        }
    }

    #[test]
    fn the_system_has_an_opener_that_gets_the_address() {
        let commands = candidates(None, "http://127.0.0.1:1/x");
        assert!(commands[0].display().ends_with("http://127.0.0.1:1/x"), "{}", commands[0].display());
    }

    #[test]
    fn what_an_opener_says_by_its_end_is_told() {
        let says = |code| refusal(Path::new("xdg-open"), &Ok(End::Code(code)));
        assert_eq!(says(0), None);
        assert_eq!(says(3).unwrap(), "xdg-open ended with code 3 (no browser is installed)");
        assert_eq!(refusal(Path::new("/opt/b"), &Ok(End::Code(3))).unwrap(), "b ended with code 3");
    }
}

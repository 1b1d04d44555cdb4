//! `init`: the files of a small project to begin with. What is there is never touched.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

use pipulate_core::project::AbsPath;
use pipulate_store::files;

use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;

/// The files, in the order in which a person reads them. Their sources are files too.
const FILES: [(&str, &str); 7] = [
    ("pipulate.toml", include_str!("../../starter/pipulate.toml")),
    ("requirements.txt", include_str!("../../starter/requirements.txt")),
    ("server.py", include_str!("../../starter/server.py")),
    ("notebook.ipynb", include_str!("../../starter/notebook.ipynb")),
    (".env.example", include_str!("../../starter/env.example")),
    (".gitignore", include_str!("../../starter/gitignore")),
    ("flake.nix", include_str!("../../starter/flake.nix")),
];

/// Writes what is not there, and prints which files that were.
pub(crate) fn init(context: &Context) -> Result<ExitStatus, Failure> {
    let printer = &context.printer;
    let mut kept = Vec::new();
    for (name, text) in FILES {
        if create(&context.project.layout.inside(name), text)? {
            printer.data(name)?;
        } else {
            kept.push(name);
        }
    }
    if !kept.is_empty() {
        printer.note(format!("Kept as they were: {}", kept.join(", ")));
    }
    if !ignores_secrets(&context.project.layout.inside(".gitignore")) {
        printer.hint("see that .gitignore names .env, or your secrets get into the repository");
    }
    printer.note(format!("A project to begin with: {}", context.project.layout.root()));
    printer.hint(format!("start it with: {}", context.typed("start")));
    Ok(ExitStatus::Success)
}

/// Whether one of the lines with which people keep `.env` out of git stands there.
fn ignores_secrets(gitignore: &AbsPath) -> bool {
    let lines = files::read_foreign_text(gitignore).unwrap_or_default();
    lines.lines().any(|line| [".env", "/.env", ".env*", "*.env"].contains(&line.trim_end()))
}

/// Writes a file that is not there; tells whether it did. Anything of that name counts, a link that
/// leads nowhere too.
fn create(path: &AbsPath, text: &str) -> Result<bool, Failure> {
    let failed = |error| Failure::failed(format!("could not write {path}")).cause(error);
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use pipulate_core::config::Config;

    use super::*;
    use crate::context::samples;

    #[test]
    fn what_is_there_is_never_touched() {
        let project = samples::project("# mine\n");
        let root = project.context.project.layout.root().clone();
        symlink("nowhere", root.at("server.py")).unwrap();
        fs::create_dir(root.at("flake.nix")).unwrap();
        init(&project.context).unwrap();
        assert_eq!(fs::read_to_string(root.at("pipulate.toml")).unwrap(), "# mine\n");
        assert!(!root.at("nowhere").exists());
        assert_eq!(project.printed.stdout(), "requirements.txt\nnotebook.ipynb\n.env.example\n.gitignore\n");
        let said = project.printed.stderr();
        assert!(said.contains("Kept as they were: pipulate.toml, server.py, flake.nix\n"), "{said}");
    }

    #[test]
    fn a_gitignore_that_lets_secrets_through_is_told_of_and_ours_is_not() {
        let told = |project: &samples::Project| {
            init(&project.context).unwrap();
            project.printed.stderr().contains("see that .gitignore names .env")
        };
        let ours = samples::project("");
        assert!(!told(&ours) && !told(&ours));
        let theirs = samples::project("");
        let gitignore = theirs.context.project.layout.inside(".gitignore");
        fs::write(&gitignore, ".venv/\n.env\r\n").unwrap();
        assert!(!told(&theirs));
        fs::write(&gitignore, "# .env\n.envrc\n").unwrap();
        assert!(told(&theirs));
    }

    #[test]
    fn the_starter_means_what_is_meant_without_it() {
        let starter = |name: &str| FILES.iter().find(|(file, _)| *file == name).unwrap().1;
        let config = Config::parse(starter("pipulate.toml")).unwrap();
        assert_eq!(config, Config::parse("").unwrap());
        assert!(starter("flake.nix").lines().count() <= 40);
        // Every default that the file shows is one: without the "# " it means the same.
        let lines = starter("pipulate.toml").lines().map(|line| {
            let shown = line.strip_prefix("# ").filter(|rest| rest.starts_with('[') || rest.contains(" = "));
            shown.unwrap_or(line)
        });
        Config::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    }
}

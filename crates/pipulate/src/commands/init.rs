//! `init`: writes the files of a small starter project. Existing files are never changed.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, Write as _};

use pipulate_core::config::Config;
use pipulate_core::project::AbsPath;
use pipulate_core::web_program::WebProgram;
use pipulate_environment::web_programs;
use pipulate_store::files;

use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::ui::offer;

/// The files, in the order in which a user reads them. Their sources are files too.
const FILES: [(&str, &str); 7] = [
    (CONFIG, include_str!("../../starter/pipulate.toml")),
    ("requirements.txt", include_str!("../../starter/requirements.txt")),
    (SERVER_PY, include_str!("../../starter/server.py")),
    ("notebook.ipynb", include_str!("../../starter/notebook.ipynb")),
    (".env.example", include_str!("../../starter/env.example")),
    (".gitignore", include_str!("../../starter/gitignore")),
    ("flake.nix", include_str!("../../starter/flake.nix")),
];

/// The table of the starter's `pipulate.toml` that runs its `server.py`.
const SERVER_TABLE: &str = "[services.server]\n# The web app, server.py. FastHTML restarts it by itself when you save it.\n# port = 5001\n";
const CONFIG: &str = "pipulate.toml";
const SERVER_PY: &str = "server.py";

/// The starter's `pipulate.toml` for a folder that has a web program.
fn running(program: &WebProgram, config: &Config) -> String {
    include_str!("../../starter/pipulate.toml")
        .replace(SERVER_TABLE, &program.table(web_programs::port(config)))
}

/// Writes the missing files, and prints their names.
pub(crate) fn init(context: &Context) -> Result<ExitStatus, Failure> {
    let printer = &context.printer;
    let mut kept = Vec::new();
    let config = context.config_as_read().as_ref().ok();
    let program = config.and_then(|config| web_programs::unused(&context.project.layout, config));
    for (name, text) in FILES.into_iter().filter(|(name, _)| program.is_none() || *name != SERVER_PY) {
        let text = match (&program, config, name) {
            (Some(program), Some(config), CONFIG) => Cow::Owned(running(program, config)),
            _ => Cow::Borrowed(text),
        };
        if create(&context.project.layout.inside(name), &text)? {
            printer.data(name)?;
        } else {
            kept.push(name);
        }
    }
    match (&program, config) {
        (Some(program), Some(config)) if kept.contains(&CONFIG) => offer::say(printer, config, program),
        (Some(program), _) => printer.note(format!("{CONFIG} runs {}", program.title())),
        (None, _) => {}
    }
    if !kept.is_empty() {
        printer.note(format!("Not changed: {}", kept.join(", ")));
    }
    if !ignores_secrets(&context.project.layout.inside(".gitignore")) {
        printer.hint("check that .gitignore lists .env, or your secrets get into the repository");
    }
    printer.note(format!("Created a small project: {}", context.project.layout.root()));
    printer.hint(format!("start it with: {}", context.typed("start")));
    Ok(ExitStatus::Success)
}

/// Returns true if a common pattern in it keeps `.env` out of git.
fn ignores_secrets(gitignore: &AbsPath) -> bool {
    let lines = files::read_foreign_text(gitignore).unwrap_or_default();
    lines.lines().any(|line| [".env", "/.env", ".env*", "*.env"].contains(&line.trim_end()))
}

/// Writes a new file; returns false if the name exists, even as a dangling link.
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
        assert!(said.contains("Not changed: pipulate.toml, server.py, flake.nix\n"), "{said}");
    }

    #[test]
    fn where_a_web_program_is_the_configuration_runs_it_and_no_server_py_is_written() {
        let project = samples::project("");
        let root = project.context.project.layout.root().clone();
        fs::remove_file(root.at(CONFIG)).unwrap();
        fs::write(root.at("app.py"), "from flask import Flask\napp = Flask(__name__)\n").unwrap();
        init(&project.context).unwrap();
        assert!(!root.at(SERVER_PY).exists());
        let config = Config::parse(&fs::read_to_string(root.at(CONFIG)).unwrap()).unwrap();
        assert_eq!(
            config.service("server").unwrap().command.as_ref().unwrap()[..3],
            ["flask", "--app", "app:app"]
        );
        assert!(project.printed.stderr().contains("pipulate.toml runs app.py (Flask)"));
        // An existing file is kept, and the lines are shown.
        let theirs = samples::project("# mine\n");
        fs::write(theirs.context.project.layout.inside("app.py"), "import gradio\n").unwrap();
        init(&theirs.context).unwrap();
        assert!(theirs.printed.stderr().contains("GRADIO_SERVER_PORT"), "{}", theirs.printed.stderr());
    }

    #[test]
    fn a_gitignore_that_lets_secrets_through_is_told_of_and_ours_is_not() {
        let told = |project: &samples::Project| {
            init(&project.context).unwrap();
            project.printed.stderr().contains("check that .gitignore lists .env")
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
        // Every default in the file is correct: without the "# " the meaning is unchanged.
        let lines = starter("pipulate.toml").lines().map(|line| {
            let shown = line.strip_prefix("# ").filter(|rest| rest.starts_with('[') || rest.contains(" = "));
            shown.unwrap_or(line)
        });
        Config::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    }
}

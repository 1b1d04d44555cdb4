//! The documentation is true: every command in it runs here.
//!
//! The `sh` blocks of a page are one script, run in order, in a folder of their own. A comment above a block
//! changes that: `<!-- file: NAME -->` writes the block to a file, `<!-- append: NAME -->` appends it to one,
//! and `<!-- not run: REASON -->` says why it isn't run here, or which test runs it instead.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::ports::DefaultPorts;
use crate::support::project::PIPULATE;
use crate::support::{TestProject, run};

/// The port in pages that choose one.
const PORT: &str = "9000";
/// The folder is made here, with the tests' Python environment in it.
const MAKES_THE_FOLDER: &str = "mkdir my-project && cd my-project\n";

#[test]
fn the_readme_is_followed() {
    follow("README.md");
}

#[test]
fn the_tutorial_is_followed() {
    follow("docs/tutorial.md");
}

#[test]
fn the_page_about_services_is_followed() {
    follow("docs/services.md");
}

#[test]
fn the_short_pages_are_followed() {
    for page in ["assistants", "editors", "logs", "packages", "stopping", "trouble"] {
        follow(&format!("docs/{page}.md"));
    }
}

/// Every page is either run above or has no commands.
#[test]
fn no_page_is_forgotten() {
    let followed = include_str!("documents.rs");
    for page in pages() {
        let name = page.file_stem().unwrap().to_str().unwrap();
        let is_followed =
            followed.contains(&format!("\"docs/{name}.md\"")) || followed.contains(&format!("\"{name}\""));
        let has_commands = blocks(&text_of(&page)).iter().any(|block| block.is_run());
        assert!(
            is_followed || name == "README" || !has_commands,
            "{} is followed by no test",
            page.display()
        );
    }
}

#[test]
fn every_command_that_is_mentioned_exists() {
    let project = TestProject::light().build();
    let mut commands = BTreeSet::new();
    for page in pages().into_iter().chain([checkout().join("README.md"), checkout().join("AGENTS.md")]) {
        let text = text_of(&page);
        let inline =
            text.split('`').skip(1).step_by(2).filter(|code| !code.contains('\n')).map(str::to_owned);
        let lines = blocks(&text).into_iter().filter(|block| block.language == "sh");
        let lines: Vec<String> =
            lines.flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        commands.extend(inline.chain(lines).filter_map(|code| Some(words(&code)?.join(" "))));
    }
    assert!(commands.len() > 40, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        // Arguments are parsed before the help is shown: an unknown option is an error.
        project.run(&[words.as_slice(), &["--help"]].concat()).expect(0);
    }
}

/// The arguments of a mentioned `pipulate …`, without shell syntax and without another program's arguments.
fn words(code: &str) -> Option<Vec<String>> {
    let arguments = code.trim().strip_prefix("pipulate ")?;
    let end = [" -- ", " #", " |", " >", "; "].iter().filter_map(|end| arguments.find(end)).min();
    let arguments = &arguments[..end.unwrap_or(arguments.len())];
    let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    let stands_for_any = words.first().is_none_or(|verb| matches!(verb.as_str(), "COMMAND" | "…" | "help"));
    (!stands_for_any).then_some(words)
}

/// A fenced block of a page.
struct Block {
    /// The comment above it, such as `file: app.py`.
    comment: String,
    language: String,
    text: String,
}

impl Block {
    fn is_run(&self) -> bool {
        self.language == "sh" && !self.comment.starts_with("not run: ")
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut comment, mut open) = (String::new(), None::<Block>);
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let comment = std::mem::take(&mut comment);
                open = Some(Block { comment, language: language.to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) => {
                let said = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
                comment = said.unwrap_or_default().to_owned();
            }
        }
    }
    blocks
}

/// Runs the page's commands in a shell, in a folder that has only a Python environment.
#[track_caller]
fn follow(page: &str) {
    let _ports = DefaultPorts::take();
    let project = TestProject::builder().named("my-project").build();
    fs::remove_file(project.path("pipulate.toml")).unwrap();
    let mut script = "set -euo pipefail\n".to_owned();
    for block in blocks(&text_of(&checkout().join(page))) {
        let text = block.text.replace(PORT, &project.port("dashboard").to_string());
        let redirection = [("file: ", ">"), ("append: ", ">>")]
            .into_iter()
            .find_map(|(what, redirection)| Some((redirection, block.comment.strip_prefix(what)?)));
        match redirection {
            Some((redirection, file)) => {
                script += &format!("cat {redirection} {file} <<'END OF FILE'\n{text}END OF FILE\n")
            }
            None if block.is_run() => script += &text.replace(MAKES_THE_FOLDER, ""),
            None => {}
        }
    }
    let bin = project.home().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(PIPULATE, bin.join("pipulate")).unwrap();
    let mut shell = project.foreign("bash");
    shell.args(["-x", "-c", &script]);
    shell.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    run::output(&mut shell).expect(0);
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The handwritten user pages of `docs/`.
fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(checkout().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

fn text_of(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

//! The documentation as a website: `mdbook` over a copy of `docs/`, into `target/book`. Its pages load
//! nothing from the network.
//!
//! `docs/SUMMARY.md` is the order of the pages. The decisions are listed once, in `docs/adr/README.md`; here
//! each is added below that page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{run, say};

const MDBOOK: &str = "mdbook@0.5.4";
const DECISIONS: &str = "adr/README.md";

const BOOK: &str = "[book]
title = \"Pipulate\"
language = \"en\"
src = \"docs\"

[output.html]
no-section-label = true
";

/// Builds the pages; installs `mdbook` into `target/tools` if it is not on `PATH`.
///
/// # Errors
/// `mdbook` can't be installed or refuses a page, or a file can't be read or written.
pub(crate) fn run() -> Result<ExitCode> {
    let target = run::root().join("target");
    let mdbook = mdbook(&target)?;
    let source = target.join("book-source");
    if source.exists() {
        fs::remove_dir_all(&source).context("could not clear target/book-source")?;
    }
    let docs = source.join("docs");
    copy(&run::root().join("docs"), &docs)?;
    let summary = docs.join("SUMMARY.md");
    let text = fs::read_to_string(&summary).context("could not read docs/SUMMARY.md")?;
    fs::write(&summary, with_decisions(&text, &decisions(&docs)?)).context("could not write SUMMARY.md")?;
    fs::write(source.join("book.toml"), BOOK).context("could not write book.toml")?;
    run::check(run::program(mdbook).arg("build").arg(&source).arg("--dest-dir").arg(target.join("book")))?;
    say::result("target/book/index.html");
    Ok(ExitCode::SUCCESS)
}

fn mdbook(target: &Path) -> Result<PathBuf> {
    if let Some(found) = run::find("mdbook") {
        return Ok(found);
    }
    let tools = target.join("tools/mdbook");
    let program = tools.join("bin/mdbook");
    if !program.is_file() {
        let features = ["--no-default-features", "--features", "search"];
        run::check(run::cargo().args(["install", "--locked", MDBOOK, "--root"]).arg(&tools).args(features))?;
    }
    Ok(program)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("could not list {}", from.display()))? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to)?;
        } else {
            fs::copy(&path, &to).with_context(|| format!("could not copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// Each decision's file and title, in order.
fn decisions(docs: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(docs.join("adr")).context("could not list docs/adr")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
        found.push((name, title.to_owned()));
    }
    found.sort();
    Ok(found)
}

fn with_decisions(summary: &str, decisions: &[(String, String)]) -> String {
    let line = |(name, title): &(String, String)| format!("  - [{title}](adr/{name})\n");
    let (before, after) = summary.split_at(
        summary
            .find(DECISIONS)
            .and_then(|at| Some(at + summary[at..].find('\n')? + 1))
            .unwrap_or(summary.len()),
    );
    before.to_owned() + &decisions.iter().map(line).collect::<String>() + after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_stand_below_their_index() {
        let summary = "- [Decisions](adr/README.md)\n- [Last](last.md)\n";
        let decisions = [("0001-one.md".to_owned(), "0001: One".to_owned())];
        assert_eq!(
            with_decisions(summary, &decisions),
            "- [Decisions](adr/README.md)\n  - [0001: One](adr/0001-one.md)\n- [Last](last.md)\n"
        );
    }
}

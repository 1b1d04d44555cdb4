//! Rules about documents and the end-to-end tests: every page is listed, every test compiled,
//! every link valid.

use std::path::Path;

use super::TextFile;

/// A longer document would not be read.
const ARCHITECTURE_LINES: usize = 250;

/// Every complaint about documents and undeclared tests.
pub(super) fn check(root: &Path, files: &[TextFile]) -> Vec<String> {
    let mut complaints = check_architecture(files);
    complaints.extend(check_adrs(files));
    complaints.extend(check_summary(files));
    complaints.extend(check_tests(files));
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        complaints.extend(check_links(root, file));
    }
    complaints
}

fn check_architecture(files: &[TextFile]) -> Vec<String> {
    let path = "docs/ARCHITECTURE.md";
    let Some(text) = text_of(files, path) else { return vec![format!("{path}: missing")] };
    let mut complaints = Vec::new();
    let lines = text.lines().count();
    if lines > ARCHITECTURE_LINES {
        complaints.push(format!("{path}: {lines} lines, more than {ARCHITECTURE_LINES}; say less"));
    }
    let manifests = files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml"));
    let unnamed = manifests
        .filter_map(|folder| folder.rsplit('/').next())
        .filter(|name| !text.contains(&format!("`{name}`")));
    complaints.extend(unnamed.map(|name| format!("{path}: does not name the crate `{name}`")));
    complaints
}

fn check_adrs(files: &[TextFile]) -> Vec<String> {
    let index = text_of(files, "docs/adr/README.md").unwrap_or_default();
    let adrs = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("docs/adr/"))
        .filter(|name| *name != "README.md");
    let unlinked = adrs.filter(|name| !index.contains(&format!("({name})")));
    unlinked.map(|name| format!("docs/adr/{name}: not linked from docs/adr/README.md")).collect()
}

/// A page that the summary doesn't list is not in the book.
fn check_summary(files: &[TextFile]) -> Vec<String> {
    let summary = text_of(files, "docs/SUMMARY.md").unwrap_or_default();
    let pages = files.iter().filter_map(|file| file.path.strip_prefix("docs/"));
    let pages = pages.filter(|name| name.ends_with(".md") && *name != "SUMMARY.md");
    let unlinked = pages.filter(|name| !name.starts_with("adr/0") && !summary.contains(&format!("({name})")));
    unlinked.map(|name| format!("docs/{name}: not linked from docs/SUMMARY.md")).collect()
}

/// An undeclared test file is silently not compiled.
fn check_tests(files: &[TextFile]) -> Vec<String> {
    let undeclared = files.iter().filter_map(|file| {
        let (package, name) = file.path.split_once("tests/it/")?;
        let module = name.strip_suffix("/mod.rs").or(name.strip_suffix(".rs"))?;
        if module == "main" || module.contains('/') {
            return None;
        }
        let main = format!("{package}tests/it/main.rs");
        let declaration = format!("mod {module};");
        let declared = text_of(files, &main).unwrap_or_default().lines().any(|line| line == declaration);
        (!declared).then(|| format!("{}: not declared in {main}; add: {declaration}", file.path))
    });
    undeclared.collect()
}

/// Complains about broken links inside the repository.
fn check_links(root: &Path, file: &TextFile) -> Vec<String> {
    let folder = root.join(&file.path).parent().map(Path::to_owned).unwrap_or_default();
    let targets = file.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
    let local = targets.filter(|target| !target.is_empty() && !target.contains("://"));
    local
        .filter(|target| !folder.join(target).exists())
        .map(|target| format!("{}: links to {target}, which is not there", file.path))
        .collect()
}

fn text_of<'files>(files: &'files [TextFile], path: &str) -> Option<&'files str> {
    files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Vec<TextFile> {
        let file =
            |(path, text): &(&str, &str)| TextFile::new((*path).to_owned(), (*text).to_owned()).unwrap();
        files.iter().map(file).collect()
    }

    #[test]
    fn an_undeclared_test_and_an_unlinked_decision_are_named() {
        let main = ("tests/it/main.rs", "//! Tests.\nmod start;\nmod support;\n");
        let tests =
            [main, ("tests/it/start.rs", ""), ("tests/it/lost.rs", ""), ("tests/it/support/mod.rs", "")];
        assert_eq!(check_tests(&files(&tests)).len(), 1);
        let index = ("docs/adr/README.md", "[one](0001-one.md)");
        let decisions = [index, ("docs/adr/0001-one.md", ""), ("docs/adr/0002-two.md", "")];
        assert_eq!(check_adrs(&files(&decisions)).len(), 1);
        let summary = ("docs/SUMMARY.md", "- [Logs](logs.md)\n");
        let pages = [summary, ("docs/logs.md", ""), ("docs/lost.md", ""), ("docs/adr/0001-one.md", "")];
        assert_eq!(check_summary(&files(&pages)), ["docs/lost.md: not linked from docs/SUMMARY.md"]);
    }

    #[test]
    fn the_map_names_every_crate() {
        let map = ("docs/ARCHITECTURE.md", "`pipulate-core` and others");
        let crates = [map, ("crates/pipulate-core/Cargo.toml", ""), ("crates/pipulate-web/Cargo.toml", "")];
        assert_eq!(
            check_architecture(&files(&crates)),
            ["docs/ARCHITECTURE.md: does not name the crate `pipulate-web`"]
        );
    }
}

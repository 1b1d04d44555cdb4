//! The allowed dependencies between crates: the tables under "Arrows" in docs/ARCHITECTURE.md, compared with
//! cargo's metadata.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use super::TextFile;
use crate::run;

/// The first line of that table.
const HEADING: &str = "| crate | may depend on | never depends on |";

/// Returns each dependency that the table does not allow.
///
/// # Errors
/// Cargo could not describe the workspace.
pub(super) fn check(files: &[TextFile]) -> Result<Vec<String>> {
    let described =
        run::output(run::cargo().args(["metadata", "--no-deps", "--offline", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_slice(&described.stdout).context("cargo metadata is not JSON")?;
    let map = files.iter().find(|file| file.path == "docs/ARCHITECTURE.md");
    Ok(complaints(&packages(&metadata), &arrows(map.map_or("", |file| &file.text))))
}

/// A package of the workspace with its dependencies.
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    is_ours: bool,
    only_for_tests: bool,
}

/// One row of the table.
struct Arrows {
    allowed: BTreeSet<String>,
    forbidden: BTreeSet<String>,
}

fn complaints(packages: &[Package], arrows: &BTreeMap<String, Arrows>) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages {
        let name = &package.name;
        let Some(row) = arrows.get(name) else {
            complaints.push(format!("docs/ARCHITECTURE.md: no row for {name} in the table of arrows"));
            continue;
        };
        for dependency in &package.dependencies {
            let wrong_arrow = dependency.is_ours && !row.allowed.contains(&dependency.name);
            let foreign = !dependency.only_for_tests && row.forbidden.contains(&dependency.name);
            if wrong_arrow || foreign {
                complaints.push(format!(
                    "{name} depends on {}, which docs/ARCHITECTURE.md does not allow; move the code to where it may",
                    dependency.name
                ));
            }
        }
    }
    complaints
}

fn packages(metadata: &Value) -> Vec<Package> {
    let package = |package: &Value| Package {
        name: text(&package["name"]),
        dependencies: list(&package["dependencies"]).iter().map(dependency).collect(),
    };
    list(&metadata["packages"]).iter().map(package).collect()
}

fn dependency(dependency: &Value) -> Dependency {
    Dependency {
        name: text(&dependency["name"]),
        is_ours: dependency["path"].is_string(),
        only_for_tests: dependency["kind"] == "dev",
    }
}

/// The rows of the table: in each cell the names are between backticks.
fn arrows(document: &str) -> BTreeMap<String, Arrows> {
    let rows =
        document.lines().skip_while(|line| *line != HEADING).skip(2).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| {
        let mut cells = row.split('|').skip(1).map(names);
        let name = cells.next()?.into_iter().next()?;
        Some((name, Arrows { allowed: cells.next()?, forbidden: cells.next()? }))
    })
    .collect()
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "text\n| crate | may depend on | never depends on |\n|---|---|---|\n\
                         | `core` | – | `tokio` `clap` |\n| `store` | `core` | `clap` |\n\nmore\n";

    fn package(name: &str, dependencies: &[(&str, bool, bool)]) -> Package {
        let dependencies = dependencies.iter().map(|&(name, is_ours, only_for_tests)| Dependency {
            name: name.to_owned(),
            is_ours,
            only_for_tests,
        });
        Package { name: name.to_owned(), dependencies: dependencies.collect() }
    }

    #[test]
    fn arrows_that_the_table_allows_draw_no_complaint() {
        let packages = [
            package("core", &[("serde", false, false), ("tokio", false, true)]),
            package("store", &[("core", true, false)]),
        ];
        assert_eq!(complaints(&packages, &arrows(TABLE)), [""; 0]);
    }

    #[test]
    fn a_wrong_arrow_a_forbidden_crate_and_an_unlisted_crate_are_named() {
        let upward = package("core", &[("store", true, false)]);
        let foreign = package("store", &[("clap", false, false)]);
        let for_tests = package("core", &[("store", true, true)]);
        let unlisted = package("web", &[]);
        for package in [upward, foreign, for_tests, unlisted] {
            assert_eq!(complaints(&[package], &arrows(TABLE)).len(), 1);
        }
    }
}

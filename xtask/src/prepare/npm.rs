//! Packages from npm, each in a folder of `target/`, installed without their scripts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{run, say};

/// Returns the folder of a package, `NAME@VERSION`; installs it unless this version is there.
///
/// # Errors
/// It could not be installed.
pub(crate) fn package(root: &Path, package: &str) -> Result<PathBuf> {
    let (name, version) = package.rsplit_once('@').unwrap_or((package, ""));
    let folder = root.join("target/npm").join(name);
    let installed = folder.join("node_modules").join(name);
    let manifest = fs::read(installed.join("package.json")).unwrap_or_default();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap_or_default();
    if manifest["version"] != version {
        say::progress(&format!("Fetching {package} (once): target/npm"));
        fs::create_dir_all(&folder).context("could not make target/npm")?;
        let mut npm = run::program("npm");
        npm.args(["install", "--silent", "--no-save", "--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(package);
        run::check(&mut npm)?;
    }
    Ok(installed)
}

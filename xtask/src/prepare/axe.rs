//! axe-core, which finds what keeps people out of a page: one script, from npm, in `target/axe`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{run, say};

const PACKAGE: &str = "axe-core@4.14.1";

/// The script; `None` if it could not be had, which the test that needs it says itself.
pub(super) fn script(root: &Path) -> Option<PathBuf> {
    let folder = root.join("target/axe");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if script.is_file() {
        return Some(script);
    }
    say::progress("Fetching axe-core for the tests (once): target/axe");
    let install = || {
        fs::create_dir_all(&folder)?;
        let mut npm = run::program("npm");
        npm.args(["install", "--silent", "--no-save", "--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(PACKAGE);
        run::check(&mut npm)
    };
    match install() {
        Ok(()) => Some(script),
        Err(error) => {
            say::progress(&format!("warning: the test of the pages' accessibility needs it: {error:#}"));
            None
        }
    }
}

//! axe-core, which finds accessibility problems of a page: one script, from npm.

use std::path::{Path, PathBuf};

use super::npm;
use crate::say;

const PACKAGE: &str = "axe-core@4.14.1";

/// The script; `None` if it is not available, which the test that needs it reports.
pub(super) fn script(root: &Path) -> Option<PathBuf> {
    match npm::package(root, PACKAGE) {
        Ok(folder) => Some(folder.join("axe.min.js")),
        Err(error) => {
            say::progress(&format!("warning: the test of the pages' accessibility needs it: {error:#}"));
            None
        }
    }
}

//! What rustup installs: the standard library for other systems and processors.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::run;

/// Installs Rust's standard library for a target by rustup, if it is missing.
///
/// # Errors
/// There is no rustup, or it failed.
pub(crate) fn standard_library(triple: &str) -> Result<()> {
    let sysroot = run::output(run::program("rustc").args(["--print", "sysroot"]))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib").join(triple).join("lib").is_dir() {
        return Ok(());
    }
    ensure!(
        run::find("rustup").is_some(),
        "Rust's standard library for {triple} is missing in {}, and there is no rustup to install it",
        sysroot.display()
    );
    run::check(run::program("rustup").args(["target", "add", triple]))
}

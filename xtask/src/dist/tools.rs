//! `target/dist-tools`: maturin and zig, from PyPI, in the versions that are known to work.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::prepare::python;
use crate::run;

const PACKAGES: [&str; 2] = ["maturin==1.16.0", "ziglang==0.17.1"];

/// The programs that build and pack.
pub(super) struct Tools {
    bin: PathBuf,
}

impl Tools {
    /// Installs what is missing.
    ///
    /// # Errors
    /// There is no Python, or the packages could not be installed.
    pub(super) fn prepare() -> Result<Self> {
        let venv = run::root().join("target/dist-tools");
        let (bin, stamp) = (venv.join("bin"), venv.join("complete"));
        // A venv can't be moved.
        let wanted = format!("{}\n{}\n", venv.display(), PACKAGES.join("\n"));
        if fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
            return Ok(Self { bin });
        }
        let _none_yet = fs::remove_dir_all(&venv);
        let interpreter =
            python::interpreter().context("Python 3.10 or later with its venv module is needed")?;
        run::output(python::python(&interpreter).args(["-m", "venv"]).arg(&venv))?;
        python::install(run::root(), &bin.join("python"), &PACKAGES.map(AsRef::as_ref))?;
        fs::write(&stamp, wanted).context("could not write the stamp of target/dist-tools")?;
        Ok(Self { bin })
    }

    /// maturin, which finds zig beside it; both keep what they make below `target/`.
    pub(super) fn maturin(&self) -> Command {
        let mut maturin = run::program(self.bin.join("maturin"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.bin.clone()).chain(std::env::split_paths(&path));
        maturin.env("PATH", std::env::join_paths(path).unwrap_or_default());
        maturin.env_remove("VIRTUAL_ENV").env_remove("PYTHONHOME").env_remove("PYTHONPATH");
        let cache = run::root().join("target/dist-cache");
        maturin.env("CARGO_ZIGBUILD_CACHE_DIR", cache.join("zigbuild"));
        for name in ["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"] {
            maturin.env(name, cache.join("zig"));
        }
        maturin
    }
}

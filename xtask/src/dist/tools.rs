//! `target/dist-tools`: maturin and zig, from PyPI, in tested versions.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::prepare::python;
use crate::run;

const MATURIN: &str = "maturin==1.16.0";
const ZIG: &str = "ziglang==0.17.1";

/// The programs that build and pack.
pub(super) struct Tools {
    bin: PathBuf,
}

impl Tools {
    /// Installs missing tools; zig, which is large, only if required.
    ///
    /// # Errors
    /// There is no Python, or the packages could not be installed.
    pub(super) fn prepare(with_zig: bool) -> Result<Self> {
        let venv = run::root().join("target/dist-tools");
        let (bin, stamp) = (venv.join("bin"), venv.join("complete"));
        // A venv can't be moved.
        let wanted = |packages: &[&str]| format!("{}\n{}\n", venv.display(), packages.join("\n"));
        let all = [MATURIN, ZIG];
        let needed = if with_zig { &all[..] } else { &all[..1] };
        if fs::read_to_string(&stamp).is_ok_and(|has| has == wanted(needed) || has == wanted(&all)) {
            return Ok(Self { bin });
        }
        let _none_yet = fs::remove_dir_all(&venv);
        let interpreter =
            python::interpreter().context("Python 3.10 or later with its venv module is needed")?;
        run::output(python::python(&interpreter).args(["-m", "venv"]).arg(&venv))?;
        let packages: Vec<&OsStr> = needed.iter().map(OsStr::new).collect();
        python::install(run::root(), &bin.join("python"), &packages)?;
        fs::write(&stamp, wanted(needed)).context("could not write the stamp of target/dist-tools")?;
        Ok(Self { bin })
    }

    /// Returns the folder of zig and of what it links into a program.
    ///
    /// # Errors
    /// It is not installed.
    pub(super) fn zig(&self) -> Result<PathBuf> {
        let ask = ["-c", "import ziglang; print(ziglang.__path__[0])"];
        let said = run::output(python::python(&self.bin.join("python")).args(ask))?.stdout;
        Ok(PathBuf::from(String::from_utf8_lossy(&said).trim()))
    }

    /// maturin, which finds zig beside it; both keep their files below `target/`.
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

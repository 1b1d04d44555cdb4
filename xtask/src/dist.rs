//! `target/dist/`: packages for users without Rust. A wheel, an sdist, a tarball, and their checksums.
//!
//! The sdist comes first, and the wheel is built from the unpacked sdist: a missing file fails here.
//! maturin builds and packs, zig links. On Linux the program is static, with musl, and runs on any distribution.

mod source;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::prepare::rust;
use crate::{licenses, run, say, suite};
use source::Source;
use tools::Tools;

/// The options of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A target of the program; by default this machine's, static on Linux
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// As the tests' own program is built: not optimized, for this machine only, under target/dist-quick
    #[arg(long, conflicts_with = "target")]
    quick: bool,
    /// Install each of them and use it, as the end-to-end tests `artefacts::` do
    #[arg(long)]
    test: bool,
}

/// The oldest glibc that a program which is linked with it runs with; maturin checks that no symbol is newer.
const GLIBC: &str = "manylinux_2_17";

/// Where a static program runs: with any glibc that installers know, and with musl.
const ANYWHERE: [&str; 2] = [GLIBC, "musllinux_1_1"];

/// How the program is built.
enum Build {
    /// As for users: optimized, for a target, linked by zig.
    Release { target: String },
    /// As the tests' own program, for this machine only.
    Quick,
}

/// Builds everything and prints the paths.
///
/// # Errors
/// A tool could not be installed, or a step failed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let (folder, build) = match options.quick {
        true => ("target/dist-quick", Build::Quick),
        false => {
            let target = match &options.target {
                Some(target) => target.clone(),
                None => licenses::host()?.replace("-linux-gnu", "-linux-musl"),
            };
            ("target/dist", Build::Release { target })
        }
    };
    let folder = run::root().join(folder);
    for path in make(&folder, &build)? {
        say::result(&path.display().to_string());
    }
    if !options.test {
        return Ok(ExitCode::SUCCESS);
    }
    install_by_cargo(&folder)?;
    suite::run_artefacts(&folder)
}

/// Installs the unpacked sdist into `cargo/` in `folder`, not optimized, so that it shares a
/// quick wheel's build.
fn install_by_cargo(folder: &Path) -> Result<()> {
    say::progress("cargo install, from the unpacked sdist");
    let sdist = only(&stage(folder).join("sdist"), "")?;
    let mut install = run::cargo();
    install.args(["install", "--quiet", "--locked", "--debug", "--force", "--path"]);
    install.arg(sdist.join("crates/pipulate")).arg("--root").arg(folder.join("cargo"));
    run::check(install.env("CARGO_TARGET_DIR", target_dir()))
}

/// The build folder of all of them. Not in `target/`: cargo would take the packages there for the workspace's
/// and miss changes to those.
fn target_dir() -> PathBuf {
    run::root().join("target/dist-build")
}

/// Builds and installs the packages of [`Build::Quick`].
///
/// # Errors
/// As [`run`].
pub(crate) fn run_quick_tests() -> Result<ExitCode> {
    run(&Options { target: None, quick: true, test: true })
}

fn make(folder: &Path, build: &Build) -> Result<Vec<PathBuf>> {
    let tools = Tools::prepare(matches!(build, Build::Release { .. }))?;
    let work = stage(folder);
    let _none_yet = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    let zig = build.target().filter(|target| target.contains("-linux-")).map(|_| tools.zig()).transpose()?;
    let licenses = licenses::write(build.target(), zig.as_deref())?;
    let source = Source::stage(&work.join("source"), &licenses)?;
    say::progress("sdist");
    run::output(tools.maturin().arg("sdist").arg("--out").arg(folder).current_dir(source.folder()))?;
    let sdist = only(folder, ".tar.gz")?;
    let unpacked = unpack(&sdist, &work.join("sdist"))?;
    say::progress("wheel, from the unpacked sdist");
    let program = build.wheel(&tools, &unpacked, folder)?;
    let wheel = only(folder, ".whl")?;
    say::progress("tarball");
    let name = format!(
        "pipulate-{}-{}",
        source.version(),
        build.target().map_or_else(licenses::host, |target| Ok(target.to_owned()))?
    );
    let tarball = pack(&name, &program, &source, &work, folder)?;
    let mut made = vec![wheel, sdist, tarball];
    made.push(write_sums(folder, &made)?);
    Ok(made)
}

impl Build {
    fn target(&self) -> Option<&str> {
        match self {
            Self::Release { target } => Some(target),
            Self::Quick => None,
        }
    }

    /// Builds the wheel into `folder`, and returns the path of the program in it.
    fn wheel(&self, tools: &Tools, source: &Path, folder: &Path) -> Result<PathBuf> {
        let mut maturin = tools.maturin();
        let built = target_dir();
        maturin.arg("build").arg("--out").arg(folder).current_dir(source).env("CARGO_TARGET_DIR", &built);
        let built = match self {
            Self::Release { target } => {
                rust::standard_library(target)?;
                maturin.args(["--release", "--target", target]);
                if target.contains("-linux-gnu") {
                    maturin.args(["--zig", "--compatibility", GLIBC]);
                } else if target.contains("-linux-musl") {
                    maturin.args(["--zig", "--compatibility"]).args(ANYWHERE);
                }
                built.join(target).join("release")
            }
            Self::Quick => {
                maturin.args(["--profile", "dev", "--compatibility", "linux"]);
                built.join("debug")
            }
        };
        run::check(&mut maturin)?;
        Ok(built.join("pipulate"))
    }
}

/// The folder of intermediate files, beside `folder`.
fn stage(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}-stage"))
}

/// The only file in a folder whose name has this ending.
fn only(folder: &Path, end: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    let mut found = entries.flatten().map(|entry| entry.path());
    found
        .find(|path| path.to_string_lossy().ends_with(end))
        .with_context(|| format!("there is no *{end} in {}", folder.display()))
}

/// Unpacks an archive with one folder in it, and returns that folder. Its files get the current time: with
/// the archive's times, cargo would not rebuild what it built of an earlier archive.
fn unpack(archive: &Path, into: &Path) -> Result<PathBuf> {
    let _none_yet = fs::remove_dir_all(into);
    fs::create_dir_all(into).with_context(|| format!("could not make {}", into.display()))?;
    run::output(run::program("tar").arg("-xzmf").arg(archive).arg("-C").arg(into))?;
    let name = archive.file_name().unwrap_or_default().to_string_lossy().replace(".tar.gz", "");
    let folder = into.join(name);
    ensure!(folder.is_dir(), "{} has no folder {}", archive.display(), folder.display());
    Ok(folder)
}

/// Packs the program with its licenses and documentation.
fn pack(name: &str, program: &Path, source: &Source, work: &Path, folder: &Path) -> Result<PathBuf> {
    let staged = work.join(name);
    let _none_yet = fs::remove_dir_all(&staged);
    fs::create_dir_all(&staged).with_context(|| format!("could not make {}", staged.display()))?;
    let copy = |from: &Path| {
        let to = staged.join(from.file_name().unwrap_or_default());
        fs::copy(from, to).with_context(|| format!("could not copy {}", from.display()))
    };
    copy(program)?;
    for file in ["README.md", "LICENSE", source::LICENSES] {
        copy(&source.folder().join(file))?;
    }
    let tarball = folder.join(format!("{name}.tar.gz"));
    let mut tar: Command = run::program("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.arg(format!("--mtime=@{}", source.time()));
    run::output(tar.arg("-czf").arg(&tarball).arg("-C").arg(work).arg(name))?;
    Ok(tarball)
}

/// Writes checksums in the format of `sha256sum`.
fn write_sums(folder: &Path, files: &[PathBuf]) -> Result<PathBuf> {
    let mut sums = String::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        sums += &format!("{digest}  {}\n", file.file_name().unwrap_or_default().to_string_lossy());
    }
    let path = folder.join("SHA256SUMS");
    fs::write(&path, sums).with_context(|| format!("could not write {}", path.display()))?;
    Ok(path)
}

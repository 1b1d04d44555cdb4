//! `target/macos/`: the program for macOS, checked and linked on any machine, but not run.
//!
//! rustup provides the standard library for both processors, and zig (from PyPI) a linker, a C
//! compiler and Apple's public headers. Linking does not need Apple's frameworks: a stub names the
//! symbols that are used from each.

mod mach_o;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::prepare::{python, rust};
use crate::{run, say};

/// The oldest macOS that the program starts on.
const DEPLOYMENT_TARGET: &str = "12.0";
const ZIG: &str = "ziglang==0.17.1";

/// The processors by Rust's names, with their Mach-O numbers.
const PROCESSORS: [(&str, u32); 2] = [("aarch64", 0x0100_000c), ("x86_64", 0x0100_0007)];

/// Compared with Apple's headers by the C compiler.
const LAYOUT: &str = include_str!("macos/layout.c");

/// Frameworks and libraries, with the stubs that name their symbols.
const STUBS: [(&str, &str); 4] = [
    ("CoreFoundation.framework/CoreFoundation.tbd", include_str!("macos/sdk/CoreFoundation.tbd")),
    ("IOKit.framework/IOKit.tbd", include_str!("macos/sdk/IOKit.tbd")),
    ("Security.framework/Security.tbd", include_str!("macos/sdk/Security.tbd")),
    ("libiconv.tbd", include_str!("macos/sdk/libiconv.tbd")),
];

/// The options of `cargo xtask macos`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Compare layouts and check with clippy for Apple silicon; link nothing
    #[arg(long)]
    pub(crate) check: bool,
}

/// Checks, and links for both processors; prints the paths of the programs.
///
/// # Errors
/// A tool is missing and can't be installed, or a step failed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let tools = Tools::prepare()?;
    say::progress("layouts of Darwin's structures");
    tools.compare_layouts()?;
    let (first, _) = PROCESSORS[0];
    say::progress("clippy for macOS");
    let mut clippy = tools.cargo("clippy", first);
    clippy.args(["--workspace", "--exclude", "xtask", "--", "-D", "warnings"]);
    run::check(&mut clippy)?;
    if options.check {
        return Ok(ExitCode::SUCCESS);
    }
    for (processor, number) in PROCESSORS {
        say::progress(&format!("link for macOS on {processor}"));
        run::check(tools.cargo("build", processor).args(["--package", "pipulate"]))?;
        let program = target_folder().join(triple(processor)).join("debug/pipulate");
        let bytes = fs::read(&program).with_context(|| format!("could not read {}", program.display()))?;
        mach_o::check(&bytes, number, DEPLOYMENT_TARGET)
            .with_context(|| format!("{} is not what was asked for", program.display()))?;
        say::result(&program.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn triple(processor: &str) -> String {
    format!("{processor}-apple-darwin")
}

fn target_folder() -> PathBuf {
    run::root().join("target/macos")
}

/// The tools that check and link.
struct Tools {
    zig: PathBuf,
    /// Wrapper scripts that call zig as cargo calls a compiler and a linker.
    bin: PathBuf,
}

impl Tools {
    /// Installs missing tools.
    fn prepare() -> Result<Self> {
        for (processor, _) in PROCESSORS {
            rust::standard_library(&triple(processor))?;
        }
        let interpreter = python::interpreter().context("Python 3.10 or later is needed")?;
        let zig = python::tool(run::root(), &interpreter, ZIG)?.join("ziglang/zig");
        let tools = Self { zig, bin: target_folder().join("tools") };
        tools.write()?;
        Ok(tools)
    }

    fn write(&self) -> Result<()> {
        for (name, stub) in STUBS {
            write(&self.bin.join("sdk").join(name), stub)?;
        }
        let zig = self.zig.display();
        for (processor, _) in PROCESSORS {
            let target = format!("{processor}-macos.{DEPLOYMENT_TARGET}");
            let sdk = self.bin.join("sdk").display().to_string();
            // rustc and the crate cc use target names that zig does not know.
            let call = format!(
                "#!/bin/bash\nwords=()\nfor word in \"$@\"; do\n    case $word in\n        \
                 -arch | arm64 | x86_64 | --target=* | -mmacosx-version-min=*) ;;\n        \
                 *) words+=(\"$word\") ;;\n    esac\ndone\nexec '{zig}' cc -target {target}"
            );
            write_program(&self.bin.join(format!("cc-{processor}")), &format!("{call} \"${{words[@]}}\"\n"))?;
            let link = format!("{call} '-F{sdk}' '-L{sdk}' \"${{words[@]}}\"\n");
            write_program(&self.bin.join(format!("link-{processor}")), &link)?;
        }
        write_program(&self.bin.join("ar"), &format!("#!/bin/sh\nexec '{zig}' ar \"$@\"\n"))?;
        write(&self.bin.join("layout.c"), LAYOUT)
    }

    fn compare_layouts(&self) -> Result<()> {
        for (processor, _) in PROCESSORS {
            let mut compiler = run::program(self.bin.join(format!("cc-{processor}")));
            compiler.args(["-c", "-o"]).args([self.bin.join("layout.o"), self.bin.join("layout.c")]);
            run::check(self.with_cache(&mut compiler))?;
        }
        Ok(())
    }

    fn cargo(&self, task: &str, processor: &str) -> Command {
        let triple = triple(processor);
        let (small, large) = (triple.replace('-', "_"), triple.replace('-', "_").to_uppercase());
        let mut cargo = run::cargo();
        cargo.args([task, "--locked", "--target", &triple]);
        cargo.env("CARGO_TARGET_DIR", target_folder()).env("MACOSX_DEPLOYMENT_TARGET", DEPLOYMENT_TARGET);
        cargo.env(format!("CC_{small}"), self.bin.join(format!("cc-{processor}")));
        cargo.env(format!("AR_{small}"), self.bin.join("ar"));
        cargo.env(format!("CARGO_TARGET_{large}_LINKER"), self.bin.join(format!("link-{processor}")));
        self.with_cache(&mut cargo);
        cargo
    }

    fn with_cache<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let cache = self.bin.join("zig-cache");
        command.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache)
    }
}

/// Writes only a changed text: cargo compares file times.
fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let what = || format!("could not write {}", path.display());
    path.parent().map_or(Ok(()), fs::create_dir_all).with_context(what)?;
    fs::write(path, text).with_context(what)
}

fn write_program(path: &Path, text: &str) -> Result<()> {
    write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("could not make {} executable", path.display()))
}

//! Links the program at a fixed address on Linux, with its stack unwinder: see docs/adr/0011.
//!
//! A position-independent program is relocated when it starts, and relocated pages are private memory:
//! several hundred KiB in every supervisor. A shared library has the same cost on a small scale, and must be
//! found at every start.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The static form of libgcc_s.so.1, which std otherwise loads.
const UNWINDER: &str = "libgcc_eh.a";

/// Lays the code that supervisors run side by side: see docs/adr/0048.
const ORDER: &str = "hot.ld";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ORDER}");
    let on_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let by_gnu = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    if on_linux && by_gnu {
        println!("cargo::rustc-link-arg-bins=-no-pie");
        // Unoptimized, the same functions have other names.
        if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") && takes_scripts() {
            println!("cargo::rustc-link-arg-bins=-Xlinker");
            println!("cargo::rustc-link-arg-bins=--script={}/{ORDER}", env!("CARGO_MANIFEST_DIR"));
        }
        if let Some(folder) = folder_of(UNWINDER) {
            println!("cargo::rustc-link-search=native={}", folder.display());
            println!("cargo::rustc-link-lib=static:-bundle,+verbatim={UNWINDER}");
        }
    }
}

/// Whether the linker takes scripts, as those of GNU, LLVM and zig do; others are chosen by flags.
fn takes_scripts() -> bool {
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    !["mold", "wild"].iter().any(|linker| flags.contains(linker))
}

/// The C compiler's folder of the archive; without one, the program keeps the shared library.
#[expect(clippy::disallowed_methods, reason = "a build script can't depend on pipulate-process")]
fn folder_of(archive: &str) -> Option<PathBuf> {
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    // zig links its own unwinder into the program. GCC's would need glibc 2.35 (_dl_find_object), and zig is
    // there to link for an older one.
    if linker.to_string_lossy().contains("zig") {
        return None;
    }
    let said = Command::new(linker).arg(format!("-print-file-name={archive}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
    path.is_absolute().then(|| path.parent().map(Path::to_path_buf)).flatten()
}

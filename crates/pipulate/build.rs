//! Links the program at a fixed address on Linux, with its stack unwinder: see docs/adr/0011.
//!
//! A position-independent program is relocated when it starts, and relocated pages are private memory:
//! several hundred KiB in every supervisor. A shared library has the same cost on a small scale, and must be
//! found at every start.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The static form of libgcc_s.so.1, which std otherwise loads.
const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let on_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let by_gnu = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    if on_linux && by_gnu {
        println!("cargo::rustc-link-arg-bins=-no-pie");
        if let Some(folder) = folder_of(UNWINDER) {
            println!("cargo::rustc-link-search=native={}", folder.display());
            println!("cargo::rustc-link-lib=static:-bundle,+verbatim={UNWINDER}");
        }
    }
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

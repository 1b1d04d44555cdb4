//! Links the program at a fixed address on Linux, and what unwinds its stack into it: see docs/adr/0011.
//!
//! A position-independent program is relocated when it starts, and what was relocated is private
//! memory: in every supervisor again, several hundred KiB each. A library costs the same in small, and
//! has to be found at every start.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What std otherwise takes from libgcc_s.so.1.
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

/// Where the C compiler has it; one that has none leaves the program with the library.
#[expect(clippy::disallowed_methods, reason = "a build script can't depend on pipulate-process")]
fn folder_of(archive: &str) -> Option<PathBuf> {
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    // zig links an unwinder of its own into the program. GCC's would need glibc 2.35 (_dl_find_object), and zig is
    // there to link for an older one.
    if linker.to_string_lossy().contains("zig") {
        return None;
    }
    let said = Command::new(linker).arg(format!("-print-file-name={archive}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
    path.is_absolute().then(|| path.parent().map(Path::to_path_buf)).flatten()
}

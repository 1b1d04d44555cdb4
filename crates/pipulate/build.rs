//! Links the program at a fixed address on Linux: see docs/adr/0011.
//!
//! A position-independent program is relocated when it starts, and what was relocated is private
//! memory: in every supervisor again, several hundred KiB each.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let on_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let by_gnu = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    if on_linux && by_gnu {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}

//! Tests that can't run here say so by name: to return early is not to pass.

use std::io::Write as _;

/// Names a file to which skips are added, one a line; `cargo xtask test` reads it.
const LIST: &str = "PIPULATE_TEST_SKIPS";

/// Says that the calling test is skipped, and why.
#[expect(clippy::print_stderr, reason = "what was skipped is worth knowing")]
pub(crate) fn skipped(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test").to_owned();
    eprintln!("skipped: {why}");
    if let Some(list) = std::env::var_os(LIST) {
        let mut list = std::fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
        list.write_all(format!("{test}: {}\n", why.replace('\n', " ")).as_bytes()).unwrap();
    }
}

/// Whether root runs the tests; if not, the calling test is skipped.
pub(crate) fn unless_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped("only root can do what it needs");
    }
    !is_root
}

//! The list of skipped tests, for tests of several packages.
//!
//! A test that returns early has passed nothing: it must name what this machine lacks. `cargo xtask test`
//! prints the list, and fails on a lack that its caller didn't allow.

use std::io::Write as _;

/// The variable with the path of the list, one skip a line; `cargo xtask test` reads it.
const LIST: &str = "PIPULATE_TEST_SKIPS";

/// The things that a machine can lack: root's rights, namespaces, disks of a test's own (loop devices, their
/// tools), a small language model, a non-loopback address, a system program.
const LACKS: [&str; 6] = ["root", "namespaces", "disks", "model", "network", "programs"];

/// Records that the calling test, or a part of it, is skipped: what this machine lacks, and the details.
#[track_caller]
pub(crate) fn skipped(lack: &str, details: &str) {
    assert!(LACKS.contains(&lack), "{lack} is not in the list of what a machine can lack");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{} {test}\t{lack}\t{}\n", env!("CARGO_PKG_NAME"), details.trim().replace('\n', " "));
    // Not with a macro: the test harness would capture the output of passing tests.
    std::io::stderr().write_all(format!("skipped: {line}").as_bytes()).unwrap();
    if let Some(list) = std::env::var_os(LIST) {
        let mut list = std::fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
        list.write_all(line.as_bytes()).unwrap();
    }
}

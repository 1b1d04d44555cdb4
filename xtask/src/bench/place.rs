//! A folder with a home directory of its own, isolated from the user's files.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::process::{self, Spent};
use crate::run;

/// The timeout of one step.
const PATIENCE: Duration = Duration::from_secs(60);

/// A project to measure; on drop, everything in it is stopped and removed.
pub(super) struct Place {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Place {
    /// Creates the folder, with this `pipulate.toml` and the tests' Python environment.
    pub(super) fn new(bench: &Bench, config: &str) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("pipulate-bench-").tempdir().context("no folder to work in")?;
        let place = Self { folder, program: bench.program.clone() };
        fs::create_dir_all(place.root()).context("could not make the project's folder")?;
        fs::write(place.root().join("pipulate.toml"), config).context("could not write pipulate.toml")?;
        std::os::unix::fs::symlink(&bench.venv, place.root().join(".venv"))
            .context("could not link .venv")?;
        Ok(place)
    }

    /// The project's folder.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    /// A silent program in the project's folder, in a clean environment.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = run::program(program.as_ref());
        command.current_dir(self.root()).env_clear().stdout(Stdio::null()).stderr(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        // A port without a listener: a local model would only add its own time.
        command.envs([("LANG", "C.UTF-8"), ("PIPULATE_NO_BROWSER", "1"), ("OLLAMA_HOST", "127.0.0.1:9")]);
        command
    }

    /// Runs the program to its end, and returns its cost.
    ///
    /// # Errors
    /// It could not be started, or ended with a code that is not in `codes`.
    pub(super) fn pipulate(&self, args: &[&str], codes: &[i32]) -> Result<Spent> {
        let (spent, status) = process::run(self.command(&self.program).args(args))?;
        let is_expected = status.code().is_some_and(|code| codes.contains(&code));
        ensure!(is_expected, "`pipulate {}` ended with {status}", args.join(" "));
        Ok(spent)
    }

    /// The numbers under this key of `status --json`, for the running services.
    ///
    /// # Errors
    /// `status` failed.
    pub(super) fn pids(&self, key: &str) -> Result<Vec<u32>> {
        let output =
            run::output(self.command(&self.program).args(["status", "--json"]).stdout(Stdio::piped()))?;
        let status: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("`status --json` is no JSON")?;
        let services = status["services"].as_array().context("`status --json` has no services")?;
        let pid = |service: &serde_json::Value| u32::try_from(service[key].as_u64()?).ok();
        Ok(services.iter().filter_map(pid).collect())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // No process may be left, even after an error, which was already reported.
        let _best_effort = self.pipulate(&["stop", "--force"], &[0]);
    }
}

/// Returns a port that was free a moment ago.
///
/// # Errors
/// The system has none left.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?.port())
}

/// Waits until a server on this port answers a GET of `path`, polling every few milliseconds.
///
/// # Errors
/// No answer in time.
pub(super) fn wait_for_answer(port: u16, path: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !answers(port, path) {
        ensure!(Instant::now() < deadline, "nothing answered on port {port} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Returns true if a server on this port answers a GET of `path` with 200.
pub(super) fn answers(port: u16, path: &str) -> bool {
    ask(port, &format!("GET {path} HTTP/1.0\r\n"), "").is_some_and(|answer| answer.contains(" 200 "))
}

/// Starts a kernel, as a notebook does, in the JupyterLab on this port; `token` is the file with its token.
///
/// # Errors
/// There is no token, or JupyterLab refused.
pub(super) fn start_kernel(port: u16, token: &Path) -> Result<()> {
    let token = fs::read_to_string(token).context("JupyterLab has no token")?;
    let body = "{\"name\":\"python3\"}";
    let head = format!(
        "POST /api/kernels HTTP/1.0\r\nAuthorization: token {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let answer = ask(port, &head, body).context("JupyterLab did not answer")?;
    ensure!(answer.contains(" 201 "), "JupyterLab started no kernel: {answer}");
    Ok(())
}

/// Sends a request and returns the first line of the answer.
fn ask(port: u16, head: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "{head}Host: 127.0.0.1:{port}\r\n\r\n{body}").ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    Some(answer)
}

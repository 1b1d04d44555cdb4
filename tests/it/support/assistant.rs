//! Assistants: the official client of the Model Context Protocol, and one that sends arbitrary lines.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::TestProject;
use super::jupyter::prepared;
use super::project::python;

/// Runs these steps with the official client, with the server that `pipulate mcp --config` names. The first
/// answer is that of `initialize`.
#[track_caller]
pub(crate) fn official(project: &TestProject, steps: &Value) -> Vec<Value> {
    let settings = project.run(&["mcp", "--config", "claude"]).expect(0).stdout;
    let settings: Value = serde_json::from_str(&settings).unwrap();
    let mut wanted = settings["mcpServers"]["pipulate"].clone();
    wanted["steps"] = steps.clone();
    let mut client = project.foreign(python());
    client.arg("-c").arg(include_str!("../fixtures/assistant.py")).env("PYTHONPATH", prepared("assistant"));
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().unwrap();
    client.stdin.take().unwrap().write_all(wanted.to_string().as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

/// Stops and restarts a service as an assistant would; both must be refused with `why`,
/// without a way to override.
#[track_caller]
pub(crate) fn is_refused(project: &TestProject, service: &str, why: &str) {
    let mut client = RawClient::new(project);
    client.initialize();
    for (id, name) in [(1, "stop"), (2, "restart")] {
        let call = json!({ "name": name, "arguments": { "services": [service] } });
        let answer = client.request(id, "tools/call", &call);
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(answer["result"]["isError"] == true && text.contains(why), "{answer}");
        assert!(!text.contains("--force") && !text.contains("--yes"), "{text}");
    }
    client.leave(false);
}

/// A client that sends arbitrary lines.
pub(crate) struct RawClient {
    server: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl RawClient {
    pub(crate) fn new(project: &TestProject) -> Self {
        use std::os::unix::process::CommandExt as _;
        let mut server = project.command(&["mcp"]);
        server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut server = server.spawn().unwrap();
        let stdout = BufReader::new(server.stdout.take().unwrap()).lines();
        Self { stdin: server.stdin.take(), server, stdout }
    }

    /// Sends a line unchanged. An ended server doesn't read it.
    pub(crate) fn line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn initialize(&mut self) -> Value {
        let client = json!({ "name": "test", "version": "0" });
        let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
        let answer = self.request(0, "initialize", &params);
        self.line(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        answer
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn ask(&mut self, id: u32, method: &str, params: &Value) {
        self.line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
    }

    /// Sends a request and returns its answer.
    #[track_caller]
    pub(crate) fn request(&mut self, id: u32, method: &str, params: &Value) -> Value {
        self.ask(id, method, params);
        loop {
            let said = self.next();
            if said["id"] == id {
                return said;
            }
        }
    }

    /// Reads the next message; every line must be JSON.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        let line = self.stdout.next().expect("the server said nothing more").unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Closes the server's stdin, and, like clients, kills its process group. Returns its exit code if it
    /// ended by itself.
    pub(crate) fn leave(mut self, kills: bool) -> Option<i32> {
        drop(self.stdin.take());
        if kills {
            let group = rustix::process::Pid::from_child(&self.server);
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        }
        self.server.wait().unwrap().code()
    }
}

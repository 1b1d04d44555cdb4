//! A fake Ollama, including faults: for each connection it reads one request and plays the path's script.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pipulate_ollama::host::Host;

/// How a connection ends once its bytes are sent.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// According to HTTP.
    Proper,
    /// Cut in the middle of a chunked body.
    Cut,
    /// Reset, discarding unread data of the client.
    Reset,
    /// Silence until the client closes.
    Silence,
}

/// The answer for one path.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) status: u16,
    /// Sent one by one, each flushed; as chunks of a chunked body.
    pub(crate) parts: Vec<Vec<u8>>,
    pub(crate) end: End,
}

impl Script {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self { status, parts: vec![body.as_bytes().to_vec()], end: End::Proper }
    }

    /// Splits the body into parts of `size` bytes.
    pub(crate) fn split(body: &str, size: usize) -> Self {
        let parts = body.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        Self { status: 200, parts, end: End::Proper }
    }

    pub(crate) fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// Not even a status line.
    pub(crate) fn silent() -> Self {
        Self { status: 0, parts: Vec::new(), end: End::Silence }
    }
}

/// An event on the server's side, for assertions.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    /// Path, the `Host` header and body of a request.
    Request { path: String, host: String, body: String },
    /// A client closed its connection before the end of the answer.
    HungUp,
}

pub(crate) struct Fake {
    pub(crate) host: Host,
    pub(crate) seen: Receiver<Seen>,
    scripts: Scripts,
    limits: Scripts,
}

/// By path.
type Scripts = Arc<Mutex<HashMap<String, Script>>>;

impl Fake {
    /// Serves until the test process ends.
    pub(crate) fn start<const N: usize>(scripts: [(&str, Script); N]) -> Self {
        Self::start_at("127.0.0.1", scripts).unwrap()
    }

    /// Starts at an address, if the machine has it.
    pub(crate) fn start_at<const N: usize>(address: &str, scripts: [(&str, Script); N]) -> Option<Self> {
        let listener = TcpListener::bind((address, 0)).ok()?;
        let host = Host::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let scripts = HashMap::from(scripts.map(|(path, script)| (path.to_owned(), script)));
        let scripts: Scripts = Arc::new(Mutex::new(scripts));
        let (sender, seen) = channel();
        let limits = Scripts::default();
        let (played, limiting) = (Arc::clone(&scripts), Arc::clone(&limits));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (scripts, sender) = (Arc::clone(&played), sender.clone());
                let limits = Arc::clone(&limiting);
                // A client that hangs up breaks the pipe, which is normal.
                thread::spawn(move || play(&stream.unwrap(), &scripts, &limits, &sender).ok());
            }
        });
        Some(Self { host, seen, scripts, limits })
    }

    /// Refuses chats of more bytes than this from now on, like a model with a small context.
    pub(crate) fn refuse_chats_longer_than(&self, most: usize, refusal: Script) {
        self.limits.lock().unwrap().insert(most.to_string(), refusal);
    }

    /// Replaces the script of a path.
    pub(crate) fn change(&self, path: &str, script: Script) {
        self.scripts.lock().unwrap().insert(path.to_owned(), script);
    }

    pub(crate) fn next_request(&self) -> (String, String, String) {
        match self.seen.recv_timeout(Duration::from_secs(60)).unwrap() {
            Seen::Request { path, host, body } => (path, host, body),
            Seen::HungUp => panic!("a client hung up"),
        }
    }
}

fn play(
    stream: &TcpStream,
    scripts: &Mutex<HashMap<String, Script>>,
    limits: &Mutex<HashMap<String, Script>>,
    seen: &Sender<Seen>,
) -> std::io::Result<()> {
    let (path, host, body) = read_request(stream)?;
    let is_too_long = |most: &str| path == "/api/chat" && body.len() > most.parse().unwrap();
    let refusal =
        limits.lock().unwrap().iter().find(|(most, _)| is_too_long(most)).map(|(_, said)| said.clone());
    let answer =
        scripts.lock().unwrap().get(&path).cloned().unwrap_or_else(|| Script::new(404, "404 page not found"));
    let script = refusal.unwrap_or(answer);
    if script.end != End::Reset && !body.is_empty() {
        (&mut { stream }).read_exact(&mut [0])?;
    }
    seen.send(Seen::Request { path, host, body }).ok();
    let mut out = stream;
    let said = say(out, &script);
    match script.end {
        End::Proper | End::Reset | End::Cut => said?,
        // A silent end does not wait for the last part.
        End::Silence => {}
    }
    match script.end {
        End::Proper => out.write_all(b"0\r\n\r\n"),
        // Closing a socket with unread bytes resets the connection.
        End::Reset => Ok(()),
        End::Cut => stream.shutdown(Shutdown::Both),
        End::Silence => {
            // Ends when the client closes or resets.
            let _closed = (&mut out).read_to_end(&mut Vec::new());
            seen.send(Seen::HungUp).ok();
            Ok(())
        }
    }
}

fn say(mut out: &TcpStream, script: &Script) -> std::io::Result<()> {
    if script.status == 0 {
        return Ok(());
    }
    let head =
        format!("HTTP/1.1 {} x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", script.status);
    out.write_all(head.as_bytes())?;
    for part in script.parts.iter().filter(|part| !part.is_empty()) {
        write!(out, "{:x}\r\n", part.len())?;
        out.write_all(part)?;
        out.write_all(b"\r\n")?;
        out.flush()?;
    }
    Ok(())
}

/// Leaves the last byte of a body unread.
fn read_request(stream: &TcpStream) -> std::io::Result<(String, String, String)> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut host, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "host" => value.trim().clone_into(&mut host),
                "content-length" => length = value.trim().parse().unwrap(),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    if let Some((last, all_before)) = body.split_last_mut() {
        reader.read_exact(all_before)?;
        stream.peek(std::slice::from_mut(last))?;
    }
    Ok((path, host, String::from_utf8(body).unwrap()))
}

//! An Ollama with the test's answers, and a home that uses it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use pipulate_core::chat::{Chat, ChatId};
use pipulate_ollama::host::Host;
use pipulate_store::chat::Chats;

use super::fake::{self, Home};
use super::news::Events;
use crate::world::Ollama;

pub(super) const WHOLE: &str = "{\"message\":{\"thinking\":\"Hm.\"}}\n{\"message\":{\"content\":\"<b>4</b> \"}}\n\
    {\"message\":{\"content\":\"**2**\"},\"done\":true,\"eval_count\":2,\"eval_duration\":1000000000}\n";
pub(super) const CUT_OFF: &str = "{\"message\":{\"content\":\"On and on\"},\"done\":true,\"done_reason\":\"length\",\
    \"eval_count\":9,\"eval_duration\":1000000000}\n";
pub(super) const ENDLESS: &str = "{\"message\":{\"content\":\"It was a dark and\"}}\n";

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The longest request that is answered, in bytes; longer ones get an error.
pub(super) const MOST: usize = 100_000;
pub(super) const TOO_LONG: &str = r#"{"error":"the input length exceeds the context length"}"#;

/// An Ollama that answers `/api/chat` with these lines; the receiver gets a message for each client that
/// stayed until the end of its connection.
pub(super) fn ollama(lines: &'static str) -> (Host, mpsc::Receiver<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Host::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    let (sender, seen) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.unwrap(), sender.clone());
            std::thread::spawn(move || {
                let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = head.next().unwrap().unwrap();
                let head: Vec<String> =
                    head.map_while(|line| line.ok().filter(|line| !line.is_empty())).collect();
                let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
                if first.contains("/api/chat")
                    && length.is_some_and(|length| length.parse().unwrap_or(0) > MOST)
                {
                    write!(stream, "HTTP/1.1 400 x\r\nConnection: close\r\n\r\n{TOO_LONG}").unwrap();
                    // Read to its end: closing a socket with unread bytes resets it.
                    stream.shutdown(std::net::Shutdown::Write).unwrap();
                    std::io::copy(&mut stream, &mut std::io::sink()).ok();
                    return;
                }
                let body = match first.split(' ').nth(1).unwrap() {
                    "/api/tags" => r#"{"models":[{"name":"llama3.1:latest"},{"name":"far:cloud"}]}"#,
                    "/api/chat" => lines,
                    "/api/ps" => r#"{"models":[{"name":"llama3.1:latest","context_length":100}]}"#,
                    _ => r#"{"models":[]}"#,
                };
                write!(stream, "HTTP/1.1 200 x\r\nConnection: close\r\n\r\n{body}").unwrap();
                if first.contains("/api/chat") && !lines.contains("\"done\":true") {
                    sender.send("asked").unwrap();
                    let _closed = stream.read(&mut [0; 4096]);
                    while stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
                    sender.send("hung up").unwrap();
                }
            });
        }
    });
    (host, seen)
}

pub(super) fn home(lines: &'static str) -> (Home, tempfile::TempDir, mpsc::Receiver<&'static str>) {
    let (home, directory) = (Home::new(), tempfile::tempdir().unwrap());
    let (host, seen) = ollama(lines);
    *home.world.ollama.lock().unwrap() = Some(Ollama { host, model: None, start: None, advice: None });
    let folder = fake::path(directory.path().join("chats").to_str().unwrap());
    *home.world.chats.lock().unwrap() = Some(Chats::new(folder));
    (home, directory, seen)
}

pub(super) fn id(number: u64) -> ChatId {
    ChatId::parse(&number.to_string()).unwrap()
}

/// Reads a stream up to this text, and returns everything read.
pub(super) async fn hear(events: &mut Events, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        let next = tokio::time::timeout(MINUTE, events.next()).await;
        all += &next.unwrap_or_else(|_| panic!("waited for {text:?} after: {all}")).1;
    }
    all
}

impl Home {
    pub(super) fn kept(&self, number: u64) -> Chat {
        self.world.chats.lock().unwrap().as_ref().unwrap().read(id(number)).unwrap()
    }

    pub(super) async fn ask_as_htmx(&self, path: &str, body: &str) -> Events {
        let request = self
            .form(path)
            .header("hx-request", "true")
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap();
        let response = tower::ServiceExt::oneshot(self.app.clone(), request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Events(response.into_body(), String::new())
    }
}

//! A model that records the time of each word: the part of Ollama's API that a chat needs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A question with this word is answered with one word and then with silence.
pub(super) const ENDLESS: &str = "endless";

/// The timeout of one step.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs until the program ends.
pub(super) struct Model {
    pub(super) port: u16,
    sent: Receiver<Instant>,
    closed: Receiver<Instant>,
}

/// The speed of an answer.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) words: usize,
    /// Between two words.
    pub(super) pause: Duration,
}

impl Model {
    pub(super) fn start(pace: Pace) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for a model")?;
        let port = listener.local_addr()?.port();
        let ((sent_in, sent), (closed_in, closed)) = (channel(), channel());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sent, closed) = (sent_in.clone(), closed_in.clone());
                // Clients that leave early are part of the measurement.
                thread::spawn(move || serve(stream, pace, &sent, &closed).ok());
            }
        });
        Ok(Self { port, sent, closed })
    }

    /// The time at which the next word was sent.
    pub(super) fn next_sent(&self) -> Result<Instant> {
        self.sent.recv_timeout(PATIENCE).context("the model was not asked")
    }

    /// The time at which the connection of an endless answer was closed.
    pub(super) fn next_closed(&self) -> Result<Instant> {
        self.closed.recv_timeout(PATIENCE).context("the model's connection stayed open")
    }
}

/// A word that is unique by its number.
pub(super) fn word(number: usize) -> String {
    format!("t{number}.")
}

fn serve(mut stream: TcpStream, pace: Pace, sent: &Sender<Instant>, closed: &Sender<Instant>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (path, body) = request(&mut reader)?;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n")?;
    match path.as_str() {
        "/api/tags" => stream.write_all(
            br#"{"models":[{"name":"llama3.1:latest","size":1,"capabilities":["completion"]}]}"#,
        )?,
        "/api/ps" => stream.write_all(br#"{"models":[{"name":"llama3.1:latest"}]}"#)?,
        _ if body.contains(ENDLESS) => {
            say(&mut stream, 0, sent)?;
            while reader.read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
            closed.send(Instant::now())?;
        }
        _ => {
            for number in 0..pace.words {
                thread::sleep(pace.pause);
                say(&mut stream, number, sent)?;
            }
            stream.write_all(b"{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n")?;
        }
    }
    Ok(())
}

fn say(stream: &mut TcpStream, number: usize, sent: &Sender<Instant>) -> Result<()> {
    let content = word(number);
    let line =
        format!("{{\"message\":{{\"role\":\"assistant\",\"content\":\"{content}\"}},\"done\":false}}\n");
    sent.send(Instant::now())?;
    Ok(stream.write_all(line.as_bytes())?)
}

fn request(reader: &mut BufReader<TcpStream>) -> Result<(String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((path, String::from_utf8(body)?))
}

//! The latency between a model and its user: of each word, and of a stop, beside `curl` on Ollama's API. And
//! the cost of many kept chats for the page.

mod model;

use std::fs;
use std::io::{Read, Write as _};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::place::{Place, free_port};
use super::results::{Results, Value};
use super::{process, web};
use model::{ENDLESS, Model, Pace, word};

const CURL: &str = "curl, the API itself";
const PAGE: &str = "the page's stream";
const TERMINAL: &str = "pipulate chat";
/// About the speed of a small model on an idle machine.
const SLOW: Pace = Pace { words: 200, pause: Duration::from_millis(5) };
/// The maximum speed.
const FAST: Pace = Pace { words: 3_000, pause: Duration::ZERO };
/// The numbers of kept chats, few and many.
const CHATS: [usize; 2] = [1, 200];
/// The length of each chat, in bytes.
const CHAT: usize = 20_000;

/// The sides take turns, so that other load on the machine affects them equally.
pub(super) fn measure(bench: &Bench, results: &mut Results) -> Result<()> {
    for _ in 0..bench.rounds {
        for pace in [SLOW, FAST] {
            answers(bench, results, pace)?;
        }
        kept_chats(bench, results)?;
    }
    Ok(())
}

/// A project with a model, and a session at its web app.
struct Scene {
    place: Place,
    model: Model,
    port: u16,
    key: String,
    server: Child,
    program: std::path::PathBuf,
}

impl Scene {
    fn new(bench: &Bench, pace: Pace) -> Result<Self> {
        let (place, model, port) = (Place::new(bench, "")?, Model::start(pace)?, free_port()?);
        let mut command = place.command(&bench.program);
        command.arg("serve").env("PORT", port.to_string()).env("OLLAMA_HOST", host(&model));
        let mut server = command.spawn().context("could not start the web app")?;
        match web::key(&place, port) {
            Ok(key) => Ok(Self { place, model, port, key, server, program: bench.program.clone() }),
            Err(error) => {
                process::end(&mut server)?;
                Err(error)
            }
        }
    }

    /// Sends a form as a page does, and returns the connection with the answer.
    fn post(&self, path: &str, body: &str) -> Result<std::net::TcpStream> {
        let mut stream = web::connect(self.port)?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}HX-Request: true\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n",
            self.port,
            self.key,
            body.len()
        );
        stream.write_all((head + body).as_bytes())?;
        Ok(stream)
    }

    fn page(&self, question: &str) -> Result<impl Read + use<>> {
        self.post("/chat/7", &format!("question={question}"))
    }

    fn curl(&self, question: &str) -> Result<(Child, ChildStdout)> {
        let body = format!(
            "{{\"model\":\"llama3.1\",\"messages\":[{{\"role\":\"user\",\"content\":\"{question}\"}}]}}"
        );
        let mut command = self.place.command("curl");
        command.args(["-sN", "-d", &body, &format!("http://{}/api/chat", host(&self.model))]);
        spawn(&mut command)
    }

    fn terminal(&self, question: &str) -> Result<(Child, ChildStdout)> {
        let mut command = self.place.command(&self.program);
        spawn(command.args(["chat", question]).env("OLLAMA_HOST", host(&self.model)))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // It ends with the measurement, even after an error.
        let _best_effort = process::end(&mut self.server);
    }
}

fn host(model: &Model) -> String {
    format!("127.0.0.1:{}", model.port)
}

fn spawn(command: &mut std::process::Command) -> Result<(Child, ChildStdout)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("could not start a reader")?;
    let stdout = child.stdout.take().context("a reader has no output")?;
    Ok((child, stdout))
}

fn answers(bench: &Bench, results: &mut Results, pace: Pace) -> Result<()> {
    let scene = Scene::new(bench, pace)?;
    let (mut child, stdout) = scene.curl("words")?;
    hear(results, CURL, &scene.model, pace, stdout)?;
    child.wait()?;
    hear(results, PAGE, &scene.model, pace, scene.page("words")?)?;
    let (mut child, stdout) = scene.terminal("words")?;
    hear(results, TERMINAL, &scene.model, pace, stdout)?;
    child.wait()?;
    if pace.pause.is_zero() { Ok(()) } else { stops(&scene, results) }
}

/// Reads an answer and records the latency of its words.
fn hear(results: &mut Results, side: &str, model: &Model, pace: Pace, from: impl Read) -> Result<()> {
    let mut ear = Ear::new(from);
    let (mut times, mut first) = (Vec::new(), None);
    for number in 0..pace.words {
        ear.wait_for(&word(number))?;
        let (heard, sent) = (Instant::now(), model.next_sent()?);
        first.get_or_insert(sent);
        times.push(heard - sent);
    }
    if pace.pause.is_zero() {
        let all = first.map(|first| first.elapsed()).unwrap_or_default();
        results.add(&format!("{} words at once, until the last", pace.words), side, Value::Time(all));
    } else {
        times.sort_unstable();
        results.add("a word on its way, median", side, Value::Time(times[times.len() / 2]));
        results.add("a word on its way, p99", side, Value::Time(times[times.len() * 99 / 100]));
    }
    ear.hear_out()
}

/// Measures the time from a stop request until the model's connection is closed.
fn stops(scene: &Scene, results: &mut Results) -> Result<()> {
    let mut add = |side: &str, stop: &mut dyn FnMut() -> Result<()>| -> Result<()> {
        scene.model.next_sent()?;
        let begin = Instant::now();
        stop()?;
        let time = scene.model.next_closed()?.saturating_duration_since(begin);
        results.add("a stop, until the model's connection is closed", side, Value::Time(time));
        Ok(())
    };
    let readers = [(CURL, Scene::curl as fn(&Scene, &str) -> _), (TERMINAL, Scene::terminal)];
    for (side, open) in readers {
        let (mut child, stdout) = open(scene, ENDLESS)?;
        Ear::new(stdout).wait_for(&word(0))?;
        add(side, &mut || process::end(&mut child).map(drop))?;
    }
    let mut page = Ear::new(scene.page(ENDLESS)?);
    page.wait_for(&word(0))?;
    add(PAGE, &mut || scene.post("/chat/7/stop", "").map(drop))?;
    page.wait_for("Stopped")
}

/// Measures the page of a chat, beside few other chats and beside many.
fn kept_chats(bench: &Bench, results: &mut Results) -> Result<()> {
    let scene = Scene::new(bench, SLOW)?;
    let folder = scene.place.root().join(".pipulate/chats");
    fs::create_dir_all(&folder).context("could not make a folder for chats")?;
    let answer = "word ".repeat(CHAT / 5);
    let chat = format!(
        "{{\"version\":1,\"instructions\":null,\"turns\":[{{\"question\":\"Why?\",\"model\":\"m\",\"answer\":\"{answer}\",\"end\":\"stopped\"}}]}}"
    );
    let mut number = 0;
    for most in CHATS {
        while number < most {
            number += 1;
            fs::write(folder.join(format!("{number}.json")), &chat).context("could not keep a chat")?;
        }
        let begin = Instant::now();
        let mut stream = web::connect(scene.port)?;
        write!(
            stream,
            "GET /chat/1 HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}Connection: close\r\n\r\n",
            scene.port, scene.key
        )?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        let listed = page.matches("href=\"/chat/").count();
        ensure!(page.starts_with("HTTP/1.1 200") && listed >= most, "{listed} chats are listed: {page}");
        results.add("the page of a chat", &format!("{most} kept"), Value::Time(begin.elapsed()));
    }
    Ok(())
}

/// Reads an answer word by word.
struct Ear<R> {
    from: R,
    heard: String,
}

impl<R: Read> Ear<R> {
    fn new(from: R) -> Self {
        Self { from, heard: String::new() }
    }

    /// Returns once these words came after the earlier ones.
    fn wait_for(&mut self, words: &str) -> Result<()> {
        loop {
            if let Some(at) = self.heard.find(words) {
                self.heard.drain(..at + words.len());
                return Ok(());
            }
            let mut bytes = [0; 16 << 10];
            let length = self.from.read(&mut bytes)?;
            ensure!(length > 0, "the answer ended before {words:?}: {}", self.heard);
            self.heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    }

    /// Reads the rest; on a page that stays open, up to the end mark.
    fn hear_out(mut self) -> Result<()> {
        let mut bytes = [0; 16 << 10];
        while !self.heard.contains("The answer is complete") {
            let length = self.from.read(&mut bytes)?;
            if length == 0 {
                break;
            }
            self.heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        Ok(())
    }
}

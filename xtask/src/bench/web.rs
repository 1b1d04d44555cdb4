//! The web app, beside the same pages under FastHTML and uvicorn; and the cost of pages that stay open.
//!
//! Every request to the web app passes all of its layers: host, origin, sign-in, headers.

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::place::{Place, free_port, wait_for_answer};
use super::process;
use super::results::{Results, Value};

const FASTHTML: &str = "FastHTML, uvicorn";
const PIPULATE: &str = "pipulate";
/// The number of concurrent clients, and the duration.
const CLIENTS: usize = 16;
const SPAN: Duration = Duration::from_secs(2);
/// The number of pages that are open at once.
const STREAMS: usize = 1_000;
/// The number of timed lines.
const LINES: usize = 200;
/// The number of timed stops.
const CHANGES: usize = 20;

/// The same two pages under FastHTML.
const SERVER: &str = r##"
import sys
from fasthtml.common import *

app, rt = fast_app()
x = 0

@rt("/examples/hello")
def hello():
    return Titled("Hello World", P("Hello, World!"))

@rt("/examples/counter")
def counter():
    button = Button("Increment", hx_post="/increment", hx_target="#count", hx_swap="innerHTML")
    return Title("FastHTML HTMX Demo"), Main(H1("Hello, FastHTML with HTMX!"), P(f"Count: {x}", id="count"), button)

import uvicorn
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"##;

/// The sides take turns, so that other load on the machine affects them equally.
pub(super) fn measure(bench: &Bench, results: &mut Results) -> Result<()> {
    for _ in 0..bench.rounds {
        fasthtml(bench, results)?;
        pipulate(bench, results)?;
    }
    open_pages(bench, results)
}

fn fasthtml(bench: &Bench, results: &mut Results) -> Result<()> {
    let (place, port) = (Place::new(bench, "")?, free_port()?);
    fs::write(place.root().join("server.py"), SERVER).context("could not write server.py")?;
    let mut command = place.command(bench.venv.join("bin/python"));
    command.args(["server.py", &port.to_string()]);
    let begin = Instant::now();
    let mut server = command.spawn().context("could not start FastHTML")?;
    let measured = pages(results, FASTHTML, (begin, server.id(), port), "");
    process::end(&mut server)?;
    measured
}

fn pipulate(bench: &Bench, results: &mut Results) -> Result<()> {
    let (place, port) = (Place::new(bench, "")?, free_port()?);
    let begin = Instant::now();
    let mut server = serve(&place, bench, port)?;
    let measured =
        key(&place, port).and_then(|key| pages(results, PIPULATE, (begin, server.id(), port), &key));
    process::end(&mut server)?;
    measured
}

pub(super) fn serve(place: &Place, bench: &Bench, port: u16) -> Result<Child> {
    let mut command = place.command(&bench.program);
    command.arg("serve").env("PORT", port.to_string());
    command.spawn().context("could not start the web app")
}

/// Waits until a sign-in is possible, and returns the header that authorizes a program.
pub(super) fn key(place: &Place, port: u16) -> Result<String> {
    wait_for_answer(port, "/login")?;
    let token = fs::read_to_string(place.root().join(".pipulate/run/token")).context("there is no key")?;
    Ok(format!("Authorization: Bearer {}\r\n", token.trim()))
}

/// Requests both pages from one side.
fn pages(
    results: &mut Results,
    side: &str,
    (begin, pid, port): (Instant, u32, u16),
    header: &str,
) -> Result<()> {
    if header.is_empty() {
        wait_for_answer(port, "/examples/hello")?;
    }
    results.add("start until it answers", side, Value::Time(begin.elapsed()));
    results.add("memory at first", side, Value::Bytes(process::memory(pid)?));
    for (page, name) in [("/examples/hello", "hello"), ("/examples/counter", "counter")] {
        let before = process::cpu_of_itself(pid)?;
        let mut times = load(port, page, header)?;
        let spent = process::cpu_of_itself(pid)?.saturating_sub(before);
        times.sort_unstable();
        let count = u32::try_from(times.len())?;
        let per_second = f64::from(count) / SPAN.as_secs_f64();
        results.add(&format!("{name}: answers per second"), side, Value::Count(per_second));
        results.add(
            &format!("{name}: CPU time of the app for 1,000"),
            side,
            Value::Time(spent * 1000 / count),
        );
        results.add(&format!("{name}: answer, median"), side, Value::Time(times[times.len() / 2]));
        results.add(&format!("{name}: answer, p99"), side, Value::Time(times[times.len() * 99 / 100]));
    }
    results.add("memory after all that", side, Value::Bytes(process::memory(pid)?));
    Ok(())
}

/// The duration of each answer.
fn load(port: u16, page: &str, header: &str) -> Result<Vec<Duration>> {
    let request = format!("GET {page} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}\r\n");
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let request = request.clone();
            std::thread::spawn(move || ask_again_and_again(port, &request))
        })
        .collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.join().ok().context("a client ended early")??);
    }
    ensure!(!times.is_empty(), "{page} did not answer within {SPAN:?}");
    Ok(times)
}

/// The client shares the machine with the server, so it does little: all answers to one request are equally
/// long, and after the first only their beginning and length are read.
fn ask_again_and_again(port: u16, request: &str) -> Result<Vec<Duration>> {
    let mut stream = connect(port)?;
    stream.write_all(request.as_bytes())?;
    let (head, body) = read_head(&mut BufReader::with_capacity(1, &stream))?;
    let mut answer = vec![0; head.len() + body];
    stream.read_exact(&mut answer[head.len()..])?;
    let (end, mut times) = (Instant::now() + SPAN, Vec::new());
    while Instant::now() < end {
        let begin = Instant::now();
        stream.write_all(request.as_bytes())?;
        stream.read_exact(&mut answer)?;
        times.push(begin.elapsed());
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "another answer: {}", String::from_utf8_lossy(&answer));
    }
    Ok(times)
}

/// The head of a successful answer, and the length of its body.
fn read_head(reader: &mut impl BufRead) -> Result<(String, usize)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(reader.read_line(&mut head)? > 0, "the connection ended");
    }
    ensure!(head.starts_with("HTTP/1.1 200 "), "the answer is: {head}");
    let lines = head.to_ascii_lowercase();
    let length = lines.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    Ok((head, length.unwrap_or(0)))
}

pub(super) fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).context("could not connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// Measures pages that stay open: a line's latency, and the cost of many pages.
fn open_pages(bench: &Bench, results: &mut Results) -> Result<()> {
    let port = free_port()?;
    let config = "[services.printer]\ncommand = [\"tail\", \"-n\", \"+1\", \"-F\", \"lines\"]\n\
                  [services.other]\ncommand = [\"sleep\", \"1000\"]\n";
    let place = Place::new(bench, config)?;
    let lines = place.root().join("lines");
    fs::write(&lines, "").context("could not make the printer's lines")?;
    place.pipulate(&["start", "printer", "other", "--no-setup", "--no-browser"], &[0])?;
    let mut server = serve(&place, bench, port)?;
    let measured = key(&place, port).and_then(|key| {
        line_to_page(results, &lines, port, &key)?;
        change_to_page(results, &place, port, &key)?;
        many_pages(results, &place, server.id(), port, &key)
    });
    process::end(&mut server)?;
    measured
}

fn line_to_page(results: &mut Results, lines: &Path, port: u16, key: &str) -> Result<()> {
    let mut page = stream(port, "/logs/stream?from=", key)?;
    let mut file = fs::OpenOptions::new().append(true).open(lines).context("could not print")?;
    let mut times = Vec::new();
    for number in 0..LINES {
        // Apart from each other, like a user's lines: lines in quick succession are sent together.
        std::thread::sleep(Duration::from_millis(100));
        let begin = Instant::now();
        writeln!(file, "line {number}.")?;
        wait_for(&mut page, &format!("line {number}."))?;
        times.push(begin.elapsed());
    }
    median_and_p99(results, "a line on its way to a page", times);
    Ok(())
}

/// Measures a stop command until it has returned and until an open page shows it. The page gets an event and
/// does not poll.
fn change_to_page(results: &mut Results, place: &Place, port: u16, key: &str) -> Result<()> {
    let mut page = stream(port, "/events", key)?;
    wait_for(&mut page, "service-other")?;
    for _ in 0..CHANGES {
        let begin = Instant::now();
        let stop = || place.pipulate(&["stop", "other"], &[0]).map(|_| begin.elapsed());
        let (returned, shown) = std::thread::scope(|scope| {
            let stop = scope.spawn(stop);
            let shown = wait_for(&mut page, "data-state=\"stopped\"").map(|()| begin.elapsed());
            (stop.join(), shown)
        });
        let what = "a stop of another service";
        results.add(what, "until the command returns", Value::Time(returned.ok().context("it panicked")??));
        results.add(what, "until an open page shows it", Value::Time(shown?));
        place.pipulate(&["start", "other", "--no-setup", "--no-browser"], &[0])?;
        wait_for(&mut page, "data-state=\"running\"")?;
    }
    Ok(())
}

fn median_and_p99(results: &mut Results, what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    results.add(&format!("{what}, median"), PIPULATE, Value::Time(times[times.len() / 2]));
    results.add(&format!("{what}, p99"), PIPULATE, Value::Time(times[times.len() * 99 / 100]));
}

fn many_pages(results: &mut Results, place: &Place, pid: u32, port: u16, key: &str) -> Result<()> {
    let one = stream(port, "/events", key)?;
    let before = process::memory(pid)?;
    let mut pages = vec![one];
    while pages.len() < STREAMS {
        pages.push(stream(port, "/events", key)?);
    }
    for page in &mut pages {
        wait_for(page, "service-other")?;
    }
    let added = process::memory(pid)?.saturating_sub(before);
    let what = format!("memory of each of {STREAMS} open pages");
    results.add(&what, PIPULATE, Value::Bytes(added / (STREAMS as u64 - 1)));
    let (begin, cpu) = (Instant::now(), process::cpu_of_itself(pid)?);
    place.pipulate(&["stop", "other"], &[0])?;
    for page in &mut pages {
        wait_for(page, "stopped")?;
    }
    let spent = process::cpu_of_itself(pid)?.saturating_sub(cpu);
    let what = format!("a stop until {STREAMS} open pages show it");
    results.add(&what, PIPULATE, Value::Time(begin.elapsed()));
    results.add(
        "CPU time of the app for that, for each page",
        PIPULATE,
        Value::Time(spent / u32::try_from(STREAMS)?),
    );
    Ok(())
}

fn stream(port: u16, path: &str, key: &str) -> Result<BufReader<TcpStream>> {
    let mut stream = connect(port)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{key}\r\n")?;
    let mut reader = BufReader::new(stream);
    read_head(&mut reader)?;
    Ok(reader)
}

/// Reads events until one contains these words.
fn wait_for(page: &mut BufReader<TcpStream>, words: &str) -> Result<()> {
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        ensure!(page.read_line(&mut line)? > 0, "the stream ended");
    }
    Ok(())
}

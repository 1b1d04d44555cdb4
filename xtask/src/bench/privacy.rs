//! The cost of keeping other users of the machine out: kernels on sockets instead of TCP ports, and the
//! lookup of the user at the other end of a new connection.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::place::{Place, free_port, wait_for_answer};
use super::process;
use super::results::{Results, Value};
use super::web::{connect, serve};
use crate::run;

const KERNELS: &str = include_str!("privacy/kernels.py");
/// The number of cells that each kernel runs.
const CELLS: &str = "200";
/// The number of connections per sample, whose median counts.
const CONNECTIONS: usize = 500;

/// The sides take turns, so that other load on the machine affects them equally.
pub(super) fn measure(bench: &Bench, results: &mut Results) -> Result<()> {
    kernels(bench, results)?;
    connections(bench, results)
}

fn kernels(bench: &Bench, results: &mut Results) -> Result<()> {
    let place = Place::new(bench, "")?;
    fs::write(place.root().join("kernels.py"), KERNELS).context("could not write kernels.py")?;
    let mut python = place.command(bench.venv.join("bin/python"));
    let output =
        run::output(python.args(["kernels.py", &bench.rounds.to_string(), CELLS]).stdout(Stdio::piped()))?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, transport, seconds] = words[..] else { continue };
        let what = match what {
            "start" => "start of a kernel until it answers",
            "cell" => "a cell, median of 200",
            _ => "2 MB of output in 2,000 messages",
        };
        let time = Duration::try_from_secs_f64(seconds.parse().context("kernels.py printed no number")?)?;
        let side = if transport == "tcp" { "TCP" } else { "sockets (pipulate)" };
        results.add(what, side, Value::Time(time));
    }
    Ok(())
}

/// Measures requests on an open connection, which need no lookup, and on new ones, which do. A server that
/// only accepts and answers shows the cost of the connection itself.
fn connections(bench: &Bench, results: &mut Results) -> Result<()> {
    const WHAT: &str = "an answer on a new connection, median";
    let (place, port) = (Place::new(bench, "")?, free_port()?);
    let mut app = serve(&place, bench, port)?;
    let measured = wait_for_answer(port, "/login").and_then(|()| {
        let bare = bare_server()?;
        for _ in 0..bench.rounds {
            results.add(WHAT, "accept and answer alone", Value::Time(on_new_connections(bare)?));
            results.add(WHAT, "pipulate, on one that is there", Value::Time(on_one_connection(port)?));
            results.add(WHAT, "pipulate", Value::Time(on_new_connections(port)?));
        }
        Ok(())
    });
    process::end(&mut app)?;
    measured
}

/// Starts a server that answers each connection once, until this program ends.
fn bare_server() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("could not listen")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 1024];
            let read = stream.read(&mut request);
            let _unless_it_left =
                read.and_then(|_| stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    Ok(port)
}

fn on_new_connections(port: u16) -> Result<Duration> {
    median(|| {
        let begin = Instant::now();
        let mut stream = connect(port)?;
        ask(&mut stream, port)?;
        Ok(begin.elapsed())
    })
}

fn on_one_connection(port: u16) -> Result<Duration> {
    let mut stream = connect(port)?;
    median(|| {
        let begin = Instant::now();
        ask(&mut stream, port)?;
        Ok(begin.elapsed())
    })
}

/// Reads a short answer of any kind in one read: it is smaller than a segment.
fn ask(stream: &mut TcpStream, port: u16) -> Result<()> {
    // One write: a server that closes after its answer may not wait for a second one.
    let request = format!("GET /static/none HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 16 << 10];
    let length = stream.read(&mut answer)?;
    ensure!(answer[..length].starts_with(b"HTTP/1.1 "), "port {port} gave no answer");
    Ok(())
}

fn median(mut sample: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut times = (0..CONNECTIONS).map(|_| sample()).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

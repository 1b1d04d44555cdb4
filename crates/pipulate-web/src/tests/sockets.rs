//! Behavior that only shows with real bytes on a real socket.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::fake::{FakeWorld, token};
use crate::server::{Limits, ServeError, serve_within};
use crate::world::World;
use crate::{AppState, Endpoint};
use pipulate_core::service::ServiceName;

/// Longer than any of these tests lasts.
const FOREVER: Duration = Duration::from_secs(3600);

const PATIENT: Limits =
    Limits { connections: 8, head: FOREVER, stall: FOREVER, farewell: Duration::from_millis(50) };

struct Served {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), ServeError>>,
    state: AppState,
    world: Arc<FakeWorld>,
    /// True if the next connection is admitted.
    welcome: Arc<AtomicBool>,
}

impl Served {
    fn new(limits: Limits) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let world = Arc::new(FakeWorld::default());
        world
            .services
            .lock()
            .unwrap()
            .push(super::fake::service("web", pipulate_core::state::ServiceState::Ready));
        let parts = World {
            status: world.clone(),
            control: world.clone(),
            secrets: world.clone(),
            logs: world.clone(),
            chat: world.clone(),
            notebooks: world.clone(),
            apps: world.clone(),
            folder: super::fake::folder(),
        };
        let state = AppState::new(
            ServiceName::parse("server").unwrap(),
            Endpoint { port: address.port(), hosts: Vec::new() },
            crate::sign::always(token()),
            parts,
        );
        let (end, ended) = oneshot::channel();
        let welcome = Arc::new(AtomicBool::new(true));
        let serving = state.clone();
        let is_welcome = Arc::clone(&welcome);
        let admits = Arc::new(move |_, _| is_welcome.load(Ordering::Relaxed));
        let thread = std::thread::spawn(move || {
            serve_within(limits, vec![listener], serving, admits, async move { ended.await.unwrap() })
        });
        Self { address, end, thread, state, world, welcome }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        // A failing test must end.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    fn end(self) {
        self.end.send(()).unwrap();
        let (done, wait) = mpsc::channel();
        std::thread::spawn(move || done.send(self.thread.join().unwrap()));
        wait.recv_timeout(Duration::from_secs(30)).expect("the server ends").unwrap();
    }

    fn get(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)
    }

    /// The first line of the answer to these bytes; empty if there is none.
    fn first_line(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may refuse before it has everything; a reset after the answer is an end, too.
        stream.write_all(request).ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    }
}

#[test]
fn the_app_answers_on_its_socket() {
    let served = Served::new(PATIENT);
    assert_eq!(served.first_line(served.get("/login").as_bytes()), "HTTP/1.1 200 OK");
    assert_eq!(served.first_line(served.get("/").as_bytes()), "HTTP/1.1 401 Unauthorized");
    assert_eq!(served.first_line(served.get("/static/x").as_bytes()), "HTTP/1.1 404 Not Found");
    served.end();
}

#[test]
fn attack_05_malformed_bytes_are_refused_and_the_app_lives() {
    let served = Served::new(PATIENT);
    let host = served.address;
    for head in [
        "Host: [::1".to_owned(),
        "Host: a b".to_owned(),
        "Host:".to_owned(),
        "X: y".to_owned(),
        format!("Host: {}", "x".repeat(8192)),
        format!("Host: {host}\r\nHost: {host}"),
        format!("Host: {host}\r\nhost: evil.example"),
        format!("Host: {host}\u{e9}"),
        format!("Host: {host}\0"),
        format!("Host : {host}"),
        "\u{1}\u{2}: \u{3}".to_owned(),
    ] {
        let request = format!("GET /login HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n");
        let line = served.first_line(request.as_bytes());
        assert!(line.contains(" 400 ") || line.contains(" 421 "), "{line:?} {head:?}");
    }
    let raw = b"GET /login HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n";
    assert!(served.first_line(raw).contains(" 400 "));
    let foreign = "GET http://evil.example/login HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert!(served.first_line(foreign.as_bytes()).contains(" 421 "));
    let tunnel = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    assert!(!served.first_line(tunnel.as_bytes()).contains(" 200 "));
    assert_eq!(served.first_line(served.get("/login").as_bytes()), "HTTP/1.1 200 OK");
    served.end();
}

#[test]
fn attack_32_a_head_that_is_too_large_is_refused() {
    let served = Served::new(PATIENT);
    let request =
        format!("GET /login HTTP/1.1\r\nHost: {}\r\nX: {}\r\n\r\n", served.address, "x".repeat(1 << 20));
    let line = served.first_line(request.as_bytes());
    assert!(line.is_empty() || line.contains(" 431 "), "{line}");
    assert_eq!(served.first_line(served.get("/login").as_bytes()), "HTTP/1.1 200 OK");
    served.end();
}

#[test]
fn attack_32_a_sender_that_does_not_finish_its_head_is_cut_off() {
    let served = Served::new(Limits { head: Duration::from_millis(20), ..PATIENT });
    for started in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        let mut slow = served.connect();
        slow.write_all(started.as_bytes()).unwrap();
        let mut answer = Vec::new();
        assert!(slow.read_to_end(&mut answer).is_ok(), "{started:?}");
    }
    served.end();
}

#[test]
fn attack_32_a_connection_that_idles_between_requests_is_cut_off() {
    let served = Served::new(Limits { head: Duration::from_millis(20), ..PATIENT });
    let mut idle = served.connect();
    idle.write_all(format!("GET /login HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).as_bytes()).unwrap();
    let mut answer = Vec::new();
    idle.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    served.end();
}

#[test]
fn attack_32_a_body_that_no_one_reads_is_not_waited_for() {
    let served = Served::new(PATIENT);
    for path in ["/services/web/stop", "/login", "/nowhere"] {
        let mut promising = served.connect();
        let (host, promise) = (served.address, "Content-Length: 1000\r\n\r\nx");
        promising.write_all(format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{promise}").as_bytes()).unwrap();
        let mut answer = Vec::new();
        promising.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 403 "), "{path}");
    }
    served.end();
}

#[test]
fn attack_32_those_who_only_hold_connections_make_room() {
    let served = Served::new(Limits { connections: 2, head: Duration::from_millis(20), ..PATIENT });
    let holders: Vec<TcpStream> = (0..6).map(|_| served.connect()).collect();
    assert_eq!(served.first_line(served.get("/login").as_bytes()), "HTTP/1.1 200 OK");
    drop(holders);
    served.end();
}

#[test]
fn attack_32_a_peer_that_does_not_take_its_answers_makes_room() {
    let served = Served::new(Limits { connections: 1, stall: Duration::from_millis(50), ..PATIENT });
    let mut greedy = served.connect();
    let request = format!("GET /static/pico.css HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
    greedy.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    // Some 70 MB of answers, more than any socket buffers; the peer may be disconnected while it sends.
    greedy.write_all(request.repeat(1000).as_bytes()).ok();
    assert_eq!(served.first_line(served.get("/login").as_bytes()), "HTTP/1.1 200 OK");
    served.end();
}

#[test]
fn the_end_waits_for_no_open_connection() {
    let served = Served::new(PATIENT);
    let silent = served.connect();
    let mut half = served.connect();
    half.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut kept = served.connect();
    kept.write_all(format!("GET /login HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).as_bytes()).unwrap();
    kept.read_exact(&mut [0; 12]).unwrap();
    served.end();
    drop((silent, half, kept));
}

#[test]
fn the_end_waits_for_no_action_in_progress() {
    let served = Served::new(PATIENT);
    let (release, held) = mpsc::channel();
    *served.world.hold.lock().unwrap() = Some(held);
    let cookie = format!(
        "{}={}",
        served.state.authenticator().cookie_name(),
        served.state.authenticator().new_session().unwrap()
    );
    let mut acting = served.connect();
    let (host, length) = (served.address, "Content-Length: 0\r\nSec-Fetch-Site: same-origin");
    let request =
        format!("POST /services/web/stop HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n{length}\r\n\r\n");
    acting.write_all(request.as_bytes()).unwrap();
    while served.world.acts.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    served.end();
    drop(release);
}

#[test]
fn strangers_get_a_refusal_whatever_they_ask_and_take_nobody_s_place() {
    let served = Served::new(Limits { connections: 1, ..PATIENT });
    served.welcome.store(false, Ordering::Relaxed);
    let held: Vec<TcpStream> = (0..20).map(|_| served.connect()).collect();
    let cookie = format!(
        "{}={}",
        served.state.authenticator().cookie_name(),
        served.state.authenticator().new_session().unwrap()
    );
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", served.address);
    for request in
        [request.as_bytes(), served.get("/login").as_bytes(), served.get("/static/app.css").as_bytes()]
    {
        assert_eq!(served.first_line(request), "HTTP/1.1 403 Forbidden");
    }
    served.welcome.store(true, Ordering::Relaxed);
    assert_eq!(served.first_line(served.get("/login").as_bytes()), "HTTP/1.1 200 OK");
    drop(held);
    served.end();
}

#[test]
fn a_listener_that_others_could_reach_is_refused() {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let world = Arc::new(FakeWorld::default());
    let state = super::fake::state_over(&world, world.clone());
    let refused = serve_within(PATIENT, vec![listener], state, Arc::new(|_, _| true), std::future::pending());
    assert!(matches!(refused, Err(ServeError::NotLoopback(_))));
}

impl Served {
    /// Opens a stream of events and reads until the first has come.
    fn stream(&self) -> TcpStream {
        let cookie = format!(
            "{}={}",
            self.state.authenticator().cookie_name(),
            self.state.authenticator().new_session().unwrap()
        );
        let mut stream = self.connect();
        let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut read = Vec::new();
        while !read.windows(7).any(|window| window == b"data: <") {
            let mut part = [0; 4096];
            let count = stream.read(&mut part).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&part[..count]);
        }
        stream
    }
}

#[test]
fn attack_32_four_hundred_open_pages_leave_the_app_to_others() {
    let served = Served::new(Limits { connections: 500, ..PATIENT });
    let open: Vec<TcpStream> = (0..400).map(|_| served.stream()).collect();
    assert_eq!(served.first_line(served.get("/login").as_bytes()), "HTTP/1.1 200 OK");
    // One look for all of them, not one for each.
    let before = served.world.looks.lock().unwrap().len();
    assert!(before < 40, "{before} looks for {} pages", open.len());
    served.end();
}

#[test]
fn the_end_waits_for_no_open_page() {
    let served = Served::new(PATIENT);
    let page = served.stream();
    served.end();
    drop(page);
}

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use pipulate_process::identity;
use pipulate_process::poll;

use super::*;
use crate::parts::log_pump::LogPump;
use crate::parts::samples;

const STARTING: Phase = Phase::Starting { deadline: None, late: false };
const LATE: Phase = Phase::Starting { deadline: None, late: true };
const HTTP: Readiness =
    Readiness::Http { path: String::new(), any_status: false, timeout: Duration::from_secs(60) };

/// A service; this test's process may count as its process.
struct Service {
    is_it: bool,
}

impl Listening for Service {
    fn listeners(&self) -> Listeners {
        Listeners::of(identity::own_pid().filter(|_| self.is_it)).unwrap()
    }

    fn holder(&self, _: u16) -> PortHolder {
        PortHolder::Unseen
    }
}

/// A home with a pump, and a check for a service of this kind.
struct Start {
    _folder: tempfile::TempDir,
    pump: LogPump,
    check: ReadinessCheck,
    target: Target,
}

impl Start {
    fn new(readiness: &Readiness, port: Option<u16>) -> Self {
        let (folder, layout) = samples::home();
        let pump = LogPump::open(&layout, &samples::spec(&layout)).unwrap();
        let mut check = ReadinessCheck::new(readiness, None);
        check.begin(&pump.capture, Instant::now());
        Self { _folder: folder, pump, check, target: Target { port, is_pinned: true } }
    }

    fn look(&mut self, phase: &Phase, service: &Service, now: Instant) -> bool {
        self.check.look(phase, false, &mut self.pump.capture, self.target, service, now)
    }

    /// Looks until the service answers or there is a diagnosis.
    fn wait(&mut self, phase: &Phase, service: &Service) -> bool {
        loop {
            if self.look(phase, service, Instant::now()) {
                return true;
            }
            if self.check.diagnosis.is_some() {
                return false;
            }
            let watched: Vec<_> = self.check.descriptor().into_iter().collect();
            let next = self.check.next_look(phase, Instant::now()).unwrap();
            poll::wait(&watched, Some(next.saturating_duration_since(Instant::now()))).unwrap();
        }
    }

    fn obstacle(&self) -> Option<Obstacle> {
        match self.check.why_late(Duration::from_secs(60)) {
            Reason::NotReadyInTime { obstacle, .. } => obstacle,
            other => panic!("{other:?}"),
        }
    }
}

/// Listens on a port and answers every request with this status.
fn server(status: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _request = stream.read(&mut [0; 4096]).unwrap();
            let _sent = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        }
    });
    port
}

#[test]
fn an_answer_of_a_listener_of_its_own_makes_it_ready() {
    let port = server("200 OK");
    let mut start = Start::new(&HTTP, Some(port));
    assert!(start.wait(&STARTING, &Service { is_it: true }));
    assert_eq!(start.check.address.map(|address| address.port()), Some(port));
    assert!(!start.check.used_memory());
    start.check.forget();
    assert_eq!(start.check.address, None);
}

#[test]
fn an_error_is_no_answer_and_is_the_reason_why_it_is_late() {
    let mut start = Start::new(&HTTP, Some(server("500 Broken")));
    assert!(!start.wait(&STARTING, &Service { is_it: true }));
    assert!(matches!(start.obstacle(), Some(Obstacle::Probe { .. })), "{:?}", start.obstacle());
}

#[test]
fn a_listener_of_another_process_is_never_asked_and_is_named_once_it_is_late() {
    let port = server("200 OK");
    let mut start = Start::new(&HTTP, Some(port));
    let (service, now) = (Service { is_it: false }, Instant::now() + FIRST_PAUSE);
    assert!(!start.look(&STARTING, &service, now));
    assert!(start.check.descriptor().is_none(), "nothing is asked");
    start.check.diagnose(&LATE, start.target, &service);
    assert_eq!(start.obstacle(), Some(Obstacle::PortHeld { port, holder: PortHolder::Unseen }));
}

#[test]
fn a_service_that_listens_on_no_port_is_said_to() {
    let mut start = Start::new(&HTTP, None);
    start.check.diagnose(&STARTING, start.target, &Service { is_it: false });
    assert_eq!(start.obstacle(), None, "it has time left");
    start.check.diagnose(&LATE, start.target, &Service { is_it: false });
    assert_eq!(start.obstacle(), Some(Obstacle::NoListener));
}

#[test]
fn a_line_makes_it_ready_also_when_it_is_the_last_one() {
    let readiness = Readiness::Log { pattern: "^up$".to_owned(), timeout: Duration::from_secs(60) };
    for (text, has_ended, is_ready) in
        [("up\n", false, true), ("coming up\n", false, false), ("up", false, false), ("up", true, true)]
    {
        let mut start = Start::new(&readiness, None);
        let mut output = File::from(start.pump.capture.writer().unwrap());
        output.write_all(text.as_bytes()).unwrap();
        assert!(start.check.waits_for_a_line(&STARTING));
        start.pump.drain(true);
        let service = Service { is_it: true };
        let found = start.check.look(
            &STARTING,
            has_ended,
            &mut start.pump.capture,
            start.target,
            &service,
            Instant::now(),
        );
        assert_eq!(found, is_ready, "{text:?}, ended: {has_ended}");
    }
    let start = Start::new(&readiness, None);
    assert!(matches!(start.check.why_late(Duration::ZERO), Reason::NoReadyLine { .. }));
}

#[test]
fn only_a_starting_service_is_looked_at() {
    let mut start = Start::new(&HTTP, Some(server("200 OK")));
    let up = Phase::Up { healthy_at: None };
    let later = Instant::now() + LATE_PAUSE;
    assert!(!start.look(&up, &Service { is_it: true }, later));
    assert!(start.check.next_look(&up, later).is_none() && start.check.descriptor().is_none());
}

//! Asking a listener whether it answers: one HTTP request, without waiting anywhere.

pub mod tls;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use pipulate_core::service::{Readiness, Scheme};
use pipulate_process::poll::{self, Interest};
use pipulate_process::ports;

/// What to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whether it accepts connections.
    Tcp,
    /// Whether it answers `GET path`: with any status, or only with 2xx and 3xx.
    Http { path: String, any_status: bool },
}

/// What was seen of a listener that did not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Refused,
    /// It accepted the connection, and time ran out.
    Silent,
    Closed,
    Status(u16),
    NotHttp,
    /// It was asked in TLS, and does not speak it.
    NotTls,
    /// It speaks TLS, and did not go on with us.
    Unwelcome(String),
}

/// A question under way.
#[derive(Debug)]
pub struct Probe {
    stream: TcpStream,
    question: Question,
    address: SocketAddr,
    secure: Option<Box<tls::Session>>,
    sent: bool,
    /// "Bad request" is no answer.
    wary: bool,
    reply: Vec<u8>,
}

/// How far a probe has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Pending,
    Answered,
    Failed(Seen),
}

impl Question {
    /// The one that tells whether a service is ready; `None` where no listener can tell.
    pub fn of(readiness: &Readiness) -> Option<Self> {
        match readiness {
            Readiness::Exec | Readiness::Log { .. } => None,
            Readiness::Tcp { .. } => Some(Self::Tcp),
            Readiness::Http { path, any_status, .. } => {
                Some(Self::Http { path: path.clone(), any_status: *any_status })
            }
        }
    }

    fn request(&self, address: SocketAddr) -> String {
        let path = match self {
            Self::Tcp => "/",
            Self::Http { path, .. } => path,
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: pipulate\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        )
    }
}

impl Seen {
    /// What it did, said of the listener at `address`.
    pub fn in_words(&self, question: &Question, address: SocketAddr) -> String {
        let path = match question {
            Question::Tcp => "",
            Question::Http { path, .. } => path,
        };
        match self {
            Self::Refused => format!("it refuses connections at {address}"),
            Self::Silent => format!("it accepts connections at {address} and sends nothing"),
            Self::Closed => format!("it closes connections to {address} without an answer"),
            Self::Status(code) => format!("it answered {code} at {path}"),
            Self::NotHttp => format!("what it answers at {address} is not HTTP"),
            Self::NotTls => format!("what it answers at {address} is not TLS"),
            Self::Unwelcome(why) => format!("it speaks TLS at {address} and refused the connection: {why}"),
        }
    }

    /// Whether a server that speaks TLS may answer a plain request like this: most hang up, the others
    /// say "bad request".
    pub fn suggests_tls(&self) -> bool {
        match self {
            Self::Closed | Self::NotHttp | Self::Status(400) => true,
            Self::Refused | Self::Silent | Self::Status(_) | Self::NotTls | Self::Unwelcome(_) => false,
        }
    }
}

impl Probe {
    /// Begins to ask; `None` when the connection is refused at once.
    pub fn begin(address: SocketAddr, question: Question, scheme: Scheme) -> Option<Self> {
        let stream = ports::connect(address).ok()?;
        let secure = match (scheme, &question) {
            (Scheme::Https, Question::Http { .. }) => {
                Some(Box::new(tls::Session::new(address.ip(), question.request(address).as_bytes())?))
            }
            (Scheme::Http, _) | (Scheme::Https, Question::Tcp) => None,
        };
        Some(Self { stream, question, address, secure, sent: false, wary: false, reply: Vec::new() })
    }

    /// The same, for a listener that may speak TLS and say "bad request" to whoever does not.
    pub fn wary(self, wary: bool) -> Self {
        Self { wary, ..self }
    }

    /// What to wait for before the next [`Probe::advance`].
    pub fn descriptor(&self) -> (BorrowedFd<'_>, Interest) {
        let wants_write = match &self.secure {
            Some(session) => session.wants_write(),
            None => !self.sent,
        };
        (self.stream.as_fd(), if wants_write { Interest::Write } else { Interest::Read })
    }

    /// Whom it asks.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it asks.
    pub fn scheme(&self) -> Scheme {
        if self.secure.is_some() { Scheme::Https } else { Scheme::Http }
    }

    /// Goes on as far as it can without waiting.
    pub fn advance(&mut self) -> Progress {
        let seen = match self.go_on() {
            Ok(progress) => return progress,
            Err(seen) => seen,
        };
        // Whoever never got through was refused, whatever it was to be asked.
        match self.sent || self.stream.peer_addr().is_ok() {
            true => Progress::Failed(seen),
            false => Progress::Failed(Seen::Refused),
        }
    }

    fn go_on(&mut self) -> Result<Progress, Seen> {
        if !matches!(self.stream.take_error(), Ok(None)) {
            return Err(self.secure.as_ref().map_or(Seen::Closed, |session| session.closed()));
        }
        let any_status = match &self.question {
            Question::Tcp if self.stream.peer_addr().is_ok() => return Ok(Progress::Answered),
            Question::Tcp => return Ok(Progress::Pending),
            Question::Http { any_status, .. } => *any_status,
        };
        match &mut self.secure {
            Some(session) => {
                // Not before it is connected: until then its first bytes would be lost.
                if self.stream.peer_addr().is_err() {
                    return Ok(Progress::Pending);
                }
                self.sent = true;
                session.advance(&mut self.stream, &mut self.reply)?;
            }
            None if !self.sent => return self.send(),
            None => self.receive()?,
        }
        match status(&self.reply) {
            Status::Incomplete => Ok(Progress::Pending),
            Status::Code(400) if self.wary && self.secure.is_none() => Err(Seen::Status(400)),
            Status::Code(code) if any_status || (200..400).contains(&code) => Ok(Progress::Answered),
            Status::Code(code) => Err(Seen::Status(code)),
            Status::NotHttp => Err(Seen::NotHttp),
        }
    }

    fn send(&mut self) -> Result<Progress, Seen> {
        let request = self.question.request(self.address);
        match self.stream.write_all(request.as_bytes()) {
            Ok(()) => {
                self.sent = true;
                Ok(Progress::Pending)
            }
            Err(error) if is_passing(&error) => Ok(Progress::Pending),
            Err(_) => Err(Seen::Closed),
        }
    }

    fn receive(&mut self) -> Result<(), Seen> {
        let mut buffer = [0; 512];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(Seen::Closed),
            Ok(count) => {
                self.reply.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if is_passing(&error) => Ok(()),
            Err(_) => Err(Seen::Closed),
        }
    }
}

/// Nothing can be read or written yet.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected | io::ErrorKind::Interrupted
    )
}

/// A question, and how and whom to ask it.
pub type Call = (SocketAddr, Question, Scheme);

/// Asks several listeners at once, for `patience` at most. The answers have the order of the questions.
pub fn ask_all(calls: Vec<Call>, patience: Duration) -> Vec<Result<(), Seen>> {
    let deadline = Instant::now() + patience;
    let begin = |(address, question, scheme)| Probe::begin(address, question, scheme);
    let mut probes: Vec<_> = calls.into_iter().map(begin).collect();
    let silent_or_refused = |probe: &Option<Probe>| match probe {
        Some(_) => Err(Seen::Silent),
        None => Err(Seen::Refused),
    };
    let mut answers: Vec<_> = probes.iter().map(silent_or_refused).collect();
    loop {
        // Before the look: where the machine kept us from looking, what came meanwhile still counts.
        let left = deadline.saturating_duration_since(Instant::now());
        for (probe, answer) in probes.iter_mut().zip(&mut answers) {
            match probe.as_mut().map(Probe::advance) {
                Some(Progress::Pending) | None => continue,
                Some(Progress::Answered) => *answer = Ok(()),
                Some(Progress::Failed(seen)) => *answer = Err(seen),
            }
            *probe = None;
        }
        let open: Vec<_> = probes.iter().flatten().map(Probe::descriptor).collect();
        if open.is_empty() || left.is_zero() || poll::wait(&open, Some(left)).is_err() {
            return answers;
        }
    }
}

enum Status {
    Incomplete,
    Code(u16),
    NotHttp,
}

/// The status of `HTTP/1.x NNN …`.
fn status(reply: &[u8]) -> Status {
    const PREFIX: &[u8] = b"HTTP/1.";
    let begun = reply.len().min(PREFIX.len());
    if reply[..begun] != PREFIX[..begun] {
        return Status::NotHttp;
    }
    let Some(digits) = reply.get(9..12) else { return Status::Incomplete };
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .map_or(Status::NotHttp, Status::Code)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn ask(reply: &'static [u8], any_status: bool) -> Result<(), Seen> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).unwrap();
            assert!(request[..count].starts_with(b"GET /x HTTP/1.1\r\n"));
            for byte in reply {
                // The other side may have heard enough.
                let _heard = stream.write_all(&[*byte]);
            }
        });
        let question = Question::Http { path: "/x".to_owned(), any_status };
        let mut answers = ask_all(vec![(address, question, Scheme::Http)], Duration::from_secs(20));
        server.join().unwrap();
        answers.remove(0)
    }

    fn http(path: &str) -> Question {
        Question::Http { path: path.to_owned(), any_status: true }
    }

    #[test]
    fn an_answer_is_an_http_status_that_counts() {
        assert_eq!(ask(b"HTTP/1.1 200 OK\r\n\r\n", false), Ok(()));
        assert_eq!(ask(b"HTTP/1.0 302 Found\r\n\r\n", false), Ok(()));
        assert_eq!(ask(b"HTTP/1.1 503 Busy\r\n\r\n", false), Err(Seen::Status(503)));
        assert_eq!(ask(b"HTTP/1.1 503 Busy\r\n\r\n", true), Ok(()));
        assert_eq!(ask(b"SSH-2.0-OpenSSH\r\n", true), Err(Seen::NotHttp));
        assert_eq!(ask(b"\x15\x03\x01\x00\x02\x02\x46", true), Err(Seen::NotHttp));
        assert_eq!(ask(b"", true), Err(Seen::Closed));
    }

    #[test]
    fn nobody_listening_is_no_answer_and_no_wait() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let calls = [(http("/"), Scheme::Http), (http("/"), Scheme::Https), (Question::Tcp, Scheme::Http)];
        let calls = calls.into_iter().map(|(question, scheme)| (address, question, scheme)).collect();
        let refused = || Err(Seen::Refused);
        assert_eq!(ask_all(calls, Duration::from_secs(60)), [refused(), refused(), refused()]);
    }

    #[test]
    fn a_listener_that_stays_silent_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let calls = vec![
            (address, http("/"), Scheme::Http),
            (address, http("/"), Scheme::Https),
            (address, Question::Tcp, Scheme::Http),
        ];
        let silent = || Err(Seen::Silent);
        assert_eq!(ask_all(calls, Duration::from_millis(100)), [silent(), silent(), Ok(())]);
    }

    #[test]
    fn whoever_does_not_speak_tls_is_known_by_its_first_bytes() {
        for reply in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH\r\n", b""] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _hello = stream.read(&mut [0; 4096]).unwrap();
                stream.write_all(reply).unwrap();
            });
            let call = (address, http("/"), Scheme::Https);
            assert_eq!(ask_all(vec![call], Duration::from_secs(20)), [Err(Seen::NotTls)]);
            server.join().unwrap();
        }
    }

    #[test]
    fn what_was_seen_is_said() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let said = |seen: Seen| seen.in_words(&http("/health"), address);
        assert_eq!(said(Seen::Status(404)), "it answered 404 at /health");
        assert_eq!(said(Seen::Refused), "it refuses connections at 127.0.0.1:80");
    }
}

//! Asking a listener whether it answers: one HTTP request, without waiting anywhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use pipulate_process::poll::{self, Interest};
use pipulate_process::ports;

/// What to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether it accepts connections.
    Tcp,
    /// Whether it answers `GET path`: with any status, or only with 2xx and 3xx.
    Http { path: String, any_status: bool },
}

/// A question under way.
#[derive(Debug)]
pub(crate) struct Probe {
    stream: TcpStream,
    question: Question,
    address: SocketAddr,
    sent: bool,
    reply: Vec<u8>,
}

/// How far a probe has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Pending,
    Answered,
    Refused,
}

impl Probe {
    /// Begins to ask; `None` when the connection is refused at once.
    pub(crate) fn begin(address: SocketAddr, question: Question) -> Option<Self> {
        let stream = ports::connect(address).ok()?;
        Some(Self { stream, question, address, sent: false, reply: Vec::new() })
    }

    /// What to wait for before the next [`Probe::advance`].
    pub(crate) fn descriptor(&self) -> (BorrowedFd<'_>, Interest) {
        (self.stream.as_fd(), if self.sent { Interest::Read } else { Interest::Write })
    }

    /// Whom it asks.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Goes on as far as it can without waiting.
    pub(crate) fn advance(&mut self) -> Progress {
        match &self.question {
            _ if !matches!(self.stream.take_error(), Ok(None)) => Progress::Refused,
            Question::Tcp if self.stream.peer_addr().is_ok() => Progress::Answered,
            Question::Tcp => Progress::Pending,
            Question::Http { .. } if !self.sent => self.send(),
            Question::Http { any_status, .. } => {
                let any_status = *any_status;
                self.receive(any_status)
            }
        }
    }

    fn send(&mut self) -> Progress {
        let Question::Http { path, .. } = &self.question else { return Progress::Refused };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: pipulate\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            self.address
        );
        match self.stream.write_all(request.as_bytes()) {
            Ok(()) => {
                self.sent = true;
                Progress::Pending
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Progress::Pending,
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Progress::Pending,
            Err(_) => Progress::Refused,
        }
    }

    fn receive(&mut self, any_status: bool) -> Progress {
        let mut buffer = [0; 512];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Progress::Refused,
            Ok(count) => self.reply.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Progress::Pending,
            Err(_) => return Progress::Refused,
        }
        match status(&self.reply) {
            Status::Incomplete => Progress::Pending,
            Status::Code(code) if any_status || (200..400).contains(&code) => Progress::Answered,
            Status::Code(_) | Status::NotHttp => Progress::Refused,
        }
    }
}

/// Asks several listeners at once, for `patience` at most. The answers have the order of the questions.
pub(crate) fn ask_all(questions: Vec<(SocketAddr, Question)>, patience: Duration) -> Vec<bool> {
    let deadline = Instant::now() + patience;
    let mut probes: Vec<_> =
        questions.into_iter().map(|(address, question)| Probe::begin(address, question)).collect();
    let mut answers = vec![false; probes.len()];
    loop {
        // Before the look: where the machine kept us from looking, what came meanwhile still counts.
        let left = deadline.saturating_duration_since(Instant::now());
        for (probe, answer) in probes.iter_mut().zip(&mut answers) {
            match probe.as_mut().map(Probe::advance) {
                Some(Progress::Pending) | None => {}
                Some(progress @ (Progress::Answered | Progress::Refused)) => {
                    *answer = progress == Progress::Answered;
                    *probe = None;
                }
            }
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

    fn ask(reply: &'static [u8], any_status: bool) -> bool {
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
        let answer = ask_all(vec![(address, question)], Duration::from_secs(20));
        server.join().unwrap();
        answer[0]
    }

    #[test]
    fn an_answer_is_an_http_status_that_counts() {
        assert!(ask(b"HTTP/1.1 200 OK\r\n\r\n", false));
        assert!(ask(b"HTTP/1.0 302 Found\r\n\r\n", false));
        assert!(!ask(b"HTTP/1.1 503 Busy\r\n\r\n", false));
        assert!(ask(b"HTTP/1.1 503 Busy\r\n\r\n", true));
        assert!(!ask(b"SSH-2.0-OpenSSH\r\n", true));
        assert!(!ask(b"", true));
    }

    #[test]
    fn nobody_listening_is_no_answer_and_no_wait() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let question = Question::Http { path: "/".to_owned(), any_status: true };
        assert_eq!(
            ask_all(vec![(address, question), (address, Question::Tcp)], Duration::from_secs(60)),
            [false, false]
        );
    }

    #[test]
    fn a_listener_that_stays_silent_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let question = Question::Http { path: "/".to_owned(), any_status: true };
        assert_eq!(
            ask_all(vec![(address, question), (address, Question::Tcp)], Duration::from_millis(100)),
            [false, true]
        );
    }
}

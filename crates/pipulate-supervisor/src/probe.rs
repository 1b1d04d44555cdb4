//! Probing a listener: one HTTP request, without blocking.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use pipulate_core::reason::ProbeProblem;
use pipulate_core::service::{Readiness, Scheme};
use pipulate_http::exchange::{Exchange, Get};
use pipulate_http::failure::Failure;
use pipulate_process::poll::{self, Interest};

/// The body is ignored.
const LONGEST_BODY: usize = 64 << 10;

/// The question to a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Does it accept connections?
    Tcp,
    /// Does it answer `GET path`: with any status, or only with 2xx and 3xx?
    Http { path: String, any_status: bool },
}

/// The behavior of a listener that failed the probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Refused,
    /// It accepted the connection, and did not answer in time.
    Silent,
    Closed,
    Status(u16),
    NotHttp,
    /// It was probed in TLS, and does not speak it.
    NotTls,
    /// It speaks TLS, and ended the handshake.
    Unwelcome(String),
}

/// A running probe.
#[derive(Debug)]
pub struct Probe {
    exchange: Exchange,
    question: Question,
    /// Status 400 is no answer.
    wary: bool,
}

/// The progress of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Pending,
    Answered,
    Failed(Seen),
}

impl Question {
    /// Returns the question that decides whether a service is ready; `None` if it needs no listener.
    pub fn of(readiness: &Readiness) -> Option<Self> {
        match readiness {
            Readiness::Exec | Readiness::Log { .. } => None,
            Readiness::Tcp { .. } => Some(Self::Tcp),
            Readiness::Http { path, any_status, .. } => {
                Some(Self::Http { path: path.clone(), any_status: *any_status })
            }
        }
    }
}

impl Seen {
    /// Describes this behavior of the listener at `address` as a problem.
    pub fn problem(&self, question: &Question, address: SocketAddr) -> ProbeProblem {
        let path = match question {
            Question::Tcp => "",
            Question::Http { path, .. } => path,
        };
        match self {
            Self::Refused => ProbeProblem::Refused { address },
            Self::Silent => ProbeProblem::Silent { address },
            Self::Closed => ProbeProblem::Closed { address },
            Self::Status(code) => ProbeProblem::Status { code: *code, path: path.to_owned() },
            Self::NotHttp => ProbeProblem::NotHttp { address },
            Self::NotTls => ProbeProblem::NotTls { address },
            Self::Unwelcome(error) => ProbeProblem::TlsRefused { address, error: error.clone() },
        }
    }

    /// Returns true if a TLS server may answer a plain request like this: most hang up, others answer "bad
    /// request".
    pub fn suggests_tls(&self) -> bool {
        match self {
            Self::Closed | Self::NotHttp | Self::Status(400) => true,
            Self::Refused | Self::Silent | Self::Status(_) | Self::NotTls | Self::Unwelcome(_) => false,
        }
    }
}

impl From<Failure> for Seen {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused => Self::Refused,
            Failure::Silent => Self::Silent,
            Failure::Closed => Self::Closed,
            Failure::NotHttp => Self::NotHttp,
            Failure::NotTls => Self::NotTls,
            Failure::TlsRefused(why) => Self::Unwelcome(why),
        }
    }
}

impl Probe {
    /// Begins to probe; `None` if the connection is refused at once.
    pub fn begin(address: SocketAddr, question: Question, scheme: Scheme) -> Option<Self> {
        let (scheme, path) = match &question {
            Question::Tcp => (Scheme::Http, "/"),
            Question::Http { path, .. } => (scheme, path.as_str()),
        };
        let get = Get { address, scheme, path, authorization: None, limit: LONGEST_BODY };
        Some(Self { exchange: Exchange::begin(get).ok()?, question, wary: false })
    }

    /// With `wary`, a 400 is no answer: TLS servers may answer a plain request with it.
    pub fn wary(self, wary: bool) -> Self {
        Self { wary, ..self }
    }

    /// Returns what to wait for before the next [`Probe::advance`].
    pub fn descriptor(&self) -> (BorrowedFd<'_>, Interest) {
        self.exchange.descriptor()
    }

    /// Returns the listener's address.
    pub fn address(&self) -> SocketAddr {
        self.exchange.address()
    }

    /// Returns the scheme of the probe.
    pub fn scheme(&self) -> Scheme {
        self.exchange.scheme()
    }

    /// Advances as far as possible without blocking.
    pub fn advance(&mut self) -> Progress {
        self.go_on().unwrap_or_else(|failure| Progress::Failed(failure.into()))
    }

    fn go_on(&mut self) -> Result<Progress, Failure> {
        let any_status = match &self.question {
            Question::Tcp => {
                let connected = self.exchange.connected()?;
                return Ok(if connected { Progress::Answered } else { Progress::Pending });
            }
            Question::Http { any_status, .. } => *any_status,
        };
        let advanced = self.exchange.advance();
        match self.exchange.status() {
            // Only the status counts: the rest may be of any length or broken.
            Some(400) if self.wary && self.scheme() == Scheme::Http => {
                Ok(Progress::Failed(Seen::Status(400)))
            }
            Some(code) if any_status || (200..400).contains(&code) => Ok(Progress::Answered),
            Some(code) => Ok(Progress::Failed(Seen::Status(code))),
            None => advanced.map(|()| Progress::Pending),
        }
    }
}

/// A listener, the question, and the scheme.
pub type Call = (SocketAddr, Question, Scheme);

/// Probes several listeners at once, for `patience` at most. The results are in the order of the calls.
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
        // Before polling: if this process was delayed, answers that came meanwhile still count.
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
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
                // The other side may have closed already.
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
        let said = |seen: Seen| seen.problem(&http("/health"), address);
        let status = ProbeProblem::Status { code: 404, path: "/health".to_owned() };
        assert_eq!(said(Seen::Status(404)), status);
        assert_eq!(said(Seen::Refused), ProbeProblem::Refused { address });
    }
}

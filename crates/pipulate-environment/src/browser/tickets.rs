//! One-time addresses: a loopback server that sends each browser on, once.
//!
//! An address is `http://127.0.0.1:PORT/` and 128 random bits. It is all that other users can read
//! in a process list, and it is worth nothing once the browser has been there.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pipulate_process::peers;

use super::BrowserError;

/// How many connections are answered at a time: browsers open spare ones, so one is not enough.
const CONNECTIONS: usize = 16;

/// The longest request head that is read. A browser's is far below it.
const HEAD: usize = 16 * 1024;

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(5);

/// The addresses of one hand-over.
#[derive(Debug)]
pub(super) struct Tickets {
    listener: TcpListener,
    port: u16,
    tickets: Mutex<Vec<Ticket>>,
    connections: AtomicUsize,
}

#[derive(Debug)]
struct Ticket {
    path: String,
    target: String,
    page: usize,
    used: bool,
}

/// What a request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Redirect { page: usize, target: String },
    Malformed,
    NotFound,
    NotGet,
    Gone,
    Stranger,
    WrongHost,
}

impl Tickets {
    /// Binds a free loopback port.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn new() -> Result<Arc<Self>, BrowserError> {
        let failed = |source| BrowserError::Io { activity: "listen on 127.0.0.1", source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Arc::new(Self { listener, port, tickets: Mutex::default(), connections: AtomicUsize::new(0) }))
    }

    /// Issues an address that leads to `target` once.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(super) fn issue(&self, page: usize, target: &str) -> Result<String, BrowserError> {
        let path = format!("/{}", random_key()?);
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        self.lock().push(Ticket { path, target: target.to_owned(), page, used: false });
        Ok(url)
    }

    /// Makes a page's address worthless.
    pub(super) fn revoke(&self, page: usize) {
        self.lock().iter_mut().filter(|ticket| ticket.page == page).for_each(|ticket| ticket.used = true);
    }

    /// Whether a page's address was used.
    pub(super) fn used(&self, page: usize) -> bool {
        self.lock().iter().any(|ticket| ticket.page == page && ticket.used)
    }

    /// Whether an address is still worth something.
    pub(super) fn outstanding(&self) -> bool {
        self.lock().iter().any(|ticket| !ticket.used)
    }

    /// Answers connections from a thread of its own for as long as this process lives, and tells of
    /// each page that was fetched.
    pub(super) fn serve(self: &Arc<Self>, on_fetched: impl Fn(usize) + Clone + Send + 'static) {
        let tickets = Arc::clone(self);
        thread::spawn(move || {
            for stream in tickets.listener.incoming().flatten() {
                let (tickets, on_fetched) = (Arc::clone(&tickets), on_fetched.clone());
                if tickets.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
                    tickets.connections.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                thread::spawn(move || {
                    if let Ok(Some(page)) = tickets.answer(stream) {
                        on_fetched(page);
                    }
                    tickets.connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<Option<usize>> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let Some(head) = read_head(&mut stream)? else { return Ok(None) };
        // Others see one-time addresses in the process list, and may be faster than the browser.
        let answer = match peers::admit_stream(&stream) {
            Ok(()) => self.judge(&head),
            Err(_) => Answer::Stranger,
        };
        stream.write_all(answer.response().as_bytes())?;
        Ok(match answer {
            Answer::Redirect { page, target: _ } => Some(page),
            Answer::Malformed
            | Answer::NotFound
            | Answer::NotGet
            | Answer::Gone
            | Answer::Stranger
            | Answer::WrongHost => None,
        })
    }

    /// A page elsewhere can point a name of its own at us, but it can't send our Host.
    fn judge(&self, head: &str) -> Answer {
        let mut lines = head.split("\r\n");
        let Some((method, path)) = lines.next().and_then(request_line) else { return Answer::Malformed };
        let mut hosts = lines.filter_map(|line| line.split_once(':'));
        let mut hosts = hosts.by_ref().filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        let (Some((_, host)), None) = (hosts.next(), hosts.next()) else { return Answer::WrongHost };
        let ours = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port));
        if !ours.contains(&host.trim().to_ascii_lowercase()) {
            return Answer::WrongHost;
        }
        let mut tickets = self.lock();
        let Some(ticket) = tickets.iter_mut().find(|ticket| ticket.path == path) else {
            return Answer::NotFound;
        };
        if method != "GET" {
            return Answer::NotGet;
        }
        if std::mem::replace(&mut ticket.used, true) {
            return Answer::Gone;
        }
        Answer::Redirect { page: ticket.page, target: ticket.target.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Ticket>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn response(&self) -> String {
        let (status, location, text) = match self {
            Self::Redirect { target, page: _ } => ("303 See Other", format!("Location: {target}\r\n"), ""),
            Self::Malformed => ("400 Bad Request", String::new(), "This is not an HTTP request"),
            Self::NotFound => ("404 Not Found", String::new(), "There is nothing here"),
            Self::NotGet => {
                ("405 Method Not Allowed", "Allow: GET\r\n".to_owned(), "Only GET is answered here")
            }
            Self::Gone => {
                ("410 Gone", String::new(), "This address was good once; get a new one with: pipulate open")
            }
            Self::Stranger => ("403 Forbidden", String::new(), "This address was made for another user"),
            Self::WrongHost => {
                ("421 Misdirected Request", String::new(), "This server answers on 127.0.0.1 only")
            }
        };
        format!(
            "HTTP/1.1 {status}\r\n{location}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
             Connection: close\r\n\r\n{text}",
            text.len()
        )
    }
}

/// 128 random bits in hexadecimal.
///
/// # Errors
/// The system has no random bytes.
pub(super) fn random_key() -> Result<String, BrowserError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(BrowserError::Random)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// The request's lines up to the empty one; `None` when none came.
fn read_head(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let (mut head, mut part) = (Vec::new(), [0; 2048]);
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let count = stream.read(&mut part)?;
        if count == 0 || head.len() + count > HEAD {
            return Ok(None);
        }
        head.extend_from_slice(&part[..count]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

fn request_line(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ');
    match (words.next()?, words.next()?, words.next()?, words.next()) {
        (method, path, "HTTP/1.1" | "HTTP/1.0", None) => Some((method, path)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tickets: &Tickets, method: &str, path: &str, host: &str) -> Answer {
        tickets.judge(&format!("{method} {path} HTTP/1.1\r\nAccept: */*\r\nHOST: {host}\r\n\r\n"))
    }

    #[test]
    fn an_address_is_good_once_and_only_as_it_was_issued() {
        let tickets = Tickets::new().unwrap();
        let url = tickets.issue(7, "http://127.0.0.1:8888/lab?token=t").unwrap();
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let path = format!("/{path}");
        let evil = host.replace("127.0.0.1", "evil.example");
        assert_eq!(asked(&tickets, "GET", &path, &evil), Answer::WrongHost);
        assert_eq!(asked(&tickets, "GET", &path, "127.0.0.1"), Answer::WrongHost);
        assert_eq!(asked(&tickets, "GET", &path, &format!("{host}\r\nHost: {host}")), Answer::WrongHost);
        assert_eq!(asked(&tickets, "GET", "/", host), Answer::NotFound);
        assert_eq!(asked(&tickets, "GET", &format!("{path}?"), host), Answer::NotFound);
        assert_eq!(asked(&tickets, "HEAD", &path, host), Answer::NotGet);
        assert_eq!(asked(&tickets, "GET", "/a b", host), Answer::Malformed);
        assert!(tickets.outstanding() && !tickets.used(7), "none of these used it up");
        let target = "http://127.0.0.1:8888/lab?token=t".to_owned();
        assert_eq!(asked(&tickets, "GET", &path, host), Answer::Redirect { page: 7, target });
        assert_eq!(asked(&tickets, "GET", &path, host), Answer::Gone);
        assert!(!tickets.outstanding() && tickets.used(7));
    }

    #[test]
    fn a_revoked_address_is_worthless() {
        let tickets = Tickets::new().unwrap();
        let url = tickets.issue(0, "http://x/").unwrap();
        tickets.revoke(0);
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        assert_eq!(asked(&tickets, "GET", &format!("/{path}"), host), Answer::Gone);
    }

    #[test]
    fn addresses_cannot_be_guessed_from_one_another() {
        let tickets = Tickets::new().unwrap();
        let urls = [tickets.issue(0, "http://x/").unwrap(), tickets.issue(1, "http://x/").unwrap()];
        assert_ne!(urls[0], urls[1]);
        assert!(urls.iter().all(|url| url.rsplit('/').next().unwrap().len() == 32));
    }
}

//! One-time URLs: a loopback server that redirects each browser, once.
//!
//! A URL is `http://127.0.0.1:PORT/` and 128 random bits. Other users can read it in the process
//! list, but it is worthless once the browser has been there.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pipulate_http::request::{self, Request};
use pipulate_process::peers;

use super::BrowserError;

/// The number of concurrent connections: browsers open spare ones, so one is not enough.
const CONNECTIONS: usize = 16;

/// The timeout of a client's request, and of reading the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The one-time URLs of one hand-over to a browser.
#[derive(Debug)]
pub(super) struct OneTimeUrls {
    listener: TcpListener,
    port: u16,
    urls: Mutex<Vec<OneTimeUrl>>,
    connections: AtomicUsize,
}

#[derive(Debug)]
struct OneTimeUrl {
    path: String,
    target: String,
    page: usize,
    used: bool,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Redirect { page: usize, target: String },
    Malformed,
    NotFound,
    NotGet,
    Gone,
    OtherUser,
    WrongHost,
}

impl OneTimeUrls {
    /// Binds a free loopback port.
    ///
    /// # Errors
    /// No port is free.
    pub(super) fn new() -> Result<Arc<Self>, BrowserError> {
        let failed = |source| BrowserError::Io { activity: "listen on 127.0.0.1", source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Arc::new(Self { listener, port, urls: Mutex::default(), connections: AtomicUsize::new(0) }))
    }

    /// Issues a URL that leads to `target` once.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(super) fn issue(&self, page: usize, target: &str) -> Result<String, BrowserError> {
        let path = format!("/{}", random_key()?);
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        self.lock().push(OneTimeUrl { path, target: target.to_owned(), page, used: false });
        Ok(url)
    }

    /// Revokes a page's URL.
    pub(super) fn revoke(&self, page: usize) {
        self.lock().iter_mut().filter(|url| url.page == page).for_each(|url| url.used = true);
    }

    /// Returns true if a page's URL was used.
    pub(super) fn used(&self, page: usize) -> bool {
        self.lock().iter().any(|url| url.page == page && url.used)
    }

    /// Returns true if a URL is still unused.
    pub(super) fn outstanding(&self) -> bool {
        self.lock().iter().any(|url| !url.used)
    }

    /// Answers connections in a separate thread until this process ends, and calls `on_fetched` for each page
    /// that was fetched.
    pub(super) fn serve(self: &Arc<Self>, on_fetched: impl Fn(usize) + Clone + Send + 'static) {
        let urls = Arc::clone(self);
        thread::spawn(move || {
            for stream in urls.listener.incoming().flatten() {
                let (urls, on_fetched) = (Arc::clone(&urls), on_fetched.clone());
                if urls.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
                    urls.connections.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                thread::spawn(move || {
                    if let Ok(Some(page)) = urls.answer(stream) {
                        on_fetched(page);
                    }
                    urls.connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<Option<usize>> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let Some(head) = request::read_head(&mut stream, PATIENCE)? else { return Ok(None) };
        // Other users see one-time URLs in the process list, and may be faster than the browser.
        let answer = match peers::admit_stream(&stream) {
            Ok(()) => self.judge(&head),
            Err(_) => Answer::OtherUser,
        };
        stream.write_all(answer.response().as_bytes())?;
        Ok(match answer {
            Answer::Redirect { page, target: _ } => Some(page),
            Answer::Malformed
            | Answer::NotFound
            | Answer::NotGet
            | Answer::Gone
            | Answer::OtherUser
            | Answer::WrongHost => None,
        })
    }

    /// Checks the Host as well: another site can point its own name at us, but can't send ours.
    fn judge(&self, head: &[u8]) -> Answer {
        let Some(request) = Request::parse(head) else { return Answer::Malformed };
        let Some(host) = request.single("host") else { return Answer::WrongHost };
        let ours = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port));
        if !ours.contains(&host.trim().to_ascii_lowercase()) {
            return Answer::WrongHost;
        }
        let mut urls = self.lock();
        let Some(url) = urls.iter_mut().find(|url| url.path == request.target) else {
            return Answer::NotFound;
        };
        if request.method != "GET" {
            return Answer::NotGet;
        }
        if std::mem::replace(&mut url.used, true) {
            return Answer::Gone;
        }
        Answer::Redirect { page: url.page, target: url.target.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OneTimeUrl>> {
        self.urls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn response(&self) -> String {
        let (status, location, text) = match self {
            Self::Redirect { target, page: _ } => ("303 See Other", format!("Location: {target}\r\n"), ""),
            Self::Malformed => ("400 Bad Request", String::new(), "This is not an HTTP request"),
            Self::NotFound => ("404 Not Found", String::new(), "There is nothing here"),
            Self::NotGet => {
                ("405 Method Not Allowed", "Allow: GET\r\n".to_owned(), "Only GET requests are answered here")
            }
            Self::Gone => {
                ("410 Gone", String::new(), "This address works only once; get a new one with: pipulate open")
            }
            Self::OtherUser => ("403 Forbidden", String::new(), "This address was made for another user"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(urls: &OneTimeUrls, method: &str, path: &str, host: &str) -> Answer {
        urls.judge(format!("{method} {path} HTTP/1.1\r\nAccept: */*\r\nHOST: {host}\r\n\r\n").as_bytes())
    }

    #[test]
    fn an_address_is_good_once_and_only_as_it_was_issued() {
        let urls = OneTimeUrls::new().unwrap();
        let url = urls.issue(7, "http://127.0.0.1:8888/lab?token=t").unwrap();
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let path = format!("/{path}");
        let evil = host.replace("127.0.0.1", "evil.example");
        assert_eq!(asked(&urls, "GET", &path, &evil), Answer::WrongHost);
        assert_eq!(asked(&urls, "GET", &path, "127.0.0.1"), Answer::WrongHost);
        assert_eq!(asked(&urls, "GET", &path, &format!("{host}\r\nHost: {host}")), Answer::WrongHost);
        assert_eq!(asked(&urls, "GET", "/", host), Answer::NotFound);
        assert_eq!(asked(&urls, "GET", &format!("{path}?"), host), Answer::NotFound);
        assert_eq!(asked(&urls, "HEAD", &path, host), Answer::NotGet);
        assert_eq!(asked(&urls, "GET", "/a b", host), Answer::Malformed);
        assert!(urls.outstanding() && !urls.used(7), "none of these used it up");
        let target = "http://127.0.0.1:8888/lab?token=t".to_owned();
        assert_eq!(asked(&urls, "GET", &path, host), Answer::Redirect { page: 7, target });
        assert_eq!(asked(&urls, "GET", &path, host), Answer::Gone);
        assert!(!urls.outstanding() && urls.used(7));
    }

    #[test]
    fn a_revoked_address_is_worthless() {
        let urls = OneTimeUrls::new().unwrap();
        let url = urls.issue(0, "http://x/").unwrap();
        urls.revoke(0);
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        assert_eq!(asked(&urls, "GET", &format!("/{path}"), host), Answer::Gone);
    }

    #[test]
    fn addresses_cannot_be_guessed_from_one_another() {
        let urls = OneTimeUrls::new().unwrap();
        let urls = [urls.issue(0, "http://x/").unwrap(), urls.issue(1, "http://x/").unwrap()];
        assert_ne!(urls[0], urls[1]);
        assert!(urls.iter().all(|url| url.rsplit('/').next().unwrap().len() == 32));
    }
}

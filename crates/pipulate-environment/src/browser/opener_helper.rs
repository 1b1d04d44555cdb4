//! The opener helper: opens the pages one after the other, reports, and waits for the browser.
//!
//! Its instructions come on stdin, so that its arguments contain no secret. It reports in one loopback
//! datagram, with a key from its stdin.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use pipulate_process::command::{Command, CommandError, End};
use serde::{Deserialize, Serialize};

use super::one_time_urls::{OneTimeUrls, random_key};
use super::{BrowserError, Page, opener};

/// The lifetime of a one-time URL.
const LIFETIME: Duration = Duration::from_secs(60);

/// The helper's input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Instructions {
    /// The programs of `$BROWSER`; `None` for the system's.
    programs: Option<Vec<String>>,
    pages: Vec<Wanted>,
    answer_port: u16,
    answer_key: String,
    /// The total time for watching openers.
    watch: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Wanted {
    url: String,
    secret: bool,
}

/// The reason why each page was not opened; `None` if it was.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    key: String,
    reasons: Vec<Option<String>>,
}

/// The socket on which `open_pages` waits for the report.
#[derive(Debug)]
pub(super) struct ReportSocket {
    socket: UdpSocket,
    port: u16,
    key: String,
}

impl Instructions {
    /// A quarter of the caller's patience is for the helper's own start and answer.
    pub(super) fn new(
        programs: Option<Vec<String>>,
        pages: &[Page],
        socket: &ReportSocket,
        patience: Duration,
    ) -> Self {
        let pages = pages.iter().map(|page| Wanted { url: page.url.clone(), secret: page.secret }).collect();
        let (answer_port, answer_key) = (socket.port, socket.key.clone());
        Self { programs, pages, answer_port, answer_key, watch: patience.mul_f64(0.75) }
    }
}

impl ReportSocket {
    /// Binds a free loopback port.
    ///
    /// # Errors
    /// No port is free, or there are no random bytes.
    pub(super) fn new() -> Result<Self, BrowserError> {
        let failed = |source| BrowserError::Io { activity: "open a loopback socket", source };
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = socket.local_addr().map_err(failed)?.port();
        Ok(Self { socket, port, key: random_key()? })
    }

    /// Waits for the report; `None` after the timeout. Foreign datagrams are dropped.
    ///
    /// # Errors
    /// The socket failed.
    pub(super) fn answer(&self, patience: Duration) -> Result<Option<Vec<Option<String>>>, BrowserError> {
        let failed = |source| BrowserError::Io { activity: "wait for the browser's opener", source };
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 8192];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left)).map_err(failed)?;
            let count = match self.socket.recv(&mut buffer) {
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            match serde_json::from_slice::<Report>(&buffer[..count]) {
                Ok(report) if report.key == self.key => return Ok(Some(report.reasons)),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// Carries out the instructions.
///
/// # Errors
/// No loopback socket, or no random bytes.
pub(super) fn run(instructions: Instructions) -> Result<(), BrowserError> {
    let deadline = Instant::now() + LIFETIME;
    let one_time_urls = OneTimeUrls::new()?;
    let (sender, events) = mpsc::channel();
    let on_fetched = sender.clone();
    one_time_urls.serve(move |page| drop(on_fetched.send(Event::Fetched { page })));
    let mut opening =
        Opening { instructions: &instructions, one_time_urls: &one_time_urls, attempts: 0, sender, events };
    let mut reasons = Vec::new();
    for (page, wanted) in instructions.pages.iter().enumerate() {
        reasons.push(opening.open(page, wanted)?);
    }
    // The caller may have ended; the browser still comes.
    let told = report(&instructions, reasons);
    opening.wait_for_browser(deadline);
    told
}

enum Event {
    Ended { attempt: usize, ended: Result<End, CommandError> },
    Fetched { page: usize },
}

struct Opening<'a> {
    instructions: &'a Instructions,
    one_time_urls: &'a OneTimeUrls,
    attempts: usize,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

impl Opening<'_> {
    /// Tries one opener after the other: returns `None` if one accepted the page, else the reason why none
    /// did.
    ///
    /// The next page waits for that: a browser that gets a second request while it starts shows an error.
    fn open(&mut self, page: usize, wanted: &Wanted) -> Result<Option<String>, BrowserError> {
        let web = wanted.url.starts_with("http://") || wanted.url.starts_with("https://");
        if !web || wanted.url.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Ok(Some("its address can't be opened in a browser".to_owned()));
        }
        let url =
            if wanted.secret { self.one_time_urls.issue(page, &wanted.url)? } else { wanted.url.clone() };
        let share = u32::try_from(self.instructions.pages.len()).unwrap_or(u32::MAX);
        let deadline = Instant::now() + self.instructions.watch / share;
        let mut first = None;
        let mut missing = Vec::new();
        for command in opener::candidates(self.instructions.programs.as_deref(), &url) {
            let Some(ended) = self.try_opener(page, &command, deadline) else { return Ok(None) };
            let absent = matches!(&ended, Err(error) if error.source.kind() == ErrorKind::NotFound);
            match opener::refusal(command.program(), &ended) {
                None => return Ok(None),
                Some(_) if absent => missing.push(command.program().display().to_string()),
                Some(reason) => first = first.or(Some(reason)),
            }
        }
        if first.is_some() {
            // The URL stays valid: some openers report an error and open the page anyway.
            return Ok(first);
        }
        self.one_time_urls.revoke(page);
        Ok(Some(format!("none of these is installed: {}", missing.join(", "))))
    }

    /// The opener's end; `None` if it still runs, or if the browser has already come.
    fn try_opener(
        &mut self,
        page: usize,
        command: &Command,
        deadline: Instant,
    ) -> Option<Result<End, CommandError>> {
        self.attempts += 1;
        let (attempt, command, sender) = (self.attempts, command.clone(), self.sender.clone());
        // Its stdin is ours, read to its end; its stdout and stderr are ours, /dev/null.
        thread::spawn(move || drop(sender.send(Event::Ended { attempt, ended: command.attached() })));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left).ok()? {
                Event::Fetched { page: fetched } if fetched == page => return None,
                Event::Ended { attempt: other, ended } if other == self.attempts => {
                    return (!self.one_time_urls.used(page)).then_some(ended);
                }
                Event::Fetched { .. } | Event::Ended { .. } => {}
            }
        }
    }

    /// An opener may end long before its browser sends the request.
    fn wait_for_browser(&self, deadline: Instant) {
        while self.one_time_urls.outstanding() {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.events.recv_timeout(left).is_err() {
                return;
            }
        }
    }
}

fn report(instructions: &Instructions, reasons: Vec<Option<String>>) -> Result<(), BrowserError> {
    let failed = |source| BrowserError::Io { activity: "tell how opening went", source };
    let report = serde_json::to_vec(&Report { key: instructions.answer_key.clone(), reasons })?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    socket.send_to(&report, (Ipv4Addr::LOCALHOST, instructions.answer_port)).map_err(failed)?;
    Ok(())
}

//! Waiting for a starting service's first answer, from a listener of its own.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use pipulate_core::service::Readiness;
use pipulate_process::poll::Interest;
use pipulate_process::ports::{self, Listener};
use pipulate_store::capture::Mark;
use pipulate_store::record::Record;
use regex_lite::Regex;

use super::Driver;
use super::spawning::owner_text;
use crate::machine::{Event, Phase};
use crate::probe::{Probe, Progress, Question};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// A late service is looked at this often.
const LATE_PAUSE: Duration = Duration::from_secs(1);
/// A listener that stays silent for so long is asked anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// A line that is longer is looked at in parts.
const LONGEST_LINE: usize = 64 << 10;
/// So much of a log is looked at in one round.
const AT_ONCE: u64 = 1 << 20;

/// What is known about the service's answer.
pub(super) struct Readying {
    sign: Sign,
    probe: Option<(Probe, Instant)>,
    next: Instant,
    pause: Duration,
    /// Which of several listeners is asked next.
    turn: usize,
    pub(super) address: Option<SocketAddr>,
    /// A listener that other machines can reach.
    pub(super) public: bool,
    /// Of a service that is late: what is seen of why.
    hitch: Hitch,
}

/// What keeps a service from answering.
enum Hitch {
    /// Nobody looked yet.
    Unknown,
    Unseen,
    /// Somebody else listens on its port.
    Rival {
        port: u16,
        owner: String,
    },
    /// It listens, but not where it was told to.
    Elsewhere {
        port: u16,
        wanted: u16,
    },
}

enum Sign {
    Exec,
    Answer(Question),
    Line { pattern: Option<Regex>, read_to: u64 },
}

impl Readying {
    /// `earlier` knows what the supervisor before this one had found out.
    pub(super) fn new(readiness: &Readiness, earlier: Option<&Record>) -> Self {
        let sign = match readiness {
            Readiness::Exec => Sign::Exec,
            Readiness::Tcp { .. } => Sign::Answer(Question::Tcp),
            Readiness::Http { path, any_status, .. } => {
                Sign::Answer(Question::Http { path: path.clone(), any_status: *any_status })
            }
            Readiness::Log { pattern, .. } => Sign::Line {
                pattern: Regex::new(pattern).ok(),
                read_to: earlier.map_or(0, |record| record.log_start),
            },
        };
        Self {
            sign,
            probe: None,
            next: Instant::now(),
            pause: FIRST_PAUSE,
            turn: 0,
            address: earlier.and_then(|record| record.address),
            public: false,
            hitch: Hitch::Unknown,
        }
    }

    /// A new instance was started.
    pub(super) fn begin(&mut self, log_end: u64, now: Instant) {
        self.forget();
        self.next = now + FIRST_PAUSE;
        self.pause = FIRST_PAUSE;
        self.hitch = Hitch::Unknown;
        if let Sign::Line { read_to, .. } = &mut self.sign {
            *read_to = log_end;
        }
    }

    /// Why it does not answer, if anything is known about that.
    pub(super) fn hitch(&self) -> Option<String> {
        match &self.hitch {
            Hitch::Unknown | Hitch::Unseen => None,
            Hitch::Rival { port, owner } => Some(format!("port {port} is held by {owner}")),
            Hitch::Elsewhere { port, wanted } => Some(format!(
                "it listens on port {port} instead of {wanted}, which it finds in the variable PORT"
            )),
        }
    }

    /// The instance ended.
    pub(super) fn forget(&mut self) {
        (self.probe, self.address) = (None, None);
    }

    /// What the probe under way waits for.
    pub(super) fn descriptor(&self) -> Option<(BorrowedFd<'_>, Interest)> {
        self.probe.as_ref().map(|(probe, _)| probe.descriptor())
    }

    /// When to look again; `None` while there is nothing to look for.
    pub(super) fn next_look(&self, phase: &Phase, now: Instant) -> Option<Instant> {
        let Phase::Starting { late, .. } = phase else { return None };
        match &self.sign {
            Sign::Exec | Sign::Line { .. } => None,
            Sign::Answer(_) => Some(match &self.probe {
                Some((_, deadline)) => *deadline,
                None if *late => self.next.max(now + LATE_PAUSE / 2),
                None => self.next,
            }),
        }
    }

    fn pause(&mut self, late: bool, now: Instant) {
        self.next = now + if late { LATE_PAUSE } else { self.pause };
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

impl Driver {
    /// Asks the service's own listeners whether they answer; nothing else is ever asked.
    pub(super) fn look_for_an_answer(&mut self) {
        let Phase::Starting { late, .. } = *self.machine.phase() else { return };
        let answered = match &self.readying.sign {
            Sign::Exec => false,
            Sign::Line { .. } => self.line_has_come(),
            Sign::Answer(question) => {
                let question = question.clone();
                self.listener_answers(&question, late)
            }
        };
        if answered {
            self.capture.mark(Mark::Ready);
            self.tell(Event::Answered);
            self.warn_of_public_listener();
        }
    }

    /// Looks, once, why a service is late: whether somebody else took its port, or it took another one.
    pub(super) fn look_for_a_hitch(&mut self) {
        let (Phase::Starting { late: true, .. }, Hitch::Unknown, Sign::Answer(_)) =
            (self.machine.phase(), &self.readying.hitch, &self.readying.sign)
        else {
            return;
        };
        let own = self.own_listeners();
        let missing = self.port.filter(|&port| own.iter().all(|listener| listener.port != port));
        self.readying.hitch = match (missing, own.first()) {
            (Some(port), _) if !ports::is_free(port) => Hitch::Rival { port, owner: owner_text(port) },
            (Some(wanted), Some(listener)) => Hitch::Elsewhere { port: listener.port, wanted },
            (None, _) | (Some(_), None) => Hitch::Unseen,
        };
    }

    fn listener_answers(&mut self, question: &Question, late: bool) -> bool {
        let now = Instant::now();
        if let Some((probe, deadline)) = &mut self.readying.probe {
            match probe.advance() {
                Progress::Answered => {
                    self.readying.address = Some(probe.address());
                    self.readying.probe = None;
                    return true;
                }
                Progress::Pending if now < *deadline => return false,
                Progress::Pending | Progress::Refused => {
                    self.readying.probe = None;
                    self.readying.pause(late, now);
                }
            }
        }
        if now < self.readying.next {
            return false;
        }
        self.readying.pause(late, now);
        if let Some(listener) = self.own_listener()
            && let Some(address) = listener.loopback()
        {
            self.readying.public = listener.is_public();
            self.readying.probe =
                Probe::begin(address, question.clone()).map(|probe| (probe, now + PATIENCE));
        }
        false
    }

    /// The service's own listeners that can be reached from here.
    fn own_listeners(&self) -> Vec<Listener> {
        let pids = self.family().ours.into_iter().map(|entry| entry.pid);
        let mut listeners = ports::listeners_of(pids).unwrap_or_default();
        listeners.retain(|listener| listener.loopback().is_some());
        listeners.sort_by_key(|listener| (listener.port, listener.address.is_ipv6()));
        listeners
    }

    /// A listener of the service's own: the one on its port, else each of the others in turn.
    fn own_listener(&mut self) -> Option<Listener> {
        let listeners = self.own_listeners();
        if let Some(own) = listeners.iter().find(|listener| Some(listener.port) == self.port) {
            return Some(*own);
        }
        // Whoever pinned a port means that one; a helper may listen elsewhere long before.
        if self.spec.port.is_some_and(|wish| wish.pinned) {
            return None;
        }
        let turn = self.readying.turn;
        self.readying.turn = turn.wrapping_add(1);
        (!listeners.is_empty()).then(|| listeners[turn % listeners.len()])
    }

    fn line_has_come(&mut self) -> bool {
        let Sign::Line { pattern: Some(pattern), read_to } = &mut self.readying.sign else { return false };
        if *read_to > self.capture.end() {
            // A new log was begun; what was not looked at yet stands at the end of the one before.
            *read_to = 0;
        }
        if *read_to == self.capture.end() {
            return false;
        }
        let Ok(mut log) = File::open(self.layout.log(&self.spec.name)) else { return false };
        let mut bytes = Vec::new();
        if log.seek(SeekFrom::Start(*read_to)).is_err() || log.take(AT_ONCE).read_to_end(&mut bytes).is_err()
        {
            return false;
        }
        // Whole lines: the rest is looked at when it is complete, unless it never seems to be.
        let last_break = bytes.iter().rposition(|&byte| byte == b'\n').map(|last| last + 1);
        let whole = last_break.unwrap_or(if bytes.len() < LONGEST_LINE { 0 } else { bytes.len() });
        *read_to += whole as u64;
        String::from_utf8_lossy(&bytes[..whole]).lines().any(|line| pattern.is_match(line))
    }

    fn warn_of_public_listener(&mut self) {
        if self.readying.public {
            let port = self.readying.address.map_or(0, |address| address.port());
            self.journal.note(format!(
                "{} listens on all interfaces: other machines can reach port {port}; in server.py, write serve(host=\"127.0.0.1\")",
                self.spec.name
            ));
        }
    }
}

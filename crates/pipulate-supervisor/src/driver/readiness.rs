//! Waiting for a starting service's first answer, from a listener of its own.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use pipulate_core::reason::{Obstacle, PortHolder, Reason};
use pipulate_core::service::{Readiness, Scheme};
use pipulate_process::poll::Interest;
use pipulate_process::ports::Listeners;
use pipulate_store::capture::Capture;
use pipulate_store::log::time_index::Mark;
use pipulate_store::record::Record;

use super::line::LineWatch;
use super::{Driver, REST};
use crate::machine::{Event, Phase};
use crate::probe::{Probe, Progress, Question, Seen};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// A late service is looked at this often.
const LATE_PAUSE: Duration = Duration::from_secs(1);
/// A listener that stays silent for so long is asked anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known about the service's answer.
pub(super) struct Readying {
    sign: Sign,
    probe: Option<(Probe, Instant)>,
    next: Instant,
    pause: Duration,
    /// Which of several listeners is asked next.
    turn: usize,
    /// How it is asked next, and how it answered.
    pub(super) scheme: Scheme,
    /// It says "bad request" to everybody, and does not speak TLS.
    is_plain: bool,
    pub(super) address: Option<SocketAddr>,
    hitch: Option<Hitch>,
}

/// What keeps a service from being ready.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hitch {
    /// Nothing of it listens anywhere.
    Absent,
    /// Somebody else listens on its port.
    Rival {
        port: u16,
        holder: PortHolder,
    },
    /// It listens, but not where it was told to.
    Elsewhere {
        port: u16,
        wanted: u16,
    },
    /// It listens where no connection from here arrives.
    OutOfReach {
        address: SocketAddr,
    },
    Seen {
        seen: Seen,
        address: SocketAddr,
    },
}

enum Sign {
    Exec,
    Answer(Question),
    Line(Box<LineWatch>),
}

impl Readying {
    /// `earlier` knows what the supervisor before this one had found out.
    pub(super) fn new(readiness: &Readiness, earlier: Option<&Record>) -> Self {
        let log_start = earlier.map_or(0, |record| record.log_start);
        let sign = match (readiness, Question::of(readiness)) {
            (_, Some(question)) => Sign::Answer(question),
            (Readiness::Log { pattern, .. }, None) => {
                Sign::Line(Box::new(LineWatch::new(pattern, log_start)))
            }
            (Readiness::Exec | Readiness::Tcp { .. } | Readiness::Http { .. }, None) => Sign::Exec,
        };
        Self {
            sign,
            probe: None,
            next: Instant::now(),
            pause: FIRST_PAUSE,
            turn: 0,
            scheme: earlier.map(|record| record.scheme).unwrap_or_default(),
            is_plain: false,
            address: earlier.and_then(|record| record.address),
            hitch: None,
        }
    }

    /// A new instance was started.
    pub(super) fn begin(&mut self, capture: &Capture, now: Instant) {
        self.forget();
        self.next = now + FIRST_PAUSE;
        self.pause = FIRST_PAUSE;
        (self.turn, self.is_plain, self.hitch) = (0, false, None);
        if let Sign::Line(line) = &mut self.sign {
            line.begin(capture);
        }
    }

    /// Why it is not ready although its time is over.
    pub(super) fn why_late(&self, within: Duration) -> Reason {
        let question = match &self.sign {
            Sign::Line(line) => {
                return Reason::NoReadyLine { pattern: line.text().to_owned(), within };
            }
            Sign::Exec => &Question::Tcp,
            Sign::Answer(question) => question,
        };
        let obstacle = self.hitch.as_ref().map(|hitch| match hitch {
            Hitch::Absent => Obstacle::NoListener,
            Hitch::Rival { port, holder } => Obstacle::PortHeld { port: *port, holder: holder.clone() },
            Hitch::Elsewhere { port, wanted } => Obstacle::OtherPort { port: *port, wanted: *wanted },
            Hitch::OutOfReach { address } => Obstacle::OutOfReach { address: *address },
            Hitch::Seen { seen, address } => Obstacle::Probe { problem: seen.problem(question, *address) },
        });
        Reason::NotReadyInTime { within, obstacle }
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
            Sign::Exec => None,
            Sign::Line(line) => line.next_look(),
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

    /// Begins to ask the listener whose turn it is.
    fn ask(&mut self, question: &Question, address: SocketAddr, now: Instant) {
        let probe = Probe::begin(address, question.clone(), self.scheme);
        self.probe = probe.map(|probe| (probe.wary(!self.is_plain), now + PATIENCE));
        if self.probe.is_none() {
            self.failed(Seen::Refused, Scheme::Http, address);
        }
    }

    /// What follows from an answer that is none. A server that speaks TLS hangs up on whoever does not, or
    /// says "bad request": it is asked again in TLS, by which alone it can be told from one that fails.
    fn failed(&mut self, seen: Seen, scheme: Scheme, address: SocketAddr) {
        self.turn = self.turn.wrapping_add(1);
        match scheme {
            Scheme::Http if seen.suggests_tls() && !self.is_plain => {
                self.scheme = Scheme::Https;
                // The same one.
                self.turn = self.turn.wrapping_sub(1);
            }
            Scheme::Https if matches!(seen, Seen::NotTls | Seen::Silent | Seen::Refused) => {
                self.scheme = Scheme::Http;
                // Whatever hung up may only be about to speak TLS.
                let said_bad_request = Some(&Seen::Status(400)) == self.seen();
                self.is_plain = said_bad_request && seen != Seen::Refused;
                // How it answers in plain HTTP is known, and says more.
                if self.hitch.is_some() {
                    return;
                }
            }
            Scheme::Http | Scheme::Https => {}
        }
        self.hitch = Some(Hitch::Seen { seen, address });
    }

    fn seen(&self) -> Option<&Seen> {
        match &self.hitch {
            Some(Hitch::Seen { seen, .. }) => Some(seen),
            Some(
                Hitch::Absent | Hitch::Rival { .. } | Hitch::Elsewhere { .. } | Hitch::OutOfReach { .. },
            )
            | None => None,
        }
    }
}

impl Driver {
    /// Whether the service is ready when it prints a certain line, and has not yet.
    pub(super) fn waits_for_a_line(&self) -> bool {
        matches!((self.machine.phase(), &self.readying.sign), (Phase::Starting { .. }, Sign::Line(_)))
    }

    /// Looks at what was just captured, before more is.
    pub(super) fn look_for_a_line(&mut self, is_over: bool) -> bool {
        match &mut self.readying.sign {
            Sign::Line(line) => line.has_come(&mut self.log.capture, is_over),
            Sign::Exec | Sign::Answer(_) => false,
        }
    }

    /// Asks the service's own listeners whether they answer; nothing else is ever asked.
    pub(super) fn look_for_an_answer(&mut self) {
        let Phase::Starting { late, .. } = *self.machine.phase() else { return };
        let answered = match &self.readying.sign {
            Sign::Exec => false,
            Sign::Line(_) => {
                self.look_for_a_line(self.main.as_ref().is_some_and(|main| main.ended.is_some()))
            }
            Sign::Answer(question) => {
                let question = question.clone();
                self.listener_answers(&question, late)
            }
        };
        if answered {
            self.log.capture.mark(Mark::Ready);
            self.tell(Event::Answered);
            // The expression, or what encrypted the question, is needed no more.
            if self.readying.scheme == Scheme::Https || matches!(self.readying.sign, Sign::Line(_)) {
                self.rest_at = Some(Instant::now() + REST);
            }
            self.warn_of_public_listener();
        }
    }

    /// Looks why a service is late of which nothing was seen yet.
    pub(super) fn look_for_a_hitch(&mut self) {
        let (Phase::Starting { late: true, .. }, None, Sign::Answer(_)) =
            (self.machine.phase(), &self.readying.hitch, &self.readying.sign)
        else {
            return;
        };
        self.readying.hitch = match &self.readying.probe {
            Some((probe, _)) => Some(Hitch::Seen { seen: Seen::Silent, address: probe.address() }),
            None => self.absence(&self.listeners()),
        };
    }

    fn listener_answers(&mut self, question: &Question, late: bool) -> bool {
        let now = Instant::now();
        if let Some((mut probe, deadline)) = self.readying.probe.take() {
            let (address, scheme) = (probe.address(), probe.scheme());
            match probe.advance() {
                // Somebody else may have come between the look and the answer.
                Progress::Answered if self.listeners().receive(address) => {
                    (self.readying.address, self.readying.scheme) = (Some(address), scheme);
                    return true;
                }
                Progress::Pending if now < deadline => {
                    self.readying.probe = Some((probe, deadline));
                    return false;
                }
                Progress::Pending => self.readying.failed(Seen::Silent, scheme, address),
                Progress::Failed(seen) => self.readying.failed(seen, scheme, address),
                Progress::Answered => {}
            }
            self.readying.pause(late, now);
        }
        if now < self.readying.next {
            return false;
        }
        self.readying.pause(late, now);
        let listeners = self.listeners();
        let addresses = self.addresses(&listeners);
        match addresses.get(self.readying.turn % addresses.len().max(1)) {
            Some(address) => self.readying.ask(question, *address, now),
            None if late => {
                let absence = self.absence(&listeners);
                self.readying.hitch = absence;
            }
            None => {}
        }
        false
    }

    /// The listeners of this machine; the service's own are known.
    fn listeners(&self) -> Listeners {
        Listeners::of(self.family().ours.into_iter().map(|entry| entry.pid)).unwrap_or_default()
    }

    /// Where the service can be asked: on its port, else where it listens otherwise.
    fn addresses(&self, listeners: &Listeners) -> Vec<SocketAddr> {
        let mut addresses = listeners.addresses();
        let is_wished = |address: &SocketAddr| Some(address.port()) == self.port;
        // Whoever pinned a port means that one; a helper may listen elsewhere long before.
        if addresses.iter().any(is_wished) || self.spec.port.is_some_and(|wish| wish.pinned) {
            addresses.retain(is_wished);
        }
        addresses
    }

    /// Why the service can be asked nowhere.
    fn absence(&self, listeners: &Listeners) -> Option<Hitch> {
        let own = || listeners.own().map(|own| SocketAddr::new(own.address, own.port));
        let out_of_reach = own().find(|address| self.port.is_none_or(|port| address.port() == port));
        Some(match (self.port, own().next()) {
            (Some(port), _) if listeners.has_foreign(port) => match &self.readying.hitch {
                // Whose it is takes a look at every process.
                Some(known @ Hitch::Rival { port: of, .. }) if *of == port => known.clone(),
                _ => Hitch::Rival { port, holder: self.holder(port) },
            },
            _ if out_of_reach.is_some() => Hitch::OutOfReach { address: out_of_reach? },
            (Some(wanted), Some(address)) => Hitch::Elsewhere { port: address.port(), wanted },
            (_, None) | (None, _) => Hitch::Absent,
        })
    }

    fn warn_of_public_listener(&mut self) {
        let Some(port) = self.readying.address.map(|address| address.port()) else { return };
        let listeners = self.listeners();
        let Some(open) = listeners.own().find(|own| own.port == port && own.is_public()) else { return };
        self.journal.note(Reason::ListensPublicly { port, address: open.address });
    }
}

//! Readiness: waiting for a starting service's first answer, on its own listener, or for its line.

mod line;

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use pipulate_core::reason::{Obstacle, PortHolder, Reason};
use pipulate_core::service::{Readiness, Scheme};
use pipulate_process::poll::Interest;
use pipulate_process::ports::Listeners;
use pipulate_store::capture::Capture;
use pipulate_store::record::Record;

use crate::machine::Phase;
use crate::probe::{Probe, Progress, Question, Seen};
use line::LineWatch;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// Poll interval for a late service.
const LATE_PAUSE: Duration = Duration::from_secs(1);
/// A listener that stays silent for this long is asked again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Queries about sockets while a service starts.
pub(crate) trait Listening {
    /// Returns the listeners of this machine, with the service's own marked.
    fn listeners(&self) -> Listeners;

    /// Returns who holds a port: another process, or else the service itself.
    fn holder(&self, port: u16) -> PortHolder;
}

/// The port of a starting service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) port: Option<u16>,
    /// Set by the user.
    pub(crate) is_pinned: bool,
}

/// The progress of waiting for the service's answer.
pub(crate) struct ReadinessCheck {
    sign: Sign,
    probe: Option<(Probe, Instant)>,
    next: Instant,
    pause: Duration,
    /// The index of the listener to ask next.
    turn: usize,
    /// The scheme of the next probe, or of the answer.
    pub(crate) scheme: Scheme,
    /// It answers "bad request" to every request, and does not speak TLS.
    is_plain: bool,
    pub(crate) address: Option<SocketAddr>,
    diagnosis: Option<Diagnosis>,
}

/// Why a service is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Diagnosis {
    /// It listens nowhere.
    Absent,
    /// Another process listens on its port.
    Rival {
        port: u16,
        holder: PortHolder,
    },
    /// It listens, but not on its port.
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

impl ReadinessCheck {
    /// `earlier` has the findings of the previous supervisor.
    pub(crate) fn new(readiness: &Readiness, earlier: Option<&Record>) -> Self {
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
            diagnosis: None,
        }
    }

    /// Starts over for a new instance.
    pub(crate) fn begin(&mut self, capture: &Capture, now: Instant) {
        self.forget();
        self.next = now + FIRST_PAUSE;
        self.pause = FIRST_PAUSE;
        (self.turn, self.is_plain, self.diagnosis) = (0, false, None);
        if let Sign::Line(line) = &mut self.sign {
            line.begin(capture);
        }
    }

    /// Returns why it is not ready within its time.
    pub(crate) fn why_late(&self, within: Duration) -> Reason {
        let question = match &self.sign {
            Sign::Line(line) => {
                return Reason::NoReadyLine { pattern: line.text().to_owned(), within };
            }
            Sign::Exec => &Question::Tcp,
            Sign::Answer(question) => question,
        };
        let obstacle = self.diagnosis.as_ref().map(|diagnosis| match diagnosis {
            Diagnosis::Absent => Obstacle::NoListener,
            Diagnosis::Rival { port, holder } => Obstacle::PortHeld { port: *port, holder: holder.clone() },
            Diagnosis::Elsewhere { port, wanted } => Obstacle::OtherPort { port: *port, wanted: *wanted },
            Diagnosis::OutOfReach { address } => Obstacle::OutOfReach { address: *address },
            Diagnosis::Seen { seen, address } => {
                Obstacle::Probe { problem: seen.problem(question, *address) }
            }
        });
        Reason::NotReadyInTime { within, obstacle }
    }

    /// Stops waiting: the instance ended.
    pub(crate) fn forget(&mut self) {
        (self.probe, self.address) = (None, None);
    }

    /// Returns the descriptor of the running probe, if any.
    pub(crate) fn descriptor(&self) -> Option<(BorrowedFd<'_>, Interest)> {
        self.probe.as_ref().map(|(probe, _)| probe.descriptor())
    }

    /// Returns when to look again; `None` while there is nothing to look for.
    pub(crate) fn next_look(&self, phase: &Phase, now: Instant) -> Option<Instant> {
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

    /// Begins to ask the next listener.
    fn ask(&mut self, question: &Question, address: SocketAddr, now: Instant) {
        let probe = Probe::begin(address, question.clone(), self.scheme);
        self.probe = probe.map(|probe| (probe.wary(!self.is_plain), now + PATIENCE));
        if self.probe.is_none() {
            self.failed(Seen::Refused, Scheme::Http, address);
        }
    }

    /// Handles an invalid answer. A TLS server hangs up on plain requests, or answers "bad request": it is
    /// asked again in TLS, which alone distinguishes it from a failing server.
    fn failed(&mut self, seen: Seen, scheme: Scheme, address: SocketAddr) {
        self.turn = self.turn.wrapping_add(1);
        match scheme {
            Scheme::Http if seen.suggests_tls() && !self.is_plain => {
                self.scheme = Scheme::Https;
                // Ask this one again.
                self.turn = self.turn.wrapping_sub(1);
            }
            Scheme::Https if matches!(seen, Seen::NotTls | Seen::Silent | Seen::Refused) => {
                self.scheme = Scheme::Http;
                // A listener that hung up may only be about to speak TLS.
                let said_bad_request = Some(&Seen::Status(400)) == self.seen();
                self.is_plain = said_bad_request && seen != Seen::Refused;
                // Its answer in plain HTTP is known, and says more.
                if self.diagnosis.is_some() {
                    return;
                }
            }
            Scheme::Http | Scheme::Https => {}
        }
        self.diagnosis = Some(Diagnosis::Seen { seen, address });
    }

    /// Returns true while a readiness line is still awaited.
    pub(crate) fn waits_for_a_line(&self, phase: &Phase) -> bool {
        matches!((phase, &self.sign), (Phase::Starting { .. }, Sign::Line(_)))
    }

    /// Returns true if memory that was needed for the answer can be given back: a regular expression, or
    /// encryption.
    pub(crate) fn used_memory(&self) -> bool {
        self.scheme == Scheme::Https || matches!(self.sign, Sign::Line(_))
    }

    /// Searches the output that was just captured. `is_over`: nothing will be added to the last line.
    pub(crate) fn look_for_a_line(&mut self, capture: &mut Capture, is_over: bool) -> bool {
        match &mut self.sign {
            Sign::Line(line) => line.has_come(capture, is_over),
            Sign::Exec | Sign::Answer(_) => false,
        }
    }

    /// Returns true if the service has answered, or printed its line, by now. Only its own listeners are
    /// asked. `has_ended`: nothing will be printed any more.
    pub(crate) fn look(
        &mut self,
        phase: &Phase,
        has_ended: bool,
        capture: &mut Capture,
        target: Target,
        sockets: &impl Listening,
        now: Instant,
    ) -> bool {
        let Phase::Starting { late, .. } = *phase else { return false };
        match &self.sign {
            Sign::Exec => false,
            Sign::Line(_) => self.look_for_a_line(capture, has_ended),
            Sign::Answer(question) => {
                let question = question.clone();
                self.listener_answers(&question, late, target, sockets, now)
            }
        }
    }

    /// Determines why a late service has not answered at all.
    pub(crate) fn diagnose(&mut self, phase: &Phase, target: Target, sockets: &impl Listening) {
        let (Phase::Starting { late: true, .. }, None, Sign::Answer(_)) =
            (phase, &self.diagnosis, &self.sign)
        else {
            return;
        };
        self.diagnosis = match &self.probe {
            Some((probe, _)) => Some(Diagnosis::Seen { seen: Seen::Silent, address: probe.address() }),
            None => self.absence(&sockets.listeners(), target, sockets),
        };
    }

    /// Returns a listener of the service that other machines can reach. `file` is the Python file of its
    /// command.
    pub(crate) fn public_listener(&self, file: Option<&Path>, sockets: &impl Listening) -> Option<Reason> {
        let port = self.address?.port();
        let listeners = sockets.listeners();
        let open = listeners.own().find(|own| own.port == port && own.is_public())?;
        Some(Reason::ListensPublicly { port, address: open.address, file: file.map(Path::to_owned) })
    }

    fn listener_answers(
        &mut self,
        question: &Question,
        late: bool,
        target: Target,
        sockets: &impl Listening,
        now: Instant,
    ) -> bool {
        if let Some((mut probe, deadline)) = self.probe.take() {
            let (address, scheme) = (probe.address(), probe.scheme());
            match probe.advance() {
                // Another process may have replaced the listener before the answer.
                Progress::Answered if sockets.listeners().receive(address) => {
                    (self.address, self.scheme) = (Some(address), scheme);
                    return true;
                }
                Progress::Pending if now < deadline => {
                    self.probe = Some((probe, deadline));
                    return false;
                }
                Progress::Pending => self.failed(Seen::Silent, scheme, address),
                Progress::Failed(seen) => self.failed(seen, scheme, address),
                Progress::Answered => {}
            }
            self.pause(late, now);
        }
        if now < self.next {
            return false;
        }
        self.pause(late, now);
        let listeners = sockets.listeners();
        let addresses = addresses(&listeners, target);
        match addresses.get(self.turn % addresses.len().max(1)) {
            Some(address) => self.ask(question, *address, now),
            None if late => self.diagnosis = self.absence(&listeners, target, sockets),
            None => {}
        }
        false
    }

    /// Returns why the service can't be asked anywhere.
    fn absence(&self, listeners: &Listeners, target: Target, sockets: &impl Listening) -> Option<Diagnosis> {
        let own = || listeners.own().map(|own| SocketAddr::new(own.address, own.port));
        let out_of_reach = own().find(|address| target.port.is_none_or(|port| address.port() == port));
        Some(match (target.port, own().next()) {
            (Some(port), _) if listeners.has_foreign(port) => match &self.diagnosis {
                // Finding the owner scans every process.
                Some(known @ Diagnosis::Rival { port: of, .. }) if *of == port => known.clone(),
                _ => Diagnosis::Rival { port, holder: sockets.holder(port) },
            },
            _ if out_of_reach.is_some() => Diagnosis::OutOfReach { address: out_of_reach? },
            (Some(wanted), Some(address)) => Diagnosis::Elsewhere { port: address.port(), wanted },
            (_, None) | (None, _) => Diagnosis::Absent,
        })
    }

    fn seen(&self) -> Option<&Seen> {
        match &self.diagnosis {
            Some(Diagnosis::Seen { seen, .. }) => Some(seen),
            Some(
                Diagnosis::Absent
                | Diagnosis::Rival { .. }
                | Diagnosis::Elsewhere { .. }
                | Diagnosis::OutOfReach { .. },
            )
            | None => None,
        }
    }
}

/// Returns where to ask the service: on its port, or else on its other listeners.
fn addresses(listeners: &Listeners, target: Target) -> Vec<SocketAddr> {
    let mut addresses = listeners.addresses();
    let is_wished = |address: &SocketAddr| Some(address.port()) == target.port;
    // Only a pinned port counts; a helper may listen elsewhere long before.
    if addresses.iter().any(is_wished) || target.is_pinned {
        addresses.retain(is_wished);
    }
    addresses
}

#[cfg(test)]
mod tests;

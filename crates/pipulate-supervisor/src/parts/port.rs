//! The port of a service: choosing it, and detecting that another process took it.

use std::time::{Duration, Instant};

use pipulate_core::service::PortWish;

use crate::machine::Phase;

/// The most ports above the usual one that are tried.
const MOST_TRIED: u16 = 200;
/// Poll interval while the service does not have its port.
const PAUSE: Duration = Duration::from_millis(100);
/// Poll interval during back-off, which may take minutes.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// The service's current, last, or preferred port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Port {
    pub(crate) number: Option<u16>,
    /// The last instance ended because another process took its port.
    was_lost: bool,
    /// Another user's process had the port: a page that is still open sends keys to any process that answers
    /// there.
    is_exposed: bool,
}

/// The port of the next instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The service has none.
    None,
    Port {
        number: u16,
        /// The preferred port, which is not free.
        instead_of: Option<u16>,
    },
    /// The user's port is in use.
    PinnedIsTaken(u16),
    /// No port from this one upward is free.
    AllTaken(u16),
}

impl Port {
    /// `number` and `is_exposed` come from the record.
    pub(crate) fn new(number: Option<u16>, is_exposed: bool) -> Self {
        Self { number, was_lost: false, is_exposed }
    }

    /// Returns the pinned port, or the service's last one, or the next free one above the default.
    pub(crate) fn choose(&self, wish: Option<PortWish>, mut is_free: impl FnMut(u16) -> bool) -> Choice {
        let Some(PortWish { port: wish, pinned }) = wish else { return Choice::None };
        if pinned {
            return match is_free(wish) {
                true => Choice::Port { number: wish, instead_of: None },
                false => Choice::PinnedIsTaken(wish),
            };
        }
        let remembered = self.number.filter(|&port| is_free(port));
        let mut next = || (wish..=wish.saturating_add(MOST_TRIED)).find(|&port| is_free(port));
        match remembered.or_else(&mut next) {
            None => Choice::AllTaken(wish),
            Some(number) => {
                let usual = self.number.unwrap_or(wish);
                Choice::Port { number, instead_of: Some(usual).filter(|&usual| usual != number) }
            }
        }
    }

    /// Returns when to check next whether another user's process has the port.
    pub(crate) fn next_look(&self, phase: &Phase, now: Instant) -> Option<Instant> {
        let pause = match phase {
            Phase::Starting { late: false, .. }
            | Phase::Stopping { .. }
            | Phase::Clearing { .. }
            | Phase::Sweeping { .. } => PAUSE,
            Phase::Waiting { .. } => LONG_PAUSE,
            Phase::Starting { late: true, .. }
            | Phase::Up { .. }
            | Phase::Background { .. }
            | Phase::Ended(_) => return None,
        };
        (self.number.is_some() && !self.is_exposed).then(|| now + pause)
    }

    /// Checks whether another user's process has the port.
    pub(crate) fn look(&mut self, is_another_users: impl FnOnce(u16) -> bool) {
        self.is_exposed = self.is_exposed || self.number.is_some_and(is_another_users);
    }

    /// Returns true if another user may have seen keys of this home.
    pub(crate) fn is_exposed(&self) -> bool {
        self.is_exposed
    }

    /// Notes that the keys were renewed.
    pub(crate) fn is_safe_again(&mut self) {
        self.is_exposed = false;
    }

    /// Notes the end of the instance; `is_taken`: another process has its port now. Returns the port if it
    /// was pinned by the user and can't be replaced.
    pub(crate) fn main_ended(
        &mut self,
        phase: &Phase,
        wish: Option<PortWish>,
        is_taken: impl FnOnce(u16) -> bool,
    ) -> Option<u16> {
        self.was_lost = false;
        let Phase::Starting { .. } = phase else { return None };
        let (port, wish) = self.number.zip(wish)?;
        if !is_taken(port) {
            return None;
        }
        self.was_lost = !wish.pinned;
        wish.pinned.then_some(port)
    }

    /// Returns true if the last instance lost its port during its start; resets that.
    pub(crate) fn take_loss(&mut self) -> bool {
        std::mem::take(&mut self.was_lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Option<PortWish> = Some(PortWish { port: 5000, pinned: false });
    const PINNED: Option<PortWish> = Some(PortWish { port: 5000, pinned: true });
    const STARTING: Phase = Phase::Starting { deadline: None, late: false };

    #[test]
    fn the_port_is_the_pinned_one_or_the_last_one_or_the_next_free_one() {
        let (new, old) = (Port::default(), Port::new(Some(5003), false));
        let port = |number, instead_of| Choice::Port { number, instead_of };
        for (before, wish, taken, choice) in [
            (new, None, 0..0, Choice::None),
            (new, USUAL, 0..0, port(5000, None)),
            (new, USUAL, 5000..5002, port(5002, Some(5000))),
            (old, USUAL, 0..0, port(5003, None)),
            (old, USUAL, 5003..5004, port(5000, Some(5003))),
            (old, USUAL, 5000..5201, Choice::AllTaken(5000)),
            (old, PINNED, 0..0, port(5000, None)),
            (old, PINNED, 5000..5001, Choice::PinnedIsTaken(5000)),
        ] {
            assert_eq!(before.choose(wish, |port| !taken.contains(&port)), choice);
        }
        let highest = Some(PortWish { port: u16::MAX, pinned: false });
        assert_eq!(new.choose(highest, |_| false), Choice::AllTaken(u16::MAX));
    }

    #[test]
    fn a_port_is_lost_only_while_starting_and_only_where_another_would_do() {
        let mut port = Port::new(Some(5000), false);
        assert_eq!(port.main_ended(&STARTING, USUAL, |_| true), None);
        assert!(port.take_loss());
        assert!(!port.take_loss(), "once");
        assert_eq!(port.main_ended(&STARTING, PINNED, |_| true), Some(5000));
        assert!(!port.take_loss());
        for (phase, is_taken) in [(STARTING, false), (Phase::Up { healthy_at: None }, true)] {
            assert_eq!(port.main_ended(&phase, USUAL, |_| is_taken), None);
            assert!(!port.take_loss());
        }
    }

    #[test]
    fn an_exposed_port_is_remembered_until_the_keys_are_renewed() {
        let now = Instant::now();
        let mut port = Port::new(Some(5000), false);
        port.look(|_| false);
        assert!(!port.is_exposed() && port.next_look(&STARTING, now) == Some(now + PAUSE));
        port.look(|_| true);
        port.look(|_| false);
        assert!(port.is_exposed());
        assert_eq!(port.next_look(&STARTING, now), None, "known already");
        port.is_safe_again();
        assert_eq!(port.next_look(&Phase::Up { healthy_at: None }, now), None, "the service has it");
        assert_eq!(Port::default().next_look(&STARTING, now), None);
    }
}

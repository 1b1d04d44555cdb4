//! Detects a service whose own reloader restarts it again and again, because it mistakes the service's
//! output, or a file that the service writes, for a save.
//!
//! Only services with a reloader are checked, only while they print, and at most once a second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pipulate_core::identity::Pid;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceSpec;

/// Pause between two checks.
const PAUSE: Duration = Duration::from_secs(1);
/// This many restarts within [`WITHIN`] are a loop: no person saves this often and looks at the result.
const LIMIT: usize = 10;
const WITHIN: Duration = Duration::from_secs(60);

/// The observed restarts.
#[derive(Debug)]
pub(crate) struct ReloadLoop {
    /// `None` for a service without a reloader, or once a loop was reported.
    reloader: Option<String>,
    next: Option<Instant>,
    /// The youngest child of the reloader, by pid and start.
    child: Option<(Pid, u64)>,
    restarts: VecDeque<Instant>,
}

impl ReloadLoop {
    /// Begins without observations.
    pub(crate) fn new(spec: &ServiceSpec) -> Self {
        let reloader = spec.reloader().map(str::to_owned);
        Self { reloader, next: None, child: None, restarts: VecDeque::new() }
    }

    /// Returns true if a check is due, now that the service has printed something.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.reloader.is_some() && self.next.is_none_or(|next| next <= now)
    }

    /// Takes the youngest child of the main process, by pid and start token. Returns the loop, once.
    pub(crate) fn look(&mut self, youngest: Option<(Pid, u64)>, now: Instant) -> Option<Reason> {
        self.next = Some(now + PAUSE);
        // There is none between two instances.
        let youngest = youngest?;
        if self.child.replace(youngest).is_some_and(|before| before != youngest) {
            self.restarts.push_back(now);
        }
        while self.restarts.front().is_some_and(|first| now.duration_since(*first) > WITHIN) {
            self.restarts.pop_front();
        }
        if self.restarts.len() < LIMIT {
            return None;
        }
        let times = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
        self.reloader.take().map(|reloader| Reason::ReloadsItself { times, within: WITHIN, reloader })
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::service::Word;

    use super::*;
    use crate::parts::samples;

    fn reloading() -> ReloadLoop {
        let (_folder, layout) = samples::home();
        let mut spec = samples::spec(&layout);
        spec.command = ["watchfiles", "python app.py"].map(|word| Word::Plain(word.into())).to_vec();
        ReloadLoop::new(&spec)
    }

    fn child(number: i32) -> Option<(Pid, u64)> {
        Some((Pid::new(number).unwrap(), 7))
    }

    /// Returns the second at which a loop is reported if a new instance comes every `seconds`.
    fn reported(seconds: u64) -> Option<u64> {
        let (mut detector, begun) = (reloading(), Instant::now());
        (0..1000).find(|second| {
            let now = begun + Duration::from_secs(*second);
            assert!(detector.is_due(now));
            detector.look(child(1 + i32::try_from(second / seconds).unwrap()), now).is_some()
        })
    }

    #[test]
    fn only_a_child_that_is_replaced_often_is_a_loop() {
        assert_eq!(reported(1), Some(10));
        assert_eq!(reported(3), Some(30));
        assert_eq!(reported(8), None, "somebody who tries things out");
        assert_eq!(reported(2000), None);
    }

    #[test]
    fn a_loop_is_reported_once_and_nothing_is_looked_at_afterwards() {
        let (mut detector, begun) = (reloading(), Instant::now());
        let mut reports = 0;
        for number in 0..30 {
            let now = begun + PAUSE * number;
            if detector.is_due(now) {
                reports += u32::from(detector.look(child(1 + i32::try_from(number).unwrap()), now).is_some());
                assert!(!detector.is_due(now), "not before a pause");
            }
            detector.look(None, now);
        }
        assert_eq!(reports, 1);
        assert!(!detector.is_due(begun + WITHIN * 100));
    }

    #[test]
    fn a_service_without_a_reloader_is_not_looked_at() {
        let (_folder, layout) = samples::home();
        let mut spec = samples::spec(&layout);
        spec.command = ["python", "app.py"].map(|word| Word::Plain(word.into())).to_vec();
        assert!(!ReloadLoop::new(&spec).is_due(Instant::now()));
    }
}

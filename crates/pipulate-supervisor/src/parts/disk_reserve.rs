//! Full disk: the log loses whole lines, which is recorded; the record has its own reserve.
//!
//! No event reports free space: this is the only thing that a supervisor of a healthy service polls for, and
//! only while the disk is full.

use std::time::{Duration, Instant};

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_store::capture::Capture;
use pipulate_store::record;

/// Poll interval while the disk is full, and between records of the number of lost lines.
const PACE: Duration = Duration::from_secs(1);

/// The last report about the log, and whether the record has its reserve.
pub(crate) struct DiskReserve {
    trouble: Option<String>,
    dropped: u64,
    /// Lines lost under earlier supervisors.
    lost_before: u64,
    next_look: Instant,
    is_set_aside: bool,
}

/// A log that loses lines while it can't be written.
pub(crate) trait LossyLog {
    /// Returns why it can't be written at present.
    fn trouble(&self) -> Option<&str>;
    /// Returns the number of lost lines.
    fn dropped(&self) -> u64;
    /// Checks whether it can be written again.
    fn look_for_room(&mut self);
}

impl LossyLog for Capture {
    fn trouble(&self) -> Option<&str> {
        Self::trouble(self)
    }

    fn dropped(&self) -> u64 {
        Self::dropped(self)
    }

    fn look_for_room(&mut self) {
        Self::look_for_room(self);
    }
}

/// The log's losses, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) dropped: u64,
    /// Why it can't be written at present.
    pub(crate) trouble: Option<String>,
}

impl DiskReserve {
    /// `lost_before`: the running instance's lost lines according to the record.
    pub(crate) fn new(lost_before: u64, now: Instant) -> Self {
        Self { trouble: None, dropped: 0, lost_before, next_look: now, is_set_aside: false }
    }

    /// Returns, from the last report, whether the log was in trouble, and how many lines were lost.
    pub(crate) fn reported(&self) -> (bool, u64) {
        (self.trouble.is_some(), self.dropped)
    }

    /// Makes sure that the record can be written when the disk is full.
    pub(crate) fn set_aside(&mut self, layout: &Layout, service: &ServiceName) {
        if !std::mem::replace(&mut self.is_set_aside, true)
            && let Err(error) = record::set_room_aside(layout, service)
        {
            tracing::warn!(%service, "{error}");
        }
    }

    /// Reports the log's losses: at once when they begin or end, and at most once per [`PACE`] while they
    /// grow. `is_last`: there may be no later report.
    pub(crate) fn look(
        &mut self,
        log: &mut impl LossyLog,
        service: &ServiceName,
        is_last: bool,
        now: Instant,
    ) -> Option<Loss> {
        let is_due = self.next_look <= now || is_last;
        if is_due {
            self.next_look = now + PACE;
            log.look_for_room();
        }
        let (trouble, dropped) = (log.trouble().map(str::to_owned), log.dropped());
        let has_changed = trouble != self.trouble;
        if !has_changed && (dropped == self.dropped || !is_due) {
            return None;
        }
        match &trouble {
            Some(why) if has_changed => tracing::warn!(%service, "the log can't be written: {why}"),
            None if has_changed => {
                tracing::info!(%service, "the log can be written again");
                self.is_set_aside = false;
            }
            Some(_) | None => {}
        }
        self.trouble.clone_from(&trouble);
        self.dropped = dropped;
        self.next_look = now + PACE;
        Some(Loss { dropped: self.lost_before + dropped, trouble })
    }

    /// Returns when to look again; `None` while nothing is lost and the record is written.
    pub(crate) fn next_look(&self, log: &impl LossyLog, is_record_written: bool) -> Option<Instant> {
        let is_unreported = log.dropped() != self.dropped;
        (log.trouble().is_some() || !is_record_written || is_unreported).then_some(self.next_look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::samples;

    #[derive(Default)]
    struct Log {
        trouble: Option<&'static str>,
        dropped: u64,
        looks: u32,
    }

    impl LossyLog for Log {
        fn trouble(&self) -> Option<&str> {
            self.trouble
        }

        fn dropped(&self) -> u64 {
            self.dropped
        }

        fn look_for_room(&mut self) {
            self.looks += 1;
        }
    }

    #[test]
    fn a_loss_is_reported_when_it_begins_then_once_per_interval_and_when_it_ends() {
        let (service, now) = (samples::name("worker"), Instant::now());
        let mut reserve = DiskReserve::new(7, now);
        let mut log = Log::default();
        assert_eq!(reserve.look(&mut log, &service, false, now), None);
        assert_eq!(reserve.next_look(&log, true), None, "nothing is polled while there is room");

        (log.trouble, log.dropped) = (Some("no space left"), 1);
        let loss =
            |dropped, trouble: Option<&str>| Some(Loss { dropped, trouble: trouble.map(str::to_owned) });
        let begun = reserve.look(&mut log, &service, false, now);
        assert_eq!(begun, loss(8, Some("no space left")), "with what was lost before");
        log.dropped = 5;
        assert_eq!(reserve.look(&mut log, &service, false, now), None);
        let due = reserve.next_look(&log, true).unwrap();
        let looks = log.looks;
        assert_eq!(reserve.look(&mut log, &service, false, due), loss(12, Some("no space left")));
        assert_eq!(log.looks, looks + 1);

        log.trouble = None;
        assert_eq!(reserve.look(&mut log, &service, false, due), loss(12, None));
        assert_eq!(reserve.next_look(&log, true), None);
    }

    #[test]
    fn the_last_report_waits_for_no_interval_and_an_unwritten_record_is_tried_again() {
        let (service, now) = (samples::name("worker"), Instant::now());
        let mut reserve = DiskReserve::new(0, now);
        let mut log = Log::default();
        assert_eq!(reserve.look(&mut log, &service, false, now), None);
        log.dropped = 3;
        assert_eq!(reserve.look(&mut log, &service, false, now), None);
        let last = reserve.look(&mut log, &service, true, now);
        assert_eq!(last, Some(Loss { dropped: 3, trouble: None }));
        assert_eq!(reserve.next_look(&log, true), None);
        assert_eq!(reserve.next_look(&log, false), Some(now + PACE));
    }

    #[test]
    fn the_reserve_is_made_once_and_again_after_it_was_used() {
        let (_folder, layout) = samples::home();
        let (service, now) = (samples::name("worker"), Instant::now());
        let mut reserve = DiskReserve::new(0, now);
        let files = || std::fs::read_dir(layout.run()).unwrap().count();
        let before = files();
        reserve.set_aside(&layout, &service);
        assert_eq!(files(), before + 1);
        let mut log = Log { trouble: Some("no space left"), ..Log::default() };
        reserve.look(&mut log, &service, false, now);
        log.trouble = None;
        reserve.look(&mut log, &service, false, now);
        assert!(!reserve.is_set_aside);
    }
}

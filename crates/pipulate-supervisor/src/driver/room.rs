//! A disk without room: the log loses whole lines, and that is said; the record has room set aside.
//!
//! Nothing tells of room that has come: this is the one thing that a supervisor of a service that is
//! well looks for again and again, and only while there is none.

use std::time::{Duration, Instant};

use pipulate_store::record;

use super::{Beginning, Driver, SuperviseError};
use crate::machine::Phase;

/// How often room is looked for, and how often the number of lost lines is written down.
const PACE: Duration = Duration::from_secs(1);

/// What was said about the log so far.
pub(super) struct Room {
    trouble: Option<String>,
    dropped: u64,
    /// Lines that were lost before this supervisor came.
    lost_before: u64,
    next_look: Instant,
    /// The record's spare was made.
    is_set_aside: bool,
}

impl Room {
    /// `lost_before`: what the record says of the running instance.
    pub(super) fn new(lost_before: u64) -> Self {
        Self { trouble: None, dropped: 0, lost_before, next_look: Instant::now(), is_set_aside: false }
    }

    /// Whether the log was in trouble, and how much of it was lost, when that was last told.
    pub(super) fn was_told(&self) -> (bool, u64) {
        (self.trouble.is_some(), self.dropped)
    }
}

impl Driver {
    /// Writes the first record: without one, nobody would find what is started now.
    pub(super) fn begin_the_record(&mut self, beginning: Beginning) -> Result<(), SuperviseError> {
        let is_new = beginning != Beginning::Stop && self.main.is_none();
        if is_new {
            self.journal.write_only_with_room();
        }
        self.save();
        match self.journal.take_unwritten() {
            Some(error) if is_new => Err(error.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Sees to it that the record can still be written when the disk is full; once nobody waits for
    /// the service any more.
    pub(super) fn set_room_aside(&mut self) {
        if !self.room.is_set_aside && !self.journal.is_unsettled() {
            self.room.is_set_aside = true;
            self.journal.complain_of(record::set_room_aside(&self.layout, &self.spec.name));
        }
    }

    /// Tells what the log lacks, at once when that begins or ends, and then now and again.
    pub(super) fn look_after_the_log(&mut self) {
        let now = Instant::now();
        let is_last_word = matches!(self.machine.phase(), Phase::Sweeping { .. } | Phase::Settled(_));
        let is_due = self.room.next_look <= now || is_last_word;
        if is_due {
            self.room.next_look = now + PACE;
            self.capture.look_for_room();
        }
        let (trouble, dropped) = (self.capture.trouble().map(str::to_owned), self.capture.dropped());
        let has_changed = trouble != self.room.trouble;
        if !has_changed && (dropped == self.room.dropped || !is_due) {
            return;
        }
        if has_changed {
            match &trouble {
                Some(why) => self.journal.complain(&format!("the log can't be written: {why}")),
                None => {
                    self.journal.note_in_log("the log can be written again");
                    self.room.is_set_aside = false;
                }
            }
        }
        self.journal.lost(self.room.lost_before + dropped, trouble.clone());
        self.room.trouble = trouble;
        self.room.dropped = dropped;
        self.room.next_look = now + PACE;
    }

    /// When to look again, while there is something to look for.
    pub(super) fn next_look_for_room(&self) -> Option<Instant> {
        let is_unsaid = self.capture.dropped() != self.room.dropped;
        let is_short = self.capture.trouble().is_some() || self.journal.is_behind() || is_unsaid;
        is_short.then_some(self.room.next_look)
    }
}

//! One program after the other in the same process: for a restart, and for an upgrade.
//!
//! The pid, the children, the lock and the duty to orphans stay. Signals are held back from the
//! moment before the exec until the new program listens.

use pipulate_process::signals::{self, Notice};
use pipulate_process::table;
use pipulate_store::error::StoreError;

use super::{Beginning, Driver};
use crate::machine::{Event, Phase};
use crate::program::Heirloom;

impl Driver {
    /// The old instance is gone: begins anew, with the configuration as it is now.
    pub(super) fn renew(&mut self) {
        let why = self.succeed(Beginning::Start, &[Notice::Stop]);
        self.journal.complain(&why);
        // Unless it is being stopped by now, it stays away, and the record says why.
        if !self.is_ending() {
            self.tell(Event::SpawnFailed { why });
        }
    }

    /// A newer program takes over while the service runs. If it can't, this one goes on.
    pub(super) fn upgrade(&mut self) {
        // A newer program begins by starting what does not run, and nobody asked for that.
        let has_settled = matches!(self.machine.phase(), Phase::Settled(_));
        if self.is_ending() || has_settled || self.stopwatch.is_some() {
            self.journal
                .note_in_log("asked to upgrade while its service ends or has ended; it is not worth it");
            return;
        }
        self.save();
        self.journal.note_in_log("makes way for a newer program");
        // A restart begins with the newer program anyway. What runs needs no configuration.
        let why = self.succeed(Beginning::Rescue, &[Notice::Stop, Notice::Restart]);
        self.journal.complain(&format!("{why}; this one goes on"));
    }

    /// Returns only if the program could not take over, or something more urgent came first.
    fn succeed(&mut self, beginning: Beginning, urgent: &[Notice]) -> String {
        if table::program_was_replaced(self.me)
            && let Err(why) = self.program.try_out()
        {
            return why;
        }
        let failed = |error: StoreError| error.to_string();
        let heirloom = self.lock.keep_over_exec().map_err(|error| error.to_string()).and_then(|lock| {
            let fifo = self.capture.keep_over_exec().map_err(failed)?;
            signals::hold_back().map_err(|error| error.to_string())?;
            Ok(Heirloom { lock, fifo })
        });
        // What came before is in the inbox, which an exec closes; what comes from now on waits.
        let mut notices = self.inbox.take();
        notices.retain(|notice| urgent.contains(notice));
        let why = match heirloom {
            Ok(_) if !notices.is_empty() => "something else was asked for meanwhile".to_owned(),
            Ok(heirloom) => {
                self.program.succeed(&self.layout, &self.spec.name, beginning, heirloom).to_string()
            }
            Err(why) => why,
        };
        self.journal.complain_of_io(self.lock.close_on_exec());
        self.journal.complain_of(self.capture.close_on_exec());
        self.journal.complain_of_io(signals::let_in());
        for notice in notices {
            self.on_notice(notice);
        }
        why
    }
}

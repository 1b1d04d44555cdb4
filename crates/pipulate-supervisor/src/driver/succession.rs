//! One program after the other in the same process: for a restart, and for an upgrade.
//!
//! The pid, the children, the lock and the duty to orphans stay. Signals are held back from the
//! moment before the exec until the new program listens. What is executed has been tried out, or is
//! what runs already.

use std::mem;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pipulate_core::identity::Pid;
use pipulate_core::state::Wanted;
use pipulate_process::poll::{self, Interest};
use pipulate_process::signals::{self, Notice};
use pipulate_store::error::StoreError;

use super::trial::Trial;
use super::{Beginning, Driver, RECHECK};
use crate::machine::{Event, Phase};
use crate::program::{Heirloom, Program};

/// How long a restart waits for a newer program to say its version: nothing of the service runs then.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(10);

/// A newer program that is to take over while the service runs.
#[derive(Default)]
pub(super) enum Upgrade {
    #[default]
    None,
    Asked,
    Trying(Trial),
    /// It can be run.
    Tried,
}

impl Upgrade {
    /// One that is under way needs no second request.
    pub(super) fn ask(&mut self) {
        if matches!(self, Self::None) {
            *self = Self::Asked;
        }
    }

    fn trial(&self) -> Option<&Trial> {
        match self {
            Self::Trying(trial) => Some(trial),
            Self::None | Self::Asked | Self::Tried => None,
        }
    }

    pub(super) fn child(&self) -> Option<Pid> {
        self.trial().map(Trial::child)
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.trial().and_then(Trial::descriptor)
    }

    pub(super) fn next_look(&self) -> Option<Instant> {
        self.trial().map(Trial::deadline)
    }
}

impl Driver {
    /// The old instance is gone: begins again, with the configuration as it is now. A newer program
    /// that can't be run is no reason to stay away: this one can.
    pub(super) fn renew(&mut self) {
        let was_exposed = self.journal.is_exposed();
        self.look_at_the_port();
        if !was_exposed && self.journal.is_exposed() {
            // The next program knows what the record says.
            self.save();
        }
        let image = match self.program.newer().map(Path::to_owned) {
            None => self.program.image(),
            Some(newer) => self.try_out(&newer).map_or_else(
                |why| {
                    self.journal.complain(&format!("{why}; the service is restarted by the old program"));
                    self.program.image()
                },
                |()| newer,
            ),
        };
        let why = self.succeed(&image, Beginning::Start, &[Notice::Stop]);
        self.journal.complain(&why);
        self.tell(Event::SpawnFailed { why });
        if matches!(self.machine.phase(), Phase::Settled(_)) {
            self.give_up_on_requests();
            self.forget_the_stop();
        }
    }

    /// Waits for a program to say its version, and for nothing else but output.
    fn try_out(&mut self, program: &Path) -> Result<(), String> {
        let trial = Trial::begin(program, self.layout.root(), &self.host)?;
        let deadline = Instant::now() + RENEWAL_PATIENCE;
        loop {
            self.drain();
            let now = Instant::now();
            if let Some(verdict) = trial.verdict(now) {
                return verdict;
            }
            if deadline <= now {
                return Err(format!("{} took too long to say its version", program.display()));
            }
            let mut watched = vec![(self.capture.descriptor(), Interest::Read)];
            watched.retain(|_| self.capturing);
            watched.extend(trial.descriptor().map(|fd| (fd, Interest::Read)));
            poll::wait(&watched, Some(RECHECK)).map_err(|error| error.to_string())?;
        }
    }

    /// Lets a newer program take over while the service runs, once it has said its version. If it
    /// can't, this one goes on. Back-off, and a restart for a save, are finished first: the newer program
    /// would not know of them.
    pub(super) fn look_at_upgrade(&mut self) {
        if matches!(self.upgrade, Upgrade::None) {
            return;
        }
        let phase = self.machine.phase();
        // A newer program begins by starting what does not run, and nobody asked for that.
        if matches!(phase, Phase::Settled(_)) || phase.wanted() == Wanted::Stopped {
            self.upgrade = Upgrade::None;
            let why = "asked to upgrade while its service ends or has ended; it is not worth it";
            return self.journal.note_in_log(why);
        }
        self.upgrade = match mem::take(&mut self.upgrade) {
            Upgrade::Asked => self.begin_trial(),
            Upgrade::Trying(trial) => match trial.verdict(Instant::now()) {
                None => Upgrade::Trying(trial),
                Some(Ok(())) => Upgrade::Tried,
                Some(Err(why)) => self.refuse_upgrade(&why),
            },
            state @ (Upgrade::None | Upgrade::Tried) => state,
        };
        let runs = match self.machine.phase() {
            Phase::Starting { .. } | Phase::Up { .. } | Phase::Background { .. } => true,
            Phase::Waiting { .. }
            | Phase::Clearing { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Settled(_) => false,
        };
        if matches!(self.upgrade, Upgrade::Tried) && runs && self.stopwatch.is_none() {
            self.upgrade = Upgrade::None;
            self.make_way();
        }
    }

    fn begin_trial(&mut self) -> Upgrade {
        let Some(newer) = self.program.newer().map(Path::to_owned) else { return Upgrade::Tried };
        match Trial::begin(&newer, self.layout.root(), &self.host) {
            Ok(trial) => Upgrade::Trying(trial),
            Err(why) => self.refuse_upgrade(&why),
        }
    }

    fn refuse_upgrade(&mut self, why: &str) -> Upgrade {
        self.journal.complain(&format!("{why}; this one goes on"));
        Upgrade::None
    }

    fn make_way(&mut self) {
        self.save();
        self.journal.note_in_log("makes way for a newer program");
        let image: PathBuf = self.program.path.clone();
        // A restart begins with the newer program anyway. What runs needs no configuration.
        let why = self.succeed(&image, Beginning::Rescue, &[Notice::Stop, Notice::Restart]);
        self.journal.complain(&format!("{why}; this one goes on"));
    }

    /// Returns only if the program could not take over, or something more urgent came first.
    fn succeed(&mut self, image: &Path, beginning: Beginning, urgent: &[Notice]) -> String {
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
                Program::succeed(image, &self.layout, &self.spec.name, beginning, heirloom).to_string()
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

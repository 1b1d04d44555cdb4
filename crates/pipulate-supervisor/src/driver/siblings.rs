//! Supervisors of a project look after each other: each watches the next one in a ring of names.
//!
//! It costs one descriptor and no wake-up. When the watched one is killed, its service is given a
//! new supervisor at once, which adopts it; one that ends in order leaves a record that says so.
//! A newcomer tells the one before it by SIGURG, which does nothing where nobody listens. It does so when
//! its service has settled: until then the command that started it watches it. Without such a command, or
//! when that ends early, it does so at once.

use std::fs::OpenOptions;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::identity::Verified;
use pipulate_process::signals::Signal;
use pipulate_store::lock::{self, Holder};
use pipulate_store::record;

use super::journal::is_settled;
use super::{Beginning, Driver};
use crate::ownership;
use crate::program::LaunchError;

/// So many rescues within [`RESCUE_WINDOW`] are the last: something is wrong that a new
/// supervisor does not mend.
const RESCUE_LIMIT: usize = 5;
const RESCUE_WINDOW: Duration = Duration::from_secs(60);
/// First pause before a failed rescue (EAGAIN at fork) is tried again; it doubles each time.
const RESCUE_PAUSE: Duration = Duration::from_secs(1);

/// What is known of the ring.
pub(super) struct Siblings {
    /// Whether there is still a place to be taken.
    looked: bool,
    /// The one before was told of this one.
    is_known: bool,
    /// Only here for a moment, to end a service: takes no part.
    aloof: bool,
    next: Option<Watched>,
    /// The ring as it was when the one before was told: whoever came since tells of itself.
    ring: Option<Vec<ServiceName>>,
    rescues: Vec<Instant>,
    /// When to try a failed rescue again.
    retry_at: Option<Instant>,
}

/// A supervisor whose death is noticed.
struct Watched {
    service: ServiceName,
    process: Verified,
}

impl Siblings {
    pub(super) fn new(beginning: Beginning) -> Self {
        Self {
            looked: false,
            is_known: false,
            aloof: beginning == Beginning::Stop,
            next: None,
            ring: None,
            rescues: Vec::new(),
            retry_at: None,
        }
    }

    /// While the service was being restarted nobody was looked after.
    pub(super) fn look_again(&mut self) {
        (self.looked, self.is_known) = (false, false);
    }

    /// When to look around again.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Readable when the watched one has ended.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.next.as_ref().and_then(|next| next.process.descriptor())
    }
}

impl Driver {
    /// Takes a place in the ring, once there is time for it, and notices a death.
    pub(super) fn look_after_siblings(&mut self) {
        if !self.siblings.looked && (!self.journal.is_unsettled() || !self.journal.has_audience()) {
            self.siblings.looked = true;
            match self.siblings.ring.take() {
                Some(ring) => self.look_around_in(ring),
                None => self.look_around(),
            }
        }
        let is_due = self.siblings.retry_at.is_some_and(|at| at <= Instant::now());
        if is_due || self.siblings.next.as_ref().is_some_and(|next| !next.process.lives()) {
            self.look_around();
        }
    }

    /// Tells the sibling before this one, which watches this one from then on: before the record says that
    /// the service has settled, or as soon as no command waits for it any more.
    pub(super) fn be_known_before_settling(&mut self, next: ServiceState) {
        let is_watched = self.journal.has_audience();
        let is_new = !self.siblings.aloof && !self.siblings.is_known;
        if is_new && (is_settled(next) || !is_watched) {
            self.siblings.is_known = true;
            self.greet_the_one_before();
        }
    }

    /// Finds the next living supervisor after this one's name.
    pub(super) fn look_around(&mut self) {
        self.siblings.ring = None;
        self.look_around_in(self.others_in_order());
    }

    /// The same among these. Those in between that were killed are given new ones, the first of which
    /// is watched until it has found its place.
    fn look_around_in(&mut self, ring: Vec<ServiceName>) {
        let before = self.siblings.next.take();
        self.siblings.retry_at = None;
        if self.siblings.aloof || self.stopwatch.is_some() {
            return;
        }
        let on_its_way = before.filter(|watched| watched.process.lives());
        let mut newcomer = None;
        for service in ring {
            if let Some(process) = self.living_supervisor(&service) {
                self.siblings.next = newcomer.or(Some(Watched { service, process }));
                return;
            }
            if on_its_way.as_ref().is_some_and(|watched| watched.service == service) {
                self.siblings.next = on_its_way;
                return;
            }
            let rescued = self.rescue(&service).map(|process| Watched { service, process });
            newcomer = newcomer.or(rescued);
        }
        self.siblings.next = newcomer;
    }

    fn living_supervisor(&self, sibling: &ServiceName) -> Option<Verified> {
        match lock::holder(&self.layout.lock(sibling)) {
            Ok(Holder::Process(pid)) => ownership::pin_supervisor(&self.layout, sibling, pid, &self.host),
            Ok(Holder::Nobody | Holder::Invisible) => None,
            Err(error) => {
                self.journal.complain(&error.to_string());
                None
            }
        }
    }

    /// The other services with a record, in the order of the ring, beginning after this one.
    fn others_in_order(&self) -> Vec<ServiceName> {
        let names = record::services(&self.layout).unwrap_or_default();
        let (before, after): (Vec<_>, Vec<_>) =
            names.into_iter().filter(|name| *name != self.spec.name).partition(|name| *name < self.spec.name);
        after.into_iter().chain(before).collect()
    }

    fn greet_the_one_before(&mut self) {
        let ring = self.others_in_order();
        if let Some(before) = ring.iter().rev().find_map(|sibling| self.living_supervisor(sibling)) {
            self.journal.complain_of_signal(before.signal(Signal::URG));
        }
        self.siblings.ring = Some(ring);
    }

    /// Starts a supervisor for a service whose own was killed, and answers with it.
    fn rescue(&mut self, sibling: &ServiceName) -> Option<Verified> {
        // Nobody's, as far as can be seen from here: in another container somebody may hold it.
        let is_free = matches!(lock::holder(&self.layout.lock(sibling)), Ok(Holder::Nobody));
        let record = record::read(&self.layout, sibling).ok().flatten().filter(|_| is_free)?;
        let was_killed = record.supervisor.as_ref().is_some_and(|supervisor| {
            supervisor.host == self.host && !ownership::has_lost_its_lock(&self.layout, sibling, supervisor)
        });
        if !was_killed || record.state.has_settled() || record.wanted == Wanted::Stopped {
            return None;
        }
        if let Some(why) = ownership::doubt(&self.layout, &record, &self.host) {
            self.journal.complain(&format!("{sibling} lost its supervisor and gets no other: {why}"));
            return None;
        }
        let now = Instant::now();
        self.siblings.rescues.retain(|&earlier| now.duration_since(earlier) < RESCUE_WINDOW);
        if self.siblings.rescues.len() >= RESCUE_LIMIT {
            self.journal.complain(&format!("the supervisor of {sibling} ends again and again; it is let be"));
            return None;
        }
        let pause = RESCUE_PAUSE * 2_u32.pow(u32::try_from(self.siblings.rescues.len()).unwrap_or(0));
        self.siblings.rescues.push(now);
        let nowhere = OpenOptions::new().write(true).open("/dev/null").map_err(LaunchError::from);
        let started = nowhere
            .and_then(|nowhere| self.program.start(&self.layout, sibling, Beginning::Rescue, None, nowhere));
        match started {
            Ok(newcomer) => {
                let pid = newcomer.identity().pid;
                self.journal.note_in_log(&format!("{sibling} lost its supervisor; {pid} takes over"));
                Some(newcomer)
            }
            Err(error) => {
                self.journal.complain(&format!("{sibling} lost its supervisor: {error}; it is tried again"));
                self.siblings.retry_at = Some(now + pause);
                None
            }
        }
    }
}

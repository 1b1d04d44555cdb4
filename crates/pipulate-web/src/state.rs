//! What the app holds while it runs.
//!
//! Invariant: nothing here is needed by the next run. Sessions are signed, not stored; the counter
//! is an example and begins at 0.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pipulate_core::service::ServiceName;
use tokio::sync::watch;

use crate::broadcast::Broadcast;
use crate::chat::Answers;
use crate::event_stream::{self, Places};
use crate::observer::{Observer, Snapshot};
use crate::problem::Problem;
use crate::sign::{Door, KeySource, Moment};
use crate::views::services::{Live, Standpoint};
use crate::world::{Target, Verb, World};

/// Between two looks at the figures of the services, while somebody watches them.
const PULSE: Duration = Duration::from_secs(2);
/// How old an answer of a service may be that a page is opened with.
const FRESH: Duration = Duration::from_secs(2);
/// How long a page tells what was last done from it.
const NEWS: SignedDuration = SignedDuration::from_mins(10);
/// How long the logs' thread sleeps at most before it looks whether anybody still listens.
const NAP: Duration = Duration::from_secs(1);

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    service: ServiceName,
    port: u16,
    door: Door,
    world: World,
    zone: TimeZone,
    counter: AtomicU64,
    busy: Mutex<BTreeSet<(Target, Verb)>>,
    notices: Mutex<[Option<Notice>; 2]>,
    observer: Mutex<Observer>,
    live: Arc<Broadcast<Arc<Live>>>,
    log_pulse: Arc<Broadcast<u64>>,
    places: Places,
    answers: Answers,
}

/// What was last done from a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}

impl Notice {
    /// What was done long ago is no news, and its time of day may be that of another day.
    fn is_news(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) < NEWS
    }
}

/// The page that tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topic {
    Services,
    Secrets,
}

impl AppState {
    /// An app that is known as `service`, answers on `port` of the loopback addresses, and lets in
    /// who holds the key.
    pub fn new(service: ServiceName, port: u16, key: KeySource, world: World) -> Self {
        Self(Arc::new(Inner {
            service,
            port,
            door: Door::new(key, port, Moment::now()),
            world,
            zone: TimeZone::system(),
            counter: AtomicU64::new(0),
            busy: Mutex::default(),
            notices: Mutex::default(),
            observer: Mutex::default(),
            live: Broadcast::new(),
            log_pulse: Broadcast::new(),
            places: Places::new(event_stream::MOST),
            answers: Answers::default(),
        }))
    }

    /// The service that this app runs as: the one to name in commands.
    pub(crate) fn service(&self) -> &ServiceName {
        &self.0.service
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    pub(crate) fn door(&self) -> &Door {
        &self.0.door
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.0.zone
    }

    pub(crate) fn standpoint(&self) -> Standpoint<'_> {
        Standpoint { zone: self.zone(), port: self.port() }
    }

    pub(crate) fn places(&self) -> &Places {
        &self.0.places
    }

    pub(crate) fn answers(&self) -> &Answers {
        &self.0.answers
    }

    /// Asks the world, off the event loop: it may read files, wait for probes and for processes.
    pub(crate) async fn ask<T, F>(&self, question: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&World) -> T + Send + 'static,
    {
        let world = self.0.world.clone();
        tokio::task::spawn_blocking(move || question(&world)).await.map_err(|_| Problem::broken_off())
    }

    /// What is true now.
    pub(crate) async fn look(&self) -> Result<Snapshot, Problem> {
        let state = self.clone();
        self.ask(move |world| lock(&state.0.observer).look(world, FRESH, Instant::now())).await
    }

    /// The services as they are from now on.
    pub(crate) fn watch_services(&self) -> watch::Receiver<Option<Arc<Live>>> {
        let state = self.clone();
        self.0.live.subscribe(move || {
            let mut watching = state.0.world.status.watch();
            let mut is_first = true;
            move || {
                if !std::mem::take(&mut is_first) {
                    watching.wait(PULSE);
                }
                let mut observer = lock(&state.0.observer);
                let pace = observer.pace();
                let snapshot = observer.look(&state.0.world, pace, Instant::now());
                Some(Arc::new(Live::new(&snapshot, &state.standpoint())))
            }
        })
    }

    /// Changes whenever services may have printed something.
    pub(crate) fn watch_logs(&self) -> watch::Receiver<Option<u64>> {
        let state = self.clone();
        self.0.log_pulse.subscribe(move || {
            let mut watching = state.0.world.logs.watch();
            let mut beats = 0;
            move || {
                // The first beat says that from now on nothing is missed.
                let is_news = beats == 0 || watching.wait(NAP);
                beats += u64::from(is_news);
                is_news.then_some(beats)
            }
        })
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.counter.load(Ordering::Relaxed)
    }

    pub(crate) fn increment(&self) -> u64 {
        self.0.counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Marks an action as under way, until the claim is dropped; `None` if it is already. Others may
    /// come between, as from a second terminal: who waits for a start may well want to stop it.
    pub(crate) fn claim(&self, target: &Target, verb: Verb) -> Option<Claim> {
        let action = (target.clone(), verb);
        let is_new = lock(&self.0.busy).insert(action.clone());
        is_new.then(|| Claim { state: self.clone(), action })
    }

    pub(crate) fn notice(&self, topic: Topic) -> Option<Notice> {
        lock(&self.0.notices)[topic as usize].clone().filter(|notice| notice.is_news(Timestamp::now()))
    }

    pub(crate) fn set_notice(&self, topic: Topic, text: String) -> Notice {
        let notice = Notice { text, at: Timestamp::now() };
        lock(&self.0.notices)[topic as usize] = Some(notice.clone());
        notice
    }

    #[cfg(test)]
    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }
}

/// The same action is not carried out twice at once.
pub(crate) struct Claim {
    state: AppState,
    action: (Target, Verb),
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.state.0.busy).remove(&self.action);
    }
}

/// No invariant spans two statements under these locks, so a poisoned one is as good as new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_for_some_minutes() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let notice = Notice { text: "stopped web".to_owned(), at: at(10_000) };
        for (now, is_news) in
            [(10_000, true), (10_599, true), (10_600, false), (200_000, false), (9_000, true)]
        {
            assert_eq!(notice.is_news(at(now)), is_news, "{now}");
        }
    }
}

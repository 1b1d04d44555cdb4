//! The app's state while it runs.
//!
//! Invariant: the next run needs none of it. Sessions are signed, not stored; the counter is
//! an example and begins at 0.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use pipulate_core::service::ServiceName;
use pipulate_core::web_host::WebHost;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::broadcast::Broadcast;
use crate::chat::Generations;
use crate::event_stream::{self, StreamSlots};
use crate::farewell;
use crate::notice::Notices;
use crate::observer::{Observer, Snapshot};
use crate::sign::{Authenticator, ClockReading, KeySource};
use crate::views::services::{RenderContext, RenderedServices};
use crate::world::{Folder, Panicked, Target, Verb, World};

/// The interval of reading the services' figures while a page is open.
const PULSE: Duration = Duration::from_secs(2);
/// The maximum age of a probe's answer when a page is opened.
const FRESH: Duration = Duration::from_secs(2);
/// The longest sleep of the logs' thread before it checks for open pages.
const NAP: Duration = Duration::from_secs(1);

/// The number of notebooks that are read at the same time.
const READERS: usize = 2;

/// The app's addresses.
pub struct Endpoint {
    /// On the loopback addresses.
    pub port: u16,
    /// The names of a reverse proxy that publishes it by HTTPS.
    pub hosts: Vec<WebHost>,
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    service: ServiceName,
    endpoint: Endpoint,
    authenticator: Authenticator,
    world: World,
    zone: TimeZone,
    counter: AtomicU64,
    busy: Mutex<BTreeSet<(Target, Verb)>>,
    notices: Notices,
    observer: Mutex<Observer>,
    services: Arc<Broadcast<Arc<RenderedServices>>>,
    log_pulse: Arc<Broadcast<u64>>,
    streams: StreamSlots,
    generations: Generations,
    readers: Arc<Semaphore>,
}

impl AppState {
    /// An app that runs as `service`, answers at `endpoint`, and admits holders of the key.
    pub fn new(service: ServiceName, endpoint: Endpoint, key: KeySource, world: World) -> Self {
        Self(Arc::new(Inner {
            service,
            authenticator: Authenticator::new(key, endpoint.port, ClockReading::now()),
            endpoint,
            generations: Generations::new(world.clone()),
            world,
            zone: TimeZone::system(),
            counter: AtomicU64::new(0),
            busy: Mutex::default(),
            notices: Notices::default(),
            observer: Mutex::default(),
            services: Broadcast::new(),
            log_pulse: Broadcast::new(),
            streams: StreamSlots::new(event_stream::MOST),
            readers: Arc::new(Semaphore::new(READERS)),
        }))
    }

    /// The service that this app runs as: the one to name in commands.
    pub(crate) fn service(&self) -> &ServiceName {
        &self.0.service
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.endpoint.port
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.0.authenticator
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.0.zone
    }

    pub(crate) fn render_context(&self) -> RenderContext<'_> {
        RenderContext { zone: self.zone(), port: self.port() }
    }

    pub(crate) fn streams(&self) -> &StreamSlots {
        &self.0.streams
    }

    /// Notifies open pages if the app ends for good, within `patience`.
    pub(crate) async fn say_farewell(&self, patience: Duration) {
        let own = self.service().clone();
        let looked = self.ask(move |world| farewell::look(world, &own, patience));
        if let Ok(Ok(Some(farewell))) = tokio::time::timeout(patience, looked).await {
            self.streams().say_farewell(farewell);
        }
    }

    pub(crate) fn generations(&self) -> &Generations {
        &self.0.generations
    }

    pub(crate) fn notices(&self) -> &Notices {
        &self.0.notices
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.0.world.folder
    }

    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }

    /// Waits for permission to read a notebook: a large one needs memory. Dropping the result gives it back.
    pub(crate) async fn turn_to_read(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.readers).acquire_owned().await.ok()
    }

    /// [`World::ask`]
    pub(crate) async fn ask<T, F>(&self, question: F) -> Result<T, Panicked>
    where
        T: Send + 'static,
        F: FnOnce(&World) -> T + Send + 'static,
    {
        self.0.world.ask(question).await
    }

    /// The current state.
    pub(crate) async fn look(&self) -> Result<Snapshot, Panicked> {
        let state = self.clone();
        self.ask(move |world| lock(&state.0.observer).look(world, FRESH, Instant::now())).await
    }

    /// Watches the services.
    pub(crate) fn watch_services(&self) -> watch::Receiver<Option<Arc<RenderedServices>>> {
        let state = self.clone();
        self.0.services.subscribe(move || {
            let mut watching = state.0.world.status.watch();
            let mut is_first = true;
            move || {
                if !std::mem::take(&mut is_first) {
                    watching.wait(PULSE);
                }
                let mut observer = lock(&state.0.observer);
                let pace = observer.pace();
                let snapshot = observer.look(&state.0.world, pace, Instant::now());
                Some(Arc::new(RenderedServices::new(&snapshot, &state.render_context())))
            }
        })
    }

    /// Changes whenever services may have printed output.
    pub(crate) fn watch_logs(&self) -> watch::Receiver<Option<u64>> {
        let state = self.clone();
        self.0.log_pulse.subscribe(move || {
            let mut watching = state.0.world.logs.watch();
            let mut beats = 0;
            move || {
                // The first value says that from now on no output is missed.
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

    /// Marks an action as running until the claim is dropped; `None` if it already is. Other actions are
    /// possible meanwhile, as from a second terminal: a slow start may be stopped.
    pub(crate) fn claim(&self, target: &Target, verb: Verb) -> Option<Claim> {
        let action = (target.clone(), verb);
        let is_new = lock(&self.0.busy).insert(action.clone());
        is_new.then(|| Claim { state: self.clone(), action })
    }
}

/// Prevents an action from running twice at once.
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

//! News for open pages: logs that a test writes, a bell, and the resulting stream.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use pipulate_core::layout::Layout;

use super::fake::{FakeWorld, path};
use crate::world::Watching;

/// A stream that is being read.
pub(crate) struct Events(pub(super) Body, pub(super) String);

impl Events {
    /// The next event's id and data.
    pub(crate) async fn next(&mut self) -> (String, String) {
        loop {
            if let Some((event, rest)) = self.1.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.1 = rest;
                if event != ":" {
                    let lines = |name| event.lines().filter_map(move |line| line.strip_prefix(name));
                    return (lines("id: ").collect(), lines("data: ").collect::<Vec<_>>().join("\n"));
                }
                continue;
            }
            let frame = std::future::poll_fn(|context| Pin::new(&mut self.0).poll_frame(context));
            let frame = frame.await.expect("the stream goes on").unwrap();
            self.1.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }
}

/// Logs that a test writes.
pub(crate) struct Printed {
    folder: tempfile::TempDir,
    bell: Arc<Bell>,
}

impl Printed {
    /// The logs of this world from now on.
    pub(crate) fn new(world: &FakeWorld) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(path(folder.path().canonicalize().unwrap().to_str().unwrap()));
        std::fs::create_dir_all(layout.logs()).unwrap();
        *world.layout.lock().unwrap() = Some(layout);
        Self { folder, bell: world.bell.clone() }
    }

    /// Prints as a service, and wakes the watchers.
    pub(crate) fn print(&self, service: &str, text: impl AsRef<[u8]>) {
        let path = self.folder.path().join(format!(".pipulate/log/{service}.log"));
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_ref()).unwrap();
        self.bell.ring();
    }
}

/// Wakes watchers when a test has news.
#[derive(Default)]
pub(crate) struct Bell {
    rings: Mutex<u64>,
    rung: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.rings.lock().unwrap() += 1;
        self.rung.notify_all();
    }
}

/// A watcher of the bell.
pub(super) struct Listener(Arc<Bell>, u64);

impl Listener {
    pub(super) fn to(bell: &Arc<Bell>) -> Box<dyn Watching> {
        let rings = *bell.rings.lock().unwrap();
        Box::new(Self(bell.clone(), rings))
    }
}

impl Watching for Listener {
    fn wait(&mut self, patience: Duration) -> bool {
        let rings = self.0.rings.lock().unwrap();
        let (rings, _) = self.0.rung.wait_timeout_while(rings, patience, |rings| *rings == self.1).unwrap();
        std::mem::replace(&mut self.1, *rings) != *rings
    }
}

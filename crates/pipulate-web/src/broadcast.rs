//! One thread that waits for news while there are subscribers, and distributes it to all of them.
//!
//! Invariant: without subscribers nothing runs, so a page that isn't open costs nothing. A subscriber sees
//! the newest value, not every one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Distributes values of one kind.
pub(crate) struct Broadcast<T> {
    sender: watch::Sender<Option<T>>,
    is_running: Mutex<bool>,
}

impl<T: Send + Sync + 'static> Broadcast<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { sender: watch::Sender::new(None), is_running: Mutex::new(false) })
    }

    /// Subscribes. The first subscriber starts `source` in a separate thread: the function that it returns is
    /// called repeatedly and may block up to a second or so each time.
    pub(crate) fn subscribe<N>(
        self: &Arc<Self>,
        source: impl FnOnce() -> N + Send + 'static,
    ) -> watch::Receiver<Option<T>>
    where
        N: FnMut() -> Option<T>,
    {
        let mut is_running = self.running();
        let receiver = self.sender.subscribe();
        if !std::mem::replace(&mut *is_running, true) {
            let own = Arc::clone(self);
            std::thread::spawn(move || own.run(source()));
        }
        receiver
    }

    fn run(&self, mut next: impl FnMut() -> Option<T>) {
        loop {
            if let Some(value) = next() {
                self.sender.send_replace(Some(value));
            }
            let mut is_running = self.running();
            if self.sender.receiver_count() == 0 {
                // Later subscribers must not get this value as news.
                self.sender.send_replace(None);
                *is_running = false;
                return;
            }
        }
    }

    /// No invariant spans two statements under this lock, so a poisoned one is as good as new.
    fn running(&self) -> MutexGuard<'_, bool> {
        self.is_running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_source_runs_while_somebody_listens_and_begins_again_for_the_next() {
        let broadcast = Broadcast::new();
        for round in 0..3 {
            let (feed, food) = mpsc::channel::<u32>();
            let (gone, is_gone) = mpsc::channel();
            let source = move || {
                move || {
                    let _told_at_the_end = &gone;
                    food.recv().ok()
                }
            };
            let mut first = broadcast.subscribe(source);
            let mut second = broadcast.subscribe(|| || -> Option<u32> { panic!("there is a source") });
            assert_eq!(*first.borrow_and_update(), None, "round {round}: nothing old");
            feed.send(round).unwrap();
            for receiver in [&mut first, &mut second] {
                assert_eq!(*receiver.wait_for(Option::is_some).await.unwrap(), Some(round));
            }
            drop((first, second));
            feed.send(99).unwrap();
            assert_eq!(is_gone.recv(), Err::<(), _>(mpsc::RecvError), "the thread ended");
        }
    }
}

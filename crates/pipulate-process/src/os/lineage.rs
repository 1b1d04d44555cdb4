//! macOS: the descendants of this process whose parent ended, as a replacement for a subreaper.
//!
//! The kernel gives an orphan to launchd, and keeps in `p_puniqueid` which process forked it. That number
//! leads back to us if we have seen each process in between while it ran. kqueue reports each fork to a
//! thread (NOTE_FORK; Darwin has no NOTE_TRACK), which then looks for new processes. **Not found** is the
//! child of a process that was forked and ended between two looks: callers look for marks and open files as
//! well.
//!
//! An exec of this process keeps its own number, and loses the known ones.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use nix::sys::signal::{SigSet, SigmaskHow};
use pipulate_core::identity::Pid;

use super::facts::{ids, process};
use super::kqueue::Queue;
use super::libproc;

const LAUNCHD: i32 = 1;

static LINEAGE: OnceLock<Arc<Mutex<Lineage>>> = OnceLock::new();

/// Starts to track the descendants of this process.
pub(crate) fn become_subreaper() -> io::Result<()> {
    if LINEAGE.get().is_some() {
        return Ok(());
    }
    let me = Pid::new(rustix::process::getpid().as_raw_nonzero().get());
    let me = me.and_then(|pid| Some((pid, ids(pid)?.own)));
    let Some((pid, own)) = me else { return Err(io::ErrorKind::NotFound.into()) };
    let queue = Arc::new(Queue::new()?);
    queue.watch_forks(pid)?;
    let lineage = Arc::new(Mutex::new(Lineage {
        queue: Arc::clone(&queue),
        own,
        known: HashSet::from([own]),
        running: HashMap::new(),
    }));
    let shared = Arc::clone(&lineage);
    // Signals are for the main thread, which holds them back over an exec.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let started = thread::Builder::new().name("lineage".to_owned()).spawn(move || {
        while queue.take(None).is_ok() {
            shared.lock().unwrap_or_else(PoisonError::into_inner).look();
        }
    });
    before.thread_set_mask()?;
    started?;
    let _was_set = LINEAGE.set(lineage);
    Ok(())
}

/// Returns our descendants whose parent is launchd now.
pub(super) fn orphans() -> Vec<Pid> {
    let Some(lineage) = LINEAGE.get() else { return Vec::new() };
    let mut lineage = lineage.lock().unwrap_or_else(PoisonError::into_inner);
    lineage.look();
    let is_orphan = |(number, pid): (&u64, &Pid)| {
        let found = process(*pid).filter(|found| found.ids.own == *number && !found.is_zombie())?;
        (found.parent == LAUNCHD).then_some(*pid)
    };
    lineage.running.iter().filter_map(is_orphan).collect()
}

struct Lineage {
    queue: Arc<Queue>,
    own: u64,
    /// This process, its descendants, and ended descendants with running children.
    known: HashSet<u64>,
    running: HashMap<u64, Pid>,
}

impl Lineage {
    /// Looks for new processes until there are none: a process may fork before its forks are watched.
    fn look(&mut self) {
        loop {
            let mut all: Vec<_> =
                libproc::pids(None).into_iter().filter_map(|pid| Some((ids(pid)?, pid))).collect();
            // A child's number is higher than its parent's.
            all.sort_unstable_by_key(|(ids, _)| ids.own);
            let mut is_any_new = false;
            let mut running = HashMap::new();
            for (ids, pid) in &all {
                if !self.known.contains(&ids.parent) || ids.own == self.own {
                    continue;
                }
                running.insert(ids.own, *pid);
                if self.known.insert(ids.own) {
                    is_any_new = true;
                    // It may have ended by now.
                    let _gone = self.queue.watch_forks(*pid);
                }
            }
            self.running = running;
            let needed: HashSet<u64> = all.iter().flat_map(|(ids, _)| [ids.own, ids.parent]).collect();
            self.known.retain(|number| needed.contains(number));
            if !is_any_new {
                return;
            }
        }
    }
}

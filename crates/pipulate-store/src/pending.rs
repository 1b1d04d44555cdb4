//! Starts in progress, so that a stop can withdraw the services that they have not begun yet.
//!
//! A start handles its services one after the other. It announces all of them in its own file in `run/`, and
//! a stop appends the services that it stops to every such file. A supervisor that the start launches reads
//! the file once it holds its service's lock. As a stop first writes and then checks locks, one of the two
//! sees the other: either the supervisor exits, or the stop ends it. A later start has another file.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;

use crate::error::StoreError;
use crate::files;
use crate::request::{hold, is_at};

/// A bound for the length of such a file, in bytes.
const LONGEST: u64 = 16 << 20;

/// A start in progress. Dropping it removes its file.
#[derive(Debug)]
pub struct PendingStart {
    id: RunId,
    path: AbsPath,
    held: File,
    /// The length of the announcement, in bytes: a longer file has withdrawals.
    announced: u64,
    is_left: Cell<bool>,
}

impl PendingStart {
    /// Announces a start of these services. Files of starts that were killed are removed.
    ///
    /// # Errors
    /// The folder is not writable, the disk is full, or its file system has no locks.
    pub fn announce(layout: &Layout, id: RunId, services: &[ServiceName]) -> Result<Self, StoreError> {
        for path in all(layout)? {
            if open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                files::remove(&path)?;
            }
        }
        let path = layout.pending_start(&id);
        let announced: String = services.iter().map(|service| format!("start {service}\n")).collect();
        let mut held = hold(&path).map_err(StoreError::io("write", &path))?;
        held.write_all(announced.as_bytes()).map_err(StoreError::io("write", &path))?;
        let announced = u64::try_from(announced.len()).unwrap_or_default();
        Ok(Self { id, path, held, announced, is_left: Cell::new(false) })
    }

    /// Returns the id that its supervisors look it up by.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// True if a stop of this service came after the start was announced.
    pub fn is_withdrawn(&self, service: &ServiceName) -> bool {
        let is_longer = self.held.metadata().is_ok_and(|meta| meta.len() > self.announced);
        is_longer && names_stop(&self.path, service)
    }

    /// Leaves the file behind: a supervisor of this start may not have looked at it yet.
    pub fn leave(&self) {
        self.is_left.set(true);
    }
}

impl Drop for PendingStart {
    fn drop(&mut self) {
        if !self.is_left.get() && is_at(&self.held, &self.path) {
            // If this fails, the next start removes it.
            let _stays = files::remove(&self.path);
        }
    }
}

/// True if a stop of this service came after the start with this id was announced.
pub fn is_withdrawn(layout: &Layout, start: &RunId, service: &ServiceName) -> bool {
    names_stop(&layout.pending_start(start), service)
}

/// Withdraws services from every start in progress. Returns the announced ones, which may have begun already;
/// on a full disk nothing is withdrawn.
pub fn withdraw(layout: &Layout, services: &[ServiceName]) -> Vec<ServiceName> {
    let stops: String = services.iter().map(|service| format!("stop {service}\n")).collect();
    let mut withdrawn = Vec::new();
    for path in all(layout).unwrap_or_default() {
        // It has ended meanwhile, or is another user's, whose services we can't stop either.
        let Ok(mut file) = open(&path) else { continue };
        let Ok(text) = read(&mut file) else { continue };
        // Full disk: never promise a withdrawal that no supervisor can read.
        if file.write_all(stops.as_bytes()).is_err() {
            continue;
        }
        let is_under_way = file.try_lock().is_err();
        let is_open = |service: &&ServiceName| {
            is_under_way && has_line(&text, "start", service) && !has_line(&text, "stop", service)
        };
        withdrawn.extend(services.iter().filter(is_open).cloned());
    }
    withdrawn
}

fn all(layout: &Layout) -> Result<Vec<AbsPath>, StoreError> {
    let entries = match fs::read_dir(layout.run()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", layout.run())(error)),
    };
    let path = |entry: fs::DirEntry| {
        let id = RunId::parse(entry.file_name().to_str()?.strip_prefix("start.")?)?;
        Some(layout.pending_start(&id))
    };
    Ok(entries.flatten().filter_map(path).collect())
}

fn open(path: &AbsPath) -> io::Result<File> {
    let file = files::guarded(OpenOptions::new().read(true).append(true)).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

fn read(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn names_stop(path: &AbsPath, service: &ServiceName) -> bool {
    let text = open(path).and_then(|mut file| read(&mut file)).unwrap_or_default();
    has_line(&text, "stop", service)
}

fn has_line(text: &str, word: &str, service: &ServiceName) -> bool {
    text.lines().any(|line| line.split_once(' ') == Some((word, service.as_str())))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    #[test]
    fn a_stop_withdraws_from_earlier_starts_and_not_from_later_ones() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        let layout = crate::home::ensure(&layout).unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| ServiceName::parse(name).unwrap());
        let announce = |number, services: &[ServiceName]| {
            PendingStart::announce(&layout, RunId::from_random(number), services).unwrap()
        };
        assert_eq!(withdraw(&layout, from_ref(&a)), [], "none is under way");
        let earlier = announce(1, &[a.clone(), b.clone()]);
        assert!(!earlier.is_withdrawn(&a));
        assert_eq!(withdraw(&layout, &[b.clone(), c.clone()]), from_ref(&b));
        assert_eq!(withdraw(&layout, from_ref(&b)), [], "once");
        let later = announce(2, from_ref(&b));
        assert!(earlier.is_withdrawn(&b) && !earlier.is_withdrawn(&a) && !later.is_withdrawn(&b));
        assert!(is_withdrawn(&layout, earlier.id(), &b) && !is_withdrawn(&layout, later.id(), &b));
        drop((earlier, later));
        assert!(!is_withdrawn(&layout, &RunId::from_random(1), &b));
        assert_eq!(all(&layout).unwrap(), []);
    }

    #[test]
    fn what_a_start_left_is_withdrawn_from_until_the_next_start_removes_it() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        let layout = crate::home::ensure(&layout).unwrap();
        let service = ServiceName::parse("w").unwrap();
        let services = from_ref(&service);
        let [left, next] = [1, 2].map(RunId::from_random);
        let pending = PendingStart::announce(&layout, left.clone(), services).unwrap();
        pending.leave();
        drop(pending);
        assert_eq!(withdraw(&layout, services), [], "the start itself has ended");
        assert!(is_withdrawn(&layout, &left, &service), "its supervisor still sees it");
        let pending = PendingStart::announce(&layout, next.clone(), services).unwrap();
        assert_eq!(all(&layout).unwrap(), [layout.pending_start(&next)]);
        drop(pending);
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, layout.pending_start(&next)).unwrap();
        assert_eq!(withdraw(&layout, services), []);
        assert_eq!(fs::read(&elsewhere).unwrap(), b"", "a link is not followed");
    }
}

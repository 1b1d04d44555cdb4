//! The history of the services in supervisor.log: starts, ends and saves.
//!
//! Reads only the lines written since the last look, and skips all other messages.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use jiff::Timestamp;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;

use super::{ENDED, MAX_SIZE, SAVED, STARTED};
use crate::files;

/// How many events are kept; a service that ends every minute makes 2,880 a day.
const MOST: usize = 4_000;

/// Something that happened to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvent {
    pub at: Timestamp,
    pub service: ServiceName,
    pub kind: EventKind,
}

/// The kind of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    Started,
    /// Its main process ended; `is_asked` if it was being stopped.
    Ended {
        code: Option<i32>,
        signal: Option<i32>,
        is_asked: bool,
    },
    /// These files were saved, as a list to show.
    Saved(String),
}

/// All known events, oldest first.
#[derive(Debug, Default)]
pub struct History {
    events: VecDeque<ServiceEvent>,
    /// The last file that was read, and how much of it.
    read: Option<(u64, u64)>,
    stopping: BTreeSet<ServiceName>,
}

impl History {
    /// Reads the events since the last call. Unreadable files are skipped.
    pub fn refresh(&mut self, layout: &Layout) {
        let Ok((file, inode)) = open(layout.supervisor_log().as_ref()) else { return };
        let begin = match self.read {
            Some((known, read)) if known == inode => read,
            Some(_) | None => {
                (self.events, self.stopping) = Default::default();
                if let Ok((old, _)) = open(layout.old_supervisor_log().as_ref()) {
                    self.take_in(&old, 0);
                }
                0
            }
        };
        self.read = Some((inode, begin + self.take_in(&file, begin)));
    }

    /// Returns the events, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &ServiceEvent> {
        self.events.iter()
    }

    /// Reads the whole lines from a place on, and returns their total length.
    fn take_in(&mut self, file: &File, begin: u64) -> u64 {
        let rest = file.metadata().map_or(0, |meta| meta.len().saturating_sub(begin));
        let mut bytes = vec![0; rest.min(2 * MAX_SIZE) as usize];
        let Ok(length) = file.read_at(&mut bytes, begin) else { return 0 };
        let Some(end) = bytes[..length].iter().rposition(|byte| *byte == b'\n') else { return 0 };
        for line in String::from_utf8_lossy(&bytes[..=end]).lines() {
            self.line(line);
        }
        end as u64 + 1
    }

    /// `None` for a line that is not an event.
    fn line(&mut self, line: &str) -> Option<()> {
        let (at, rest) = line.split_once(' ')?;
        let (_level, said) = rest.trim_start().split_once(' ')?;
        let at = at.parse().ok()?;
        // File names may contain anything but a line break.
        if let Some((files, service)) =
            said.strip_prefix(SAVED).and_then(|saved| saved.rsplit_once(" service="))
        {
            let service = ServiceName::parse(service).ok()?;
            return self.add(ServiceEvent { at, service, kind: EventKind::Saved(files.to_owned()) });
        }
        let (said, fields) = said.split_once("service=")?;
        let (service, fields) = fields.split_once(' ').unwrap_or((fields, ""));
        let service = ServiceName::parse(service).ok()?;
        let number = |name: &str| fields.split(' ').find_map(|field| field.strip_prefix(name)?.parse().ok());
        let kind = match said.trim_end() {
            STARTED => {
                self.stopping.remove(&service);
                EventKind::Started
            }
            ENDED => {
                // Without the field in logs of earlier versions.
                let is_asked = fields.contains("asked=true") || self.stopping.contains(&service);
                EventKind::Ended { code: number("code="), signal: number("signal="), is_asked }
            }
            _ => {
                if fields.starts_with("state=\"stopping\"") {
                    self.stopping.insert(service);
                }
                return None;
            }
        };
        self.add(ServiceEvent { at, service, kind })
    }

    fn add(&mut self, event: ServiceEvent) -> Option<()> {
        self.events.push_back(event);
        if self.events.len() > MOST {
            self.events.pop_front();
        }
        Some(())
    }
}

/// Opens a log for reading, and returns its identity.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = files::guarded(OpenOptions::new().read(true)).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let inode = meta.ino();
    Ok((file, inode))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use pipulate_core::project::AbsPath;

    use super::*;

    #[test]
    fn starts_ends_and_saves_are_read_once_whatever_else_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
        let mut history = History::default();
        history.refresh(&layout);
        fs::create_dir_all(layout.logs()).unwrap();
        let mut log = super::super::open(&layout).unwrap();
        let mut say = |lines: &[&str]| {
            for line in lines {
                log.write_all(line.as_bytes()).unwrap();
            }
        };
        say(&[
            "2026-11-30T23:00:00.5Z  INFO service=web state=\"starting\"\n",
            "2026-11-30T23:00:01Z  INFO started service=web pid=42\n",
            "2026-11-30T23:00:02Z  INFO its main process ended service=web code=3\n",
            "2026-11-30T23:00:03Z  WARN web: started service=../x pid=1\n",
            "no line of ours started service=web\n",
            "2026-11-30T23:00:04Z  INFO started service=web pid=43\n2026-11-30T23:00:05Z  INFO saved: a service=b.py, c.py serv",
        ]);
        history.refresh(&layout);
        assert_eq!(history.events().count(), 3);
        say(&[
            "ice=web\n",
            "2026-11-30T23:00:06Z  INFO service=web state=\"stopping\"\n",
            "2026-11-30T23:00:07Z  INFO its main process ended service=web signal=15\n",
            "2026-11-30T23:00:07Z  INFO started service=web pid=44\n",
            "2026-11-30T23:00:08Z  INFO its main process ended service=web signal=15 asked=true\n",
        ]);
        history.refresh(&layout);
        history.refresh(&layout);
        let seen: Vec<_> = history.events().map(|one| (one.at.as_second() % 60, one.kind.clone())).collect();
        let ended = |code, signal, is_asked| EventKind::Ended { code, signal, is_asked };
        let expected = [
            (1, EventKind::Started),
            (2, ended(Some(3), None, false)),
            (4, EventKind::Started),
            (5, EventKind::Saved("a service=b.py, c.py".to_owned())),
            (7, ended(None, Some(15), true)),
            (7, EventKind::Started),
            (8, ended(None, Some(15), true)),
        ];
        assert_eq!(seen, expected);

        // After a rotation it is not read again.
        fs::rename(layout.supervisor_log(), layout.old_supervisor_log()).unwrap();
        fs::write(layout.supervisor_log(), "2026-11-30T23:00:08Z  INFO started service=web pid=44\n")
            .unwrap();
        history.refresh(&layout);
        assert_eq!(history.events().count(), 8);
    }
}

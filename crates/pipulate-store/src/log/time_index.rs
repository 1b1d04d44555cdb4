//! The time index of a log, `<service>.log.idx`: its format on disk. `writer` writes it, `reader` reads it.
//!
//! A *position* counts the bytes of a service's output since its first log: unlike an offset in a
//! file it survives rotation, because the header says at which position each kept log begins. All
//! numbers are little-endian.
//!
//! ```text
//! 0    8  "PIPIDX", 0, version
//! 8    8  position of the last start; all ones: none
//! 16   8  position of the last first answer; likewise
//! 24   8  number of logs
//! 32  16  each log, oldest first: which file it is, position of its first byte
//!     16  each entry, in order: position and, in its highest byte, the kind; microseconds since 1970
//! ```
//!
//! An entry says that the bytes from the previous entry's position to its own were in the log at its time
//! (`M`), or some time before it (`B`).

mod reader;
mod writer;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::files;

pub(super) use reader::IndexReader;
pub use reader::{LineTime, When};
pub(crate) use writer::IndexWriter;
pub use writer::Mark;

const MAGIC: [u8; 8] = *b"PIPIDX\0\x01";
const FIXED: u64 = 32;
/// The size of an entry, and of a log in the header, in bytes.
pub(crate) const RECORD: u64 = 16;
/// How many entries are read at once.
pub(crate) const AT_ONCE: u64 = 256;
/// More logs than any configuration keeps: a header that claims more is damaged.
const MOST_LOGS: u64 = 1 << 20;
const NONE: u64 = u64::MAX;

/// The offset of the position of the last start.
pub(crate) const START_AT: u64 = 8;
/// The offset of the position of the last first answer.
pub(crate) const READY_AT: u64 = 16;

/// The most bytes after the last entry that one drain can have moved; they came at the log's last change.
/// More than that was moved by a writer without an index.
pub(crate) const ONE_DRAIN: u64 = 2 << 20;

/// When some bytes were moved to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// The position after those bytes.
    pub(crate) position: u64,
    /// In microseconds since 1970.
    pub(crate) time: i64,
    /// At that time; otherwise, some time before it.
    pub(crate) is_exact: bool,
}

impl IndexEntry {
    pub(crate) fn encode(self) -> [u8; 16] {
        let kind = if self.is_exact { b'M' } else { b'B' };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(self.position & (NONE >> 8)).to_le_bytes());
        bytes[7] = kind;
        bytes[8..].copy_from_slice(&self.time.to_le_bytes());
        bytes
    }

    /// `None` for bytes that no program of ours wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let position = number(bytes, 0)?;
        let is_exact = match bytes.get(7)? {
            b'M' => true,
            b'B' => false,
            _ => return None,
        };
        let time = number(bytes, 8)?.cast_signed();
        Some(Self { position: position & (NONE >> 8), time, is_exact })
    }
}

/// Where a log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    /// See [`files::number`].
    pub(crate) file: u64,
    pub(crate) position: u64,
}

/// The header, before the entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) start: Option<u64>,
    pub(crate) ready: Option<u64>,
    /// Oldest first.
    pub(crate) logs: Vec<Begin>,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let numbers = [self.start.unwrap_or(NONE), self.ready.unwrap_or(NONE), self.logs.len() as u64];
        let logs = self.logs.iter().flat_map(|log| [log.file, log.position]);
        bytes.extend(numbers.into_iter().chain(logs).flat_map(u64::to_le_bytes));
        bytes
    }

    /// Returns its length in bytes.
    fn length(&self) -> u64 {
        FIXED + RECORD * self.logs.len() as u64
    }

    /// `None` if it is damaged or of another version.
    fn read(file: &File) -> io::Result<Option<Self>> {
        let mut fixed = [0; FIXED as usize];
        if file.metadata()?.len() < FIXED {
            return Ok(None);
        }
        file.read_exact_at(&mut fixed, 0)?;
        let count = number(&fixed, 24).unwrap_or(NONE);
        if fixed[..8] != MAGIC || count > MOST_LOGS || file.metadata()?.len() < FIXED + RECORD * count {
            return Ok(None);
        }
        let mut logs = vec![0; usize::try_from(RECORD * count).unwrap_or(0)];
        file.read_exact_at(&mut logs, FIXED)?;
        let logs = logs
            .chunks_exact(16)
            .filter_map(|log| Some(Begin { file: number(log, 0)?, position: number(log, 8)? }));
        let logs: Vec<Begin> = logs.collect();
        let is_sound = logs.is_sorted_by_key(|log| log.position)
            && logs.last().is_none_or(|last| last.position <= NONE >> 8);
        let position = |at| number(&fixed, at).filter(|&position| position != NONE);
        Ok(is_sound.then(|| Self { start: position(8), ready: position(16), logs }))
    }
}

/// An open index.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) file: File,
    pub(crate) header: Header,
    /// The number of entries.
    pub(crate) count: u64,
}

/// The result of opening an index.
#[derive(Debug)]
pub(crate) enum Found {
    Sound(Stored),
    /// Not our index, or an invalid one.
    Damaged,
    Nothing,
}

impl Stored {
    /// Opens an existing index.
    pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> Found {
        let file = match files::guarded(options.read(true)).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(_) => return Found::Damaged,
        };
        let is_plain = file.metadata().is_ok_and(|meta| meta.is_file());
        match is_plain.then(|| Header::read(&file)) {
            Some(Ok(Some(header))) => {
                let mut stored = Self { file, header, count: 0 };
                stored.count_entries();
                Found::Sound(stored)
            }
            Some(Ok(None) | Err(_)) | None => Found::Damaged,
        }
    }

    /// Updates the number of entries.
    pub(crate) fn count_entries(&mut self) {
        let length = self.file.metadata().map_or(0, |meta| meta.len());
        self.count = length.saturating_sub(self.header.length()) / RECORD;
    }

    /// Returns an entry's offset in the file.
    pub(crate) fn offset_of(&self, entry: u64) -> u64 {
        self.header.length() + RECORD * entry
    }

    /// Returns up to `most` entries from this one on, up to the first invalid one.
    pub(crate) fn entries(&self, first: u64, most: u64) -> Vec<IndexEntry> {
        let count = most.min(self.count.saturating_sub(first));
        let mut bytes = vec![0; usize::try_from(RECORD * count).unwrap_or(0)];
        match self.file.read_exact_at(&mut bytes, self.offset_of(first)) {
            Ok(()) => bytes.chunks_exact(16).map_while(IndexEntry::decode).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// Returns one entry; `None` if it is missing or invalid.
    pub(crate) fn entry(&self, entry: u64) -> Option<IndexEntry> {
        self.entries(entry, 1).pop()
    }

    pub(crate) fn last(&self) -> Option<IndexEntry> {
        self.entry(self.count.checked_sub(1)?)
    }

    /// Returns true if every entry is valid and none is before its predecessor, as a binary search requires.
    /// Reads all of them.
    pub(crate) fn is_in_order(&self) -> bool {
        let mut latest = 0;
        let mut follows =
            |entry: &IndexEntry| std::mem::replace(&mut latest, entry.position) <= entry.position;
        (0..self.count).step_by(AT_ONCE as usize).all(|first| {
            let entries = self.entries(first, AT_ONCE);
            entries.len() as u64 == AT_ONCE.min(self.count - first) && entries.iter().all(&mut follows)
        })
    }

    /// Returns the first entry that is not before, by binary search: positions never decrease, and times only
    /// if the clock was set back.
    pub(crate) fn first_not(&self, is_before: impl Fn(IndexEntry) -> bool) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle).is_some_and(&is_before) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

//! The files of one log as a chain: `log.2`, `log.1`, `log`, oldest first, each open and identified by inode
//! and birth time, not by name: names move on at every rotation.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::SystemTime;

use pipulate_core::fault::FileRefusal;
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;
use rustix::io::Errno;

use crate::error::StoreError;
use crate::files::{self, changed_at};

/// Attempts to open a chain while it keeps changing.
const ATTEMPTS: u32 = 64;

/// A file's identity. The birth time tells a new file from a deleted one whose inode it reuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), born: metadata.created().ok() }
    }
}

/// One open file of a log, and the reader's offset in it.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) id: FileId,
    /// Everything before this was handed out.
    pub(super) offset: u64,
    /// Its length at the last look; nothing beyond is read.
    pub(super) length: u64,
    /// Its number in the index.
    pub(super) file_number: u64,
    /// The position in the service's whole output at which it begins.
    pub(super) base: u64,
    /// Its first position according to the index.
    pub(super) indexed: Option<u64>,
    /// It was truncated since it was opened, and may have grown again.
    pub(super) was_emptied: bool,
    /// When it was last written to, in microseconds since 1970.
    pub(super) changed: i64,
    /// The next file does not continue this one's last line.
    pub(super) is_severed: bool,
    file: File,
    path: AbsPath,
}

impl OpenFile {
    /// Opens a file; `None` if there is no file of that name. O_NONBLOCK: a planted FIFO can't block us;
    /// links are not followed.
    fn open(path: AbsPath) -> Result<Option<Self>, StoreError> {
        let file = match files::guarded(OpenOptions::new().read(true)).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(StoreError::refused(&path, FileRefusal::Link));
            }
            Err(error) => return Err(StoreError::io("open", &path)(error)),
        };
        let metadata = file.metadata().map_err(|error| StoreError::io("examine", &path)(error))?;
        if !metadata.is_file() {
            return Err(StoreError::refused(&path, FileRefusal::NotAFile));
        }
        Ok(Some(Self {
            id: FileId::of(&metadata),
            offset: 0,
            length: metadata.len(),
            file_number: files::number(&metadata),
            base: 0,
            indexed: None,
            was_emptied: false,
            changed: changed_at(&metadata),
            is_severed: false,
            file,
            path,
        }))
    }

    /// Reads up to `buffer.len()` bytes from `position`, never beyond the known length.
    pub(super) fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let left = usize::try_from(self.length.saturating_sub(position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        loop {
            match self.file.read_at(&mut buffer[..wanted], position) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other.map_err(|error| self.error("read", error)),
            }
        }
    }

    /// Reads the length and the time of the last change again.
    pub(super) fn refresh(&mut self) -> Result<(), StoreError> {
        let metadata = self.file.metadata().map_err(|error| self.error("examine", error))?;
        (self.length, self.changed) = (metadata.len(), changed_at(&metadata));
        Ok(())
    }

    /// Returns its length at this moment.
    pub(super) fn actual_length(&self) -> Option<u64> {
        self.file.metadata().ok().map(|metadata| metadata.len())
    }

    /// Returns the position at which its known part ends.
    pub(super) fn end(&self) -> u64 {
        self.base.saturating_add(self.length)
    }

    fn error(&self, activity: &'static str, error: io::Error) -> StoreError {
        StoreError::io(activity, &self.path)(error)
    }
}

/// The paths of one log's files.
#[derive(Debug)]
pub(super) struct Chain {
    layout: Layout,
    service: ServiceName,
}

impl Chain {
    pub(super) fn new(layout: &Layout, service: &ServiceName) -> Self {
        Self { layout: layout.clone(), service: service.clone() }
    }

    /// Returns the identity of the current log, if there is one.
    pub(super) fn current(&self) -> Result<Option<FileId>, StoreError> {
        self.id_of(0)
    }

    /// Opens every existing file, oldest first.
    ///
    /// A rotation in between would double or lose a file, so this is repeated until the chain did not change
    /// while it was opened; a file that has two names for a moment counts once.
    pub(super) fn open(&self) -> Result<Vec<OpenFile>, StoreError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut files = Vec::new();
            for number in self.numbers()? {
                files.extend(OpenFile::open(self.path(number))?.map(|file| (number, file)));
            }
            if attempt < ATTEMPTS && !self.is_still(&files)? {
                continue;
            }
            let mut chain: Vec<OpenFile> = Vec::new();
            for (_number, mut file) in files {
                if chain.iter().all(|known| known.id != file.id) {
                    file.refresh()?;
                    chain.push(file);
                }
            }
            chain.reverse();
            return Ok(chain);
        }
    }

    fn is_still(&self, files: &[(u32, OpenFile)]) -> Result<bool, StoreError> {
        let mut now = Vec::new();
        for number in self.numbers()? {
            now.extend(self.id_of(number)?.map(|id| (number, id)));
        }
        Ok(now.iter().copied().eq(files.iter().map(|(number, file)| (*number, file.id))))
    }

    fn id_of(&self, number: u32) -> Result<Option<FileId>, StoreError> {
        let path = self.path(number);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(FileId::of(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("examine", &path)(error)),
        }
    }

    /// Returns the numbers in use, newest file first; zero is the current one.
    fn numbers(&self) -> Result<BTreeSet<u32>, StoreError> {
        let directory = self.layout.logs();
        let failed = |error| StoreError::io("list", &directory)(error);
        let prefix = format!("{}.log.", self.service);
        let mut numbers = BTreeSet::from([0]);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(numbers),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()).filter(|&number| number > 0));
        }
        Ok(numbers)
    }

    fn path(&self, number: u32) -> AbsPath {
        match number {
            0 => self.layout.log(&self.service),
            number => self.layout.old_log(&self.service, number),
        }
    }
}

/// Returns the services that have a log in this home, by name.
///
/// # Errors
/// The folder is there and can't be listed.
pub(super) fn services_with_logs(layout: &Layout) -> Result<BTreeSet<ServiceName>, StoreError> {
    let directory = layout.logs();
    let failed = |error| StoreError::io("list", &directory)(error);
    let mut services = BTreeSet::new();
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(services),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let service = name.to_str().and_then(|name| name.strip_suffix(".log"));
        // Skips names that are not a service's, such as supervisor.log.
        services.extend(service.and_then(|service| ServiceName::parse(service).ok()));
    }
    Ok(services)
}

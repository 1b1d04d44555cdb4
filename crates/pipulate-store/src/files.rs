//! Small private files: read with suspicion, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use nix::libc;
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::retry_on_intr;

use pipulate_core::fault::FileRefusal;

use crate::error::StoreError;

mod reserve;

use reserve::RESERVE;
pub(crate) use reserve::{keep_reserve, write_fleeting_or_reserve, write_last};

/// The size limit of our own files, in bytes.
const LIMIT: u64 = 1 << 20;

/// O_NOFOLLOW and O_NONBLOCK: follows no link, and a FIFO can't block us.
pub(crate) fn guarded(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
}

/// Reads a file that others may have written, following links. Only a regular file of at most 1 MiB: a device
/// would never end, and a FIFO would block.
///
/// # Errors
/// There is none, it is something else or larger, or it can't be read.
pub fn read_foreign(path: &Path) -> std::io::Result<Vec<u8>> {
    read_foreign_within(path, LIMIT)
}

/// Like [`read_foreign`], of at most `limit` bytes.
///
/// # Errors
/// As [`read_foreign`].
pub fn read_foreign_within(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    // Opening a device may have side effects.
    refuse_irregular(&fs::metadata(path)?)?;
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    read_open(OpenOptions::new().read(true).custom_flags(flags).open(path)?, limit)
}

/// Like [`read_foreign`], for text.
///
/// # Errors
/// As [`read_foreign`], or it is not UTF-8.
pub fn read_foreign_text(path: &Path) -> std::io::Result<String> {
    let invalid = |_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text");
    String::from_utf8(read_foreign(path)?).map_err(invalid)
}

/// Reads an open file to its end if it is a regular one of at most `limit` bytes.
pub(crate) fn read_open(file: File, limit: u64) -> std::io::Result<Vec<u8>> {
    let meta = file.metadata()?;
    refuse_irregular(&meta)?;
    read_within(file, &meta, limit)
}

fn read_within(file: File, meta: &fs::Metadata, limit: u64) -> std::io::Result<Vec<u8>> {
    // Kernel files report a length of 0, and some of them answer only the first read(2).
    const KERNEL_FILE: u64 = 4096;
    let expected = if meta.len() == 0 { KERNEL_FILE } else { meta.len() };
    // One byte more than its length tells whether it has grown.
    let mut bytes = Vec::with_capacity(expected.min(limit) as usize + 1);
    let count = retry_on_intr(|| rustix::io::read(&file, spare_capacity(&mut bytes)))? as u64;
    // One read(2) returns all of a regular file, unless it grows.
    if count != meta.len() {
        file.take((limit + 1).saturating_sub(count)).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > limit {
        let size = match limit >> 20 {
            0 => format!("{} KiB", limit >> 10),
            mebibytes => format!("{mebibytes} MiB"),
        };
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is larger than {size}")));
    }
    Ok(bytes)
}

fn refuse_irregular(meta: &fs::Metadata) -> std::io::Result<()> {
    if meta.is_dir() {
        return Err(rustix::io::Errno::ISDIR.into());
    }
    match meta.is_file() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// Reads a file of ours; `Ok(None)` if it is missing.
///
/// # Errors
/// It is a link, not a regular file, another user's, or larger than 1 MiB; or it can't be read.
pub fn read_private(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match guarded(OpenOptions::new().read(true)).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(StoreError::refused(path, FileRefusal::Link));
        }
        Err(error) => return Err(StoreError::io("read", path)(error)),
    };
    let meta = file.metadata().map_err(StoreError::io("read", path))?;
    if !meta.is_file() {
        return Err(StoreError::refused(path, FileRefusal::NotAFile));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(StoreError::refused(path, FileRefusal::FileOfAnotherUser));
    }
    if meta.len() > LIMIT {
        return Err(StoreError::refused(path, FileRefusal::TooLarge));
    }
    read_within(file, &meta, LIMIT).map(Some).map_err(StoreError::io("read", path))
}

/// Writes a file that only its user may read, through a temporary file beside it and a rename.
///
/// # Errors
/// The folder is not writable, or the disk is full; the old file is then untouched.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = temporary_beside(path);
    let written = create_new(&temporary).and_then(|mut file| file.write_all(bytes));
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    renamed.map_err(|error| {
        let _never_there = fs::remove_file(&temporary);
        StoreError::io("write", path)(error)
    })
}

/// Like [`write_private`], but keeps a private file that has these bytes already: programs that restart themselves
/// when a file is saved see nothing.
///
/// # Errors
/// As [`write_private`].
pub fn keep_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let is_private = fs::symlink_metadata(path).is_ok_and(|meta| meta.mode() & 0o077 == 0);
    match read_private(path) {
        Ok(Some(old)) if is_private && old == bytes => Ok(()),
        Ok(_) | Err(_) => write_private(path, bytes),
    }
}

/// Like [`write_private`], for a file whose content is worthless after the system went down. The old file is
/// exchanged with the new one and then removed: some file systems flush a file that is renamed over another
/// one before anything else can happen in its folder, which costs eight times as much.
///
/// # Errors
/// The folder is not writable, or the disk is full; the old file is then untouched.
pub(crate) fn write_fleeting(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace_fleeting(path, bytes, |old| fs::remove_file(old))
}

/// Implements [`write_fleeting`]; `put_away` gets the old file.
fn replace_fleeting(
    path: &Path,
    bytes: &[u8],
    put_away: impl FnOnce(&Path) -> std::io::Result<()>,
) -> Result<(), StoreError> {
    let temporary = temporary_beside(path);
    let written = create_new(&temporary).and_then(|mut file| file.write_all(bytes));
    // Never replace a non-regular file.
    let is_there = || fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    let placed = written.and_then(|()| match is_there() && exchange(&temporary, path).is_ok() {
        true => put_away(&temporary),
        // No old file to exchange with, or the file system can't exchange.
        false => fs::rename(&temporary, path),
    });
    placed.map_err(|error| {
        let _never_there = fs::remove_file(&temporary);
        StoreError::io("write", path)(error)
    })
}

fn exchange(one: &Path, other: &Path) -> std::io::Result<()> {
    let here = rustix::fs::CWD;
    Ok(rustix::fs::renameat_with(here, one, here, other, rustix::fs::RenameFlags::EXCHANGE)?)
}

/// Checks that this file could be written now; leaves nothing behind.
///
/// # Errors
/// The folder is not writable, or the disk is full.
pub fn try_out(path: &Path) -> Result<(), StoreError> {
    let temporary = temporary_beside(path);
    let written = create_new(&temporary).and_then(|mut file| file.write_all(&[b' '; RESERVE]));
    let removed = fs::remove_file(&temporary);
    written.and(removed).map_err(StoreError::io("write", path))
}

/// True if an error says that the disk, or the user's quota, is full.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Removes a file of ours; a missing one is no error.
///
/// # Errors
/// The folder is not writable.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Takes over a descriptor that was kept over an exec, by its number; sets its close-on-exec flag.
///
/// # Errors
/// There is no such descriptor, or it is one of the three standard ones.
#[expect(unsafe_code, reason = "a descriptor that was kept over an exec is only a number")]
pub fn inherited(number: RawFd) -> std::io::Result<OwnedFd> {
    // SAFETY: fcntl on any number is harmless; it fails when the number is no descriptor.
    let is_open = unsafe { libc::fcntl(number, libc::F_GETFD) } != -1;
    if !is_open || number <= 2 {
        return Err(std::io::Error::from(ErrorKind::InvalidInput));
    }
    // SAFETY: the descriptor is open, and the command line that names it made it ours.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    Ok(descriptor)
}

/// The metadata that changes when a file is replaced or written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    pub(crate) fn of(meta: &fs::Metadata) -> Self {
        Self {
            file: (meta.dev(), meta.ino()),
            length: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// Returns a number that identifies a file wherever it is moved, made of its inode number, which another file
/// may reuse, and its time of birth, if the file system keeps that.
pub(crate) fn number(meta: &fs::Metadata) -> u64 {
    let born = meta.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    meta.ino() ^ born.map_or(0, |born| u64::try_from(born.as_nanos()).unwrap_or(0))
}

/// Returns the time of a file's last change, in microseconds since 1970.
pub(crate) fn changed_at(meta: &fs::Metadata) -> i64 {
    meta.mtime().saturating_mul(1_000_000).saturating_add(meta.mtime_nsec() / 1_000)
}

fn create_new(path: &Path) -> std::io::Result<File> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // Left by a process with our pid that was killed in between.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
        }
        other => other,
    }
}

/// Removes the temporary files that a killed writer of `path`, or of a file whose name starts with it, left.
/// Only for the only writer.
pub(crate) fn remove_temporaries_beside(path: &Path) {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else { return };
    let beginning = format!(".{}.", name.to_string_lossy());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_left = |name: &str| name.starts_with(&beginning) && name.ends_with(".tmp");
        if name.to_str().is_some_and(is_left) {
            // A file that can't be removed does no harm.
            let _left = fs::remove_file(entry.path());
        }
    }
}

/// Counts temporary files: two threads may write the same file at once.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A name in the same folder that no file of ours has.
pub(crate) fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}.{number}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_of_bounded_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let said = |path: &Path| read_foreign(path).unwrap_err().to_string();
        fs::write(at("file"), "text").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        assert_eq!(read_foreign(&at("link")).unwrap(), b"text");
        assert_eq!(read_foreign(&at("none")).unwrap_err().kind(), ErrorKind::NotFound);
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_foreign(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        for irregular in [at("fifo"), PathBuf::from("/dev/zero")] {
            assert_eq!(said(&irregular), "it is not a regular file", "{}", irregular.display());
        }
        let file = File::create(at("large")).unwrap();
        file.set_len(LIMIT).unwrap();
        assert_eq!(read_foreign(&at("large")).unwrap().len() as u64, LIMIT);
        file.set_len(1 << 40).unwrap();
        assert_eq!(said(&at("large")), "it is larger than 1 MiB");
    }

    #[test]
    fn a_file_of_the_kernel_is_read_whole() {
        // Where they don't exist, neither finds them.
        for path in ["/proc/sys/fs/inotify/max_user_watches", "/proc/self/environ", "/proc/mounts"] {
            assert_eq!(read_foreign(Path::new(path)).ok(), fs::read(path).ok(), "{path}");
        }
    }
}

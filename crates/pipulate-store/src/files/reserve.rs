//! Disk space reserved beside a file, so that the file can be written when the disk is full, and a last time.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;

use super::{create_new, exchange, guarded, is_full, refuse_irregular, replace_fleeting};
use crate::error::StoreError;

/// The size of the reserve of a file, in bytes.
pub(super) const RESERVE: usize = 8 << 10;

/// Reserves space so that this file can be rewritten when the disk is full.
///
/// # Errors
/// The folder is not writable, or the disk is full by now.
pub(crate) fn keep_reserve(path: &Path) -> Result<(), StoreError> {
    let reserve = reserve_of(path);
    if fs::symlink_metadata(&reserve).is_ok_and(|meta| meta.is_file() && meta.len() == RESERVE as u64) {
        return Ok(());
    }
    // A reserve left from an earlier content is used again.
    let file = open_reserve(path).map(|(_, file)| file).or_else(|_| create_new(&reserve));
    let written = file.and_then(|file| {
        file.write_all_at(&[b' '; RESERVE], 0)?;
        file.set_len(RESERVE as u64)
    });
    written.map_err(|error| {
        let _useless = fs::remove_file(&reserve);
        StoreError::io("set room aside for", path)(error)
    })
}

/// Like [`write_fleeting`](super::write_fleeting); on a full disk, into the reserve: see [`keep_reserve`]. If
/// there is none yet, the old file becomes the reserve: removing one and making another costs more.
///
/// # Errors
/// The folder is not writable, or the disk is full and there is no reserve.
pub(crate) fn write_fleeting_or_reserve(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let put_away = |old: &Path| {
        let (here, new) = (rustix::fs::CWD, RenameFlags::NOREPLACE);
        let reserve = reserve_of(path);
        let kept = rustix::fs::renameat_with(here, old, here, &reserve, new);
        kept.map(|()| blank(&reserve)).or_else(|_| fs::remove_file(old))
    };
    match replace_fleeting(path, bytes, put_away) {
        Err(StoreError::Io { source, .. }) if is_full(&source) => {
            write_into_reserve(path, bytes).map_err(|_| StoreError::io("write", path)(source))
        }
        written => written,
    }
}

/// Like [`write_fleeting`](super::write_fleeting) for the last time, into the reserve: no file is made or
/// removed. Before ext4 makes a file, it examines the inode of every file that was removed within the last
/// minute.
///
/// # Errors
/// The folder is not writable, or the disk is full and there is no reserve.
pub(crate) fn write_last(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    put_into_reserve(path, bytes).or_else(|_| write_fleeting_or_reserve(path, bytes))
}

fn put_into_reserve(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let (reserve, file) = open_reserve(path)?;
    // Not the file that was current a moment ago: a reader may have it open.
    if file.metadata()?.len() != RESERVE as u64 {
        return Err(ErrorKind::StorageFull.into());
    }
    // Never replace a non-regular file.
    refuse_irregular(&fs::symlink_metadata(path)?)?;
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)?;
    exchange(&reserve, path)
}

/// Overwrites the reserve, which needs no more space, and exchanges the two files. The rest of the reserve is
/// filled with blanks.
fn write_into_reserve(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let (reserve, file) = open_reserve(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if bytes.len() > size || size > RESERVE {
        return Err(ErrorKind::StorageFull.into());
    }
    let mut padded = bytes.to_vec();
    padded.resize(size, b' ');
    file.write_all_at(&padded, 0)?;
    match exchange(&reserve, path) {
        Ok(()) => {
            blank(&reserve);
            Ok(())
        }
        // No old file to exchange with, or the file system can't exchange.
        Err(_) => fs::rename(&reserve, path),
    }
}

/// Turns an old file into a reserve: as large as its allocated space, at least its own blocks.
fn blank(reserve: &Path) {
    if let Ok(file) = OpenOptions::new().write(true).open(reserve) {
        // As far as there is space: the rest fits the next time.
        let half = [b' '; RESERVE / 2];
        let _as_far_as_it_goes =
            file.write_all_at(&half, 0).and_then(|()| file.write_all_at(&half, half.len() as u64));
    }
}

fn open_reserve(path: &Path) -> std::io::Result<(PathBuf, File)> {
    let reserve = reserve_of(path);
    let file = guarded(OpenOptions::new().write(true)).open(&reserve)?;
    refuse_irregular(&file.metadata()?)?;
    Ok((reserve, file))
}

fn reserve_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.spare"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn places(folder: &tempfile::TempDir) -> (PathBuf, PathBuf) {
        (folder.path().join("w.json"), folder.path().join(".w.json.spare"))
    }

    #[test]
    fn the_last_content_takes_the_reserves_file_and_the_next_reserve_the_old_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (path, reserve) = places(&folder);
        let number = |path: &Path| fs::metadata(path).unwrap().ino();
        write_last(&path, b"without a reserve").unwrap();
        keep_reserve(&path).unwrap();
        let (first, second) = (number(&path), number(&reserve));
        write_last(&path, b"last").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"last");
        assert_eq!((number(&path), number(&reserve)), (second, first));
        keep_reserve(&path).unwrap();
        assert_eq!((number(&reserve), fs::read(&reserve).unwrap()), (first, vec![b' '; RESERVE]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        fs::remove_file(&reserve).unwrap();
        write_fleeting_or_reserve(&path, b"next").unwrap();
        assert_eq!((number(&reserve), fs::read(&path).unwrap()), (second, b"next".to_vec()));
        assert_eq!(fs::read(&reserve).unwrap(), [b' '; RESERVE]);
        write_fleeting_or_reserve(&path, b"after it").unwrap();
        assert_eq!((number(&reserve), fs::read_dir(folder.path()).unwrap().count()), (second, 2));
    }

    #[test]
    fn what_is_no_file_of_ours_is_neither_replaced_nor_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (path, reserve) = places(&folder);
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "kept").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &reserve).unwrap();
        write_last(&path, b"last").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"last");
        assert_eq!(fs::read(&elsewhere).unwrap(), b"kept");
        fs::remove_file(&reserve).unwrap();
        keep_reserve(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(write_last(&path, b"last").is_err() && path.is_dir());
    }
}

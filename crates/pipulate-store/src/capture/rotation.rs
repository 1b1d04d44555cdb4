//! Rotation: a log that has reached its bound becomes `.1`, the older ones move up, the oldest is removed.
//!
//! The name of the current log never vanishes, and a follower of the old file reads it to its end: the old
//! file gets its second name by link(2), if the file system has hard links, before the new one takes over the
//! first by rename.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::service::{LogLimits, ServiceName};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::OVERSHOOT;
use crate::error::StoreError;
use crate::lock::{self, Holder};
use crate::log::read;
use crate::{files, folders};

/// The logs of one service.
#[derive(Debug)]
pub(super) struct Rotation {
    layout: Layout,
    service: ServiceName,
    limits: LogLimits,
    current: AbsPath,
}

impl Rotation {
    pub(super) fn new(layout: &Layout, service: &ServiceName, limits: LogLimits) -> Self {
        let current = layout.log(service);
        Self { layout: layout.clone(), service: service.clone(), limits, current }
    }

    /// Uses the new paths after the project's folder was moved.
    pub(super) fn follow(&mut self, layout: &Layout) {
        (self.layout, self.current) = (layout.clone(), layout.log(&self.service));
    }

    /// The service that these logs belong to.
    pub(super) fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The current log.
    pub(super) fn current(&self) -> &Path {
        &self.current
    }

    /// The bound of one file, in bytes.
    pub(super) fn max_size(&self) -> u64 {
        self.limits.max_size
    }

    /// Opens the current log; makes it and its folder if either was deleted.
    ///
    /// # Errors
    /// It is a link, or the folder is not writable; a missing home is not made again.
    pub(super) fn open_current(&self) -> Result<File, StoreError> {
        folders::make_private(&self.layout.logs())?;
        open(&self.current, OpenOptions::new().create(true).truncate(false))
            .map_err(StoreError::io("open the log", &self.current))
    }

    /// Begins a new log and returns it, after calling `announce` with it and before it takes the current
    /// name. Steps that need disk space come first: if they fail, no log has been moved.
    ///
    /// # Errors
    /// The folder is not writable, or the disk has no room for another name.
    pub(super) fn rotate(&self, announce: impl FnOnce(&File)) -> io::Result<File> {
        let (temporary, file) = self.make_next()?;
        let begun = self.move_up().and_then(|()| self.begin(&temporary, &file, announce));
        if let Err(error) = begun {
            // The next rotation retries with a new name.
            let _of_no_use = fs::remove_file(&temporary);
            return Err(error);
        }
        Ok(file)
    }

    fn move_up(&self) -> io::Result<()> {
        let second_name = files::temporary_beside(&self.current);
        let keep = self.limits.keep;
        if keep == 0 {
            return Ok(());
        }
        // The log may have been moved away. Without hard links (most USB sticks' file systems) its name
        // vanishes for a moment.
        let name = match unless_missing(fs::hard_link(&self.current, &second_name)) {
            Err(error) if has_one_name_for_each(&error) => self.current.as_ref(),
            linked => linked.map(|()| second_name.as_path())?,
        };
        // Removed before the others move up: some file systems write the whole file to disk when it is
        // renamed over another one, while the service waits.
        unless_missing(fs::remove_file(self.old(keep)))?;
        for number in (1..keep).rev() {
            unless_missing(fs::rename(self.old(number), self.old(number + 1)))?;
        }
        unless_missing(fs::rename(name, self.old(1)))
    }

    /// Removes the oldest of the older logs to free space; returns true if there was one.
    pub(super) fn sacrifice(&self) -> bool {
        let oldest = (1..=self.limits.keep).rev().map(|number| self.old(number)).find(|log| log.exists());
        oldest.is_some_and(|log| fs::remove_file(log).is_ok())
    }

    /// Finishes a rotation during which a supervisor was killed: the current log has a leftover second name,
    /// or is `.1` already.
    ///
    /// # Errors
    /// The folder is not writable.
    pub(super) fn finish_interrupted(&self) -> Result<(), StoreError> {
        files::remove_temporaries_beside(&self.current);
        let same = |meta: fs::Metadata| (meta.dev(), meta.ino());
        let (current, old) = (fs::symlink_metadata(&self.current), fs::symlink_metadata(self.old(1)));
        if let (Ok(current), Ok(old)) = (current, old)
            && same(current) == same(old)
        {
            let begun = self.make_next().and_then(|(temporary, file)| self.begin(&temporary, &file, |_| ()));
            begun.map_err(StoreError::io("begin", &self.current))?;
        }
        Ok(())
    }

    /// Removes older logs beyond the limits, which may have been lowered: those with a number that is no
    /// longer kept, and the oldest ones until the rest fits into the kept number times the size limit. The
    /// newest of them stays.
    pub(super) fn trim(&self) {
        let LogLimits { max_size, keep } = self.limits;
        let room = u64::from(keep).saturating_mul(max_size.saturating_add(OVERSHOOT));
        let length = |number| fs::symlink_metadata(self.old(number)).ok().filter(fs::Metadata::is_file);
        let lengths = (1..).map_while(|number| Some((number, length(number)?.len())));
        let mut sum: u64 = 0;
        let with_sums = lengths.map(|(number, length)| {
            sum = sum.saturating_add(length);
            (number, sum)
        });
        let is_surplus = |(number, sum): &(u32, u64)| *number > keep || (*number > 1 && *sum > room);
        let surplus: Vec<u32> = with_sums.filter(is_surplus).map(|(number, _)| number).collect();
        // The oldest first, so that a file that can't be removed leaves no gap before it.
        for number in surplus.into_iter().rev() {
            let _tried_again_at_the_next_start = fs::remove_file(self.old(number));
        }
    }

    fn make_next(&self) -> io::Result<(PathBuf, File)> {
        let temporary = files::temporary_beside(&self.current);
        unless_missing(fs::remove_file(&temporary))?;
        let file = open(&temporary, OpenOptions::new().create_new(true))?;
        Ok((temporary, file))
    }

    fn begin(&self, temporary: &Path, file: &File, announce: impl FnOnce(&File)) -> io::Result<()> {
        announce(file);
        fs::rename(temporary, &self.current)
    }

    fn old(&self, number: u32) -> AbsPath {
        self.layout.old_log(&self.service, number)
    }
}

/// Removes older logs beyond the limits of services without a supervisor, whether or not they are still
/// configured. A supervisor trims its own logs when it starts.
///
/// # Errors
/// The folder of the logs can't be listed, or a lock can't be examined.
pub fn trim_unsupervised(layout: &Layout, limits: LogLimits) -> Result<(), StoreError> {
    for service in read::services(layout)? {
        if lock::holder(&layout.lock(&service))? == Holder::Nobody {
            Rotation::new(layout, &service, limits).trim();
        }
    }
    Ok(())
}

/// Opens without O_APPEND, which splice(2) refuses. There is one writer, which keeps the position.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    options.read(true).write(true).mode(0o600).custom_flags(flags).open(path)
}

/// True if a file system refused a second name because it has no hard links.
fn has_one_name_for_each(error: &io::Error) -> bool {
    let refusals = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS];
    error.raw_os_error().is_some_and(|number| refusals.contains(&Errno::from_raw_os_error(number)))
}

/// Ignores the error of a missing file.
fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

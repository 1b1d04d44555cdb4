//! Moves a service's output from its FIFO into its log.

use std::os::fd::BorrowedFd;

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceSpec;
use pipulate_store::capture::{Capture, Drained};
use pipulate_store::error::StoreError;

/// The FIFO and the log of a service.
pub(crate) struct LogPump {
    pub(crate) capture: Capture,
    /// A FIFO without writers is always "readable".
    has_writers: bool,
}

/// The result of draining the FIFO once.
#[derive(Debug, Default)]
pub(crate) struct Pumped {
    /// There may be more to move at once.
    pub(crate) more: bool,
    /// The current log became another file.
    pub(crate) was_rotated: bool,
    /// Why the FIFO or the log could not be used.
    pub(crate) error: Option<StoreError>,
}

impl LogPump {
    /// Opens the FIFO and the log.
    ///
    /// # Errors
    /// The home's files can't be used.
    pub(crate) fn open(layout: &Layout, spec: &ServiceSpec) -> Result<Self, StoreError> {
        let capture = Capture::open(layout, &spec.name, spec.log_limits)?;
        if capture.index_was_damaged() {
            tracing::warn!(service = %spec.name, "the index of its log was damaged; a new one is begun");
        }
        Ok(Self { capture, has_writers: true })
    }

    /// Moves output to the log. `is_read`: a full log is kept until it was read.
    pub(crate) fn drain(&mut self, is_read: bool) -> Pumped {
        let before = self.capture.rotations();
        self.capture.keep_full_log(is_read);
        let drained = self.capture.drain();
        let was_rotated = self.capture.rotations() != before;
        match drained {
            Ok(Drained::Empty) => Pumped { was_rotated, ..Pumped::default() },
            Ok(Drained::More) => Pumped { more: true, was_rotated, error: None },
            Ok(Drained::NoWriters) => {
                self.has_writers = false;
                Pumped { was_rotated, ..Pumped::default() }
            }
            Err(error) => Pumped { was_rotated, error: Some(error), more: false },
        }
    }

    /// Waits for output again: a new instance has the FIFO open.
    pub(crate) fn expect_output(&mut self) {
        self.has_writers = true;
    }

    /// Returns whether a process may have the FIFO open for writing.
    pub(crate) fn has_writers(&self) -> bool {
        self.has_writers
    }

    /// A descriptor that is readable after output of the service; `None` while no process could write.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.has_writers.then(|| self.capture.descriptor())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;

    use super::*;
    use crate::parts::samples;

    #[test]
    fn a_fifo_is_watched_for_as_long_as_it_has_writers() {
        let (_folder, layout) = samples::home();
        let spec = samples::spec(&layout);
        let mut pump = LogPump::open(&layout, &spec).unwrap();
        let mut service = File::from(pump.capture.writer().unwrap());
        service.write_all(b"one\n").unwrap();
        let pumped = pump.drain(false);
        assert!(!pumped.more && pumped.error.is_none() && pump.descriptor().is_some());
        drop(service);
        pump.drain(false);
        assert!(pump.descriptor().is_none(), "it would be readable all the time");
        let mut next = File::from(pump.capture.writer().unwrap());
        pump.expect_output();
        next.write_all(b"two\n").unwrap();
        pump.drain(false);
        assert!(pump.descriptor().is_some());
        assert_eq!(fs::read(layout.log(&spec.name)).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_rotation_is_reported_once_and_its_full_log_is_kept_for_a_reader() {
        let (_folder, layout) = samples::home();
        let spec = samples::spec(&layout);
        let mut pump = LogPump::open(&layout, &spec).unwrap();
        let mut service = File::from(pump.capture.writer().unwrap());
        for _ in 0..spec.log_limits.max_size / 16 + 1 {
            service.write_all(b"fifteen letters\n").unwrap();
        }
        let mut rotations = 0;
        loop {
            let pumped = pump.drain(true);
            rotations += u32::from(pumped.was_rotated);
            if pumped.was_rotated {
                assert!(pump.capture.take_full_log().is_some());
            }
            if !pumped.more {
                break;
            }
        }
        assert_eq!(rotations, 1);
        assert!(!pump.drain(true).was_rotated);
    }
}

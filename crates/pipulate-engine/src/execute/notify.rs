//! The notify pipe, by which supervisors tell that a record has changed, and why they gave up.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use pipulate_core::service::ServiceName;
use pipulate_process::poll::{self, Interest};

/// A pipe that supervisors write to.
pub(super) struct NotifyPipe {
    reader: PipeReader,
    writer: Option<PipeWriter>,
    is_open: bool,
    heard: Vec<u8>,
    /// What supervisors said before they gave up, a line each.
    words: Vec<String>,
}

impl NotifyPipe {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { reader, writer: Some(writer), is_open: true, heard: Vec::new(), words: Vec::new() })
    }

    /// Returns a writing end for a supervisor, and whether anything written to it is read.
    pub(super) fn writer(&mut self) -> io::Result<OwnedFd> {
        if !self.is_open {
            let (reader, writer) = io::pipe()?;
            (self.reader, self.writer, self.is_open) = (reader, Some(writer), true);
        }
        match &self.writer {
            Some(writer) => Ok(writer.try_clone()?.into()),
            None => {
                // The others still hold this pipe open; a new one would lose what they say.
                let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.reader));
                Ok(std::fs::OpenOptions::new().write(true).open(path)?.into())
            }
        }
    }

    /// Lets go of the writing end, so that the end of the last supervisor is heard.
    pub(super) fn close_writer(&mut self) {
        self.writer = None;
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.is_open.then(|| self.reader.as_fd())
    }

    /// Reads what there is: the services whose records have changed.
    pub(super) fn read(&mut self) -> io::Result<BTreeSet<String>> {
        let mut buffer = [0; 4096];
        let count = self.reader.read(&mut buffer)?;
        self.is_open = count > 0;
        self.heard.extend_from_slice(&buffer[..count]);
        let whole = self.heard.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let heard: Vec<u8> = self.heard.drain(..whole).collect();
        let mut named = BTreeSet::new();
        for line in String::from_utf8_lossy(&heard).lines() {
            match line.strip_prefix('!') {
                Some(service) => drop(named.insert(service.to_owned())),
                None => {
                    named.extend(line.split_once(": ").map(|(service, _)| service.to_owned()));
                    self.words.push(line.to_owned());
                }
            }
        }
        Ok(named)
    }

    /// What a supervisor that has ended said.
    pub(super) fn last_words(&mut self, service: &ServiceName) -> io::Result<Option<String>> {
        // They were said before its end, and may not have been read yet.
        while let Some(pipe) = self.descriptor() {
            let ready = poll::wait(&[(pipe, Interest::Read)], Some(Duration::ZERO))?;
            if !ready.iter().any(|ready| ready.ready || ready.hung_up) {
                break;
            }
            self.read()?;
        }
        let prefix = format!("{service}: ");
        Ok(self.words.iter().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned)))
    }
}

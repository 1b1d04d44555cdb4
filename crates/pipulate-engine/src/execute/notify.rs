//! The notify pipe: supervisors write to it that a record has changed, and why they gave up.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_process::poll::{self, Interest};
use pipulate_store::record;

/// A pipe that supervisors write to.
pub(super) struct NotifyPipe {
    reader: PipeReader,
    writer: Option<PipeWriter>,
    is_open: bool,
    heard: Vec<u8>,
    /// The supervisors' failures, a line each: the service, and the reason in its disk format.
    failures: Vec<String>,
}

impl NotifyPipe {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { reader, writer: Some(writer), is_open: true, heard: Vec::new(), failures: Vec::new() })
    }

    /// Returns a writing end for a supervisor; makes a new pipe if the old one was closed.
    pub(super) fn writer(&mut self) -> io::Result<OwnedFd> {
        if !self.is_open {
            let (reader, writer) = io::pipe()?;
            (self.reader, self.writer, self.is_open) = (reader, Some(writer), true);
        }
        match &self.writer {
            Some(writer) => Ok(writer.try_clone()?.into()),
            None => {
                // The other supervisors still have this pipe open; their messages would be lost with a new
                // one.
                let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.reader));
                Ok(std::fs::OpenOptions::new().write(true).open(path)?.into())
            }
        }
    }

    /// Closes the writing end, so that the end of the last supervisor is noticed (POLLHUP).
    pub(super) fn close_writer(&mut self) {
        self.writer = None;
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.is_open.then(|| self.reader.as_fd())
    }

    /// Reads all messages, and returns the services whose records have changed.
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
                    self.failures.push(line.to_owned());
                }
            }
        }
        Ok(named)
    }

    /// Returns why a supervisor that has ended gave up.
    pub(super) fn why_failed(&mut self, service: &ServiceName) -> io::Result<Option<Reason>> {
        // The line was written before its end, and may not have been read yet.
        while let Some(pipe) = self.descriptor() {
            let ready = poll::wait(&[(pipe, Interest::Read)], Some(Duration::ZERO))?;
            if !ready.iter().any(|ready| ready.ready || ready.hung_up) {
                break;
            }
            self.read()?;
        }
        let prefix = format!("{service}: ");
        let why = self.failures.iter().find_map(|line| line.strip_prefix(&prefix));
        Ok(why.map(|why| record::reason_from_json(why).unwrap_or_else(|| Reason::told(why))))
    }
}

/// Formats the line with which a service's supervisor says why it gave up.
pub fn failure_line(service: &ServiceName, why: &Reason) -> String {
    format!("{service}: {}\n", record::reason_to_json(why))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_reason_comes_through_the_pipe_and_a_sentence_of_another_version_too() {
        let name = |text| ServiceName::parse(text).unwrap();
        let mut pipe = NotifyPipe::new().unwrap();
        let mut writer = File::from(pipe.writer().unwrap());
        let why = Reason::RunsElsewhere { machine: Some("a: b\nc".to_owned()) };
        writer.write_all(failure_line(&name("worker"), &why).as_bytes()).unwrap();
        writer.write_all(b"server: no room: at all\n!db\n").unwrap();
        assert_eq!(pipe.why_failed(&name("worker")).unwrap(), Some(why));
        assert_eq!(pipe.why_failed(&name("server")).unwrap(), Some(Reason::told("no room: at all")));
        assert_eq!(pipe.why_failed(&name("db")).unwrap(), None);
    }
}

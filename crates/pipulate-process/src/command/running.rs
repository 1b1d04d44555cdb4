//! A running command: its output is read as it comes, and its time is limited.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Command, CommandError, End, Output, Stream, end_of, own_session};

/// How much of a stream [`Command::output`] keeps, in bytes; the rest is discarded.
pub(super) const MOST_OUTPUT: usize = 16 << 20;
/// The longest piece of a line that is passed on at once, in bytes.
const LONGEST_LINE: usize = 64 << 10;
/// How many lines may be read ahead of their consumer.
const READ_AHEAD: usize = 64;

/// The process group of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Ours,
    /// A new group, killed as a whole.
    Own,
    /// A new session.
    Session,
}

/// A running command.
pub(super) struct Running {
    child: Child,
    output: mpsc::Receiver<(Stream, Vec<u8>)>,
}

impl Running {
    pub(super) fn begin(command: &Command, group: Group) -> Result<Self, CommandError> {
        let mut start = command.std_command();
        start.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match group {
            Group::Ours => {}
            Group::Own => drop(start.process_group(0)),
            Group::Session => own_session(&mut start),
        }
        let mut child = start.spawn().map_err(|source| command.error(source))?;
        let (sender, output) = mpsc::sync_channel(READ_AHEAD);
        forward(child.stdout.take(), Stream::Stdout, sender.clone());
        forward(child.stderr.take(), Stream::Stderr, sender);
        if let Some(mut stdin) = child.stdin.take().filter(|_| !command.stdin.is_empty()) {
            let bytes = command.stdin.clone();
            // In a thread: a program that does not read its stdin must not block us.
            thread::spawn(move || stdin.write_all(&bytes));
        }
        Ok(Self { child, output })
    }

    /// Passes on its output until its end; `None` after `timeout`.
    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
        mut on_bytes: impl FnMut(Stream, &[u8]),
    ) -> io::Result<Option<End>> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let message = match left {
                None => self.output.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                // A program that never stops printing always has more output to read.
                Some(Duration::ZERO) => Err(mpsc::RecvTimeoutError::Timeout),
                Some(left) => self.output.recv_timeout(left),
            };
            match message {
                Ok((stream, bytes)) => on_bytes(stream, &bytes),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => return Ok(None),
            }
        }
        Ok(Some(end_of(self.child.wait()?)))
    }

    /// Kills it and its group.
    pub(super) fn kill(mut self) -> End {
        end_group(&mut self.child);
        let _status = self.child.wait();
        End::TimedOut
    }
}

/// The beginnings of both streams.
#[derive(Default)]
pub(super) struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Kept {
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8]) {
        let kept = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let room = MOST_OUTPUT.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(super) fn with(self, end: End) -> Output {
        Output { end, stdout: self.stdout, stderr: self.stderr }
    }
}

fn forward<R: Read + Send + 'static>(
    stream: Option<R>,
    which: Stream,
    to: mpsc::SyncSender<(Stream, Vec<u8>)>,
) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        let most = LONGEST_LINE as u64;
        while reader.by_ref().take(most).read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if to.send((which, std::mem::take(&mut line))).is_err() {
                return;
            }
        }
    });
}

/// Kills a child that we have not reaped yet, with its group: its pid can't be reused.
fn end_group(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

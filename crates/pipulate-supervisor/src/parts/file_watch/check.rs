//! Checking with Python whether files compile, while the loop goes on.
//!
//! None of the user's code runs: the files are compiled and not executed, by an interpreter that reads
//! neither the environment nor site-packages. It has the supervisor's own marker, and so is not a process of
//! the service. The loop may reap it and its exit code; so its output is the result.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pipulate_core::identity::Host;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceSpec;
use pipulate_core::text::printable;
use pipulate_process::identity::Verified;
use pipulate_process::poll::{self, Interest};
use pipulate_process::signals::Signal;
use pipulate_process::spawn;

use super::{Pending, Verdict};

/// The timeout: longer than any compilation takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most files that are checked; a save with errors only beyond them is unlikely.
const MOST_FILES: usize = 500;

/// Other problems than syntax errors are for the service itself to find.
const PROGRAM: &str = r#"
import signal, sys
signal.alarm(30)
for name in sys.argv[1:]:
    try:
        with open(name, 'rb') as file:
            compile(file.read(), name, 'exec', dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, 'lineno', None)
        print(line or '', name, getattr(error, 'msg', error), sep='\0')
        break
    except (OSError, RecursionError, MemoryError):
        pass
else:
    print()
"#;

/// A running check. Dropping it kills Python.
pub(crate) struct Check {
    python: Verified,
    output: PipeReader,
    heard: Vec<u8>,
    deadline: Instant,
}

impl Check {
    /// Begins to check these files, relative to the service's folder.
    pub(crate) fn begin(
        python: &Path,
        files: &[PathBuf],
        spec: &ServiceSpec,
        host: &Host,
    ) -> io::Result<Self> {
        let (output, its_output) = io::pipe()?;
        let words = ["-I", "-S", "-B", "-W", "ignore", "-X", "utf8", "-c", PROGRAM].map(OsString::from);
        let files = files.iter().take(MOST_FILES).map(|file| file.clone().into_os_string());
        let command: Vec<OsString> = std::iter::once(python.into()).chain(words).chain(files).collect();
        let path = spec.env.get_key_value("PATH").map(|(name, path)| (name.clone(), path.clone()));
        let pid = spawn::spawn(spawn::Start {
            command: &command,
            directory: &spec.directory,
            env: &BTreeMap::from_iter(path),
            env_removed: &spec.env_removed,
            stdin: None,
            stdout: OwnedFd::from(its_output),
            stderr: OwnedFd::from(File::options().write(true).open("/dev/null")?),
        })?;
        let python = Verified::pin_new_child(pid, host)?;
        Ok(Self { python, output, heard: Vec::new(), deadline: Instant::now() + PATIENCE })
    }
}

impl Pending for Check {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn verdict(&mut self, now: Instant) -> Option<Verdict> {
        let mut buffer = [0; 1024];
        while is_readable(&self.output) {
            match self.output.read(&mut buffer) {
                Ok(0) => return Some(verdict(&String::from_utf8_lossy(&self.heard))),
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) => return Some(Verdict::Unknown(error.to_string())),
            }
        }
        (self.deadline <= now).then(|| Verdict::Unknown("Python took too long".to_owned()))
    }
}

impl AsFd for Check {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        // It may have ended; the loop reaps it.
        let _gone = self.python.signal(Signal::KILL);
    }
}

fn is_readable(output: &PipeReader) -> bool {
    let ready = poll::wait(&[(output.as_fd(), Interest::Read)], Some(Duration::ZERO));
    ready.is_ok_and(|ready| ready.iter().any(|ready| ready.ready || ready.hung_up))
}

fn verdict(words: &str) -> Verdict {
    match words.strip_suffix('\n') {
        Some("") => Verdict::Sound,
        Some(mistake) => {
            let mut parts = mistake.splitn(3, '\0').map(printable);
            let (line, file, message) = (parts.next(), parts.next(), parts.next());
            Verdict::Mistake(Reason::MistakeInFile {
                line: line.and_then(|line| line.parse().ok()),
                file: file.unwrap_or_default(),
                message: message.unwrap_or_default(),
            })
        }
        None => Verdict::Unknown("Python did not say".to_owned()),
    }
}

#[cfg(test)]
mod tests;

//! A service that prints numbered lines at full speed, and a check that its log has each line once, in order
//! and complete, across all rotations.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::tally::Tally;
use crate::support::project::{Builder, TestProject};
use crate::support::wait::closely;

/// The service's name; in the ring of siblings it is between `jupyter` and `server`.
pub(crate) const LINES: &str = "lines";
/// About 3 MiB, or a dozen rotations.
const BURST: u64 = 30_000;
/// Enough for the logs of several bursts.
const KEPT: u32 = 60;
const CONFIG: &str = "[logs]\nmax_size = \"256KiB\"\nkeep = 60\n\
                      [services.lines]\ncommand = [\"python3\", \"lines.py\"]\nready = { log = \"^0:$\" }\n";

/// The requested and the verified lines.
pub(crate) struct Lines<'a> {
    project: &'a TestProject,
    asked: u64,
    /// The last verified line.
    proved: u64,
    begun: Instant,
    /// The duration of the last burst.
    pub(crate) took: Duration,
}

/// Adds the service to a project.
pub(crate) fn with_lines(builder: Builder) -> Builder {
    builder.config(CONFIG).file("lines.py", include_str!("lines.py"))
}

impl<'a> Lines<'a> {
    /// The lines of a project whose service was just started for the first time.
    pub(crate) fn of(project: &'a TestProject) -> Self {
        Self { project, asked: 0, proved: 0, begun: Instant::now(), took: Duration::from_millis(100) }
    }

    /// Starts a burst without waiting for it.
    pub(crate) fn begin(&mut self) {
        self.asked += BURST;
        self.begun = Instant::now();
        let mut orders = fs::OpenOptions::new().write(true).open(self.project.path("go")).unwrap();
        writeln!(orders, "{}", self.asked).unwrap();
    }

    /// Waits until the burst's last line is in the log, and verifies all lines since the last call.
    #[track_caller]
    pub(crate) fn prove(&mut self, tally: &mut Tally) {
        let last = line(self.asked);
        closely("the last line of the burst", || self.ends_with(&last).then_some(()));
        self.took = self.begun.elapsed();
        let proof = Proof::of(&self.logs(), self.proved);
        tally.lines += self.asked - self.proved;
        tally.lost += proof.lost;
        tally.doubled += proof.doubled;
        tally.split += proof.split;
        assert!(proof.is_clean() && proof.next == self.asked + 1, "{proof:?} instead of {}", self.asked);
        self.proved = self.asked;
    }

    /// Returns true if the log ends with this line; the current file may have just begun.
    fn ends_with(&self, line: &[u8]) -> bool {
        let mut tail = vec![0; line.len()];
        let ends = |log: File| {
            let start = log.metadata().unwrap().len().checked_sub(line.len() as u64)?;
            log.read_exact_at(&mut tail, start).ok().map(|()| tail == line)
        };
        let logs = [0, 1].map(|number| File::open(self.log(number)).ok());
        logs.into_iter().flatten().filter_map(ends).any(|found| found)
    }

    /// The log files after the last verified line, oldest first.
    fn logs(&self) -> Vec<Vec<u8>> {
        let current = || fs::metadata(self.log(0)).map(|log| log.ino()).ok();
        closely("logs that keep their names while they are read", || {
            let before = current();
            let logs = self.logs_at_once();
            (current() == before).then_some(logs)
        })
    }

    fn logs_at_once(&self) -> Vec<Vec<u8>> {
        let mut logs: Vec<Vec<u8>> = Vec::new();
        let mut newer = None;
        for number in 0..=KEPT {
            // A kill during a rotation skips a number, or briefly leaves one file with two names.
            let Ok(mut file) = File::open(self.log(number)) else { continue };
            let inode = Some(file.metadata().unwrap().ino());
            if std::mem::replace(&mut newer, inode) == inode {
                continue;
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            let first = number_of(&bytes);
            logs.push(bytes);
            if first.is_some_and(|first| first <= self.proved) {
                break;
            }
        }
        logs.reverse();
        logs
    }

    fn log(&self, number: u32) -> PathBuf {
        let suffix = if number == 0 { String::new() } else { format!(".{number}") };
        self.project.path(&format!(".pipulate/log/{LINES}.log{suffix}"))
    }
}

/// The errors in the lines of some logs.
#[derive(Debug, PartialEq, Eq)]
struct Proof {
    /// The next expected line.
    next: u64,
    lost: u64,
    doubled: u64,
    /// Incomplete lines, including at the end of a file.
    split: u64,
}

impl Proof {
    /// Reads the lines after `proved`; earlier ones are already verified.
    fn of(logs: &[Vec<u8>], proved: u64) -> Self {
        let mut proof = Self { next: proved + 1, lost: 0, doubled: 0, split: 0 };
        let mut seen = None;
        for log in logs {
            for piece in log.split_inclusive(|&byte| byte == b'\n') {
                match number_of(piece).filter(|&number| piece == line(number)) {
                    None => proof.split += 1,
                    Some(number) if seen.is_some_and(|seen| number <= seen) => proof.doubled += 1,
                    Some(number) => {
                        seen = Some(number);
                        if number >= proof.next {
                            proof.lost += number - proof.next;
                            proof.next = number + 1;
                        }
                    }
                }
            }
        }
        proof
    }

    fn is_clean(&self) -> bool {
        (self.lost, self.doubled, self.split) == (0, 0, 0)
    }
}

/// The line with that number, as `lines.py` writes it.
fn line(number: u64) -> Vec<u8> {
    let mut line = format!("{number}:").into_bytes();
    let length = usize::try_from(number * 7919 % 200).unwrap();
    line.extend((b'a'..=b'z').cycle().take(length));
    line.push(b'\n');
    line
}

/// The number at the start of a line.
fn number_of(line: &[u8]) -> Option<u64> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    std::str::from_utf8(&line[..colon]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_notices_what_is_wrong_with_lines() {
        let log = |numbers: &[u64]| numbers.iter().flat_map(|&number| line(number)).collect::<Vec<u8>>();
        let right = Proof { next: 6, lost: 0, doubled: 0, split: 0 };
        assert_eq!(Proof::of(&[log(&[1, 2, 3]), log(&[4, 5])], 2), right);
        assert_eq!(Proof::of(&[log(&[1, 2, 5])], 0), Proof { lost: 2, ..right });
        assert_eq!(Proof::of(&[log(&[1, 2, 3]), log(&[3, 4, 5])], 0), Proof { doubled: 1, ..right });
        let mut torn = log(&[1, 2, 3, 4]);
        let rest = torn.split_off(torn.len() - 9);
        let torn = Proof::of(&[torn, [rest, log(&[5])].concat()], 0);
        assert_eq!((torn.lost, torn.split), (1, 2), "one line in two pieces");
    }
}

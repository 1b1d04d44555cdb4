//! The resources that processes use: elapsed time, CPU time, memory, wake-ups.

use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;

/// The cost of a finished program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) time: Duration,
    /// Including the children that it waited for.
    pub(super) cpu: Duration,
}

/// Runs a command to its end.
///
/// # Errors
/// It could not be started.
pub(super) fn run(command: &mut Command) -> Result<(Spent, ExitStatus)> {
    let (begin, before) = (Instant::now(), cpu_of_children()?);
    let status = crate::run::status(command)?;
    let time = begin.elapsed();
    Ok((Spent { time, cpu: cpu_of_children()?.saturating_sub(before) }, status))
}

/// Ends a child that was not waited for yet, and returns the time until its end.
///
/// # Errors
/// It could not be signaled or waited for.
#[expect(clippy::disallowed_methods, reason = "a child that was not waited for can be nobody else")]
pub(super) fn end(child: &mut Child) -> Result<Duration> {
    let begin = Instant::now();
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    kill(pid, Signal::SIGTERM).context("could not end what was measured")?;
    child.wait().context("could not wait for what was measured")?;
    Ok(begin.elapsed())
}

/// The CPU time of a running process and of its ended children.
///
/// # Errors
/// It does not run.
pub(super) fn cpu(pid: u32) -> Result<Duration> {
    cpu_fields(pid, 4)
}

/// The CPU time of a running process itself.
///
/// # Errors
/// It does not run.
pub(super) fn cpu_of_itself(pid: u32) -> Result<Duration> {
    cpu_fields(pid, 2)
}

/// The sum of `count` fields from the 14th on.
fn cpu_fields(pid: u32, count: usize) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    // Field numbers as in proc_pid_stat(5): the name, which ends with the last `)`, is the second.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace();
    let ticks: u64 = fields.skip(14 - 3).take(count).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// The proportional set size of a running process, in bytes.
///
/// # Errors
/// It does not run.
pub(super) fn memory(pid: u32) -> Result<u64> {
    Ok(number(&format!("/proc/{pid}/smaps_rollup"), "Pss:")? * 1024)
}

/// The voluntary context switches of a running process: one for each wake-up.
///
/// # Errors
/// It does not run.
pub(super) fn sleeps(pid: u32) -> Result<u64> {
    number(&format!("/proc/{pid}/status"), "voluntary_ctxt_switches:")
}

/// The first number after a word at the beginning of a line.
fn number(path: &str, word: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("could not read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok());
    number.with_context(|| format!("{path} has no number after {word}"))
}

fn cpu_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("could not ask for the CPU time")?;
    let duration = |time: TimeVal| {
        Duration::from_secs(time.tv_sec().unsigned_abs())
            + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

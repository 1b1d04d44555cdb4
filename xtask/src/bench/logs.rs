//! Logs: capturing a flood, a line's latency to a follower, searching by time, and reading everything.
//!
//! The compared loggers and supervisors are those on `PATH`; missing ones have no row.

mod follow;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::place::Place;
use super::process;
use super::results::{Results, Value};
use crate::run;

const PIPULATE: &str = "pipulate";
/// The size of a flood, in MiB.
const FLOOD: u32 = 512;
/// The sizes of logs that are searched and read, in MiB.
const SMALL: u32 = 10;
const HALF: u32 = 1 << 10;
const BIG: u32 = 2 << 10;
const FULL: u32 = 10 << 10;
/// The timeout of a writer.
const PATIENCE: Duration = Duration::from_secs(900);

/// The sides take turns, so that other load on the machine affects them equally.
pub(super) fn measure(bench: &Bench, results: &mut Results) -> Result<()> {
    for _ in 0..bench.rounds {
        for (logger, line) in loggers() {
            flood_into(bench, results, logger, line)?;
        }
        flood_into_pipulate(bench, results)?;
        flood_into_supervisord(bench, results)?;
    }
    follow::measure(bench, results)?;
    search_and_read(bench, results)
}

/// Other ways to keep a program's output: a name, and the shell text after the program.
fn loggers() -> Vec<(&'static str, &'static str)> {
    let rotating = [
        ("s6-log", "| s6-log -b n5 s10485760 ./kept"),
        ("svlogd", "| svlogd ./kept"),
        ("multilog", "| multilog s10485760 n5 ./kept"),
    ];
    let here = rotating.into_iter().filter(|(name, _)| run::find(name).is_some());
    [("| cat > file", "| cat > file"), ("> file", "> file")].into_iter().chain(here).collect()
}

fn flood_into(bench: &Bench, results: &mut Results, logger: &str, line: &str) -> Result<()> {
    let place = Place::new(bench, "")?;
    fs::create_dir(place.root().join("kept")).context("could not make a folder")?;
    fs::write(place.root().join("kept/config"), "s10485760\nn5\n").context("could not configure svlogd")?;
    let writer = Writer::new(bench, &place, "flood", FLOOD)?;
    let line = format!("{} {line}", writer.words().join(" "));
    let (spent, status) = process::run(place.command("sh").args(["-c", &line]))?;
    ensure!(status.success(), "`{line}` ended with {status}");
    let (time, own) = writer.took()?;
    results.add("512 MiB of lines, until all is written", logger, Value::Time(time));
    results.add("CPU time of whoever keeps them", logger, Value::Time(spent.cpu.saturating_sub(own)));
    Ok(())
}

fn flood_into_pipulate(bench: &Bench, results: &mut Results) -> Result<()> {
    let place = Place::new(bench, "")?;
    let writer = Writer::new(bench, &place, "flood", FLOOD)?;
    configure(&place, "", &[("flood", &writer)])?;
    place.pipulate(&["start", "--no-setup", "flood"], &[0])?;
    let supervisors = place.pids("supervisor_pid")?;
    let (time, _) = writer.took()?;
    let cpu = supervisors.first().map(|&pid| process::cpu_of_itself(pid)).context("no supervisor")??;
    results.add("512 MiB of lines, until all is written", PIPULATE, Value::Time(time));
    results.add("CPU time of whoever keeps them", PIPULATE, Value::Time(cpu));
    Ok(())
}

fn flood_into_supervisord(bench: &Bench, results: &mut Results) -> Result<()> {
    const NAME: &str = "supervisord";
    if run::find(NAME).is_none() {
        return Ok(());
    }
    let place = Place::new(bench, "")?;
    let writer = Writer::new(bench, &place, "flood", FLOOD)?;
    let config = format!(
        "[supervisord]\nnodaemon=true\n[program:flood]\ncommand={}\nautorestart=false\nstartsecs=0\n\
         stdout_logfile=kept.log\nstdout_logfile_maxbytes=10MB\nstdout_logfile_backups=5\n",
        writer.words().join(" ")
    );
    fs::write(place.root().join("supervisord.conf"), config).context("could not configure supervisord")?;
    let mut daemon = place.command(NAME).args(["-c", "supervisord.conf"]).spawn()?;
    let took = writer.took();
    let cpu = process::cpu_of_itself(daemon.id());
    process::end(&mut daemon)?;
    results.add("512 MiB of lines, until all is written", NAME, Value::Time(took?.0));
    results.add("CPU time of whoever keeps them", NAME, Value::Time(cpu?));
    Ok(())
}

/// Measures `--since` in a big log and in a small one, and reading two whole logs.
fn search_and_read(bench: &Bench, results: &mut Results) -> Result<()> {
    let place = Place::new(bench, "")?;
    let big = if bench.is_full { FULL } else { BIG };
    let writers = [("small", SMALL), ("big", big), ("one", HALF), ("other", HALF)];
    let writers: Vec<_> = writers
        .into_iter()
        .map(|(name, size)| Ok((name, Writer::named(bench, &place, name, "flood", size)?)))
        .collect::<Result<_>>()?;
    let named: Vec<(&str, &Writer)> = writers.iter().map(|(name, writer)| (*name, writer)).collect();
    configure(&place, "[logs]\nmax_size = \"16GiB\"\n", &named)?;
    place.pipulate(&["start", "--no-setup", "small", "big"], &[0])?;
    place.pipulate(&["start", "--no-setup", "one", "other"], &[0])?;
    for (_, writer) in &writers {
        writer.took()?;
    }
    // A time after all entries.
    let now = run::output(place.command("date").arg("--iso-8601=ns").stdout(Stdio::piped()))?;
    let now = String::from_utf8_lossy(&now.stdout).trim().replace(',', ".");
    let log = |name: &str| place.root().join(format!(".pipulate/log/{name}.log"));
    for _ in 0..bench.rounds {
        for (mebibytes, name) in [(SMALL, "small"), (big, "big")] {
            let spent = place.pipulate(&["logs", "--since", &now, name], &[0])?;
            let side = format!("{mebibytes} MiB");
            results.add("logs --since, to the end of a log of", &side, Value::Time(spent.time));
        }
        let (spent, _) = process::run(place.command("grep").args(["-c", "nothing"]).arg(log("big")))?;
        results.add("logs --since, to the end of a log of", "the bigger, by grep", Value::Time(spent.time));
        let (spent, _) = process::run(place.command("cat").args([log("one"), log("other")]))?;
        read_all(results, "cat", spent);
        let spent = place.pipulate(&["logs", "--no-prefix", "-n", "all", "one", "other"], &[0])?;
        read_all(results, "pipulate, merged", spent);
        let spent = place.pipulate(&["logs", "-n", "all", "one", "other"], &[0])?;
        read_all(results, "the same, with names", spent);
    }
    Ok(())
}

fn read_all(results: &mut Results, side: &str, spent: process::Spent) {
    results.add("all of two logs of 1 GiB", side, Value::Time(spent.time));
    results.add("CPU time of that", side, Value::Time(spent.cpu));
}

/// A project with these writers as its only services; they keep running after they have printed.
fn configure(place: &Place, begin: &str, writers: &[(&str, &Writer)]) -> Result<()> {
    let mut config =
        format!("{begin}[services.jupyter]\nenabled = false\n[services.server]\nenabled = false\n");
    for (name, writer) in writers {
        let command = [writer.words(), &["stay".to_owned()]].concat();
        let command = serde_json::to_string(&command)?;
        config.push_str(&format!("[services.{name}]\ncommand = {command}\nrestart = \"never\"\n"));
    }
    fs::write(place.root().join("pipulate.toml"), config).context("could not write pipulate.toml")
}

/// A program that prints, then reports the time that took.
struct Writer {
    command: Vec<String>,
    took: PathBuf,
}

impl Writer {
    fn new(bench: &Bench, place: &Place, what: &str, number: u32) -> Result<Self> {
        Self::named(bench, place, "writer", what, number)
    }

    fn named(bench: &Bench, place: &Place, name: &str, what: &str, number: u32) -> Result<Self> {
        let script = place.root().join("writer.py");
        fs::write(&script, include_str!("logs/writer.py")).context("could not write a script")?;
        let took = place.root().join(format!("{name}.took"));
        let text = |path: &Path| path.display().to_string();
        let python = bench.venv.join("bin/python");
        let command = vec![text(&python), text(&script), what.to_owned(), number.to_string(), text(&took)];
        Ok(Self { command, took })
    }

    fn words(&self) -> &[String] {
        &self.command
    }

    /// The duration of the writing and its CPU time, once it is done.
    fn took(&self) -> Result<(Duration, Duration)> {
        let deadline = Instant::now() + PATIENCE;
        while !self.took.exists() {
            ensure!(Instant::now() < deadline, "nothing was written within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = fs::read_to_string(&self.took).context("could not read what it took")?;
        let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
        let mut next = || numbers.next().map(Duration::from_secs_f64).context("no time in what it took");
        Ok((next()?, next()?))
    }
}

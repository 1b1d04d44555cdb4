//! A line's latency from its writer to a follower: ours, `tail -F`, and those of other supervisors.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::Bench;
use super::super::place::Place;
use super::super::process;
use super::super::results::{Results, Value};
use super::{PIPULATE, Writer, configure};
use crate::run;

/// The number of timed lines.
const LINES: u32 = 200;
/// The number of extra lines while another supervisor's follower starts.
const MORE: u32 = 250;
/// The time that a follower gets to start, in seconds.
const COMING_UP: &str = "2";

/// The sides take turns; ours runs beside `tail -F` on the same log.
pub(super) fn measure(bench: &Bench, results: &mut Results) -> Result<()> {
    follow_ours(bench, results)?;
    for rival in [Rival::Supervisord, Rival::Pm2, Rival::Pitchfork] {
        if run::find(rival.program()).is_some() {
            rival.follow(bench, results)?;
        }
    }
    Ok(())
}

/// Measures two followers of one log at the same time.
fn follow_ours(bench: &Bench, results: &mut Results) -> Result<()> {
    let place = Place::new(bench, "")?;
    let writer = Writer::new(bench, &place, "trickle", LINES)?;
    configure(&place, "", &[("trickle", &writer)])?;
    let log = place.root().join(".pipulate/log/trickle.log");
    fs::create_dir_all(log.with_file_name("")).context("could not make a folder")?;
    fs::write(&log, "").context("could not make a log")?;
    let mut tail = place.command("tail");
    tail.args(["-n", "0", "-F"]).arg(&log);
    let mut logs = place.command(&bench.program);
    logs.args(["logs", "-f", "trickle"]);
    let tail = Follower::begin(bench, &place, "tail -F", tail, "0")?;
    let logs = Follower::begin(bench, &place, PIPULATE, logs, "0")?;
    place.pipulate(&["start", "--no-setup", "trickle"], &[0])?;
    tail.end(results)?;
    logs.end(results)
}

/// A log follower, and the reader of its output.
struct Follower {
    name: &'static str,
    follower: Child,
    reader: Child,
}

impl Follower {
    /// `coming_up`: the number of seconds from now in which lines don't count.
    fn begin(
        bench: &Bench,
        place: &Place,
        name: &'static str,
        mut command: Command,
        coming_up: &str,
    ) -> Result<Self> {
        let mut follower = command.stdout(Stdio::piped()).spawn().context("could not follow a log")?;
        let lines = follower.stdout.take().context("a follower without output")?;
        let mut reader = place.command(bench.venv.join("bin/python"));
        reader.args(["-c", include_str!("reader.py"), &LINES.to_string(), coming_up]);
        let reader = reader.stdin(lines).stdout(Stdio::piped()).spawn().context("could not read a log")?;
        Ok(Self { name, follower, reader })
    }

    /// Waits for all lines and adds their latencies to the results.
    fn end(mut self, results: &mut Results) -> Result<()> {
        let output = self.reader.wait_with_output().context("could not read a log")?;
        process::end(&mut self.follower)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut late: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        late.sort_by(f64::total_cmp);
        ensure!(late.len() == LINES as usize, "{} saw {} of {LINES} lines", self.name, late.len());
        for (what, place) in [("a line's way to a follower, median", 50), ("the same, 99 of 100", 99)] {
            let seconds = late[(late.len() - 1) * place / 100];
            results.add(what, self.name, Value::Time(Duration::from_secs_f64(seconds)));
        }
        Ok(())
    }
}

/// Another supervisor with a follower of its own.
#[derive(Clone, Copy)]
enum Rival {
    Supervisord,
    Pm2,
    Pitchfork,
}

impl Rival {
    fn program(self) -> &'static str {
        match self {
            Self::Supervisord => "supervisord",
            Self::Pm2 => "pm2",
            Self::Pitchfork => "pitchfork",
        }
    }

    /// Starts one of its services, follows it, and ends both.
    fn follow(self, bench: &Bench, results: &mut Results) -> Result<()> {
        let place = Place::new(bench, "")?;
        let writer = Writer::new(bench, &place, "trickle", LINES + MORE)?;
        self.configure(&place.root(), writer.words())?;
        let (start, follow, end): (&[&str], &[&str], &[&str]) = match self {
            Self::Supervisord => (
                &["supervisord", "-c", "s.conf"],
                &["supervisorctl", "-c", "s.conf", "tail", "-f", "trickle"],
                &["supervisorctl", "-c", "s.conf", "shutdown"],
            ),
            Self::Pm2 => (
                &["pm2", "start", "e.config.js", "--silent"],
                &["pm2", "logs", "trickle", "--raw", "--lines", "0"],
                &["pm2", "kill"],
            ),
            Self::Pitchfork => (
                &["pitchfork", "start", "trickle"],
                &["pitchfork", "logs", "-t", "--raw", "--no-pager", "trickle"],
                &["pitchfork", "supervisor", "stop"],
            ),
        };
        let command = |words: &[&str]| {
            let mut command = place.command(words[0]);
            command.args(&words[1..]).envs([
                ("PM2_HOME", place.root().join("state")),
                ("PITCHFORK_STATE_DIR", place.root().join("state")),
            ]);
            command
        };
        run::check(&mut command(start))?;
        let seen = Follower::begin(bench, &place, follow[0], command(follow), COMING_UP)
            .and_then(|follower| follower.end(results));
        run::check(&mut command(end))?;
        seen
    }

    fn configure(self, root: &Path, service: &[String]) -> Result<()> {
        let words = serde_json::to_string(service)?;
        let line = service.join(" ");
        let (name, text) = match self {
            Self::Supervisord => (
                "s.conf",
                format!(
                    "[unix_http_server]\nfile=s.sock\n[supervisord]\n\
                     [rpcinterface:supervisor]\n\
                     supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
                     [supervisorctl]\nserverurl=unix://{}/s.sock\n\
                     [program:trickle]\ncommand={line}\nredirect_stderr=true\nstdout_logfile=kept.log\n",
                    root.display()
                ),
            ),
            Self::Pm2 => (
                "e.config.js",
                format!(
                    "const [script, ...args] = {words};\nmodule.exports = \
                     {{apps: [{{name: 'trickle', script, args, interpreter: 'none', autorestart: false}}]}}"
                ),
            ),
            Self::Pitchfork => (
                "pitchfork.toml",
                format!("[daemons.trickle]\nrun = {}\n", serde_json::to_string(&format!("exec {line}"))?),
            ),
        };
        fs::write(root.join(name), text).context("could not configure another supervisor")
    }
}

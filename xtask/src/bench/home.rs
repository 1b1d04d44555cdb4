//! A home with a real JupyterLab: its cost compared with JupyterLab alone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::place::{self, Place, free_port, wait_for_answer};
use super::process;
use super::results::{Results, Value};

const BARE: &str = "bare jupyter lab";
const SCRIPTS: &str = "the old scripts";
const PIPULATE: &str = "pipulate";
/// The number of idle services in the row that shows the cost of a supervisor.
const MANY: usize = 100;
/// The folder of the replaced scripts: data, run by `sh` in the measured folder.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench/home");
/// The time over which idle supervisors are measured.
const IDLE: Duration = Duration::from_secs(5);
/// After this time, a supervisor has released its start-up memory.
const REST: Duration = Duration::from_secs(1);

/// The sides take turns, so that other load on the machine affects them equally.
pub(super) fn measure(bench: &Bench, results: &mut Results) -> Result<()> {
    for _ in 0..bench.rounds {
        bare(bench, results)?;
        scripts(bench, results)?;
        pipulate(bench, results)?;
        many(bench, results)?;
    }
    at_rest(bench, results)
}

fn bare(bench: &Bench, results: &mut Results) -> Result<()> {
    let place = Place::new(bench, "")?;
    let port = free_port()?;
    let mut command = place.command(bench.venv.join("bin/jupyter-lab"));
    command.args(["--no-browser", "--allow-root", &format!("--port={port}")]);
    let begin = Instant::now();
    let mut lab = command.spawn().context("could not start a bare JupyterLab")?;
    let ready = wait_for_answer(port, "/api");
    let (time, cpu) = (begin.elapsed(), process::cpu(lab.id()));
    let end = process::end(&mut lab)?;
    ready?;
    results.add("start until JupyterLab answers", BARE, Value::Time(time));
    results.add("CPU time until then", BARE, Value::Time(cpu?));
    results.add("stop until it is gone", BARE, Value::Time(end));
    Ok(())
}

/// Measures JupyterLab under the shell scripts that Pipulate replaces.
fn scripts(bench: &Bench, results: &mut Results) -> Result<()> {
    let place = Place::new(bench, "")?;
    let port = free_port()?;
    let script = |name: &str| {
        let mut command = place.command("sh");
        command.arg(format!("{FOLDER}/{name}.sh")).env("BENCH", FOLDER).env("PORT", port.to_string());
        command.env("LAB", bench.venv.join("bin/jupyter-lab"));
        command
    };
    let begin = Instant::now();
    let mut start = script("start").spawn().context("could not run the old start")?;
    let ready = wait_for_answer(port, "/api");
    let answers = begin.elapsed();
    start.wait().context("could not wait for the old start")?;
    let returns = begin.elapsed();
    let (stop, _code_of_rm) = process::run(&mut script("stop"))?;
    ready?;
    ensure!(!place::answers(port, "/api"), "the old stop left JupyterLab running");
    results.add("start until JupyterLab answers", SCRIPTS, Value::Time(answers));
    results.add("start until it returns", SCRIPTS, Value::Time(returns));
    results.add("stop until it returns", SCRIPTS, Value::Time(stop.time));
    Ok(())
}

fn pipulate(bench: &Bench, results: &mut Results) -> Result<()> {
    let port = free_port()?;
    let place = Place::new(
        bench,
        &format!("[services.jupyter]\nport = {port}\n[services.server]\nenabled = false\n"),
    )?;
    let start = place.pipulate(&["start", "--no-setup", "--no-browser"], &[0])?;
    wait_for_answer(port, "/api")?;
    let mut cpu = start.cpu;
    for pid in [place.pids("pid")?, place.pids("supervisor_pid")?].concat() {
        cpu += process::cpu(pid)?;
    }
    results.add("start until JupyterLab answers", PIPULATE, Value::Time(start.time));
    results.add("start until it returns", PIPULATE, Value::Time(start.time));
    results.add("CPU time until then", PIPULATE, Value::Time(cpu));
    let stop = place.pipulate(&["stop"], &[0])?;
    results.add("stop until it is gone", PIPULATE, Value::Time(stop.time));
    results.add("stop until it returns", PIPULATE, Value::Time(stop.time));
    Ok(())
}

/// Measures idle services: the remaining cost is that of supervision.
fn many(bench: &Bench, results: &mut Results) -> Result<()> {
    let mut config = "[services.jupyter]\nenabled = false\n[services.server]\nenabled = false\n".to_owned();
    for number in 0..MANY {
        config.push_str(&format!("[services.s{number}]\ncommand = [\"sleep\", \"1000\"]\n"));
    }
    let place = Place::new(bench, &config)?;
    let start = place.pipulate(&["start", "--no-setup", "--no-browser"], &[0])?;
    let status = place.pipulate(&["status", "--json"], &[0])?;
    std::thread::sleep(REST);
    let supervisors = place.pids("supervisor_pid")?;
    ensure!(supervisors.len() == MANY, "{} of {MANY} services are supervised", supervisors.len());
    let memory = supervisors.iter().map(|&pid| process::memory(pid)).sum::<Result<u64>>()?;
    let stop = place.pipulate(&["stop"], &[0])?;
    results.add("start of 100 services", PIPULATE, Value::Time(start.time));
    results.add("status --json of 100", PIPULATE, Value::Time(status.time));
    results.add("memory of each of 100 supervisors", PIPULATE, Value::Bytes(memory / MANY as u64));
    results.add("stop of 100 services", PIPULATE, Value::Time(stop.time));
    Ok(())
}

/// Measures a whole home shortly after its start: queries, memory, idle wake-ups.
fn at_rest(bench: &Bench, results: &mut Results) -> Result<()> {
    let [jupyter, server] = [free_port()?, free_port()?];
    let config = format!("[services.jupyter]\nport = {jupyter}\n[services.server]\nport = {server}\n");
    let place = Place::new(bench, &config)?;
    place.pipulate(&["start", "--no-setup", "--no-browser"], &[0])?;
    place::start_kernel(jupyter, &place.root().join(".pipulate/run/jupyter-token"))?;
    for _ in 0..bench.rounds {
        let status = place.pipulate(&["status", "--json"], &[0])?;
        results.add("status --json", PIPULATE, Value::Time(status.time));
        let again = place.pipulate(&["start", "--no-setup", "--no-browser"], &[0])?;
        results.add("start, when all of it runs", PIPULATE, Value::Time(again.time));
    }
    std::thread::sleep(REST);
    let supervisors = place.pids("supervisor_pid")?;
    for &pid in &supervisors {
        results.add("memory of each of 2 supervisors", PIPULATE, Value::Bytes(process::memory(pid)?));
    }
    let sleeps = || supervisors.iter().map(|&pid| process::sleeps(pid)).sum::<Result<u64>>();
    let cpu = || supervisors.iter().map(|&pid| process::cpu(pid)).sum::<Result<Duration>>();
    let (before, cpu_before) = (sleeps()?, cpu()?);
    std::thread::sleep(IDLE);
    let (after, cpu_after) = (sleeps()?, cpu()?);
    let wakes = (after - before) as f64 / IDLE.as_secs_f64();
    results.add("wake-ups of 2 supervisors, a second", PIPULATE, Value::Count(wakes));
    results.add("CPU time of 2 supervisors in 5 s", PIPULATE, Value::Time(cpu_after - cpu_before));
    Ok(())
}

//! A home with a real JupyterLab: how much longer it takes than JupyterLab alone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Bench;
use super::place::{Place, free_port, wait_for_answer};
use super::process;
use super::results::{Results, Value};

const BARE: &str = "bare jupyter lab";
const PIPULATE: &str = "pipulate";
/// How long the supervisors of a home are watched doing nothing.
const IDLE: Duration = Duration::from_secs(5);

/// Each side takes its turn, so that what else the machine does meets them alike.
pub(super) fn measure(bench: &Bench, results: &mut Results) -> Result<()> {
    for _ in 0..bench.rounds {
        bare(bench, results)?;
        pipulate(bench, results)?;
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
    results.add("CPU time until then", PIPULATE, Value::Time(cpu));
    let stop = place.pipulate(&["stop"], &[0])?;
    results.add("stop until it is gone", PIPULATE, Value::Time(stop.time));
    Ok(())
}

/// A whole home that has been up for a moment: questions, memory, idleness.
fn at_rest(bench: &Bench, results: &mut Results) -> Result<()> {
    let [jupyter, server] = [free_port()?, free_port()?];
    let config = format!("[services.jupyter]\nport = {jupyter}\n[services.server]\nport = {server}\n");
    let place = Place::new(bench, &config)?;
    place.pipulate(&["start", "--no-setup", "--no-browser"], &[0])?;
    for _ in 0..bench.rounds {
        let status = place.pipulate(&["status", "--json"], &[0])?;
        results.add("status --json", PIPULATE, Value::Time(status.time));
        let again = place.pipulate(&["start", "--no-setup", "--no-browser"], &[0])?;
        results.add("start, when all of it runs", PIPULATE, Value::Time(again.time));
    }
    let supervisors = place.pids("supervisor_pid")?;
    for &pid in &supervisors {
        results.add("memory of each of 2 supervisors", PIPULATE, Value::Bytes(process::memory(pid)?));
    }
    let before = supervisors.iter().map(|&pid| process::sleeps(pid)).sum::<Result<u64>>()?;
    std::thread::sleep(IDLE);
    let after = supervisors.iter().map(|&pid| process::sleeps(pid)).sum::<Result<u64>>()?;
    let wakes = (after - before) as f64 / IDLE.as_secs_f64();
    results.add("wake-ups of 2 supervisors, a second", PIPULATE, Value::Count(wakes));
    Ok(())
}

//! The program beside other supervisors, by an external script that can drive them.
//!
//! The script's tables are printed unchanged.

use std::path::Path;

use anyhow::{Context, Result};

use super::Bench;
use crate::run;

/// Runs `peers.py`: a handwritten supervisor that only waits, the physical bound, then this program.
///
/// # Errors
/// No script was named, or it failed.
pub(super) fn measure(bench: &Bench, script: Option<&Path>) -> Result<()> {
    let script =
        script.context("name the script that drives the other supervisors: --peers PATH/peers.py")?;
    let mut peers = run::program("python3");
    peers.arg(script).args(["--metric", "status,start,stop,mem,crash,idle,log,follow"]);
    peers.args(["--peers", "floor,cat,pipulate", "-n", "2,100", "--rounds", &bench.rounds.to_string()]);
    run::check(peers.env("PIPULATE_BIN", &bench.program))
}

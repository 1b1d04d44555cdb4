//! Runs the claims of `tests/it/torture` for a given time, and prints their results.
//!
//! Each claim is one test of the suite and gets an equal share of the time; it reports a row in a file. A
//! seed repeats the same rounds, as far as the machine's timing allows.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::{prepare, run, say};

/// The options of `cargo xtask torture`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long all of it takes
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// The seed of the first round; a failed round names its own
    #[arg(long)]
    seed: Option<u64>,
    /// Only claims with this word in their names
    claim: Option<String>,
}

/// Runs the claims one after the other; fails when one of them did.
///
/// # Errors
/// Nothing could be prepared or built, or there is no such claim.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let variables = prepare::prepare()?.variables();
    let claims = claims(options.claim.as_deref().unwrap_or_default())?;
    let seconds = (options.minutes * 60 / claims.len() as u64).max(1);
    let seed = options.seed.unwrap_or_else(seed_of_today);
    let table = run::root().join("target/torture.tsv");
    fs::write(&table, "").with_context(|| format!("could not write {}", table.display()))?;
    let mut all_hold = true;
    for claim in &claims {
        say::progress(&format!("{claim}: {seconds} s with seed {seed}"));
        let mut test = test();
        test.args(["--exact", claim, "--nocapture"]).envs(variables.clone());
        test.env("PIPULATE_TORTURE_SECONDS", seconds.to_string())
            .env("PIPULATE_TORTURE_SEED", seed.to_string());
        all_hold &= run::status(test.env("PIPULATE_TORTURE_TABLE", &table))?.success();
    }
    say::result(&aligned(&rows(&table)?));
    say::result(&format!("seed {seed}"));
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The test binary; callers add its arguments.
fn test() -> std::process::Command {
    let mut cargo = run::cargo();
    cargo.args(["test", "--quiet", "--package", "pipulate", "--test", "it", "--"]);
    cargo
}

fn claims(word: &str) -> Result<Vec<String>> {
    let listed = run::output(test().args(["--list", "--format", "terse"]))?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let names = names.lines().filter_map(|line| line.strip_suffix(": test"));
    // Tests of the tools are no claims.
    let is_claim = |name: &&str| name.starts_with("torture::") && !name.contains("::tests::");
    let claims: Vec<String> =
        names.filter(is_claim).filter(|name| name.contains(word)).map(str::to_owned).collect();
    if claims.is_empty() {
        bail!("no claim has {word:?} in its name; see tests/it/torture");
    }
    Ok(claims)
}

fn seed_of_today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs())
}

/// The fields of each row: a name and a value.
fn rows(table: &Path) -> Result<Vec<Vec<(String, String)>>> {
    let text = fs::read_to_string(table).with_context(|| format!("could not read {}", table.display()))?;
    let field = |field: &str| field.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(text.lines().map(|line| line.split('\t').filter_map(field).collect()).collect())
}

/// The rows below a line with the names, with columns as wide as needed.
fn aligned(rows: &[Vec<(String, String)>]) -> String {
    let Some(first) = rows.first() else { return "no claim reported".to_owned() };
    let head = first.iter().map(|(name, _)| name.clone()).collect();
    let values = rows.iter().map(|row| row.iter().map(|(_, value)| value.clone()).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(values).collect();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(String::len).max();
    let padded = |(column, cell): (usize, &String)| format!("{cell:<0$}", width(column).unwrap_or_default());
    let text = lines.iter().map(|line| line.iter().enumerate().map(padded).collect::<Vec<_>>().join("  "));
    text.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |claim: &str, lost: &str| {
            vec![("claim".to_owned(), claim.to_owned()), ("lost".to_owned(), lost.to_owned())]
        };
        let text = aligned(&[row("trees_end", "0"), row("x", "12")]);
        assert_eq!(text, "claim      lost\ntrees_end  0\nx          12");
    }
}

//! Finds a Python to make a venv with.
//!
//! `PIPULATE_PYTHON` is binding: if it can't be used that is an error, never a reason to use another. Next is
//! the version in `.python-version`, if a Python on `PATH` has it; then the first usable one on `PATH`. A
//! version that `requires-python` excludes is never used. A candidate only counts after it ran: a version
//! manager's shims are on `PATH` even for disabled Pythons.

mod pin;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipulate_process::command::{Command, End};

use crate::surroundings::Surroundings;
use crate::version::{RequiresPython, Version};

pub(crate) use pin::Pin;

/// The oldest Python that the default packages run on.
pub(crate) const OLDEST: Version = Version { major: 3, minor: 10, patch: 0 };

/// The names to search for on `PATH`, in this order.
const NAMES: [&str; 7] =
    ["python3.13", "python3.12", "python3.11", "python3.10", "python3.14", "python3", "python"];

/// A Python that takes longer is considered hung.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs on Python 2 too, to report its version. Inside a venv the answer is its base Python: that venv may be
/// the one about to be replaced.
const PROBE: &str = r"
import sys
sys.path[:] = [entry for entry in sys.path if entry]
def has(name):
    try:
        __import__(name)
        return '1'
    except ImportError:
        return '0'
program = sys.executable
if getattr(sys, 'base_prefix', sys.prefix) != sys.prefix:
    program = getattr(sys, '_base_executable', None) or program
version = '.'.join(str(part) for part in sys.version_info[:3])
try:
    import importlib.util
    pip = '1' if importlib.util.find_spec('pip') else '0'
except ImportError:
    pip = '0'
answer = '\0'.join([program, version, has('venv'), has('ensurepip'), pip])
if sys.version_info[0] > 2:
    import os
    sys.stdout.buffer.write(os.fsencode(answer))
else:
    sys.stdout.write(answer)
";

/// A Python that a venv can be made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Python {
    /// The interpreter itself, not a version manager's shim.
    pub program: PathBuf,
    pub version: Version,
    /// True if `python -m pip` works outside of a venv.
    pub has_pip: bool,
    /// True if `python -m venv` can install pip in a venv.
    pub has_ensurepip: bool,
    pub why: Why,
}

/// The reason why this Python was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// `PIPULATE_PYTHON` names it.
    Variable,
    /// The first on `PATH` that has the version in `.python-version`.
    Pinned { pin: Pin },
    /// The first usable one on `PATH`; none has the version in `.python-version`.
    InsteadOf { pin: Pin, name: &'static str },
    /// The first usable one on `PATH`.
    OnPath { name: &'static str },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str("PIPULATE_PYTHON names it"),
            Self::Pinned { pin } => write!(f, ".python-version asks for {pin}"),
            Self::InsteadOf { pin, name } => {
                write!(f, "{name} is the first usable one on PATH; the {pin} of .python-version is not there")
            }
            Self::OnPath { name } => write!(f, "{name} is the first usable one on PATH"),
        }
    }
}

/// A rejected candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    pub program: PathBuf,
    pub problem: Problem,
}

/// The reason why a candidate can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    NotThere,
    /// It can't be started, or ends with this error.
    DoesNotRun(String),
    Hangs,
    TooOld(Version),
    /// Without the `venv` or the `ensurepip` module, as on Debian.
    NoVenv(Version),
    /// `requires-python` excludes it.
    Excluded(Version, RequiresPython),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => f.write_str("there is no such program"),
            Self::DoesNotRun(words) => write!(f, "it does not run: {words}"),
            Self::Hangs => write!(f, "it did not answer within {} s", PROBE_TIMEOUT.as_secs()),
            Self::TooOld(version) => write!(f, "it is Python {version}, too old"),
            Self::NoVenv(version) => write!(f, "it is Python {version} without the venv module"),
            Self::Excluded(version, required) => {
                write!(f, "it is Python {version}, and pyproject.toml requires {required}")
            }
        }
    }
}

/// The reason why no venv can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PythonError {
    #[error(
        "no Python found; install Python {} or newer, or name one with PIPULATE_PYTHON=/path/to/python; {}",
        OLDEST.minor_only(), tried_in_words(.tried)
    )]
    NoneFound { tried: Vec<Tried> },
    #[error(
        "the newest Python found is {version} ({}), but {} or newer is needed; install one, or name one with \
         PIPULATE_PYTHON=/path/to/python", .program.display(), OLDEST.minor_only()
    )]
    TooOld { program: PathBuf, version: Version, tried: Vec<Tried> },
    #[error(
        "Python {version} ({}) can't make environments: its venv module is missing; on Debian and Ubuntu: \
         sudo apt install python3-venv", .program.display()
    )]
    NoVenv { program: PathBuf, version: Version, tried: Vec<Tried> },
    #[error(
        "this project requires Python {required} (pyproject.toml), and none was found; install one, or name one \
         with PIPULATE_PYTHON=/path/to/python; {}", tried_in_words(.tried)
    )]
    Excluded { required: RequiresPython, tried: Vec<Tried> },
    #[error("PIPULATE_PYTHON names {}, but {problem}; name another Python, or unset it", .program.display())]
    Named { program: PathBuf, problem: Problem },
}

/// Finds a Python to make a venv with. With `uv_at_hand` it need not have `venv` and `ensurepip`.
///
/// Candidates run in `project`: version managers look there for their settings. Versions that `required`
/// excludes are not used.
///
/// # Errors
/// None can be used; the error has the candidates.
pub(crate) fn discover(
    around: &Surroundings,
    project: &Path,
    uv_at_hand: bool,
    required: Option<&RequiresPython>,
) -> Result<Python, PythonError> {
    let allowed = |program: &Path, why: Why| {
        let python = examine(program, project, uv_at_hand, why)?;
        match required.filter(|required| !required.is_met_by(python.version)) {
            Some(required) => Err(Problem::Excluded(python.version, required.clone())),
            None => Ok(python),
        }
    };
    if let Some(named) = around.variable("PIPULATE_PYTHON") {
        let program = program_named(around, named, project);
        return allowed(&program, Why::Variable).map_err(|problem| PythonError::Named { program, problem });
    }
    let pin = Pin::read(project, around.home());
    let mut tried = Vec::new();
    let mut other = None;
    for (name, program) in candidates(around, pin) {
        match allowed(&program, Why::OnPath { name }) {
            Ok(python) => match pin {
                None => return Ok(python),
                Some(pin) if pin.is_met_by(python.version) => {
                    return Ok(Python { why: Why::Pinned { pin }, ..python });
                }
                Some(pin) => {
                    other.get_or_insert(Python { why: Why::InsteadOf { pin, name }, ..python });
                }
            },
            Err(problem) => tried.push(Tried { program, problem }),
        }
    }
    other.ok_or_else(|| nearest_miss(tried))
}

/// The Pythons on `PATH`, each once, those with the pinned version's name first.
fn candidates(around: &Surroundings, pin: Option<Pin>) -> impl Iterator<Item = (&'static str, PathBuf)> {
    let mut names = NAMES;
    names.sort_by_key(|name| pin.is_none_or(|pin| pin.name() != *name));
    let mut seen = BTreeSet::new();
    // /bin and /usr/bin are often one folder.
    let mut is_new = move |name: &'static str, program: &Path| {
        seen.insert((name, program.parent().and_then(|folder| folder.canonicalize().ok())))
    };
    let found = names.into_iter().flat_map(|name| around.programs(name).map(move |program| (name, program)));
    found.filter(move |(name, program)| is_new(name, program))
}

/// The program that `PIPULATE_PYTHON` names, without running it.
pub(crate) fn named_program(around: &Surroundings, project: &Path) -> Option<PathBuf> {
    around.variable("PIPULATE_PYTHON").map(|named| program_named(around, named, project))
}

/// A bare name is searched for on `PATH`; anything with a slash is a path, relative to the project.
fn program_named(around: &Surroundings, named: &OsStr, project: &Path) -> PathBuf {
    let bare = named.to_str().filter(|name| !name.contains('/'));
    bare.and_then(|name| around.programs(name).next()).unwrap_or_else(|| project.join(named))
}

/// Runs one candidate for its properties.
///
/// # Errors
/// The reason why it can't be used.
pub(crate) fn examine(program: &Path, project: &Path, uv_at_hand: bool, why: Why) -> Result<Python, Problem> {
    let ran = Command::new(program).args(["-E", "-c", PROBE]).directory(project).output(PROBE_TIMEOUT);
    let output = ran.map_err(|error| match error.source.kind() {
        std::io::ErrorKind::NotFound if !program.exists() => Problem::NotThere,
        _ => Problem::DoesNotRun(error.source.to_string()),
    })?;
    match output.end {
        End::Code(0) => {}
        End::TimedOut => return Err(Problem::Hangs),
        End::Signal(signal) => return Err(Problem::DoesNotRun(format!("signal {signal} ended it"))),
        End::Code(_) | End::Unknown => {
            let words = String::from_utf8_lossy(&output.stderr);
            let first = words.lines().map(str::trim).find(|line| !line.is_empty());
            return Err(Problem::DoesNotRun(first.unwrap_or("it ended without output").to_owned()));
        }
    }
    let python = read_answer(&output.stdout, why)
        .ok_or_else(|| Problem::DoesNotRun("its answer could not be read".to_owned()))?;
    if python.version < OLDEST {
        Err(Problem::TooOld(python.version))
    } else if python.has_ensurepip || uv_at_hand {
        Ok(python)
    } else {
        Err(Problem::NoVenv(python.version))
    }
}

fn read_answer(answer: &[u8], why: Why) -> Option<Python> {
    let mut fields = answer.split(|&byte| byte == 0);
    let program = PathBuf::from(OsStr::from_bytes(fields.next()?));
    let version = Version::parse(std::str::from_utf8(fields.next()?).ok()?)?;
    let mut yes = || Some(fields.next()? == b"1");
    let (venv, ensurepip, has_pip) = (yes()?, yes()?, yes()?);
    Some(Python { program, version, has_pip, has_ensurepip: venv && ensurepip, why })
}

/// The failure to report: the one that is easiest to fix.
fn nearest_miss(tried: Vec<Tried>) -> PythonError {
    let no_venv = tried.iter().find_map(|one| match one.problem {
        Problem::NoVenv(version) => Some((one.program.clone(), version)),
        Problem::NotThere
        | Problem::DoesNotRun(_)
        | Problem::Hangs
        | Problem::TooOld(_)
        | Problem::Excluded(..) => None,
    });
    if let Some((program, version)) = no_venv {
        return PythonError::NoVenv { program, version, tried };
    }
    let excluded = tried.iter().find_map(|one| match &one.problem {
        Problem::Excluded(_, required) => Some(required.clone()),
        Problem::NotThere
        | Problem::DoesNotRun(_)
        | Problem::Hangs
        | Problem::TooOld(_)
        | Problem::NoVenv(_) => None,
    });
    if let Some(required) = excluded {
        return PythonError::Excluded { required, tried };
    }
    let too_old = tried.iter().filter_map(|one| match one.problem {
        Problem::TooOld(version) => Some((version, one.program.clone())),
        Problem::NotThere
        | Problem::DoesNotRun(_)
        | Problem::Hangs
        | Problem::NoVenv(_)
        | Problem::Excluded(..) => None,
    });
    match too_old.max() {
        Some((version, program)) => PythonError::TooOld { program, version, tried },
        None => PythonError::NoneFound { tried },
    }
}

/// The candidates, a line each.
fn tried_in_words(tried: &[Tried]) -> String {
    if tried.is_empty() {
        return format!("PATH has none of {}", NAMES.join(", "));
    }
    let lines = tried.iter().map(|one| format!("\n{}: {}", one.program.display(), one.problem));
    format!("these can't be used:{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests;

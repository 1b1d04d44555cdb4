//! Imports modules in the environment's Python, and finds the cause when one fails.
//!
//! All in one process; if a module crashes that process, the later ones get another.

pub mod problem;

use std::path::Path;
use std::time::Duration;

use pipulate_core::config::PythonConfig;
use pipulate_core::layout::Layout;
use pipulate_process::command::{Command, End};

use crate::requirements::Requirements;
use crate::service::EnvironmentChanges;
use crate::surroundings::Surroundings;
use problem::{ProbeProblem, classify};

/// A cold numpy on a slow disk takes seconds; a longer import is considered hung.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Prints each module before and after: `name`, then nothing if it imports, else the traceback. The modules'
/// own output goes to stderr.
const SCRIPT: &str = r"
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import os, traceback
answers = os.dup(1)
os.dup2(2, 1)
def tell(text):
    data = text.encode('utf-8', 'surrogateescape')
    while data:
        data = data[os.write(answers, data):]
for name in sys.argv[1:]:
    tell('?' + name + '\0')
    try:
        __import__(name)
        tell('+\0')
    except BaseException:
        tell('-' + traceback.format_exc().replace('\0', ' ') + '\0')
os._exit(0)
";

/// The result of importing one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    pub module: String,
    pub outcome: ProbeOutcome,
}

/// Success or failure of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeOutcome {
    Imports,
    Fails {
        problem: ProbeProblem,
        /// Python's complete output.
        said: String,
    },
}

/// The modules that a start imports: those in pipulate.toml; else numpy, if the project lists it or lists
/// nothing, and so gets the default packages.
pub fn modules_to_try(layout: &Layout, config: &PythonConfig, around: &Surroundings) -> Vec<String> {
    const NUMPY: &str = "numpy";
    if let Some(named) = &config.probe {
        return named.clone();
    }
    let wanted = Requirements::read(layout, config, false, around);
    let has_it = wanted.is_ok_and(|wanted| wanted.names.contains(NUMPY));
    has_it.then(|| NUMPY.to_owned()).into_iter().collect()
}

/// Imports each of `modules` with `python`, as a service with that environment would.
pub fn probe_modules(
    python: &Path,
    modules: &[String],
    environment: &EnvironmentChanges,
) -> Vec<ProbeResult> {
    probe_within(TIMEOUT, python, modules, environment)
}

fn probe_within(
    timeout: Duration,
    python: &Path,
    modules: &[String],
    environment: &EnvironmentChanges,
) -> Vec<ProbeResult> {
    let mut results = Vec::new();
    while results.len() < modules.len() {
        let rest = &modules[results.len()..];
        let command = environment.give_to(Command::new(python).args(["-c", SCRIPT])).args(rest);
        let (end, stdout, stderr) = match command.output(timeout) {
            Ok(output) => (output.end, output.stdout, String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => (End::Code(127), Vec::new(), error.to_string()),
        };
        let told = answers(&String::from_utf8_lossy(&stdout), rest);
        let begun = told.len() < rest.len();
        results.extend(told);
        if begun {
            // The module that was being imported failed; the others get their turn, unless
            // Python itself fails.
            let python_fails = stdout.is_empty();
            let problem = match (end, classify(&stderr)) {
                (End::TimedOut, _) => ProbeProblem::Hangs { seconds: timeout.as_secs() },
                (End::Signal(signal), _) => ProbeProblem::Crashes { signal },
                (End::Code(_) | End::Unknown, ProbeProblem::Other { last_line }) if python_fails => {
                    ProbeProblem::DoesNotStart { last_line }
                }
                (End::Code(_) | End::Unknown, problem) => problem,
            };
            let fails = ProbeOutcome::Fails { problem, said: stderr };
            let failed = if python_fails { rest.len() } else { 1 };
            let at = results.len();
            results.extend(
                modules[at..]
                    .iter()
                    .take(failed)
                    .map(|module| ProbeResult { module: module.clone(), outcome: fails.clone() }),
            );
        }
    }
    results
}

/// The modules with an answer, in order.
fn answers(stdout: &str, modules: &[String]) -> Vec<ProbeResult> {
    let answers = stdout.split_terminator('\0').filter(|answer| !answer.starts_with('?'));
    let outcomes = answers.map(|answer| match answer.strip_prefix('-') {
        None => ProbeOutcome::Imports,
        Some(said) => ProbeOutcome::Fails { problem: classify(said), said: said.to_owned() },
    });
    modules.iter().cloned().zip(outcomes).map(|(module, outcome)| ProbeResult { module, outcome }).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn python() -> std::path::PathBuf {
        let around = crate::surroundings::Surroundings::of_this_process().without("PIPULATE_PYTHON");
        crate::python::discover(&around, Path::new("/"), false, None).unwrap().program
    }

    fn probe(files: &[(&str, &str)], modules: &[&str], timeout: Duration) -> Vec<Option<ProbeProblem>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(format!("{name}.py")), text).unwrap();
        }
        let path = Some(folder.path().as_os_str().to_owned());
        let environment = EnvironmentChanges(vec![("PYTHONPATH".into(), path)]);
        let modules: Vec<String> = modules.iter().map(|&name| name.to_owned()).collect();
        let results = probe_within(timeout, &python(), &modules, &environment);
        assert_eq!(
            results.iter().map(|result| &result.module).collect::<Vec<_>>(),
            modules.iter().collect::<Vec<_>>()
        );
        results
            .into_iter()
            .map(|result| match result.outcome {
                ProbeOutcome::Imports => None,
                ProbeOutcome::Fails { problem, .. } => Some(problem),
            })
            .collect()
    }

    const LONG: Duration = Duration::from_secs(120);

    #[test]
    fn what_imports_is_told_from_what_does_not() {
        let files = [
            ("chatty", "print('+\\0-\\0 noise')"),
            (
                "broken",
                "raise ImportError('libz.so.1: cannot open shared object file: No such file or directory')",
            ),
            ("quits", "raise SystemExit(0)"),
        ];
        let found = probe(&files, &["chatty", "nosuch_zz", "broken", "quits", "json"], LONG);
        assert_eq!(found[0], None);
        assert_eq!(found[1], Some(ProbeProblem::MissingModule { module: "nosuch_zz".to_owned() }));
        assert_eq!(found[2], Some(ProbeProblem::MissingLibrary { library: "libz.so.1".to_owned() }));
        assert!(matches!(&found[3], Some(ProbeProblem::Other { .. })), "{:?}", found[3]);
        assert_eq!(found[4], None);
    }

    #[test]
    fn a_module_that_takes_python_down_takes_no_other_module_with_it() {
        let files = [
            ("dies", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
            ("ends", "import os; os._exit(3)"),
        ];
        let found = probe(&files, &["json", "dies", "ends", "os"], LONG);
        assert_eq!(found[0], None);
        assert_eq!(found[1], Some(ProbeProblem::Crashes { signal: 11 }));
        assert!(matches!(&found[2], Some(ProbeProblem::Other { .. })), "{:?}", found[2]);
        assert_eq!(found[3], None);
    }

    #[test]
    fn a_module_that_hangs_is_named() {
        let found = probe(&[("hangs", "import signal; signal.pause()")], &["hangs"], Duration::from_secs(3));
        assert_eq!(found, [Some(ProbeProblem::Hangs { seconds: 3 })]);
    }

    #[test]
    fn a_python_that_does_not_start_fails_every_module_once() {
        let modules = ["a".to_owned(), "b".to_owned()];
        let results = probe_modules(Path::new("/nowhere/python"), &modules, &EnvironmentChanges::default());
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(|result| matches!(&result.outcome, ProbeOutcome::Fails { said, .. } if said.contains("/nowhere/python"))));
    }
}

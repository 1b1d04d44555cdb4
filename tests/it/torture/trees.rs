//! Whole process trees end: children of every kind, with a running, replaced or dead supervisor.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use super::dice::Dice;
use super::rounds::Rounds;
use super::supervisors::{kill, supervisor};
use super::tally::Tally;
use crate::support::jupyter::ipykernel_6;
use crate::support::process;
use crate::support::project::python;
use crate::support::wait::{closely, wait_for, wait_for_ok};
use crate::support::{Jupyter, TestProject};

/// Kinds with a constant number of processes, so that they can be counted.
const STEADY: [&str; 6] = ["plain", "session", "daemon", "deaf", "bare", "hidden"];
const RESTLESS: [&str; 2] = ["forks", "chain"];

/// The supervisor's fate before the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supervisor {
    Lives,
    /// It was killed, and a sibling's took its place.
    WasReplaced,
    IsDead,
}

#[test]
fn whole_trees_end() {
    let secret = format!("torture-{}", std::process::id());
    let mut rounds = Rounds::of("whole_trees_end", 6);
    while let Some((round, mut dice)) = rounds.next() {
        let fates = [Supervisor::Lives, Supervisor::WasReplaced, Supervisor::IsDead];
        let fate = fates[usize::try_from(round % 3).unwrap()];
        let kinds = kinds(&mut dice, fate);
        let project = project(&secret, &kinds, fate);
        project.start(&[]);
        let is_steady = kinds.iter().all(|kind| STEADY.contains(kind));
        let expected = kinds.len() as u64 + 1;
        wait_for_ok("the whole tree", || is_whole(&project, &secret, &kinds));
        decide(&project, "tree", fate, &mut rounds.tally);

        let stopped = project.run(&["stop", "--force", "tree"]).expect(0);
        let survivors = process::with_argument(&secret);
        rounds.tally.survivors += survivors.len() as u64;
        assert!(survivors.is_empty(), "{kinds:?} {fate:?}: {survivors:#?}\n{}", stopped.stdout);
        let ended = count(&stopped.stdout, "tree");
        rounds.tally.ended += ended;
        // The changing kinds may have any number of processes; the steady kinds' are all counted.
        let is_true = if is_steady { ended == expected } else { ended >= expected - 1 };
        assert!(is_true, "{kinds:?} {fate:?}: {expected} lived\n{}", stopped.stdout);
    }
}

/// A few of every kind. A process without a marker and without ancestors can't be found: the README says so.
fn kinds(dice: &mut Dice, fate: Supervisor) -> Vec<&'static str> {
    let findable = |kind: &&str| fate == Supervisor::Lives || *kind != "hidden";
    let mut kinds: Vec<&str> = STEADY.into_iter().filter(findable).collect();
    for _ in 0..dice.below(6) {
        let one_more = *dice.pick(&STEADY);
        kinds.extend(Some(one_more).filter(findable));
    }
    if dice.below(2) == 0 {
        kinds.push(RESTLESS[dice.below(2)]);
    }
    kinds
}

fn project(secret: &str, kinds: &[&str], fate: Supervisor) -> TestProject {
    let command: Vec<&str> = [&["python3", "tree.py", secret][..], kinds].concat();
    let tree = format!("[services.tree]\ncommand = {command:?}\nready = {{ log = \"up\" }}\n");
    let sibling = match fate {
        Supervisor::WasReplaced => "[services.sibling]\ncommand = [\"sleep\", \"1000\"]\n",
        Supervisor::Lives | Supervisor::IsDead => "",
    };
    TestProject::light()
        .table("server", "enabled = false")
        .config(&(tree + sibling))
        .file("tree.py", include_str!("tree.py"))
        .build()
}

/// Returns Ok once all children exist and the processes with the secret in the process table are exactly
/// those that the children recorded.
fn is_whole(project: &TestProject, secret: &str, kinds: &[&str]) -> Result<(), String> {
    let born = fs::read_to_string(project.path("born")).unwrap_or_default();
    let steady = kinds.iter().filter(|kind| STEADY.contains(kind)).count();
    let tree = process::with_argument(secret);
    let is_seen = |pid: i32| tree.iter().any(|process| process.pid == pid);
    let pids: Vec<i32> = born.lines().map(|line| line.parse().unwrap()).collect();
    // One line for each steady kind; a chain, which keeps forking, isn't steady.
    let all_seen = pids.iter().all(|&pid| is_seen(pid)) && pids.len() >= steady;
    let exact = steady < kinds.len() || tree.len() == kinds.len() + 1;
    if all_seen && exact { Ok(()) } else { Err(format!("{pids:?} of {kinds:?}: {tree:#?}")) }
}

fn decide(project: &TestProject, service: &str, fate: Supervisor, tally: &mut Tally) {
    match fate {
        Supervisor::Lives => {}
        Supervisor::WasReplaced => kill(project, &[service], tally).await_adoption(tally),
        Supervisor::IsDead => {
            let supervisor = closely("a supervisor", || supervisor(project, service));
            supervisor.signal(Signal::KILL);
            tally.faults += 1;
            closely("its end", || (!supervisor.lives()).then_some(()));
        }
    }
}

/// Parses `Stopped tree: 7 processes in 0.1 s` to 7.
fn count(receipt: &str, service: &str) -> u64 {
    let prefix = format!("Stopped {service}: ");
    let number = receipt.lines().find_map(|line| line.strip_prefix(&prefix)?.split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no count in {receipt}"))
}

#[test]
fn kernels_of_ipykernel_6_and_7_end_with_what_they_started() {
    let project = TestProject::new();
    let spec = json!({
        "display_name": "ipykernel 6", "language": "python", "env": { "PYTHONPATH": ipykernel_6() },
        "argv": [python(), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    });
    project.write("../.local/share/jupyter/kernels/six/kernel.json", &spec.to_string());
    let mut rounds = Rounds::of("kernels_of_ipykernel_6_and_7_end_with_what_they_started", 1);
    while let Some((round, _)) = rounds.next() {
        project.start(&["jupyter"]);
        let jupyter = Jupyter::of(&project);
        for (name, version) in [("six", "6\n"), ("python3", "7\n")] {
            let kernel = jupyter.kernel_of(name);
            let version_of = "import ipykernel, subprocess; print(ipykernel.version_info[0])";
            assert_eq!(kernel.run(version_of), version);
            kernel.run("_ = subprocess.Popen(['sleep', '1001'], start_new_session=True)");
            kernel.run("_ = subprocess.Popen(['sleep', '1002'])");
        }
        // JupyterLab, two kernels and their children; a starting kernel has more.
        let tree = wait_for("seven processes", || {
            let processes = project.processes();
            let below = processes.into_iter().filter(|process| !process.command.contains("__supervise"));
            Some(below.collect::<Vec<_>>()).filter(|found| found.len() == 7)
        });
        if round % 2 == 1 {
            decide(&project, "jupyter", Supervisor::IsDead, &mut rounds.tally);
        }
        let stopped = project.run(&["stop", "--force"]).expect(0);
        let survivors = project.processes();
        rounds.tally.survivors += survivors.len() as u64;
        assert_eq!(survivors, [], "{}", stopped.stdout);
        assert!(tree.iter().all(|process| !process.lives()), "{tree:#?}");
        rounds.tally.ended += count(&stopped.stdout, "jupyter");
        assert_eq!(count(&stopped.stdout, "jupyter"), 7);
    }
}

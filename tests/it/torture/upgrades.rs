//! A newer program takes over from running supervisors, fails to, or is killed meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use super::dice::Dice;
use super::lines::{LINES, Lines, with_lines};
use super::rounds::Rounds;
use super::supervisors::{kill, main_process, supervisor};
use super::tally::Tally;
use crate::support::project::PIPULATE;
use crate::support::wait::closely;
use crate::support::{Process, TestProject, run};

const SERVICES: [&str; 2] = [LINES, "server"];

#[test]
fn an_upgrade_keeps_everything() {
    let project = with_lines(TestProject::light()).build();
    let program = Installed::of(&project);
    program.replace();
    program.start(&project);
    // The built-in app is restarted with the newer program.
    let alive = main_process(&project, LINES).unwrap();
    let mut lines = Lines::of(&project);
    let mut rounds = Rounds::of("an_upgrade_keeps_everything", 5);
    while let Some((_, mut dice)) = rounds.next() {
        lines.begin();
        dice.pause(lines.took);
        match dice.below(4) {
            0 => fail(&project, &program, &mut rounds.tally),
            1 => kill_in_the_middle(&project, &program, &mut dice, &mut rounds.tally),
            _ => succeed(&project, &program, &mut rounds.tally),
        }
        lines.prove(&mut rounds.tally);
        let now = main_process(&project, LINES);
        assert!(now.as_ref().is_some_and(|now| now.is(&alive)), "{now:?} instead of {alive:?}");
    }
    run::output(project.foreign(&program.path).arg("stop")).expect(0);
    assert_eq!(project.processes(), []);
}

/// `start` makes the supervisors re-execute themselves, and reports it: the same processes, another program.
fn succeed(project: &TestProject, program: &Installed, tally: &mut Tally) {
    let before = SERVICES.map(|service| supervised(project, service));
    program.replace();
    let said = program.start(project).stderr;
    tally.faults += 1;
    for (service, before) in SERVICES.iter().zip(before) {
        assert!(said.contains(&format!("The supervisor of {service} is replaced")), "{said}");
        let now = supervised(project, service);
        assert!(now.is(&before), "{service}: {now:?} instead of {before:?}");
        assert_eq!(runs(&now), program.path, "not the deleted one");
    }
}

/// The file in the program's place can't run: the old program keeps running, and reports it.
fn fail(project: &TestProject, program: &Installed, tally: &mut Tally) {
    let supervisor = supervised(project, LINES);
    let log = || project.read(".pipulate/log/supervisor.log");
    let attempts = |log: &str| log.matches("this one goes on").count();
    let before = attempts(&log());
    program.spoil();
    supervisor.signal(Signal::USR1);
    tally.faults += 1;
    closely("the attempt", || (attempts(&log()) != before).then_some(()));
    assert!(supervisor.lives());
    program.replace();
    let said = program.start(project).stderr;
    assert!(said.contains(&format!("The supervisor of {LINES} is replaced")), "{said}");
}

/// The supervisor is killed at a random moment of the re-exec.
fn kill_in_the_middle(project: &TestProject, program: &Installed, dice: &mut Dice, tally: &mut Tally) {
    let supervisor = supervised(project, LINES);
    program.replace();
    supervisor.signal(Signal::USR1);
    dice.pause(Duration::from_millis(20));
    kill(project, &[LINES], tally).await_adoption(tally);
    program.start(project);
}

fn supervised(project: &TestProject, service: &str) -> Process {
    closely(&format!("a supervisor of {service}"), || supervisor(project, service))
}

fn runs(process: &Process) -> PathBuf {
    fs::read_link(format!("/proc/{}/exe", process.pid)).unwrap()
}

/// The program under test, installed where it can be replaced.
struct Installed {
    path: PathBuf,
    newer: PathBuf,
}

impl Installed {
    fn of(project: &TestProject) -> Self {
        Self { path: project.home().join("pipulate"), newer: project.home().join("newer") }
    }

    /// Replaces the program with a newer one, as package managers do.
    fn replace(&self) {
        fs::copy(PIPULATE, &self.newer).unwrap();
        self.put(&self.newer);
    }

    /// Replaces the program with a file that isn't executable.
    fn spoil(&self) {
        fs::write(&self.newer, "half of a download").unwrap();
        fs::set_permissions(&self.newer, fs::Permissions::from_mode(0o755)).unwrap();
        self.put(&self.newer);
    }

    fn put(&self, file: &Path) {
        fs::rename(file, &self.path).unwrap();
    }

    #[track_caller]
    fn start(&self, project: &TestProject) -> run::Output {
        run::output(project.foreign(&self.path).args(["start", "--no-setup"])).expect(0)
    }
}

//! The faults for strange services. Each returns the services that it may have ended.

use std::fs;
use std::io::{PipeReader, Read as _};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::dice::Dice;
use super::strange_home::{Home, SERVICES};
use super::supervisors::{main_process, supervisor};
use super::tally::Tally;
use crate::support::Held;
use crate::support::process::Process;
use crate::support::project::PIPULATE;
use crate::support::run;
use crate::support::wait::{holds, wait_for};

type Ended = Vec<&'static str>;

pub(crate) fn strike(home: &Home, dice: &mut Dice, tally: &mut Tally) -> Ended {
    tally.faults += 1;
    match dice.below(19) {
        0 | 1 => change_program(home, dice),
        2 | 3 => close_output(home, dice),
        4 => start_without_room(home, dice),
        5 => start_again(home, dice),
        6 | 7 => kill_supervisors(home, dice),
        8 => kill_mains(home, dice),
        9 => lose_power(home),
        10 => late_stop(home, dice),
        11 => late_restart(home, dice),
        12 | 13 => frozen_command(home, dice),
        14..=16 => storm(home, dice),
        _ => crash_loop(home, dice),
    }
}

/// The program's file is deleted, damaged or replaced; supervisors are asked to use it, and must stay able to
/// restart their services.
fn change_program(home: &Home, dice: &mut Dice) -> Ended {
    let what = dice.below(3);
    match what {
        0 => drop(fs::remove_file(&home.program)),
        1 => home.install("/bin/false"),
        _ => home.install(PIPULATE),
    }
    let upgrades = dice.below(2) == 0;
    let service = *dice.pick(&SERVICES);
    let restarts = dice.below(3) != 0;
    home.note(&format!("program {what}, upgrade {upgrades}, restart {restarts} {service}"));
    if upgrades {
        for service in SERVICES {
            signal(supervisor(&home.project, service), Signal::USR1);
        }
    }
    if !restarts {
        return Vec::new();
    }
    let before = home.running(service);
    home.run(&["restart", service]);
    home.settle();
    let now = home.running(service);
    assert!(
        now.len() == 1 && !now[0].is(&before[0]),
        "{service}: {now:?} instead of another than {before:?}"
    );
    vec![service]
}

/// `start --foreground` whose output is closed, or which gets Ctrl-C.
fn close_output(home: &Home, dice: &mut Dice) -> Ended {
    let how = dice.below(4);
    home.note(&format!("foreground {how}"));
    let mut command = home.project.command(&["start", "--foreground", "--no-setup", "--no-browser"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let mut stderr: PipeReader = std::os::fd::OwnedFd::from(stderr).into();
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(b"Ctrl-C stops everything\n") && stderr.read(&mut byte).unwrap() == 1 {
        said.push(byte[0]);
    }
    let process = Process::find(child.id().cast_signed());
    match how {
        0 => drop(stdout),
        1 => {
            drop(stderr);
            drop(stdout);
        }
        2 => {
            signal(process, Signal::HUP);
            drop(stdout);
        }
        _ => {
            signal(process, Signal::INT);
            let code = end(&mut child);
            let left: Vec<Process> = home.snapshot().into_values().flatten().collect();
            assert!(left.is_empty(), "{code:?}: {left:#?}");
            return SERVICES.to_vec();
        }
    }
    end(&mut child);
    Vec::new()
}

fn end(child: &mut Child) -> Option<i32> {
    wait_for("the end of the foreground", || child.try_wait().unwrap()).code()
}

/// A start that fails for lack of descriptors.
fn start_without_room(home: &Home, dice: &mut Dice) -> Ended {
    let descriptors = *dice.pick(&[6, 8, 10, 12, 16]);
    let foreground = *dice.pick(&["", " --foreground"]);
    // One service is down, so that there is one to start.
    let down = *dice.pick(&SERVICES);
    home.note(&format!("start{foreground} with {descriptors} descriptors, {down} is stopped"));
    home.run(&["stop", down]);
    let mut shell = home.project.foreign("bash");
    let line = format!("ulimit -n {descriptors}; {PIPULATE} start --no-setup{foreground} | true");
    let said = run::output(shell.args(["-c", &line]));
    assert!(!said.stderr.contains("panicked"), "{said:?}");
    vec![down]
}

/// A start of running services.
fn start_again(home: &Home, dice: &mut Dice) -> Ended {
    let service = *dice.pick(&SERVICES);
    home.note(&format!("start {service}"));
    let said = home.run(&["start", "--no-setup", service]);
    if service == "background" {
        let daemon = home.running(service)[0].pid;
        assert!(said.code == Some(1) && said.stderr.contains(&format!("(pid {daemon})")), "{said:?}");
    }
    Vec::new()
}

fn kill_supervisors(home: &Home, dice: &mut Dice) -> Ended {
    let few = 1 + dice.below(SERVICES.len());
    let services: Vec<&str> = (0..few).map(|_| *dice.pick(&SERVICES)).collect();
    home.note(&format!("kill the supervisors of {services:?}"));
    for service in services {
        signal(supervisor(&home.project, service), Signal::KILL);
    }
    if dice.below(2) == 0 {
        dice.pause(Duration::from_millis(100));
        let verb = *dice.pick(&["start", "status"]);
        home.note(verb);
        let said = home.project.run(if verb == "start" { &["start", "--no-setup"] } else { &["status"] });
        assert!(!said.stderr.contains("panicked"), "{said:?}");
    }
    is_refused(home);
    Vec::new()
}

/// Without its supervisor, the hidden process is refused by every command, named, and never signaled.
fn is_refused(home: &Home) {
    if home.settle()["hidden"]["state"] != "unknown" {
        return;
    }
    let hidden = home.running("hidden");
    for args in [&["stop", "hidden"][..], &["stop", "--force", "hidden"], &["restart", "hidden"]] {
        let said = home.run(args).expect(1);
        let is_named = said.stderr.contains(&format!("process {} (strange)", hidden[0].pid));
        assert!(is_named && !said.stdout.contains("processes left"), "{args:?} {said:?}");
        assert!(hidden[0].lives(), "{args:?} {said:?}");
    }
}

fn kill_mains(home: &Home, dice: &mut Dice) -> Ended {
    let few = 1 + dice.below(3);
    let services: Vec<&str> = (0..few).map(|_| *dice.pick(&SERVICES)).collect();
    home.note(&format!("kill the main processes of {services:?}"));
    for service in &services {
        signal(home.running(service).pop(), Signal::KILL);
        if dice.below(3) == 0 {
            signal(supervisor(&home.project, service), *dice.pick(&[Signal::KILL, Signal::USR1]));
        }
    }
    services
}

/// As at a power loss: no record is written.
fn lose_power(home: &Home) -> Ended {
    home.note("lose power");
    for service in SERVICES {
        signal(supervisor(&home.project, service), Signal::KILL);
        signal(home.running(service).pop(), Signal::KILL);
    }
    SERVICES.to_vec()
}

/// A stop that was decided before the service was stopped and started again.
fn late_stop(home: &Home, dice: &mut Dice) -> Ended {
    let service = *dice.pick(&SERVICES);
    home.note(&format!("late stop of {service}"));
    let late = Held::begin(&home.project, &["stop", service]);
    home.run(&["stop", service]);
    home.run(&["start", "--no-setup", service]);
    let said = is_not_ended_by(home, service, late);
    assert!(said.code == Some(1) && !said.stdout.contains("0 processes left"), "{said:?}");
    vec![service]
}

/// A restart that was decided before another restart was done.
fn late_restart(home: &Home, dice: &mut Dice) -> Ended {
    let service = *dice.pick(&SERVICES);
    home.note(&format!("late restart of {service}"));
    let late = Held::begin(&home.project, &["restart", service]);
    home.run(&["restart", service]);
    is_not_ended_by(home, service, late);
    vec![service]
}

#[track_caller]
fn is_not_ended_by(home: &Home, service: &str, late: Held) -> run::Output {
    home.settle();
    let before = home.running(service);
    late.send();
    let said = late.finish();
    home.settle();
    let now = home.running(service);
    assert!(before.len() == 1 && now.len() == 1 && now[0].is(&before[0]), "{said:?} {before:?} {now:?}");
    said
}

/// A command that is frozen for a while at any moment, while another one does its work.
fn frozen_command(home: &Home, dice: &mut Dice) -> Ended {
    let service = *dice.pick(&SERVICES);
    let verbs = [(); 2].map(|()| *dice.pick(&["start", "stop", "restart"]));
    let args = |verb| match verb {
        "start" => vec!["start", "--no-setup", service],
        verb => vec![verb, service],
    };
    home.note(&format!("frozen {verbs:?} of {service}"));
    let mut command = home.project.command(&args(verbs[0]));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let frozen = Process::find(child.id().cast_signed());
    dice.pause(Duration::from_millis(60));
    signal(frozen.clone(), Signal::STOP);
    thread::scope(|scope| {
        // It may have to wait for locks of the frozen command.
        let other = scope.spawn(|| home.project.run(&args(verbs[1])));
        dice.pause(Duration::from_millis(600));
        signal(frozen, Signal::CONT);
        let said = other.join().unwrap();
        assert!(!said.stderr.contains("panicked"), "{said:?}");
    });
    let said = child.wait_with_output().unwrap();
    let is_told = matches!(said.status.code(), Some(0 | 1));
    assert!(is_told && !String::from_utf8_lossy(&said.stderr).contains("panicked"), "{said:?}");
    vec![service]
}

/// A service that crashes repeatedly, and an action while its supervisor waits to start it.
fn crash_loop(home: &Home, dice: &mut Dice) -> Ended {
    let what = dice.below(5);
    home.note(&format!("crash loop {what}"));
    home.project.write("fail", "");
    let waits = |now: &serde_json::Value| now["state"] == "backoff" || now["state"] == "crashed";
    let before = home.project.wait_for_service("flaky", "to wait", waits);
    dice.pause(Duration::from_millis(400));
    match what {
        0 => home.project.write("flaky.cfg", &home.running("steady")[0].start.to_string()),
        1 => signal(supervisor(&home.project, "flaky"), Signal::USR1),
        2 => signal(supervisor(&home.project, "flaky"), Signal::KILL),
        3 => drop(home.run(&["start", "--no-setup", "flaky"])),
        _ => {
            home.project.wait_for_state("flaky", "crashed");
            late_start(home);
        }
    }
    if what == 1 || what == 2 {
        dice.pause(Duration::from_millis(200));
        let now = home.project.service("flaky");
        assert!(now["restarts"].as_u64() >= before["restarts"].as_u64(), "{now} after {before}");
    }
    let _absent = fs::remove_file(home.project.path("fail"));
    if dice.below(2) == 0 {
        home.run(&["start", "--no-setup", "flaky"]);
        let is_up = |process: &Option<Process>| process.is_some();
        holds("the flaky service to run", || is_up(&main_process(&home.project, "flaky")));
    }
    vec!["flaky"]
}

/// A start that was decided before another one started the service. Its supervisor is there,
/// waiting for a save.
fn late_start(home: &Home) {
    fs::remove_file(home.project.path("fail")).unwrap();
    let late = Held::begin(&home.project, &["start", "--no-setup", "flaky"]);
    home.run(&["start", "--no-setup", "flaky"]);
    is_not_ended_by(home, "flaky", late);
}

/// Several of these at once.
fn storm(home: &Home, dice: &mut Dice) -> Ended {
    let hands: Vec<Dice> = (0..2 + dice.below(3)).map(|_| dice.fork()).collect();
    thread::scope(|scope| {
        for mut dice in hands {
            scope.spawn(move || {
                for _ in 0..=dice.below(3) {
                    dice.pause(Duration::from_millis(80));
                    do_something(home, &mut dice);
                }
            });
        }
    });
    SERVICES.to_vec()
}

fn do_something(home: &Home, dice: &mut Dice) {
    let service = *dice.pick(&SERVICES);
    let what = dice.below(13);
    home.note(&format!("at once: {what} {service}"));
    let supervisor = || supervisor(&home.project, service);
    match what {
        0 => drop(home.start()),
        1 => drop(home.run(&["start", "--no-setup", service])),
        2 => drop(home.run(&["start", "--no-setup", "--no-wait", service])),
        3 => drop(home.run(&["stop", service])),
        4 => drop(home.run(&["stop", "--force"])),
        5 => drop(home.run(&["restart"])),
        6 => drop(home.run(&["restart", service])),
        7 => home.project.write("flaky.cfg", &service.repeat(dice.below(9))),
        8 => signal(supervisor(), Signal::USR1),
        9 | 10 => signal(supervisor(), Signal::KILL),
        11 => signal(home.running(service).pop(), Signal::KILL),
        _ => {
            let line = format!("{PIPULATE} start --foreground --no-setup --no-browser | head -n 1");
            let mut shell = home.project.foreign("timeout");
            run::output(shell.args(["--signal=HUP", "1", "bash", "-c", &line]));
        }
    }
}

fn signal(process: Option<Process>, signal: Signal) {
    if let Some(process) = process {
        process.signal(signal);
    }
}

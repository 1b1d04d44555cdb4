//! `start --foreground` stays; everything ends with it on the user's request and for no other reason.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::project::PIPULATE;
use crate::support::{Jupyter, Process, Terminal, TestProject, holds, run, wait_for};

const CTRL_C: &str = "\u{3}";
const START: &str = "start --no-setup --no-browser --foreground";
/// Prints the lines that are written to a file.
const TALKER: &str = "[services.talker]\ncommand = [\"tail\", \"-n\", \"+1\", \"-F\", \"feed\"]\n\
                      ready = { log = \"hello\" }\n";
/// Is never ready.
const SLOW: &str = "[services.slow]\ncommand = [\"sleep\", \"1000\"]\nready = { log = \"never\" }\n";

fn project(more: &str) -> TestProject {
    let config = format!("{TALKER}{more}");
    TestProject::light().table("server", "enabled = false").config(&config).file("feed", "hello\n").build()
}

fn say(project: &TestProject, line: &str) {
    let mut feed = OpenOptions::new().append(true).open(project.path("feed")).unwrap();
    writeln!(feed, "{line}").unwrap();
}

/// The program alone in a terminal: Ctrl-C reaches no other process.
fn terminal(project: &TestProject, args: &str) -> Terminal {
    Terminal::open(&project.command(&[]), &format!("exec {PIPULATE} {args}"))
}

#[test]
fn ctrl_c_stops_what_was_started() {
    let project = project("");
    let mut terminal = terminal(&project, START);
    terminal.wait_for("Ctrl-C stops everything");
    terminal.wait_for("hello");
    holds("a line of a service in the terminal", || {
        say(&project, "another line");
        terminal.shown().contains("another line")
    });
    terminal.type_text(CTRL_C);
    terminal.wait_for("0 processes left");
    assert_eq!(terminal.end(), Some(0));
    holds("the end of everything", || project.processes().is_empty());
    project.run(&["status"]).expect(3);
}

#[test]
fn what_failed_is_told_and_keeps_nobody_from_the_rest() {
    let broken = "[services.broken]\ncommand = [\"sh\", \"-c\", \"echo no luck; exit 3\"]\n\
                  ready = { log = \"never\" }\n";
    let project = project(broken);
    let mut terminal = terminal(&project, START);
    terminal.wait_for("Ctrl-C stops everything");
    let shown = terminal.shown();
    for said in ["could not start: broken", "broken: it ended with code 3 before it was ready", "no luck"] {
        assert!(shown.contains(said), "{said:?} is missing in: {shown}");
    }
    holds("a line of the other one", || {
        say(&project, "another line");
        terminal.shown().contains("another line")
    });
    terminal.type_text(CTRL_C);
    terminal.wait_for("0 processes left");
    assert_eq!(terminal.end(), Some(1), "not all that was asked for came about");
    assert_eq!(project.processes(), []);

    // With nothing running, there is no reason to stay.
    let said = project.run(&["start", "--no-setup", "--foreground", "broken"]).expect(1);
    assert!(said.stderr.contains("could not start: broken"), "{said:?}");
    assert_eq!(project.processes(), []);
}

#[test]
fn ctrl_c_stops_what_is_still_on_its_way() {
    let project = project(SLOW);
    let mut terminal = terminal(&project, START);
    terminal.wait_for("waiting for");
    project.wait_for_state("talker", "ready");
    project.wait_for_state("slow", "starting");
    terminal.type_text(CTRL_C);
    terminal.wait_for("0 processes left");
    assert_eq!(terminal.end(), Some(0));
    assert_eq!(project.processes(), []);
}

#[test]
fn it_ends_by_term_and_with_the_last_of_its_services() {
    let project = project("");
    let begin = || {
        let mut start = project.command(&START.split(' ').collect::<Vec<_>>());
        let child = thread::spawn(move || run::output(&mut start));
        project.wait_for_state("talker", "ready");
        (child, project.find_process(&format!("{PIPULATE} {START}")))
    };
    // As systemd and Docker stop their processes.
    let (said, process) = begin();
    process.signal(Signal::TERM);
    let said = said.join().unwrap().expect(0);
    assert!(said.stdout.ends_with("0 processes left\n"), "{said:?}");
    assert_eq!(project.processes(), []);

    // Stopped by another command.
    let (said, _) = begin();
    project.run(&["stop"]).expect(0);
    let said = said.join().unwrap().expect(0);
    assert!(said.stderr.ends_with("Everything has stopped\n"), "{said:?}");

    // Permanent crash.
    let (said, _) = begin();
    holds("the last crash", || {
        let talker = project.service("talker");
        let main = talker["pid"].as_i64().and_then(|pid| Process::find(i32::try_from(pid).unwrap()));
        if let Some(main) = main {
            main.signal(Signal::KILL);
        }
        talker["state"] == "crashed"
    });
    let said = said.join().unwrap().expect(1);
    assert!(
        said.stderr.contains("crashed: talker\n  because: talker: it ended 5 times within 60 s"),
        "{said:?}"
    );
}

#[test]
fn ctrl_c_does_not_end_hours_of_work_by_one_key() {
    let project = TestProject::builder().table("server", "enabled = false").build();
    let mut terminal = terminal(&project, START);
    terminal.wait_for("Ctrl-C stops everything");
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("import subprocess; job = subprocess.Popen(['sleep', '1001'], start_new_session=True)");
    let job = project.find_process("sleep 1001");
    terminal.type_text(CTRL_C);
    terminal.wait_for("was started from a kernel; Ctrl-C again stops everything");
    assert!(job.lives());
    assert_eq!(kernel.run("print(job.poll())"), "None\n");
    terminal.type_text(CTRL_C);
    terminal.wait_for("0 processes left");
    assert_eq!(terminal.end(), Some(0));
    assert_eq!(project.processes(), []);
}

/// `start --foreground` with its output connected to the test.
struct Foreground {
    child: Child,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    process: Process,
}

impl Foreground {
    /// Starts it and returns when it stays in the foreground.
    fn begin(project: &TestProject) -> Self {
        let (stdout, out) = std::io::pipe().unwrap();
        let (stderr, err) = std::io::pipe().unwrap();
        let mut command = project.command(&START.split(' ').collect::<Vec<_>>());
        let child = command.stdout(out).stderr(err).spawn().unwrap();
        drop(command);
        let process = Process::find(i32::try_from(child.id()).unwrap()).unwrap();
        let mut foreground = Self { child, stdout: Some(stdout), stderr: Some(stderr), process };
        foreground.read_until("Ctrl-C stops everything\n");
        foreground
    }

    /// Reads stderr up to and including this text.
    fn read_until(&mut self, text: &str) {
        let mut said = Vec::new();
        let mut byte = [0];
        while !said.ends_with(text.as_bytes()) {
            self.stderr.as_mut().unwrap().read_exact(&mut byte).unwrap();
            said.push(byte[0]);
        }
    }

    /// Freezes it during `happens`, so that it sees all events at once.
    fn at_once(&mut self, happens: impl FnOnce(&mut Self)) {
        self.process.signal(Signal::STOP);
        holds("a frozen process", || state_of(self.process.pid) == "T");
        happens(self);
        self.process.signal(Signal::CONT);
    }

    /// Waits for its end; returns the exit code and the rest of stderr.
    #[track_caller]
    fn end(mut self) -> (Option<i32>, String) {
        let code = wait_for("the end of the foreground", || self.child.try_wait().unwrap()).code();
        let mut said = String::new();
        self.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said).unwrap());
        (code, said)
    }
}

fn state_of(pid: i32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1[..1].to_owned()
}

const GOES_ON: &str = "The output was closed; still running: talker. To stop them: pipulate stop\n";

#[test]
fn a_reader_that_leaves_stops_nothing() {
    let project = project("");
    let is_up = |why: &str| {
        assert_eq!(project.service("talker")["state"], "ready", "{why}");
        Process::of(&project.service("talker")["pid"])
    };
    // While nothing is printed.
    let mut silent = Foreground::begin(&project);
    let talker = is_up("before");
    drop(silent.stdout.take());
    assert_eq!(silent.end(), (Some(0), GOES_ON.to_owned()));
    // While something is printed.
    let mut busy = Foreground::begin(&project);
    busy.at_once(|busy| {
        drop(busy.stdout.take());
        say(&project, "a line that nobody reads");
    });
    assert_eq!(busy.end(), (Some(0), GOES_ON.to_owned()));
    // Stderr isn't read either.
    let mut alone = Foreground::begin(&project);
    drop(alone.stderr.take());
    drop(alone.stdout.take());
    assert_eq!(alone.end(), (Some(0), String::new()));
    // Only the warnings are lost.
    let mut quiet = Foreground::begin(&project);
    drop(quiet.stderr.take());
    say(&project, "still shown");
    let mut shown = BufReader::new(quiet.stdout.take().unwrap()).lines();
    assert!(shown.any(|line| line.unwrap().contains("still shown")));
    drop(shown);
    assert_eq!(quiet.end().0, Some(0));
    assert!(is_up("after").is(&talker));

    // SIGWINCH means nothing here, and SIGHUP means the window was closed.
    let piped = Foreground::begin(&project);
    piped.process.signal(Signal::PIPE);
    piped.process.signal(Signal::HUP);
    assert_eq!(piped.end().0, None, "a closed window ends it");
    assert!(is_up("a closed window").is(&talker));
    project.run(&["stop"]).expect(0);
}

#[test]
fn ctrl_c_stops_everything_also_when_the_output_closes_at_that_moment() {
    let project = project("");
    for (signal, order) in [(Signal::INT, 0), (Signal::INT, 1), (Signal::TERM, 0), (Signal::TERM, 1)] {
        let mut foreground = Foreground::begin(&project);
        foreground.at_once(|foreground| {
            let stdout = foreground.stdout.take();
            if order == 0 {
                drop(stdout);
                foreground.process.signal(signal);
            } else {
                foreground.process.signal(signal);
                drop(stdout);
            }
            say(&project, "a line that nobody reads");
        });
        let (code, said) = foreground.end();
        assert_eq!(code, Some(0), "{signal:?} {order}: {said}");
        assert!(said.ends_with("0 processes left\n"), "{signal:?} {order}: {said}");
        assert_eq!(project.processes(), []);
    }
}

#[test]
fn a_key_that_also_ends_the_reader_does_not_end_a_busy_kernel() {
    let project = TestProject::builder().table("server", "enabled = false").build();
    // A shell that continues after Ctrl-C, as an interactive one does.
    let line = format!("trap : INT; {PIPULATE} {START} | tee log; echo over");
    let open = || Terminal::open(&project.command(&[]), &line);
    let mut once = open();
    once.wait_for("Ctrl-C stops everything");
    let jupyter = Jupyter::of(&project);
    jupyter.notebook("train.ipynb").begin("import time; time.sleep(1000)");
    let process = Process::of(&project.service("jupyter")["kernels"][0]["pid"]);
    once.type_text(CTRL_C);
    once.wait_for("train.ipynb is busy");
    once.wait_for("Ctrl-C again stops everything");
    once.wait_for("The output was closed; still running: jupyter");
    once.wait_for("over");
    assert!(process.lives());

    let mut twice = open();
    twice.wait_for("Ctrl-C stops everything");
    twice.type_text(CTRL_C);
    twice.wait_for("Ctrl-C again stops everything");
    assert!(process.lives());
    twice.type_text(CTRL_C);
    twice.wait_for("0 processes left");
    twice.wait_for("over");
    assert_eq!(project.processes(), []);
}

#[test]
fn a_start_that_fails_ends_what_it_began_and_nothing_else() {
    // After its first service is up, the second start has no place for its log.
    let spoiler =
        "mv .pipulate/log/supervisor.log old; mkdir .pipulate/log/supervisor.log; echo go; exec sleep 1000";
    let more = format!(
        "[services.begun]\ncommand = [\"sh\", \"-c\", \"{spoiler}\"]\nready = {{ log = \"go\" }}\n\
         depends_on = [\"talker\"]\n\
         [services.needs]\ncommand = [\"sleep\", \"1001\"]\ndepends_on = [\"begun\"]\n"
    );
    let project = project(&more);
    project.start(&["talker"]);
    let talker = Process::of(&project.service("talker")["pid"]);
    let said = project.run(&START.split(' ').collect::<Vec<_>>()).expect(1);
    assert!(said.stderr.contains("supervisor.log"), "{said:?}");
    assert!(
        said.stderr.contains("Still running, because this start did not begin them: talker\n"),
        "{said:?}"
    );
    assert!(said.stdout.contains("Stopped begun") && !said.stdout.contains("talker:"), "{said:?}");
    assert!(talker.lives());
    assert_eq!(project.service("begun")["state"], "stopped");
    std::fs::remove_dir(project.path(".pipulate/log/supervisor.log")).unwrap();
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_start_without_room_ends_nothing_that_ran_before() {
    let project = project("[services.other]\ncommand = [\"sleep\", \"1001\"]\n");
    project.start(&["talker"]);
    let talker = Process::of(&project.service("talker")["pid"]);
    for descriptors in [8, 10, 12, 16] {
        let mut shell = project.foreign("bash");
        // With enough descriptors to stay, the closed output ends it.
        shell.args(["-c", &format!("ulimit -n {descriptors}; {PIPULATE} {START} | true")]);
        let said = run::output(&mut shell);
        assert!(talker.lives(), "with {descriptors} descriptors: {said:?}");
        project.run(&["stop", "other"]).expect(0);
    }
    project.run(&["stop"]).expect(0);
}

#[test]
fn ctrl_c_while_it_starts_leaves_what_ran_before() {
    let project = project(SLOW);
    project.start(&["talker"]);
    let talker = Process::of(&project.service("talker")["pid"]);
    for is_adopted in [false, true] {
        if is_adopted {
            Process::of(&project.service("talker")["supervisor_pid"]).kill();
        }
        let mut terminal = terminal(&project, START);
        terminal.wait_for("waiting for");
        project.wait_for_state("talker", "ready");
        project.wait_for_state("slow", "starting");
        terminal.type_text(CTRL_C);
        terminal.wait_for("Still running, because this start did not begin them: talker");
        terminal.wait_for("0 processes left");
        assert_eq!(terminal.end(), Some(0));
        assert!(talker.lives(), "adopted: {is_adopted}");
        assert_eq!(project.service("slow")["state"], "stopped");
    }
    project.run(&["stop"]).expect(0);
}

#[test]
fn ctrl_c_at_any_moment_of_a_start_leaves_nothing_behind() {
    let project = project(SLOW);
    for step in 1..12 {
        let mut start = project.command(&START.split(' ').collect::<Vec<_>>());
        let mut start = start.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(10 * step));
        Process::find(i32::try_from(start.id()).unwrap()).unwrap().signal(Signal::INT);
        start.wait().unwrap();
        assert_eq!(project.processes(), [], "after {step}0 ms");
    }
}

#[test]
fn what_another_start_began_meanwhile_is_left_to_it() {
    let slow = |name: &str| {
        format!("[services.{name}]\ncommand = [\"sleep\", \"1000\"]\nready = {{ log = \"never\" }}\n")
    };
    let project = project(&(slow("one") + &slow("two")));
    project.start(&["talker"]);
    let mut mine = terminal(&project, &format!("{START} one"));
    project.wait_for_state("one", "starting");
    let mut other = terminal(&project, &format!("{START} one two"));
    project.wait_for_state("two", "starting");
    other.type_text(CTRL_C);
    other.wait_for("Still running, because this start did not begin them: one");
    assert_eq!(other.end(), Some(0));
    assert_eq!(project.service("one")["state"], "starting");
    mine.type_text(CTRL_C);
    mine.wait_for("0 processes left");
    assert_eq!(mine.end(), Some(0));
    project.run(&["stop"]).expect(0);
}

//! A project of services that are hard to supervise, and the checks that hold for it at any time.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::supervisors::supervisor;
use crate::support::process::{self, Process};
use crate::support::project::PIPULATE;
use crate::support::run::Output;
use crate::support::wait::wait_for_ok;
use crate::support::{TestProject, run};

pub(crate) const SERVICES: [&str; 6] = ["background", "flaky", "hidden", "leaderless", "patient", "steady"];
/// States that soon change to another.
const PASSING: [&str; 3] = ["starting", "stopping", "backoff"];
/// The time over which idle supervisors are measured.
const IDLE: Duration = Duration::from_millis(700);

/// The project. Its supervisors run a copy of the program, which can be deleted and replaced.
pub(crate) struct Home {
    pub(crate) project: TestProject,
    pub(crate) program: PathBuf,
    /// The argument that every instance has.
    word: String,
    /// The actions so far, shown when the test fails.
    done: Mutex<Vec<String>>,
    since: Instant,
    /// The number of commands that refused, with a reason.
    pub(crate) refused: AtomicU64,
}

impl Home {
    pub(crate) fn build() -> Self {
        let word = format!("strange-{}.", std::process::id());
        let mut config = String::new();
        for service in SERVICES {
            let command = match service {
                "hidden" => format!("[\"env\", \"-i\", \"./strange\", \"hidden\", \"{word}\"]"),
                _ => format!("[\"./strange\", \"{service}\", \"{word}\"]"),
            };
            let more = match service {
                "flaky" => "ready = { log = \"up\" }\nwatch = [\"flaky.cfg\"]\n",
                "patient" => "ready = { log = \"up\" }\n",
                _ => "",
            };
            config.push_str(&format!("[services.{service}]\ncommand = {command}\n{more}"));
        }
        let project = TestProject::light()
            .table("server", "enabled = false")
            .config(&config)
            .file("flaky.cfg", "0")
            .file("strange.c", include_str!("strange.c"))
            .build();
        let mut compiler = project.foreign("cc");
        run::output(compiler.args(["-pthread", "-o", "strange", "strange.c"])).expect(0);
        let program = project.home().join("p");
        let home = Self {
            project,
            program,
            word,
            done: Mutex::default(),
            refused: AtomicU64::new(0),
            since: Instant::now(),
        };
        home.install(PIPULATE);
        run::output(home.project.foreign(&home.program).args(["start", "--no-setup"]));
        home
    }

    /// Replaces the program's file as package managers do.
    pub(crate) fn install(&self, source: &str) {
        let new = self.program.with_extension("new");
        fs::copy(source, &new).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, &self.program).unwrap();
    }

    /// Records an action.
    pub(crate) fn note(&self, done: &str) {
        let time = self.since.elapsed().as_secs_f64();
        self.done.lock().unwrap().push(format!("{time:.3} {done}"));
    }

    /// The running instances of a service, read without the product.
    pub(crate) fn running(&self, service: &str) -> Vec<Process> {
        self.running_among(&process::all(), service)
    }

    fn running_among(&self, table: &[Process], service: &str) -> Vec<Process> {
        let command = format!("./strange {service} {}", self.word);
        table.iter().filter(|process| process.command == command).cloned().collect()
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<&'static str, Vec<Process>> {
        let table = process::all();
        SERVICES.into_iter().map(|service| (service, self.running_among(&table, service))).collect()
    }

    /// Runs a command, which must end with a documented exit code.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let said = self.project.run(args);
        let is_told = said.code == Some(0) || (said.code == Some(1) && said.stderr.contains("error:"));
        assert!(is_told && !said.stderr.contains("panicked"), "{args:?}: {said:?}");
        self.refused.fetch_add(u64::from(said.code != Some(0)), Ordering::Relaxed);
        said
    }

    /// Starts everything. It fails if a service is in the background or was killed too often.
    #[track_caller]
    pub(crate) fn start(&self) -> Output {
        self.run(&["start", "--no-setup"])
    }

    /// Stops everything; only the unidentifiable process may be left, and must be named.
    #[track_caller]
    pub(crate) fn stop(&self) -> Output {
        let said = self.run(&["stop"]);
        let left: Vec<Process> = self.snapshot().into_values().flatten().collect();
        match said.code {
            Some(0) => {
                assert!(left.is_empty() && said.stdout.ends_with("0 processes left\n"), "{said:?} {left:#?}");
            }
            _ => {
                let [hidden] = &left[..] else { panic!("{said:?} {left:#?}") };
                let is_named = said.stderr.contains(&format!("process {} (strange)", hidden.pid));
                assert!(is_named && hidden.command.contains(" hidden "), "{said:?} {left:#?}");
                assert!(!said.stdout.contains("0 processes left"), "{said:?}");
            }
        }
        said
    }

    /// Waits until the states stop changing and `status` agrees with the process table.
    #[track_caller]
    pub(crate) fn settle(&self) -> BTreeMap<String, Value> {
        let status = wait_for_ok("a status that is true", || self.true_status());
        assert_eq!(fs::read_to_string(self.project.path("twice")).unwrap_or_default(), "", "ran twice");
        status
    }

    fn true_status(&self) -> Result<BTreeMap<String, Value>, String> {
        let said = self.project.run(&["status", "--json"]);
        let status: Value =
            serde_json::from_str(&said.stdout).map_err(|error| format!("{error}: {said:?}"))?;
        let services = status["services"].as_array().unwrap().iter();
        let services: BTreeMap<String, Value> =
            services.map(|found| (found["name"].as_str().unwrap().to_owned(), found.clone())).collect();
        let table = process::all();
        for service in SERVICES {
            let (found, living) = (&services[service], self.running_among(&table, service));
            let supervises = format!(" __supervise {service} -C {}", self.project.root().display());
            let is_supervisor = |process: &&Process| process.command.contains(&supervises);
            let supervisors: Vec<&Process> = table.iter().filter(is_supervisor).collect();
            is_true(service, found, &living, &supervisors)
                .map_err(|why| format!("{why}: {found:#} {living:#?} {supervisors:#?}"))?;
        }
        let is_unknown = services.values().any(|service| service["state"] == "unknown");
        if is_unknown == (said.code == Some(4)) { Ok(services) } else { Err(format!("{said:?}")) }
    }

    /// Asserts that idle supervisors sleep. On a busy machine a last task may be late: one quiet period of
    /// three is enough, and a loop has none.
    #[track_caller]
    pub(crate) fn assert_idle(&self) {
        let mut seen = Vec::new();
        for _ in 0..3 {
            let supervisors: Vec<Process> =
                SERVICES.iter().filter_map(|service| supervisor(&self.project, service)).collect();
            let before: Vec<Cost> = supervisors.iter().map(Cost::of).collect();
            let log = self.log_length();
            let since = Instant::now();
            thread::sleep(IDLE);
            let elapsed = since.elapsed();
            let costs = supervisors.iter().map(Cost::of).zip(before);
            let costs: Vec<Cost> = costs.map(|(after, before)| after.minus(&before)).collect();
            let grown = self.log_length().saturating_sub(log);
            if grown < 1000 && costs.iter().all(|cost| cost.is_small(elapsed)) {
                return;
            }
            seen.push(format!("{grown} bytes of supervisor.log, {costs:?} in {elapsed:?}"));
        }
        panic!("supervisors have no rest: {seen:#?}\n{}", self.log_tail());
    }

    pub(crate) fn log_length(&self) -> u64 {
        let log = self.project.path(".pipulate/log/supervisor.log");
        fs::metadata(log).map_or(0, |about| about.len())
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = self.project.read(".pipulate/log/supervisor.log");
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

/// Checks a service's `status` against the process table.
fn is_true(service: &str, found: &Value, living: &[Process], supervisors: &[&Process]) -> Result<(), String> {
    let state = found["state"].as_str().unwrap();
    let is = |states: &[&str]| states.contains(&state);
    let listed = found["processes"].as_array().unwrap().iter();
    let listed: Vec<&Value> = listed.map(|process| &process["pid"]).collect();
    let supervisor = &found["supervisor_pid"];
    let is_supervised = supervisors.len() == 1 && *supervisor == supervisors[0].pid;
    let right = if is(&PASSING) {
        return Err("it is on its way".to_owned());
    } else if supervisors.len() > 1 || (!supervisor.is_null() && !is_supervised) {
        return Err(format!("not its supervisor: {supervisors:?}"));
    } else if state == "unknown" {
        let is_named = |one: &Process| found["reason"].as_str().unwrap().contains(&one.pid.to_string());
        let is_alone = living.len() == 1 && living.iter().all(is_named) && supervisor.is_null();
        service == "hidden" && is_alone && found["pid"].is_null() && listed.is_empty()
    } else if let [one] = living {
        let pids = found["pid"] == one.pid && listed == [&Value::from(one.pid)];
        let supervised = is(&["ready", "running", "unstable"]) && is_supervised && service != "background";
        let background = state == "degraded" && service == "background" && is_supervised;
        pids && (supervised || background || (state == "unsupervised" && supervisor.is_null()))
    } else {
        let ended = is(&["stopped", "crashed", "exited"]) && found["pid"].is_null();
        living.is_empty() && ended && listed.is_empty()
    };
    if right { Ok(()) } else { Err("status is wrong".to_owned()) }
}

impl Drop for Home {
    #[expect(clippy::print_stderr, reason = "what led to a failure helps to understand it")]
    fn drop(&mut self) {
        // The project's own check can't see processes with another environment.
        if std::thread::panicking() {
            let done = self.done.lock().unwrap();
            eprintln!("what was done at last: {:#?}", &done[done.len().saturating_sub(25)..]);
            eprintln!("supervisor.log:\n{}", self.log_tail());
            process::with_argument(&self.word).iter().for_each(Process::kill);
        }
    }
}

/// The resources that a process has used so far.
#[derive(Debug)]
struct Cost {
    processor: Duration,
    wake_ups: u64,
}

impl Cost {
    /// Zero for a process that has ended.
    fn of(process: &Process) -> Self {
        let read =
            |file: &str| fs::read_to_string(format!("/proc/{}/{file}", process.pid)).unwrap_or_default();
        let number = |text: &str| text.trim().parse().unwrap_or_default();
        let schedstat = read("schedstat");
        let status = read("status");
        let wake_ups = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Self {
            processor: Duration::from_nanos(schedstat.split(' ').next().map_or(0, number)),
            wake_ups: wake_ups.map_or(0, number),
        }
    }

    fn minus(&self, before: &Self) -> Self {
        Self {
            processor: self.processor.saturating_sub(before.processor),
            wake_ups: self.wake_ups.saturating_sub(before.wake_ups),
        }
    }

    /// Allows a twentieth of a processor and twenty wake-ups a second, far more than an idle
    /// supervisor needs.
    fn is_small(&self, elapsed: Duration) -> bool {
        let share = self.processor.as_secs_f64() / elapsed.as_secs_f64();
        let rate = self.wake_ups as f64 / elapsed.as_secs_f64();
        share < 0.05 && rate < 20.0
    }
}

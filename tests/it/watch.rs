//! `watch`: a valid save restarts the service once, an invalid one doesn't.

use std::fs;

use rustix::process::Signal;

use crate::support::project::PIPULATE;
use crate::support::skip;
use crate::support::{Process, TestProject, holds, run, wait_for};

/// Records when it begins and ends; ending takes a while.
const DIARIST: &str = "\
import signal, sys, time
def write(word):
    with open('diary', 'a') as diary:
        print(word, file=diary)
def end(*_):
    time.sleep(0.3)
    write('ends')
    sys.exit()
signal.signal(signal.SIGTERM, end)
write('begins')
print('up', flush=True)
signal.pause()
";

/// A service in worker.py that restarts when files of these patterns are saved.
fn watching(patterns: &str, worker: &str) -> TestProject {
    let config = format!(
        "[services.worker]\ncommand = [\"python\", \"worker.py\"]\nready = {{ log = \"up\" }}\nwatch = {patterns}\n"
    );
    let project = TestProject::light().table("server", "enabled = false").config(&config);
    project.file("worker.py", worker).build()
}

/// Waits until the worker was restarted `count` times and is ready, and returns its status.
#[track_caller]
fn wait_for_restart(project: &TestProject, count: u64) -> serde_json::Value {
    wait_for(&format!("restart {count}"), || {
        let worker = project.service("worker");
        (worker["restarts"] == count && worker["state"] == "ready").then_some(worker)
    })
}

/// The saves that the supervisor noticed.
fn noticed(project: &TestProject) -> Vec<String> {
    let log = project.read(".pipulate/log/supervisor.log");
    log.lines().filter_map(|line| line.split("saved: ").nth(1)).map(first_word).collect()
}

fn first_word(line: &str) -> String {
    line.split(" service=").next().unwrap_or_default().to_owned()
}

#[test]
fn a_folder_that_leaves_or_comes_restarts_like_the_files_in_it() {
    let project = watching("[\"*.py\", \"pages\"]", DIARIST);
    project.write("pages/deep/index.html", "hello");
    project.write("notes/plan.txt", "nobody watches this");
    project.start(&[]);
    let away = project.home().join("pages");
    fs::rename(project.path("pages"), &away).unwrap();
    wait_for_restart(&project, 1);
    fs::rename(&away, project.path("pages")).unwrap();
    wait_for_restart(&project, 2);
    fs::rename(project.path("notes"), project.home().join("notes")).unwrap();
    fs::remove_dir_all(project.path("pages")).unwrap();
    wait_for_restart(&project, 3);
    assert_eq!(noticed(&project), ["pages/deep/index.html"; 3]);
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_burst_of_saves_is_one_restart_and_no_two_instances_overlap() {
    let project = watching("[\"*.py\", \"pages\"]", DIARIST);
    project.start(&[]);
    for nobodys in ["notes.txt", "__pycache__/x.py", ".venv.py", ".#worker.py", "env/pyvenv.cfg", "env/x.py"]
    {
        project.write(nobodys, "");
    }
    for number in 0..20 {
        project.write("worker.py", &format!("{DIARIST}# {number}\n"));
    }
    wait_for_restart(&project, 1);

    // As vim saves: it renames the old file and creates a new one.
    fs::rename(project.path("worker.py"), project.path("worker.py~")).unwrap();
    project.write("worker.py", DIARIST);
    fs::remove_file(project.path("worker.py~")).unwrap();
    wait_for_restart(&project, 2);

    // As most other editors save, in a new folder.
    project.write("pages/deep/.index.html.tmp", "hello");
    fs::rename(project.path("pages/deep/.index.html.tmp"), project.path("pages/deep/index.html")).unwrap();
    wait_for_restart(&project, 3);
    fs::remove_file(project.path("pages/deep/index.html")).unwrap();
    let worker = wait_for_restart(&project, 4);

    // A save without changes is a request like any other.
    project.write("worker.py", DIARIST);
    let last = wait_for_restart(&project, 5);
    assert_eq!(last["supervisor_pid"], worker["supervisor_pid"]);
    assert_eq!(
        noticed(&project),
        ["worker.py", "worker.py", "pages/deep/index.html", "pages/deep/index.html", "worker.py"]
    );
    project.run(&["stop"]).expect(0);
    let diary = project.read("diary");
    assert_eq!(diary, "begins\nends\n".repeat(6), "one after the other");
}

#[test]
fn a_mistake_ends_nothing_that_works_and_is_told_until_it_is_mended() {
    let project = watching("[\"*.py\"]", DIARIST);
    project.start(&[]);
    let before = project.service("worker");
    project.write("worker.py", "print('never')\n\ndef unfinished(:\n");
    let told = wait_for("word of the mistake", || {
        Some(project.run(&["status"]).stdout).filter(|status| status.contains("mistake"))
    });
    let last = told.lines().last().unwrap();
    assert_eq!(
        last,
        "  line 3 of worker.py has a mistake: invalid syntax; it will restart once you fix that"
    );
    let log = project.read(".pipulate/log/supervisor.log");
    assert!(log.contains("line 3 of worker.py has a mistake"), "{log}");
    let again = project.start(&[]);
    let said = "warning: worker: line 3 of worker.py has a mistake: invalid syntax; it will restart once";
    assert!(again.stderr.contains(said), "{again:?}");

    // Saving another, valid file doesn't make the first one valid. Its code isn't run.
    project.write("other.py", "open('ran', 'w')\n");
    wait_for("the other file to be noticed", || {
        noticed(&project).contains(&"other.py, worker.py".to_owned()).then_some(())
    });
    project.run(&["status"]).expect(0);
    let after = project.service("worker");
    assert_eq!((&after["pid"], &after["restarts"]), (&before["pid"], &0.into()));

    project.write("worker.py", DIARIST);
    wait_for_restart(&project, 1);
    assert!(!project.run(&["status"]).expect(0).stdout.contains("mistake"));
    assert!(!project.path("ran").exists(), "what was only looked at did run");

    // The next supervisor watches as well.
    Process::of(&project.service("worker")["supervisor_pid"]).kill();
    project.start(&[]);
    let adopted = project.service("worker");
    project.write("worker.py", DIARIST);
    let restarted = wait_for("a new instance", || {
        Some(project.service("worker")).filter(|now| now["state"] == "ready" && now["pid"] != adopted["pid"])
    });
    assert_eq!(restarted["supervisor_pid"], adopted["supervisor_pid"]);
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

#[test]
fn what_can_not_be_checked_for_want_of_descriptors_is_checked_later() {
    let project = watching("[\"*.py\"]", DIARIST);
    project.start(&[]);
    let before = project.service("worker");
    let supervisor = before["supervisor_pid"].to_string();
    let limit = |number: u32| {
        let mut command = run::command("prlimit");
        command.args(["--pid", &supervisor, &format!("--nofile={number}:")]);
        run::output(&mut command).expect(0);
    };
    let highest = fs::read_dir(format!("/proc/{supervisor}/fd")).unwrap();
    let highest = highest.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u32>().unwrap());
    limit(highest.max().unwrap() + 1);
    project.write("worker.py", "def x(:\n");
    let log = ".pipulate/log/supervisor.log";
    holds("a check that can't begin", || project.read(log).contains("could not be checked yet"));
    limit(256);
    let told = project.wait_for_service("worker", "to say where the mistake is", |now| {
        now["reason"].as_str().is_some_and(|why| why.contains("line 1 of worker.py has a mistake"))
    });
    assert_eq!((&told["pid"], &told["restarts"]), (&before["pid"], &0.into()), "nothing was ended for it");
}

#[test]
fn what_died_before_it_was_ready_is_tried_again_at_the_next_save() {
    let project = watching("[\"*.py\"]", "import no_such_module\n");
    let failed = project.run(&["start", "--no-setup"]).expect(1);
    assert!(failed.stderr.contains("it is started again when a file is saved"), "{}", failed.stderr);
    let crashed = project.service("worker");
    assert_eq!((&crashed["state"], &crashed["restarts"]), (&"crashed".into(), &0.into()));

    project.write("worker.py", "import no_other_module\n");
    let crashed = wait_for("the second failure", || {
        Some(project.service("worker")).filter(|now| now["state"] == "crashed" && now["restarts"] == 1)
    });
    let supervisor = Process::of(&crashed["supervisor_pid"]);
    project.write("worker.py", DIARIST);
    let ready = wait_for_restart(&project, 2);
    assert_eq!(Process::of(&ready["supervisor_pid"]), supervisor);

    // The worker ends by itself, and the next save runs it again.
    project.write("worker.py", "print('up', flush=True)\n");
    let ended = project.wait_for_state("worker", "exited");
    project.run(&["status"]).expect(0);
    project.write("worker.py", "print('up', flush=True); open('again', 'w')\n");
    holds("the job to be done again", || project.path("again").exists());
    assert_eq!(project.wait_for_state("worker", "exited")["restarts"], 4, "{ended}");
    project.run(&["stop"]).expect(0);
    holds("the end of the supervisor", || !supervisor.lives());
    assert_eq!(project.processes(), []);
}

#[test]
fn what_waits_for_a_save_is_started_by_start_too() {
    let project = watching("[\"*.py\"]", &format!("open('needed')\n{DIARIST}"));
    for _ in 0..2 {
        project.run(&["start", "--no-setup"]).expect(1);
    }
    let waiting = Process::of(&project.service("worker")["supervisor_pid"]);
    project.write("needed", "");
    project.start(&[]);
    assert_eq!(project.service("worker")["state"], "ready");
    assert!(waiting.lives(), "it is the same one");

    project.run(&["stop"]).expect(0);
    project
        .write("pipulate.toml", &project.read("pipulate.toml").replace("\"python\"", "\"no-such-program\""));
    for _ in 0..3 {
        let failed = project.run(&["start", "--no-setup", "--wait-timeout", "20s"]).expect(1);
        assert!(failed.stderr.contains("no-such-program was not found"), "{}", failed.stderr);
    }
    let failed = project.run(&["restart", "worker"]).expect(1);
    assert!(failed.stderr.contains("no-such-program was not found"), "{}", failed.stderr);
    project.write("pipulate.toml", &project.read("pipulate.toml").replace("no-such-program", "python"));
    assert_eq!(project.run(&["restart", "worker"]).expect(0).stdout, "Restarted worker\n");
}

#[test]
fn a_save_neither_undoes_a_stop_nor_waits_for_a_backoff() {
    let dies = "import os, sys, time\nprint('up', flush=True)\n\
                while not os.path.exists('die'): time.sleep(0.02)\nsys.exit(3)\n";
    let project = watching("[\"*.py\"]", dies);
    project.start(&[]);
    project.write("die", "");
    wait_for("a pause before the next try", || {
        let worker = project.service("worker");
        (worker["state"] == "backoff" && worker["restarts"].as_u64() >= Some(1)).then_some(())
    });
    project.write("worker.py", DIARIST);
    let worker = project.wait_for_state("worker", "ready");
    let main = Process::of(&worker["pid"]);

    Process::of(&worker["supervisor_pid"]).signal(Signal::TERM);
    project.wait_for_state("worker", "stopping");
    project.write("worker.py", &format!("{DIARIST}#\n"));
    holds("the end", || project.processes().is_empty());
    assert!(!main.lives());
    assert_eq!(project.read("diary"), "begins\nends\n", "the save brought nothing back");
    project.run(&["status"]).expect(3);
}

#[test]
fn a_system_without_watches_to_give_is_told_and_the_service_runs() {
    let project = watching("[\"*.py\"]", DIARIST);
    let in_namespace = |line: &str| {
        let mut unshare = project.foreign("unshare");
        unshare.args(["--user", "--map-root-user", "sh", "-c", line]);
        unshare
    };
    let no_watches = "echo 0 > /proc/sys/user/max_inotify_watches";
    if run::output(&mut in_namespace(no_watches)).code != Some(0) {
        skip::skipped("namespaces", "this system gives no user namespaces");
        return;
    }
    let start = format!("{no_watches} && exec {PIPULATE} start --no-setup");
    let started = run::output(&mut in_namespace(&start)).expect(0);
    insta::assert_snapshot!(project.redact(&started.stderr), @r"
    A new home: [ROOT]
    Starting worker...
    ready worker
    warning: worker: not every save restarts it: the system has no watches left for the folder [ROOT]; raise fs.inotify.max_user_watches and fs.inotify.max_user_instances, or watch fewer folders, and restart it
    worker log: [ROOT]/.pipulate/log/worker.log
    Stop with: pipulate stop
    ");
    let shown = project.run(&["status"]).expect(0).stdout;
    assert!(shown.contains("  not every save restarts it: the system has no watches left"), "{shown}");
    assert_eq!(project.service("worker")["state"], "ready");

    // Once there are some again, a restart is enough.
    let before = project.service("worker");
    project.run(&["stop"]).expect(0);
    assert!(!project.run(&["status"]).expect(3).stdout.contains("every save"), "what is stopped misses none");
    project.start(&[]);
    assert_ne!(project.service("worker")["pid"], before["pid"]);
    project.write("worker.py", DIARIST);
    wait_for_restart(&project, 1);
}

#[test]
fn a_service_that_saves_what_it_is_watched_for_is_let_be_and_told() {
    let scribbler =
        format!("open('state.json', 'w').write('x')\n{DIARIST}").replace("time.sleep(0.3)", "pass");
    let project = watching("[\"*.py\", \"*.json\"]", &scribbler);
    project.start(&[]);
    let told = wait_for("an end of it", || {
        Some(project.run(&["status"]).stdout).filter(|status| status.contains("no longer"))
    });
    assert_eq!(
        told.lines().last().unwrap(),
        "  saves no longer restart it: it seems to save state.json itself, whenever it has begun; \
         leave that out of watch, and restart it"
    );
    let before = project.wait_for_state("worker", "ready");
    assert_eq!(before["restarts"], 9);
    project.write("worker.py", &scribbler);
    let log = project.read(".pipulate/log/supervisor.log");
    assert!(log.contains("it seems to save state.json itself"), "{log}");

    // As the message advises: then saves count again; the last one was ignored.
    project.write("pipulate.toml", &project.read("pipulate.toml").replace(", \"*.json\"", ""));
    assert_eq!(project.service("worker")["pid"], before["pid"]);
    project.run(&["restart", "worker"]).expect(0);
    project.write("worker.py", &scribbler);
    wait_for_restart(&project, 1);
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_save_just_before_an_upgrade_or_a_killed_supervisor_is_not_forgotten() {
    let project = watching("[\"*.py\"]", DIARIST);
    project.write(
        "pipulate.toml",
        &(project.read("pipulate.toml") + "[services.other]\ncommand = [\"sleep\", \"1000\"]\n"),
    );
    project.start(&[]);
    for (count, signal) in [(1, Signal::USR1), (2, Signal::KILL)] {
        let worker = project.service("worker");
        let saved = || project.read(".pipulate/run/worker.json").contains("more.py");
        project.write("more.py", "pass\n");
        holds("the save to be seen", saved);
        Process::of(&worker["supervisor_pid"]).signal(signal);
        wait_for_restart(&project, count);
        holds("nothing to be unread", || !saved());
    }
}

#[test]
fn a_mistake_is_still_told_after_an_upgrade() {
    let project = watching("[\"*.py\"]", DIARIST);
    project.start(&[]);
    project.write("worker.py", "def x(:\n");
    let mistake =
        |now: &serde_json::Value| now["reason"].as_str().is_some_and(|why| why.contains("has a mistake"));
    let before = project.wait_for_service("worker", "to have a mistake", mistake);
    let next_run = || {
        let record = project.read(".pipulate/run/worker.json");
        serde_json::from_str::<serde_json::Value>(&record).unwrap()["next_run"].clone()
    };
    let earlier = next_run();
    Process::of(&before["supervisor_pid"]).signal(Signal::USR1);
    holds("the newer program to have taken over", || next_run() != earlier);
    let after = project.wait_for_service("worker", "to have a mistake still", mistake);
    assert_eq!(after["pid"], before["pid"]);
    project.write("worker.py", DIARIST);
    wait_for_restart(&project, 1);
}

#[test]
fn a_link_whose_target_is_not_watched_is_named() {
    let project = watching(r#"["*.py"]"#, "import signal\nprint('up', flush=True)\nsignal.pause()\n");
    let elsewhere = project.home().join("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    for (file, link) in [("shared.py", "shared.py"), (".", "library"), ("data.csv", "data.csv")] {
        std::fs::write(elsewhere.join("shared.py"), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.join(file), project.path(link)).unwrap();
    }
    project.start(&["worker"]);
    let notes = || project.service("worker")["notes"].to_string();
    assert!(notes().contains("library and 1 more are links to what is not watched"), "{}", notes());
    project.run(&["stop"]).expect(0);
    std::fs::remove_file(project.path("library")).unwrap();
    std::fs::remove_file(project.path("shared.py")).unwrap();
    project.start(&["worker"]);
    assert_eq!(notes(), "[]");
}

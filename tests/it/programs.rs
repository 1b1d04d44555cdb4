//! Which file of the program supervises: one at another path takes over, and one in a cache is copied first.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::project::PIPULATE;
use crate::support::run::Output;
use crate::support::{Process, TestProject, holds, run};

const WORKER: &str = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";

fn program_of(pid: &Value) -> PathBuf {
    Process::of(pid).program()
}

fn call(project: &TestProject, program: &Path, args: &[&str]) -> Output {
    run::output(project.foreign(program).env_remove("PIPULATE_NO_COPY").args(args))
}

#[test]
fn a_program_at_another_path_takes_over_and_its_app_runs_it() {
    let project = TestProject::light().config(WORKER).build();
    let older = project.home().join("older/pipulate");
    fs::create_dir(older.parent().unwrap()).unwrap();
    fs::copy(PIPULATE, &older).unwrap();
    run::output(project.foreign(&older).args(["start", "--no-setup"])).expect(0);
    let before = ["worker", "server"].map(|name| project.service(name));
    // The app itself runs the older program and needs no other.
    fs::remove_dir_all(older.parent().unwrap()).unwrap();
    assert_eq!(project.run(&["status"]).code, Some(0));

    let started = project.start(&[]);
    let said = "The supervisor of worker is replaced by this version of Pipulate";
    assert!(started.stderr.contains(said), "{}", started.stderr);
    assert!(started.stderr.contains("Restarting server with this version"), "{}", started.stderr);
    let after = ["worker", "server"].map(|name| project.service(name));
    for (now, old) in after.iter().zip(&before) {
        assert_eq!(now["supervisor_pid"], old["supervisor_pid"]);
        assert_eq!(program_of(&now["supervisor_pid"]), Path::new(PIPULATE));
    }
    assert_eq!(after[0]["pid"], before[0]["pid"], "the worker went on");
    assert_eq!(program_of(&after[1]["pid"]), Path::new(PIPULATE));
    let record: Value = serde_json::from_str(&project.read(".pipulate/run/worker.json")).unwrap();
    assert_eq!(record["program"], PIPULATE, "the record names what supervises");

    let again = project.start(&[]);
    assert!(
        !again.stderr.contains("is replaced by") && !again.stderr.contains("Restarting"),
        "{}",
        again.stderr
    );
    assert_eq!(project.service("server")["pid"], after[1]["pid"]);
}

#[test]
fn a_program_in_a_cache_supervises_from_a_copy_that_goes_when_nothing_runs_it() {
    let project = TestProject::light().config(WORKER).build();
    let cache = project.home().join("cache");
    let cached = cache.join("tool/pipulate");
    fs::create_dir_all(cached.parent().unwrap()).unwrap();
    fs::write(cache.join("CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n").unwrap();
    // Without debug symbols, which are most of its size.
    run::output(run::command("strip").arg("-o").arg(&cached).arg(PIPULATE)).expect(0);
    let copies = project.home().join(".local/share/pipulate/programs");
    let kept = || {
        let entries = fs::read_dir(&copies).unwrap().flatten().map(|entry| entry.path());
        entries.filter(|path| path.is_dir()).map(|path| path.join("pipulate")).collect::<Vec<_>>()
    };

    call(&project, &cached, &["start", "--no-setup"]).expect(0);
    let [copy] = kept().try_into().unwrap();
    let before = ["worker", "server"].map(|name| project.service(name));
    let runs = [&before[0]["supervisor_pid"], &before[1]["supervisor_pid"], &before[1]["pid"]];
    assert_eq!(runs.map(program_of), [&copy, &copy, &copy].map(Clone::clone));
    let again = call(&project, &cached, &["start", "--no-setup"]).expect(0);
    assert!(again.stderr.contains("Everything is running already"), "{}", again.stderr);
    assert!(!again.stderr.contains("is replaced by"), "{}", again.stderr);

    fs::remove_dir_all(&cache).unwrap();
    for name in ["worker", "server"] {
        let killed = project.service(name)["supervisor_pid"].clone();
        Process::of(&killed).kill();
        project.wait_for_service(name, "to be supervised again", |now| {
            now["supervisor_pid"].is_i64() && now["supervisor_pid"] != killed
        });
        let killed = project.service(name)["pid"].clone();
        Process::of(&killed).kill();
        project.wait_for_service(name, "to be back", |now| {
            now["pid"] != killed && ["running", "ready"].iter().any(|state| now["state"] == *state)
        });
    }
    call(&project, &copy, &["stop"]).expect(0);
    holds("its own copy stays", || kept() == [copy.clone()]);
    call(&project, Path::new(PIPULATE), &["stop"]).expect(0);
    assert_eq!(kept(), [] as [PathBuf; 0]);
}

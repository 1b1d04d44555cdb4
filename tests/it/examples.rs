//! The homes in examples/ start, answer and stop.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::jupyter::prepared;
use crate::support::ports::{DefaultPorts, Port};
use crate::support::{Process, TestProject, http, run, wait_for};

/// A copy of an example, with the tests' Python environment.
fn copy_of(example: &str) -> TestProject {
    copy_with(example, |text| text)
}

/// The same, each file changed.
fn copy_with(example: &str, change: impl Fn(String) -> String) -> TestProject {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
    let mut builder = TestProject::builder().named(example);
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        builder = builder.file(&name, &change(fs::read_to_string(&path).unwrap()));
    }
    builder.build()
}

#[test]
fn flask_answers_and_starts_anew_when_it_is_saved() {
    let _ports = DefaultPorts::take();
    let project = copy_of("flask");
    let start = |args: &[&str]| {
        // The example's packages are in a folder beside the environment.
        let mut start = project.command(args);
        run::output(start.env("PYTHONPATH", prepared("flask"))).expect(0)
    };
    start(&["start", "server", "--no-setup"]);
    let page = || {
        let port = project.service("server")["port"].as_u64()?;
        Some(http::get(&format!("http://127.0.0.1:{port}/?name=Ann"), &[])?.body)
    };
    assert!(page().unwrap().contains("\"hello\":\"Ann\""));
    project.write("app.py", &project.read("app.py").replace("\"hello\"", "\"goodbye\""));
    wait_for("the page as it was saved", || page().filter(|page| page.contains("\"goodbye\":\"Ann\"")));
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

#[test]
fn dask_works_with_two_workers_and_a_killed_one_comes_back() {
    let (_ports, scheduler) = (DefaultPorts::take(), Port::take());
    let project = copy_with("dask", |text| text.replace("8786", &scheduler.number.to_string()));
    let packages = prepared("dask");
    let run = |args: &[&str]| {
        let mut command = project.command(args);
        let path = format!("{}:{}", packages.join("bin").display(), std::env::var("PATH").unwrap());
        run::output(command.env("PYTHONPATH", &packages).env("PATH", path)).expect(0)
    };
    run(&["start", "worker-1", "worker-2", "--no-setup"]);
    let before = project.service("worker-1");
    Process::of(&before["pid"]).kill();
    project.wait_for_service("worker-1", "another process", |worker| {
        worker["state"] == "ready" && worker["pid"] != before["pid"]
    });
    run(&["run", "--", "jupyter", "execute", "--inplace", "analysis.ipynb"]);
    let notebook = project.read("analysis.ipynb");
    for said in ["2 workers", "sum of squares: 285", "by 2 processes"] {
        assert!(notebook.contains(said), "{said:?} is missing: {notebook}");
    }
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

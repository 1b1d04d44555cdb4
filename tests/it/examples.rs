//! The homes in examples/ start, answer and stop.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::jupyter::prepared;
use crate::support::ports::DefaultPorts;
use crate::support::{TestProject, http, run, wait_for};

/// A copy of an example, with the tests' Python environment.
fn copy_of(example: &str) -> TestProject {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
    let mut builder = TestProject::builder().named(example);
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        builder = builder.file(&name, &fs::read_to_string(&path).unwrap());
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

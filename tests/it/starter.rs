//! `init` writes a project that starts, works and has no findings.

use std::fs;

use serde_json::Value;

use crate::support::ports::DefaultPorts;
use crate::support::project::python;
use crate::support::{TestProject, http, run};

/// The files of the starter.
const FILES: [&str; 7] = [
    "pipulate.toml",
    "requirements.txt",
    "server.py",
    "notebook.ipynb",
    ".env.example",
    ".gitignore",
    "flake.nix",
];

fn new_folder() -> (TestProject, DefaultPorts) {
    let ports = DefaultPorts::take();
    let project = TestProject::builder().ports_by_default().build();
    fs::remove_file(project.path("pipulate.toml")).unwrap();
    (project, ports)
}

#[test]
fn the_starter_starts_and_works_as_it_is_and_doctor_finds_nothing_wrong() {
    let (project, _ports) = new_folder();
    let said = project.run(&["init"]).expect(0);
    assert_eq!(said.stdout.lines().collect::<Vec<_>>(), FILES);
    assert!(said.stderr.ends_with("hint: start it with: pipulate start\n"), "{}", said.stderr);
    project.run(&["start"]).expect(0);

    let address = project.service("server")["url"].as_str().unwrap().to_owned();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    let get = |path: &str| http::get(&format!("{address}{path}"), &[]).unwrap().body;
    assert!(get("").contains("<p>Hello, World!</p>"), "{}", get(""));
    assert!(get("counter").contains("Count: 0"), "{}", get("counter"));
    let post = |path: &str, form: &str| http::post(&format!("{address}{path}"), form).unwrap().body;
    assert_eq!(post("increment", ""), "Count: 1");
    assert!(get("secret").contains("Enter the secret:"), "{}", get("secret"));
    assert!(post("secret", "secret=hush").contains("Your secret has been saved."));
    assert!(post("secret", "secret=other").contains("No changes were made."));
    assert!(get("secret").contains("I already know your secret"));
    assert_eq!(project.read(".env"), "SECRET='hush'\n");

    let findings = project.run(&["doctor", "--json"]).expect(0).stdout;
    let findings: Value = serde_json::from_str(&findings).unwrap();
    for finding in findings["findings"].as_array().unwrap() {
        // These findings are about this machine, not the written files.
        let id = finding["id"].as_str().unwrap();
        let is_of_the_starter = ["config.", "server.", "secrets.", "requirements.", "python.", "service"];
        let bad = finding["status"] == "failure" || finding["status"] == "warning";
        assert!(!bad || !is_of_the_starter.iter().any(|beginning| id.starts_with(beginning)), "{finding}");
    }
    project.run(&["status"]).expect(0);
}

#[test]
fn the_notebook_is_whole_and_runs_from_top_to_bottom() {
    let (project, _ports) = new_folder();
    project.run(&["init"]).expect(0);
    // Runs each cell as a program would; the kernel isn't tested here.
    let script = "import nbformat\nscope = {}\n\
                  notebook = nbformat.read('notebook.ipynb', as_version=4)\n\
                  nbformat.validate(notebook)\n\
                  for cell in notebook.cells:\n    \
                  if cell.cell_type == 'code': exec(cell.source, scope)\n\
                  print(scope['squares'].sum())";
    let mut cells = project.foreign(python());
    assert_eq!(run::output(cells.args(["-c", script])).expect(0).stdout, "285\n");
    let app = project.run(&["app", "notebook.ipynb"]).expect(0);
    assert_eq!(app.stdout, "notebook_app.py\nnotebook_runner.py\npipulate.toml\n");
    assert!(app.stderr.contains("The form is cell 2 (tagged \"parameters\"): how_many\n"), "{}", app.stderr);
}

#[test]
fn a_project_that_is_there_is_added_to_and_never_changed() {
    let (project, _ports) = new_folder();
    project.write("server.py", "print('mine')\n");
    project.write(".gitignore", "mine\n");
    fs::create_dir(project.path("below")).unwrap();
    let said = project.run(&["init"]).expect(0);
    assert!(!said.stdout.contains("server.py") && !said.stdout.contains(".gitignore"), "{}", said.stdout);
    assert!(said.stderr.contains("Not changed: server.py, .gitignore\n"), "{}", said.stderr);
    assert_eq!(
        (project.read("server.py"), project.read(".gitignore")),
        ("print('mine')\n".into(), "mine\n".into())
    );
    let again = project.run(&["init"]).expect(0);
    assert_eq!(again.stdout, "");

    let mut below = project.command(&["init"]);
    run::output(below.current_dir(project.path("below"))).expect(0);
    assert!(project.path("below/pipulate.toml").is_file(), "a new project may lie inside of another one");
    let mut home = project.command(&["init"]);
    let refused = run::output(home.current_dir(project.home())).expect(1);
    assert!(refused.stderr.contains("your home directory is not a project"), "{}", refused.stderr);
}

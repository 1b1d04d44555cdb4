//! `app`: a notebook as a web app. The generated program runs as its owner would run it: under `start`, with
//! real kernels.

use std::path::Path;

use crate::support::process::Process;
use crate::support::project::python;
use crate::support::{TestProject, holds, http, run};

/// The JSON of a notebook with the cells `(kind, source, tag)`.
pub(crate) fn notebook(cells: &[(&str, &str, &str)]) -> String {
    let cells: Vec<serde_json::Value> = cells
        .iter()
        .enumerate()
        .map(|(number, (kind, source, tag))| {
            let tags: Vec<&str> = Some(*tag).filter(|tag| !tag.is_empty()).into_iter().collect();
            let mut cell = serde_json::json!({
                "cell_type": kind, "id": format!("cell-{number}"), "source": source, "metadata": { "tags": tags },
            });
            if *kind == "code" {
                cell["outputs"] = serde_json::json!([]);
                cell["execution_count"] = serde_json::Value::Null;
            }
            cell
        })
        .collect();
    let metadata = serde_json::json!({
        "kernelspec": { "name": "python3", "display_name": "Python 3", "language": "python" },
    });
    serde_json::json!({ "cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5 })
        .to_string()
}

/// A notebook about a loan: a field of each kind, and a result that uses them.
fn loan() -> String {
    let parameters = "from datetime import date\nfrom typing import Literal\n\
                      amount: float = 10_000  # How much, in euros\nyears = 5\nname = \"Ada\"\nquick = True\n\
                      kind: Literal[\"annuity\", \"bullet\"] = \"annuity\"\nstart = date(2026, 3, 1)\n\
                      months = years * 12";
    notebook(&[
        ("markdown", "# A loan\nWhat you pay.", ""),
        ("code", parameters, "parameters"),
        ("markdown", "## What was asked", ""),
        ("code", "print(repr((amount, years, name, quick, kind, start, months)))\n'seen' in globals()", ""),
        ("markdown", "## The end", ""),
        ("code", "seen = True\nif name == 'fail':\n    1 / 0", ""),
    ])
}

/// A project without JupyterLab whose app of this notebook is ready.
pub(crate) fn app_of(notebook: &str) -> TestProject {
    let project = TestProject::light().file("analysis.ipynb", notebook).build();
    project.run(&["app", "analysis.ipynb"]).expect(0);
    project.start(&["server"]);
    project
}

pub(crate) fn address(project: &TestProject, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", project.port("server"))
}

#[track_caller]
pub(crate) fn get(project: &TestProject, path: &str) -> http::Answer {
    http::get(&address(project, path), &[]).expect("the app answers")
}

/// Sends the form and returns the path of the new run.
#[track_caller]
pub(crate) fn begin(project: &TestProject, fields: &str) -> String {
    let answer = http::post(&address(project, "/run"), fields).expect("the app answers");
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("location").expect("the place of the run").to_owned()
}

/// The kernels of this project's apps.
pub(crate) fn kernels(project: &TestProject) -> Vec<Process> {
    project.processes().into_iter().filter(|process| process.command.contains("ipykernel_launcher")).collect()
}

#[test]
fn a_notebook_becomes_the_web_server_and_runs_for_its_visitors() {
    let project = TestProject::light().file("analysis.ipynb", &loan()).build();
    let original = project.read("analysis.ipynb");
    let dry = project.run(&["app", "analysis.ipynb", "--dry-run"]).expect(0);
    assert!(!project.path("server.py").exists(), "nothing is written");
    let said = project.run(&["app", "analysis.ipynb"]).expect(0);
    assert_eq!(said.stdout, "server.py\nnotebook_runner.py\n");
    assert_eq!(dry.stdout, said.stdout);
    insta::assert_snapshot!(project.redact(&said.stderr), @r#"
    The form is cell 2 (tagged "parameters"): amount, years, name, quick, kind, start
    hint: show it with: pipulate start
    "#);
    project.start(&["server"]);
    holds("a kernel to be kept ready", || kernels(&project).len() == 1);

    let form = get(&project, "/").body;
    for part in [
        "<h1>A loan</h1>",
        "How much, in euros",
        "value=\"10000\" step=\"any\" name=\"amount\"",
        "type=\"checkbox\" checked name=\"quick\"",
        "<option selected>annuity</option><option>bullet</option>",
        "type=\"date\" value=\"2026-03-01\"",
    ] {
        assert!(form.contains(part), "{part} in {form}");
    }
    assert!(!form.contains("https://"), "nothing comes from elsewhere: {form}");

    // The cell computes with the typed values, and text is never code.
    let fields = "amount=250.5&years=2&name=%22%22%22%27%29%0D%0Aimport+os%3B&kind=bullet&start=2027-01-31";
    let place = begin(&project, fields);
    let page = get(&project, &place).body;
    for part in
        ["Step 2 of 3: What was asked", "Done in ", "Download as HTML", &format!("src=\"{place}/result\"")]
    {
        assert!(page.contains(part), "{part} in {page}");
    }
    let result = get(&project, &format!("{place}/result"));
    let policy = result.header("content-security-policy").unwrap();
    assert!(policy.starts_with("sandbox allow-scripts") && !policy.contains("same-origin"), "{policy}");
    let shown = r#"(250.5, 2, '"""\')\nimport os;', False, 'bullet', datetime.date(2027, 1, 31), 24)"#;
    assert!(result.body.contains(shown), "{}", result.body);
    assert!(!result.body.contains("print(repr"), "the code is hidden: {}", result.body);

    let executed = get(&project, &format!("{place}/ipynb"));
    assert!(executed.header("content-disposition").unwrap().contains("analysis.ipynb"), "{executed:?}");
    let executed: serde_json::Value = serde_json::from_str(&executed.body).unwrap();
    let cell = executed["cells"][1]["source"].to_string();
    assert!(cell.contains("amount: float = 250.5") && cell.contains("start = date(2027, 1, 31)"), "{cell}");
    let page = get(&project, &format!("{place}/html"));
    assert!(page.body.contains("<html") && page.body.contains("import os"), "{page:?}");
    assert!(!page.body.contains("https://cdn"), "it can be read offline");

    // The next visitor's run shares no state with the first.
    let second = begin(&project, "");
    get(&project, &second);
    let result = get(&project, &format!("{second}/result")).body;
    assert!(result.contains("(10000.0, 5, 'Ada', False"), "{result}");
    assert!(result.contains("<pre>False</pre>") && !result.contains("<pre>True</pre>"), "{result}");
    assert_eq!(project.read("analysis.ipynb"), original, "the notebook is untouched");
    holds("one kernel to be left, the next one", || kernels(&project).len() == 1);

    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.contains("0 processes left"), "{stopped:?}");
    assert_eq!(project.processes(), []);
}

#[test]
fn what_is_typed_wrongly_runs_nothing_and_an_error_names_its_place() {
    let project = app_of(&loan());
    holds("a kernel to be kept ready", || kernels(&project).len() == 1);
    let wrong =
        http::post(&address(&project, "/run"), "amount=much&years=5&name=Ada&start=2026-03-01").unwrap();
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("aria-invalid=\"true\""), "{}", wrong.body);
    assert!(wrong.body.contains("Enter a number, such as 1.5"), "{}", wrong.body);
    assert!(wrong.body.contains("value=\"much\""), "what was typed stays: {}", wrong.body);
    let folders = || std::fs::read_dir(project.path(".pipulate/apps")).unwrap().flatten();
    let runs = || folders().flat_map(|app| std::fs::read_dir(app.path()).unwrap()).count();
    assert_eq!((runs(), kernels(&project).len()), (0, 1), "nothing was run");

    let place = begin(&project, "name=fail");
    let page = get(&project, &place).body;
    assert!(page.contains("It stopped at “The end”: ZeroDivisionError: division by zero"), "{page}");
    let result = get(&project, &format!("{place}/result")).body;
    assert!(result.contains("Stopped at “The end”") && result.contains("ZeroDivisionError"), "{result}");
    assert!(result.contains("What was asked"), "what came before is shown: {result}");
    assert_eq!(runs(), 1);

    for (headers, status) in [
        (&["Origin: https://evil.test", "Content-Length: 0"][..], 403),
        (&["Origin: null", "Content-Length: 0"], 403),
        (&["Sec-Fetch-Site: cross-site", "Content-Length: 0"], 403),
    ] {
        assert_eq!(
            http::post_with(&address(&project, "/run"), headers, "").unwrap().status,
            status,
            "{headers:?}"
        );
    }
    assert_eq!(http::get_as("evil.test", &address(&project, "/")).unwrap().status, 400);
    assert_eq!(get(&project, "/runs/../../etc").status, 404);
    assert_eq!(runs(), 1);

    // A missing or incomplete notebook is reported and doesn't end the app.
    let content = project.read("analysis.ipynb");
    project.write("analysis.ipynb", &content[..content.len() / 2]);
    let broken = get(&project, "/");
    assert_eq!((broken.status, broken.body.as_str()), (503, "analysis.ipynb is not a notebook"));
    std::fs::remove_file(project.path("analysis.ipynb")).unwrap();
    let away = http::post(&address(&project, "/run"), "").unwrap();
    let said = "analysis.ipynb can't be read: No such file or directory";
    assert_eq!((away.status, away.body.as_str()), (503, said));
    project.write("analysis.ipynb", &content.replace("# A loan", "# Another loan"));
    assert!(get(&project, "/").body.contains("<h1>Another loan</h1>"), "the notebook is read anew");
}

#[test]
fn a_form_is_read_as_its_cell_says_and_values_are_never_code() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipulate-apps/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/fixtures/read_forms.py");
    let mut reader = run::command(python());
    let read = run::output(reader.arg(script).arg(sources)).expect(0);
    assert_eq!(read.stdout, "read\n");
}

#[test]
fn what_can_not_become_an_app_is_refused_with_what_to_do() {
    let r = loan().replace("\"language\":\"python\"", "\"language\":\"R\"").replace("\"python3\"", "\"ir\"");
    let project = TestProject::light()
        .file("analysis.ipynb", &loan())
        .file("r.ipynb", &r)
        .file("text.ipynb", "no notebook")
        .file("old.ipynb", "{\"worksheets\": [], \"nbformat\": 3}")
        .file("empty.ipynb", &notebook(&[("markdown", "# Nothing", "")]))
        .file("server.py", "# mine")
        .build();
    let mut said = String::new();
    for args in [
        &["missing.ipynb"][..],
        &["text.ipynb"],
        &["old.ipynb"],
        &["empty.ipynb"],
        &["r.ipynb"],
        &["../outside.ipynb"],
        &["analysis.ipynb", "-o", "server.py"],
        &["analysis.ipynb", "-o", "app.txt"],
        &["analysis.ipynb", "--name", "jupyter"],
        &["analysis.ipynb", "--name", "no name"],
    ] {
        let refused = project.run(&[&["app"], args].concat());
        assert!(refused.stdout.is_empty(), "{refused:?}");
        said.push_str(&format!(
            "$ pipulate app {}  ({:?})\n{}\n",
            args.join(" "),
            refused.code,
            refused.stderr
        ));
    }
    insta::assert_snapshot!(project.redact(&said));
    assert_eq!(project.read("server.py"), "# mine");
    assert!(!project.path("notebook_runner.py").exists());

    let made = project.run(&["app", "analysis.ipynb"]).expect(0);
    assert_eq!(made.stdout, "analysis_app.py\nnotebook_runner.py\npipulate.toml\n");
    assert!(made.stderr.ends_with("hint: show it with: pipulate start analysis\n"), "{}", made.stderr);
    assert!(project.read("pipulate.toml").contains("command = [\"python\", \"analysis_app.py\"]"));
    let again = project.run(&["app", "analysis.ipynb", "--name", "other", "-o", "analysis_app.py"]).expect(1);
    assert!(again.stderr.contains("analysis_app.py already exists"), "{}", again.stderr);
}

#[test]
fn what_an_app_lacks_is_said_when_it_is_made() {
    let imports = "import json, helpers, no_such_module, sklearn_of_nobody.part\nobj.input()";
    let lacking = notebook(&[("code", "amount = 5", "parameters"), ("code", imports, "")]);
    let project = TestProject::light().file("Größe/mein notebook.ipynb", &lacking).build();
    project.write("Größe/helpers.py", "");
    let made = project.run(&["app", "Größe/mein notebook.ipynb"]).expect(0);
    insta::assert_snapshot!(project.redact(&made.stderr), @r#"
    The form is cell 1 (tagged "parameters"): amount
    warning: Not installed: no_such_module, sklearn_of_nobody; add with: pipulate add no_such_module sklearn_of_nobody
    hint: show it with: pipulate start
    "#);

    // The written runner stays current until it is edited.
    let runner = project.read("notebook_runner.py");
    std::fs::remove_file(project.path("notebook_runner.py")).unwrap();
    let completed = project.run(&["app", "Größe/mein notebook.ipynb"]).expect(0);
    assert_eq!(completed.stdout, "notebook_runner.py\n", "{completed:?}");
    assert_eq!(project.read("notebook_runner.py"), runner);
    let edited = runner.replace("WAITING = 20", "WAITING = 5");
    project.write("notebook_runner.py", &edited);
    let made = project.run(&["app", "Größe/mein notebook.ipynb", "--name", "other"]).expect(0);
    assert_eq!(made.stdout, "other_app.py\npipulate.toml\n");
    assert!(made.stderr.contains("Kept because it was edited: notebook_runner.py"), "{}", made.stderr);
    assert_eq!(project.read("notebook_runner.py"), edited);
}

//! The plan, case by case.

use super::*;
use crate::description::{Field, Unusable};

fn analysis() -> Description {
    Description {
        title: "Loan".into(),
        ascii_name: "analysis".into(),
        language: "python".into(),
        kernel: Some("python3".into()),
        cells: 3,
        form_cell: Some(2),
        tagged: true,
        fields: vec![Field { name: "amount".into(), kind: "float".into(), label: "How much".into() }],
        unusable: Vec::new(),
        widgets: Vec::new(),
        questions: Vec::new(),
        missing: Vec::new(),
    }
}

/// Plans an app in a project's folder with these files and texts.
fn planned(description: &Description, files: &[(&str, &str)], wish: &Wish) -> Result<Plan, PlanError> {
    let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
    let config_text = text("pipulate.toml").unwrap_or_default();
    let facts = Facts {
        notebook: "analysis.ipynb",
        description,
        config: &Config::parse(&config_text).unwrap(),
        config_text: &config_text,
        kernels: &["ir".to_owned()],
        app: None,
        exists: &|path| text(path).is_some(),
        text: &text,
        is_free: &|port| port != 5003,
    };
    plan(&facts, wish)
}

fn wish(output: Option<&str>, name: Option<&str>) -> Wish {
    let name = name.map(|name| ServiceName::parse(name).unwrap());
    Wish { output: output.map(Into::into), name, beside_server: false }
}

fn paths(plan: &Plan) -> Vec<&str> {
    plan.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn the_first_app_is_the_web_server_and_needs_no_configuration() {
    let plan = planned(&analysis(), &[], &Wish::default()).unwrap();
    assert_eq!((plan.service.as_str(), paths(&plan)), ("server", vec!["server.py", "notebook_runner.py"]));
    assert_eq!(plan.config, None);
    assert!(plan.files[0].text.contains("NOTEBOOK = \"analysis.ipynb\""));
    assert!(plan.files[0].text.contains("pipulate restart server"));
    for asked in [wish(Some("server.py"), None), wish(None, Some("server"))] {
        assert_eq!(planned(&analysis(), &[], &asked).unwrap(), plan);
    }
}

#[test]
fn beside_a_server_the_app_is_a_service_of_its_own() {
    let files =
        [("server.py", ""), ("pipulate.toml", "# mine\n[services.other]\ncommand = [\"x\"]\nport = 5004\n")];
    let plan = planned(&analysis(), &files, &Wish::default()).unwrap();
    assert_eq!(
        (plan.service.as_str(), paths(&plan)),
        ("analysis", vec!["analysis_app.py", "notebook_runner.py"])
    );
    insta::assert_snapshot!(plan.config.unwrap(), @r#"
    # mine
    [services.other]
    command = ["x"]
    port = 5004

    [services.analysis]
    command = ["python", "analysis_app.py"]
    port = 5005
    ready = { http = "/" }
    watch = ["analysis_app.py"]
    "#);
    let asked = wish(Some("apps/loan.py"), Some("loan"));
    let plan = planned(&analysis(), &files, &asked).unwrap();
    assert_eq!(
        (plan.service.as_str(), paths(&plan)),
        ("loan", vec!["apps/loan.py", "apps/notebook_runner.py"])
    );
}

#[test]
fn an_app_can_leave_the_web_server_as_it_is() {
    let beside = Wish { beside_server: true, ..Wish::default() };
    let plan = planned(&analysis(), &[], &beside).unwrap();
    assert_eq!((plan.service.as_str(), paths(&plan)[0]), ("analysis", "analysis_app.py"));
    assert_eq!(
        planned(&analysis(), &[], &wish(None, Some("analysis"))).unwrap(),
        plan,
        "named, it is the same"
    );
}

#[test]
fn a_server_with_another_command_or_none_is_left_alone() {
    for config in ["[services.server]\ncommand = [\"x\"]\n", "[services.server]\nenabled = false\n"] {
        let plan = planned(&analysis(), &[("pipulate.toml", config)], &Wish::default()).unwrap();
        assert_eq!(plan.service.as_str(), "analysis", "{config}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let there = [("server.py", ""), ("analysis_app.py", "")];
    let error = planned(&analysis(), &there, &Wish::default()).unwrap_err();
    assert_eq!(error.to_string(), "analysis_app.py already exists and is not overwritten");
    let there = [("server.py", ""), ("pipulate.toml", "[services.analysis]\ncommand = [\"x\"]\n")];
    let error = planned(&analysis(), &there, &Wish::default()).unwrap_err();
    assert_eq!(error.to_string(), "there is already a service analysis");
    let error = planned(&analysis(), &there, &wish(Some("x.py"), Some("server"))).unwrap_err();
    assert_eq!(error.to_string(), "there is already a service server");
    let error = planned(&analysis(), &there, &wish(Some("notes.txt"), Some("x"))).unwrap_err();
    assert_eq!(error.to_string(), "notes.txt is not the name of a Python program: it has to end with .py");
}

#[test]
fn a_runner_that_is_there_is_replaced_if_nobody_edited_it() {
    let current = runner();
    let plan = planned(&analysis(), &[(RUNNER_FILE, &current)], &Wish::default()).unwrap();
    assert_eq!((paths(&plan), plan.notes.len()), (vec!["server.py"], 1));
    let older = older_runner();
    let replaced = planned(&analysis(), &[(RUNNER_FILE, &older)], &Wish::default()).unwrap();
    assert_eq!(paths(&replaced), ["server.py", RUNNER_FILE]);
    assert_eq!((&replaced.files[1].text, &replaced.files[1].replaces), (&current, &Some(older)));
    let kept = planned(&analysis(), &[(RUNNER_FILE, "# mine")], &Wish::default()).unwrap();
    assert_eq!(paths(&kept), ["server.py"]);
    insta::assert_snapshot!(format!("{}\n{}", replaced.notes[1], kept.notes[1]));
}

/// As an earlier version wrote it.
fn older_runner() -> String {
    let (content, digest) = ("import os", "de2abade832c8e35");
    format!("{content}\n\n\n# As Pipulate wrote it: {digest}\n")
}

#[test]
fn an_app_that_is_there_gets_the_runner_that_it_lacks() {
    let app = || Some((ServiceName::parse("loan").unwrap(), "apps/loan.py".to_owned()));
    let completed = |runner: Option<&str>, wish: &Wish| {
        let text = |path: &str| runner.filter(|_| path == "apps/notebook_runner.py").map(str::to_owned);
        let description = analysis();
        let facts = Facts {
            notebook: "analysis.ipynb",
            description: &description,
            config: &Config::parse("").unwrap(),
            config_text: "",
            kernels: &[],
            app: app(),
            exists: &|_| false,
            text: &text,
            is_free: &|_| true,
        };
        plan(&facts, wish).unwrap()
    };
    for runner in [None, Some(older_runner())] {
        let plan = completed(runner.as_deref(), &Wish::default());
        assert_eq!((plan.service.as_str(), paths(&plan)), ("loan", vec!["apps/notebook_runner.py"]));
        assert_eq!(plan.config, None);
    }
    assert_eq!(paths(&completed(Some(&runner()), &Wish::default()))[0], "server.py", "another app");
    assert_eq!(paths(&completed(None, &wish(None, Some("other"))))[0], "other_app.py");
}

#[test]
fn other_languages_have_no_form_and_need_their_kernel() {
    let r = |kernel: &str| Description {
        language: "r".into(),
        kernel: Some(kernel.into()),
        form_cell: None,
        fields: Vec::new(),
        ..analysis()
    };
    let plan = planned(&r("ir"), &[], &Wish::default()).unwrap();
    assert_eq!(plan.notes, [Note::NoForm(NoForm::Language("r".into()))]);
    let error = planned(&r("ir43"), &[], &Wish::default()).unwrap_err();
    assert_eq!(error.to_string(), "ir43, the kernel of analysis.ipynb, is not installed");
    assert!(
        matches!(error, PlanError::MissingKernel { command: Some(command), .. } if command.contains("IRkernel"))
    );
}

#[test]
fn what_the_app_cant_do_is_said() {
    let notebook = Description {
        tagged: false,
        unusable: vec![Unusable {
            text: "columns".into(),
            why: "there is no field for a value of type list".into(),
        }],
        widgets: (3..20).collect(),
        questions: vec![4, 7],
        missing: vec!["pandas".into(), "sklearn".into(), "tkinter".into()],
        ..analysis()
    };
    let notes = planned(&notebook, &[], &Wish::default()).unwrap().notes;
    let said: Vec<String> = notes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"));
    let without = [
        Description { form_cell: None, ..analysis() },
        Description { fields: Vec::new(), ..analysis() },
        Description { language: "julia".into(), kernel: Some("ir".into()), form_cell: None, ..analysis() },
    ];
    let said: Vec<String> = without
        .iter()
        .map(|notebook| planned(notebook, &[], &Wish::default()).unwrap().notes[0].to_string())
        .collect();
    insta::assert_snapshot!(said.join("\n"));
    let error = planned(&Description { cells: 0, ..analysis() }, &[], &Wish::default()).unwrap_err();
    assert_eq!(error.to_string(), "analysis.ipynb has no code to run");
}

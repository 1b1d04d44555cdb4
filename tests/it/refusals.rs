//! Refusals before anything is started: the command line, the configuration, the folder, Python.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::skip;
use crate::support::{Session, TestProject, holds, run};

/// Asserts that the failed command left no process.
fn holds_nothing(project: &TestProject) {
    holds("nothing to be left running", || project.processes().is_empty());
}

fn without_venv() -> TestProject {
    let project = TestProject::new();
    fs::remove_file(project.path(".venv")).unwrap();
    project
}

/// The program on a machine without any others.
fn without_programs(project: &TestProject, args: &[&str]) -> Command {
    let empty = project.home().join("no-programs");
    fs::create_dir_all(&empty).unwrap();
    let mut command = project.command(args);
    command.env("PATH", empty);
    command
}

#[test]
fn a_command_line_that_means_nothing_is_answered_with_what_does() {
    let project = TestProject::light().build();
    let mut session = Session::new(&project);
    session.run(&["strat"], 2);
    session.run(&["status", "--jsno"], 2);
    session.run(&["start", "--wait-timeout", "soon"], 2);
    session.run(&["stop", "jupyter", "--all"], 2);
    session.run(&["logs", "--tail", "some"], 2);
    session.run(&["logs", "--grep", "("], 2);
    session.run(&["start", "../server"], 2);
    session.run(&["run"], 2);
    insta::assert_snapshot!(session.text());
    assert!(!project.path(".pipulate").exists());
}

#[test]
fn an_unknown_service_is_no_service_of_any_verb() {
    let project =
        TestProject::builder().config("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n").build();
    let mut session = Session::new(&project);
    for verb in ["start", "stop", "restart", "logs", "url", "open"] {
        session.run(&[verb, "worcer"], 2);
    }
    insta::assert_snapshot!(session.text());
    assert!(!project.path(".pipulate").exists(), "a question makes no home");
    holds_nothing(&project);
}

#[test]
fn a_service_that_is_not_here_is_not_offered() {
    let project = TestProject::light().build();
    for verb in ["start", "stop", "restart", "logs", "url", "open"] {
        for service in ["jupyter", "dashboard"] {
            let refused = project.run(&[verb, service]);
            assert_eq!(refused.code, Some(2), "{verb} {service}: {refused:?}");
        }
    }
    let mut session = Session::new(&project);
    session.run(&["start", "jupyter"], 2);
    session.run(&["start", "dashboard"], 2);
    insta::assert_snapshot!(session.text(), @r"
    $ pipulate start jupyter
    --- on stderr
    error: jupyter is switched off: pipulate.toml says enabled = false
    hint: the services are: server
    --- 2

    $ pipulate start dashboard
    --- on stderr
    error: there is no dashboard where there is no server.py: `server` is that page here
    hint: the services are: server
    --- 2
    ");
}

#[test]
fn a_mistake_in_the_configuration_is_pointed_at() {
    let project = TestProject::light().build();
    let mut session = Session::new(&project);
    for text in [
        "[services.server]\nprot = 5001\n",
        "[project]\nname = demo\n",
        "[services.server]\nport = 70000\n",
        "[servces.server]\nport = 5001\n",
        "[services.worker]\n",
        "[services.\"my worker\"]\ncommand = [\"sleep\", \"1\"]\n",
        "[services.worker]\ncommand = [\"sleep\", \"1\"]\ndepends_on = [\"databse\"]\n",
        "[services.a]\ncommand = [\"a\"]\ndepends_on = [\"b\"]\n[services.b]\ncommand = [\"b\"]\ndepends_on = [\"a\"]\n",
        "[services.worker]\ncommand = [\"sleep\", \"1\"]\nready = { http = \"health\" }\n",
        "[services.worker]\ncommand = [\"sleep\", \"1\"]\nstop = { timeout = \"ten\" }\n",
        "[services.jupyter]\nwatch = [\"*.py\"]\n",
        "[logs]\nmax_size = \"much\"\n",
    ] {
        project.write("pipulate.toml", text);
        session.run(&["start"], 1);
    }
    insta::assert_snapshot!(session.text());
    assert!(!project.path(".pipulate").exists());
}

#[test]
fn a_broken_configuration_hides_nothing_that_runs_and_keeps_nothing_from_ending() {
    let project = TestProject::light().build();
    project.start(&[]);
    project.write("pipulate.toml", "[services.server]\nprot = 5001\n");
    let mut session = Session::new(&project);
    session.run(&["start"], 1);
    assert_eq!(project.service("server")["state"], "ready");
    session.run(&["logs"], 0);
    assert!(project.run(&["url"]).expect(0).stdout.contains("/login?code="));
    let status = project.run(&["status"]).expect(0);
    assert!(status.stdout.contains("ready") && status.stderr.contains("is ignored"), "{status:?}");
    session.run(&["stop"], 0);
    session.run(&["stop", "jupyter"], 0);
    session.run(&["logs", "worker"], 2);
    insta::assert_snapshot!(session.text());
    holds_nothing(&project);
}

#[test]
fn an_environment_that_is_broken_and_not_ours_is_left_alone() {
    let project = without_venv();
    fs::create_dir_all(project.path(".venv/bin")).unwrap();
    symlink("/nowhere/python3", project.path(".venv/bin/python")).unwrap();
    project.write(".venv/pyvenv.cfg", "home = /nowhere\n");
    let mut session = Session::new(&project);
    session.run(&["start"], 1);
    session.run(&["setup"], 1);
    session.run(&["run", "--", "python", "-c", "print(1)"], 1);
    insta::assert_snapshot!(session.text());
    assert_eq!(fs::read_link(project.path(".venv/bin/python")).unwrap(), Path::new("/nowhere/python3"));
    assert_eq!(project.read(".venv/pyvenv.cfg"), "home = /nowhere\n");
    holds_nothing(&project);
}

#[test]
fn without_python_it_is_said_what_to_do() {
    let project = without_venv();
    let mut session = Session::new(&project);
    for args in [&["start"][..], &["setup"], &["start", "--no-setup", "jupyter"]] {
        session.run_command(args, &mut without_programs(&project, args), 1);
    }
    project.write("pipulate.toml", "[python]\ninterpreter = \"/nowhere/python\"\n");
    session.run(&["start"], 1);
    insta::assert_snapshot!(session.text());
    assert!(!project.path(".venv").exists());
    holds_nothing(&project);
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let project = TestProject::light().file("file", "").build();
    let mut session = Session::new(&project);
    session.run(&["-C", "/nowhere/at/all", "status"], 2);
    session.run(&["-C", "file", "start"], 2);
    session.run(&["-C", "/", "start"], 1);
    let home = project.home().to_str().unwrap();
    session.run(&["-C", home, "start"], 1);
    session.run(&["-C", home, "status"], 4);
    insta::assert_snapshot!(session.text());
    assert!(!project.home().join(".pipulate").exists());
}

#[test]
fn a_folder_that_may_not_be_written_to_is_named() {
    let project = TestProject::light().build();
    let mut session = Session::new(&project);
    fs::set_permissions(project.path(""), fs::Permissions::from_mode(0o555)).unwrap();
    session.run_command(&["start"], &mut unprivileged(&project, &["start", "--no-setup"]), 1);
    session.run_command(&["status"], &mut unprivileged(&project, &["status"]), 3);
    session.run_command(&["stop"], &mut unprivileged(&project, &["stop"]), 0);
    fs::set_permissions(project.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    insta::assert_snapshot!(session.text());
    holds_nothing(&project);
}

/// The program as an unprivileged user: permissions don't bind root.
fn unprivileged(project: &TestProject, args: &[&str]) -> Command {
    if skip::unless_root() {
        return project.command(args);
    }
    let above = project.home().parent().unwrap();
    fs::set_permissions(above, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = project.foreign("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
    command.arg(crate::support::project::PIPULATE).args(args);
    command
}

#[test]
fn a_home_that_somebody_else_made_is_refused() {
    let project = TestProject::light().build();
    let elsewhere = project.home().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, project.path(".pipulate")).unwrap();
    let mut session = Session::new(&project);
    session.run(&["start", "--no-setup"], 1);
    fs::remove_file(project.path(".pipulate")).unwrap();
    project.write(".pipulate", "a file\n");
    session.run(&["start", "--no-setup"], 1);
    insta::assert_snapshot!(session.text());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    let _one_of_them = run::output(&mut project.command(&["status"]));
    fs::remove_file(project.path(".pipulate")).unwrap();
}

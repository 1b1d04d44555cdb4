//! How `start` opens the user's browser. A script stands in for it and records its calls; the test then
//! requests the address as a browser would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::process::{self, every_command_line};
use crate::support::project::PIPULATE;
use crate::support::run::{self, Output};
use crate::support::{Session, Terminal, TestProject, holds, http, wait_for};

/// Creates the script that stands in for the browser.
fn browser(project: &TestProject, end: &str) -> String {
    let (script, calls) = (project.home().join("browser"), project.home().join("calls"));
    fs::write(&script, format!("#!/bin/sh\necho \"$#\" \"$@\" >> {}\n{end}\n", calls.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script.into_os_string().into_string().unwrap()
}

/// A call of the program by a user with this browser.
fn command(project: &TestProject, browser: &str, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.env_remove("PIPULATE_NO_BROWSER").env("BROWSER", browser);
    command
}

#[track_caller]
fn start(project: &TestProject, browser: &str, services: &[&str]) -> Output {
    run::output(&mut command(project, browser, &[&["start", "--no-setup"], services].concat())).expect(0)
}

/// The addresses that the browser was called with, in order.
fn addresses(project: &TestProject) -> Vec<String> {
    let calls = fs::read_to_string(project.home().join("calls")).unwrap_or_default();
    let only_word = |call: &str| call.strip_prefix("1 ").unwrap_or_else(|| panic!("{call}")).to_owned();
    calls.lines().map(only_word).collect()
}

/// Requests an address and returns its redirect target.
#[track_caller]
fn follow(address: &str) -> String {
    let answer = http::get(address, &[]).expect("a one-time address is served for a minute");
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("location").expect("a place to go").to_owned()
}

/// The helper that serves one-time addresses ends once all are used or expired.
fn holds_no_helper(project: &TestProject) {
    let home = format!("HOME={}", project.home().display());
    holds("the end of the browser's helper", || {
        process::with_variable(&home).iter().all(|process| !process.command.contains("__hand-over"))
    });
}

#[test]
fn both_pages_open_once_signed_in_and_no_secret_is_in_anybodys_arguments() {
    let project = TestProject::new();
    let browser = browser(&project, "");
    let started = start(&project, &browser, &[]);
    for opened in ["Opened server in the browser", "Opened jupyter in the browser"] {
        assert!(started.stderr.contains(opened), "{}", started.stderr);
    }
    let called = addresses(&project);
    let [server, jupyter] = called.as_slice() else { panic!("two pages, each once: {called:?}") };
    let secrets = ["token", "jupyter-token"].map(|file| project.read(&format!(".pipulate/run/{file}")));
    let said = format!("{}{}{server}{jupyter}", started.stdout, started.stderr);
    let seen = every_command_line() + &said;
    for secret in &secrets {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
    // Other processes on this machine may have these words in their arguments.
    let ours = process::with_variable(&format!("HOME={}", project.home().display()));
    let seen: String = ours.into_iter().map(|process| process.command + "\n").chain([said]).collect();
    for parameter in ["code=", "token="] {
        assert!(!seen.contains(parameter), "{parameter} in {seen}");
    }

    let login = follow(server);
    assert!(
        login.starts_with(&format!("http://127.0.0.1:{}/login?code=", project.port("server"))),
        "{login}"
    );
    let again = http::get(server, &[]).unwrap();
    assert_eq!((again.status, again.header("location")), (410, None), "an address is good once: {again:?}");
    let welcome = http::get(&login, &[]).unwrap();
    assert_eq!(welcome.status, 303);
    let session = format!("Cookie: {}", welcome.header("set-cookie").unwrap().split(';').next().unwrap());
    let page = http::get(&format!("http://127.0.0.1:{}/", project.port("server")), &[&session]).unwrap();
    assert_eq!(page.status, 200);

    let lab = follow(jupyter);
    assert!(lab.starts_with(&format!("http://127.0.0.1:{}/lab?token=", project.port("jupyter"))), "{lab}");
    assert_eq!(http::get(&lab, &[]).unwrap().status, 200);
    assert_ne!(http::get(lab.split('?').next().unwrap(), &[]).unwrap().status, 200, "the token is needed");

    holds_no_helper(&project);
    let second = start(&project, &browser, &[]);
    assert!(!second.stderr.contains("in the browser"), "{}", second.stderr);
    assert_eq!(addresses(&project).len(), 2, "what runs already is not opened again");

    run::output(&mut command(&project, &browser, &["open", "server"])).expect(0);
    let third = addresses(&project).get(2).expect("`open` opens").clone();
    assert!(follow(&third).contains("/login?code="));
    holds_no_helper(&project);
}

#[test]
fn a_bare_start_on_a_terminal_opens_the_pages_also_when_everything_runs_already() {
    let project = TestProject::light().build();
    let browser = browser(&project, "");
    start(&project, &browser, &[]);
    assert_eq!(addresses(&project).len(), 1);
    for (line, opened) in [("start", 2), ("start server", 2), ("start --no-browser", 2), ("start", 3)] {
        let terminal = Terminal::open(&command(&project, &browser, &[]), &format!("exec {PIPULATE} {line}"));
        terminal.wait_for("Everything is running already");
        assert_eq!(terminal.end(), Some(0), "{line}");
        assert_eq!(addresses(&project).len(), opened, "{line}");
    }
    start(&project, &browser, &[]);
    let called = addresses(&project);
    assert_eq!(called.len(), 3, "in a pipe, only what was not up is opened");
    called.iter().for_each(|address| drop(follow(address)));
    holds_no_helper(&project);
}

#[test]
fn where_no_browser_opens_the_addresses_are_printed_and_what_has_no_page_is_said_to_have_none() {
    let worker = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
    // JupyterLab, whose page is opened by default, is disabled.
    let project = TestProject::light().config(worker).build();
    let mut session = Session::new(&project);
    session.run(&["url", "server"], 1);
    project.start(&[]);
    session.run(&["open"], 0);
    session.run(&["open", "worker"], 1);
    insta::assert_snapshot!(session.text(), @r#"
    $ pipulate url server
    --- on stderr
    error: server has no page now: it is not running
    hint: start it with: pipulate start server
    --- 1

    $ pipulate open
    server  http://127.0.0.1:[PORT]/
    --- on stderr
    The browser was not opened: PIPULATE_NO_BROWSER is set
    --- 0

    $ pipulate open worker
    --- on stderr
    error: worker has no page: it runs, but not for browsers
    hint: if it does, let pipulate.toml say so: [services.worker] ready = { http = "/" }
    --- 1
    "#);
}

#[test]
fn a_page_that_needs_no_sign_in_is_opened_under_its_own_address() {
    let server = "import http.server, os\n\
                  address = ('127.0.0.1', int(os.environ['PORT']))\n\
                  http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()\n";
    let project = TestProject::light().file("server.py", server).build();
    start(&project, &browser(&project, ""), &["server"]);
    assert_eq!(addresses(&project), [format!("http://127.0.0.1:{}/", project.port("server"))]);
    holds_no_helper(&project);
}

#[test]
fn a_browser_that_fails_fails_nothing_and_the_address_stays_good() {
    let project = TestProject::light().build();
    let started = start(&project, &browser(&project, "exit 3"), &[]);
    assert_eq!(project.redact(&started.stdout), "server  http://127.0.0.1:[PORT]/\n");
    insta::assert_snapshot!(project.redact(&started.stderr), @r"
    A new home: [ROOT]
    Starting server...
    ready server
    warning: server was not opened in the browser: browser ended with code 3
    server log: [ROOT]/.pipulate/log/server.log
    Stop with: pipulate stop
    ");
    assert!(follow(&addresses(&project)[0]).contains("/login?code="), "some complain and open all the same");
    holds_no_helper(&project);
}

#[test]
fn a_browser_that_is_not_there_is_named() {
    let project = TestProject::light().build();
    let started = start(&project, "/nowhere/browser", &[]);
    insta::assert_snapshot!(project.redact(&started.stderr), @r"
    A new home: [ROOT]
    Starting server...
    ready server
    warning: server was not opened in the browser: none of these is installed: /nowhere/browser
    server log: [ROOT]/.pipulate/log/server.log
    Stop with: pipulate stop
    ");
    holds_no_helper(&project);
}

#[test]
fn a_browser_that_stays_holds_nothing_up_and_is_nobodys_service() {
    let project = TestProject::light().build();
    let browser = browser(&project, "exec sleep 1000");
    let started = start(&project, &browser, &[]);
    assert!(started.stderr.contains("Opened server in the browser"), "{}", started.stderr);
    let home = format!("HOME={}", project.home().display());
    let find = || process::with_variable(&home).into_iter().find(|process| process.command == "sleep 1000");
    let open = find().expect("the browser lives");
    project.run(&["stop"]).expect(0);
    assert!(open.lives(), "`stop` ends services, and a browser is none");
    open.kill();
    assert!(follow(&addresses(&project)[0]).contains("/login?code="));
    holds_no_helper(&project);
}

#[test]
fn nothing_is_opened_where_the_configuration_says_so() {
    let project = TestProject::light().config("[browser]\nopen = false\n").build();
    let started = start(&project, &browser(&project, ""), &[]);
    assert_eq!(addresses(&project), [""; 0]);
    assert!(!started.stderr.contains("browser"), "{}", started.stderr);
    let flagged = TestProject::light().build();
    let browser = browser(&flagged, "");
    run::output(&mut command(&flagged, &browser, &["start", "--no-setup", "--no-browser"])).expect(0);
    assert_eq!(addresses(&flagged), [""; 0]);
}

#[test]
fn what_fails_keeps_nobody_from_the_page_of_the_rest() {
    let project = TestProject::light().config("[services.worker]\ncommand = [\"no-such-program\"]\n").build();
    let browser = browser(&project, "");
    let failed = run::output(&mut command(&project, &browser, &["start", "--no-setup"])).expect(1);
    assert_eq!(failed.stdout, format!("server  http://127.0.0.1:{}/\n", project.port("server")));
    assert!(failed.stderr.contains("Opened server in the browser"), "{}", failed.stderr);
    assert!(failed.stderr.contains("could not start: worker"), "{}", failed.stderr);
    let addresses =
        wait_for("a call of the browser", || Some(addresses(&project)).filter(|all| !all.is_empty()));
    assert!(follow(&addresses[0]).contains("/login?code="), "{addresses:?}");
    holds_no_helper(&project);
}

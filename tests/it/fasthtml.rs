//! Python apps as people write them, run unchanged by `start`: their page is there when `start` returns, they
//! keep their own reload, and an error in them affects no other service.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::{Process, TestProject, http, wait_for};

/// The text on the page of hello.py.
const GREETING: &str = "Good morning from Python";

fn app(file: &str) -> TestProject {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/fixtures").join(file);
    app_of(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn app_of(source: &str) -> TestProject {
    TestProject::builder().file("server.py", source).build()
}

fn address(project: &TestProject, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", project.port("server"))
}

/// Requests the page once: `start` has promised that it is there.
#[track_caller]
fn page(project: &TestProject, path: &str) -> String {
    let answer = http::get(&address(project, path), &[]).expect("the app answers");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[track_caller]
fn post(project: &TestProject, path: &str, fields: &str) -> String {
    let answer = http::post(&address(project, path), fields).expect("the app answers");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Saves the app. Its reloader starts watching shortly after the page is up, so wait for that first.
#[track_caller]
fn save(project: &TestProject, source: &str) {
    let folder = fs::metadata(project.path("")).unwrap().ino();
    let main = Process::of(&project.service("server")["pid"]);
    wait_for("the app's own reload to look at its folder", || {
        let open = fs::read_dir(format!("/proc/{}/fdinfo", main.pid)).unwrap().flatten();
        let mut watches = open.filter_map(|file| fs::read_to_string(file.path()).ok());
        watches.any(|text| text.contains(&format!(" ino:{folder:x} "))).then_some(())
    });
    project.write("server.py", source);
}

#[test]
fn an_app_is_ready_when_it_answers_and_its_open_door_is_named() {
    let project = app("hello.py");
    let started = project.start(&["server"]);
    assert!(page(&project, "/").contains(GREETING));
    assert_eq!(started.stdout, format!("server  {}\n", address(&project, "/")));
    insta::assert_snapshot!(project.redact(&started.stderr), @r#"
    A new home: [ROOT]
    Starting server...
    ready server
    warning: server listens on all interfaces: other machines can reach port [PORT]; in server.py, set the host to 127.0.0.1, such as serve(host="127.0.0.1")
    The browser was not opened: PIPULATE_NO_BROWSER is set
    server log: [ROOT]/.pipulate/log/server.log
    Stop with: pipulate stop
    "#);
    let server = project.service("server");
    let main = Process::of(&server["pid"]);
    assert_eq!(main.command, format!("{} server.py", project.path(".venv/bin/python").display()));
    assert_eq!(server["url"], address(&project, "/"));
    project.run(&["status"]).expect(0);
    assert_eq!(project.service("jupyter")["state"], "stopped", "only what was asked for is started");

    project.start(&["dashboard"]);
    let welcome = http::get(project.run(&["url", "dashboard"]).expect(0).stdout.trim(), &[]).unwrap();
    let session = format!("Cookie: {}", welcome.header("set-cookie").unwrap().split(';').next().unwrap());
    let dashboard = format!("http://127.0.0.1:{}/", project.port("dashboard"));
    let page = http::get(&dashboard, &[&session]).unwrap().body;
    assert!(page.contains("Server listens on all interfaces: other machines can reach"), "{page}");

    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
    assert!(http::get(&address(&project, "/"), &[]).is_none(), "nobody holds the port any more");
}

#[test]
fn the_line_that_mends_an_open_door_does() {
    let project = app("hello.py");
    let closed = project.read("server.py").replace("serve()", "serve(host=\"127.0.0.1\")");
    project.write("server.py", &closed);
    let started = project.start(&["server"]);
    assert!(page(&project, "/").contains(GREETING));
    assert!(!started.stderr.contains("warning"), "{}", started.stderr);
}

#[test]
fn a_saved_app_shows_its_new_page_and_is_not_restarted_by_us() {
    let project = app("hello.py");
    project.start(&["server"]);
    let before = project.service("server");
    let edited = project.read("server.py").replace(GREETING, "Good evening");
    save(&project, &edited);
    wait_for("the new page", || {
        http::get(&address(&project, "/"), &[]).filter(|answer| answer.body.contains("Good evening"))
    });
    let after = project.wait_for_state("server", "ready");
    assert_eq!((&after["pid"], &after["restarts"]), (&before["pid"], &before["restarts"]));
}

#[test]
fn a_mistake_in_the_app_makes_it_degraded_and_its_correction_ready() {
    let project = app("hello.py");
    project.start(&["server"]);
    let (before, good) = (project.service("server"), project.read("server.py"));
    save(&project, &format!("{good}\ndef unfinished(:\n"));
    let degraded = project.wait_for_state("server", "degraded");
    assert_eq!((&degraded["pid"], &degraded["restarts"]), (&before["pid"], &before["restarts"]));
    let shown = project.run(&["status"]).expect(1).stdout;
    assert!(shown.contains("it is running but not responding"), "{shown}");
    let line = good.lines().count() + 2;
    let why = format!("SyntaxError in line {line} of server.py: fix that line and save the file");
    wait_for("the mistake in the log", || {
        Some(project.run(&["logs", "server"]).stdout).filter(|log| log.contains("SyntaxError"))
    });

    // `start` reports what `status` reports, with and without waiting.
    assert!(project.run(&["status"]).expect(1).stdout.contains(&why));
    for args in [
        &["start", "--no-setup", "server"][..],
        &["start", "--no-setup", "--no-wait", "server"],
        &["open", "server"],
    ] {
        let failed = project.run(args).expect(1).stderr;
        assert!(
            failed.contains(&format!("because: server: it is running but not responding; {why}\n")),
            "{failed}"
        );
    }
    let url = project.run(&["url", "server"]).expect(0);
    assert!(url.stdout.starts_with("http://") && url.stderr.contains(&why), "{url:?}");

    project.write("server.py", &good);
    let mended = project.wait_for_state("server", "ready");
    assert_eq!((&mended["pid"], &mended["restarts"]), (&before["pid"], &before["restarts"]));
    assert!(page(&project, "/").contains(GREETING));
}

#[test]
fn an_app_keeps_its_state_from_click_to_click() {
    let project = app("counter.py");
    project.start(&["server"]);
    assert!(page(&project, "/").contains("Clicked: 0"));
    assert!(post(&project, "/click", "").contains("Clicked: 1"));
    assert!(post(&project, "/click", "").contains("Clicked: 2"));
    assert!(page(&project, "/").contains("Clicked: 2"));
}

#[test]
fn a_secret_that_an_app_writes_outlives_it_and_is_masked_in_its_log() {
    let project = app("secret.py");
    let source =
        project.read("server.py").replace("    set_key", "    print(\"kept\", key, flush=True)\n    set_key");
    project.write("server.py", &source);
    project.start(&["server"]);
    assert!(page(&project, "/").contains("name=\"key\""));
    assert!(post(&project, "/", "key=correct-horse-battery").contains("The key was kept"));
    assert_eq!(project.read(".env"), "API_KEY='correct-horse-battery'\n");
    assert!(post(&project, "/", "key=another").contains("The key was known already"));

    project.run(&["stop"]).expect(0);
    project.start(&["server"]);
    assert!(page(&project, "/").contains("The key is known"));
    let log = project.run(&["logs", "server", "-n", "all"]).expect(0).stdout;
    assert!(log.contains("kept") && !log.contains("correct-horse-battery"), "{log}");
    assert!(
        project.read(".pipulate/log/server.log").contains("correct-horse-battery"),
        "the file is untouched"
    );
}

#[test]
fn an_app_that_dies_at_once_fails_the_start_with_its_last_words() {
    let source =
        "import sys\nfor number in range(30):\n    print('line', number)\nsys.exit('no settings here')\n";
    let project = app_of(source);
    let started = project.run(&["start", "--no-setup", "server"]).expect(1);
    assert_eq!(started.stdout, "");
    insta::assert_snapshot!(project.redact(&started.stderr));
    let server = project.service("server");
    assert_eq!(
        (&server["state"], &server["restarts"]),
        (&"crashed".into(), &0.into()),
        "it is not tried again"
    );
    assert_eq!(server["last_exit"]["code"], 1);
    wait_for("the end of its supervisor", || project.processes().is_empty().then_some(()));
}

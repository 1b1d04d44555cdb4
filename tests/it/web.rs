//! The embedded web app in a real browser, and its access control.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::notebooks;
use crate::support::{Browser, Process, TestProject, browser, holds, http};

/// The app, and one service that the page can stop.
fn project() -> TestProject {
    TestProject::light().config("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n").build()
}

fn address(project: &TestProject, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", project.port("server"))
}

/// A browser that has opened the address of `pipulate url server`.
#[track_caller]
fn signed_in(project: &TestProject) -> Browser {
    let mut browser = Browser::start(project);
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    browser.wait_for_text("h1", "demo");
    browser
}

#[test]
fn a_person_signs_in_clicks_and_keeps_a_secret() {
    let project = project();
    project.start(&[]);
    let mut browser = signed_in(&project);
    assert_eq!(
        browser.measure("location.href"),
        address(&project, "/"),
        "the code is in no address any more"
    );
    browser.wait_for_text("#service-server", "ready");
    browser.wait_for_text("#service-worker", "running");

    browser.click("nav a[href='/examples/hello']");
    browser.click("nav a[href='/examples/counter']");
    browser.wait_for_text("#count", "Count: 0");
    browser.measure("window.samePage = true");
    browser.click("#example button");
    browser.wait_for_text("#count", "Count: 1");
    assert_eq!(browser.measure("window.samePage"), true, "htmx changed the page in place");

    keep_a_secret(&project, &mut browser);
    assert_eq!(browser.complaints(), [""; 0]);

    // The check isn't vacuous: a violation of the policy is reported.
    browser.measure(
        "document.head.append(Object.assign(document.createElement('script'), { text: 'inline = 1' }))",
    );
    assert!(browser.complaints().iter().any(|complaint| complaint.contains("script-src")));
    assert_eq!(browser.measure("typeof inline"), "undefined");
}

#[test]
fn everything_works_without_javascript() {
    let project = project();
    project.start(&[]);
    let mut browser = Browser::start(&project);
    browser.switch_javascript_off();
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    browser.wait_for_text("#service-worker", "running");

    browser.click("nav a[href='/examples/hello']");
    browser.click("nav a[href='/examples/counter']");
    browser.wait_for_text("#count", "Count: 0");
    browser.click("#example button");
    browser.wait_for_text("#count", "Count: 1");
    assert_eq!(
        browser.measure("location.pathname"),
        "/examples/counter",
        "reloading the page sends nothing again"
    );

    keep_a_secret(&project, &mut browser);
    stop_the_worker(&project, &mut browser);
    picture_without_scripts(&mut browser, "stopped");
    browser.click("button[aria-label='Start worker']");
    browser.wait_for_text("#answer", "Started worker");
    browser.click("button[aria-label='Restart worker']");
    browser.wait_for_text("#answer", "Restarted worker");
    assert_eq!(browser.complaints(), [""; 0]);

    browser.click("button[aria-label='Stop server']");
    browser.wait_for_text(".question", "this page; to have it back");
    picture_without_scripts(&mut browser, "question");
    browser.click(".question a");
    browser.wait_for_text("#service-server", "ready");
    project.write(
        "pipulate.toml",
        &(project.read("pipulate.toml") + "[services.broken]\ncommand = [\"no-such\"]\n"),
    );
    browser.open(&address(&project, "/"));
    browser.click("button[aria-label='Start broken']");
    browser.wait_for_text(".problem", "Could not start: broken\n");
    picture_without_scripts(&mut browser, "problem");
}

#[test]
fn without_javascript_the_newest_lines_are_in_view_and_secrets_come_and_go() {
    let print = "command = [\"sh\", \"-c\", \"seq -f 'line %g' 400; exec sleep 1000\"]\n";
    let project = TestProject::light().config(&format!("[services.printer]\n{print}")).build();
    project.start(&[]);
    let mut browser = Browser::start(&project);
    browser.switch_javascript_off();
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    browser.click("a[aria-label='Log of printer']");
    browser.wait_for_text("#log", "line 400");
    let from_the_end =
        "(log => log.scrollHeight - log.scrollTop - log.clientHeight)(document.querySelector('#log'))";
    // A browser moves the focus with the first frame, which may come after the text.
    holds("the newest line in view", || browser.measure(from_the_end).as_f64().unwrap() < 40.0);
    picture_without_scripts(&mut browser, "log");
    browser.click("#older");
    browser.wait_for_text("#log", "line 1\n");
    browser.type_into("input[name=filter]", "LINE 39");
    browser.click("search button");
    browser.wait_for_text("#log", "line 399");
    assert_eq!(browser.measure("document.querySelectorAll('#log .line').length"), 11);

    browser.click("nav a[href='/secrets']");
    for (name, value, says) in
        [("1st", "x", "That is not a name"), ("API_KEY", "tell-nobody", "Saved API_KEY")]
    {
        browser.measure("document.querySelectorAll('section input').forEach(field => field.value = '')");
        browser.type_into("section input[name=name]", name);
        browser.type_into("section input[name=value]", value);
        browser.click("section button");
        browser.wait_for_text("main", says);
        picture_without_scripts(&mut browser, &format!("secret-{name}"));
    }
    assert_eq!(project.read(".env"), "API_KEY='tell-nobody'\n");
    browser.click("a[aria-label='Forget API_KEY']");
    browser.click(".question button");
    browser.wait_for_text("#answer", "Forgot API_KEY");
    assert_eq!(project.read(".env"), "");
}

fn picture_without_scripts(browser: &mut Browser, name: &str) {
    browser.screenshot(&browser::pictures().join(format!("no-script-{name}.png")));
}

fn keep_a_secret(project: &TestProject, browser: &mut Browser) {
    browser.click("nav a[href='/examples/secret']");
    browser.type_into("input[name=secret]", "it's #1 in the café");
    browser.click("button[type=submit]");
    browser.wait_for_text("#example", "Your secret has been saved.");
    let mode = fs::metadata(project.path(".env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let read = "from dotenv import dotenv_values; print(dotenv_values('.env')['SECRET'])";
    assert_eq!(project.run(&["run", "--", "python", "-c", read]).expect(0).stdout, "it's #1 in the café\n");
    browser.click("nav a[href='/examples/secret']");
    browser.wait_for_text("#example", "I already know your secret");
}

#[test]
fn a_service_is_stopped_and_started_from_the_page() {
    let project = project();
    project.start(&[]);
    let mut browser = signed_in(&project);
    let server = project.service("server");
    stop_the_worker(&project, &mut browser);
    browser.click("button[aria-label='Start worker']");
    browser.wait_for_text("#service-worker", "running");
    let worker = Process::of(&project.service("worker")["pid"]);
    assert_eq!(worker.command, "sleep 1000");
    assert_eq!(project.service("server")["pid"], server["pid"]);

    // Started from the page, it is still not part of the page's own service.
    project.run(&["stop", "server"]).expect(0);
    assert!(worker.lives());
}

fn stop_the_worker(project: &TestProject, browser: &mut Browser) {
    let worker = Process::of(&project.service("worker")["pid"]);
    browser.click("nav a[href='/']");
    browser.click("button[aria-label='Stop worker']");
    browser.wait_for_text("#service-worker", "stopped");
    browser.wait_for_text("#answer", "Stopped worker");
    assert!(!worker.lives());
    project.wait_for_state("server", "ready");
}

#[test]
fn the_app_restarts_itself_from_its_page_and_knows_its_people_after_it() {
    let project = TestProject::light().build();
    project.start(&[]);
    let mut browser = signed_in(&project);
    let before = Process::of(&project.service("server")["pid"]);
    browser.click("button[aria-label='Restart all services']");
    browser.wait_for_text("#answer", "All services were asked to restart; JupyterLab is skipped");
    crate::support::holds("the end of the old app", || !before.lives());
    project.wait_for_state("server", "ready");
    // A page shows one moment; on a busy machine, a probe may just have been late.
    crate::support::holds("ready on the page", || {
        browser.open(&address(&project, "/"));
        browser.text("#service-server").contains("ready")
    });
    // The report of the helper that outlived the old app.
    crate::support::holds("what came of it", || {
        browser.open(&address(&project, "/"));
        browser.text("body").contains("Restarted server")
    });
    assert!(!project.path(".pipulate/run/page-report").exists(), "it is shown once");

    project.run(&["stop"]).expect(0);
    project.start(&[]);
    browser.open(&address(&project, "/"));
    browser.wait_for_text("h1", "Sign in");
}

#[test]
fn the_pages_fit_every_window_and_light_and_dark() {
    let project = project();
    notebooks::write(&project);
    project.start(&[]);
    let folder = browser::pictures();
    let mut browser = Browser::start(&project);
    browser.open(&address(&project, "/"));
    picture(&mut browser, &folder, "sign-in");
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    for (path, name) in [
        ("/", "services"),
        ("/logs", "logs"),
        ("/chat", "chat"),
        ("/secrets", "secrets"),
        ("/notebooks/analysis.ipynb", "preview"),
        ("/notebooks/broken.ipynb", "preview-broken"),
        ("/examples/hello", "hello"),
        ("/examples/counter", "counter"),
        ("/examples/secret", "secret"),
        ("/nowhere", "not-found"),
    ] {
        browser.open(&address(&project, path));
        picture(&mut browser, &folder, name);
    }
}

/// Saves pictures of a page for visual checks, and asserts the measurable properties.
fn picture(browser: &mut Browser, folder: &Path, name: &str) {
    let background = "getComputedStyle(document.documentElement).backgroundColor";
    let mut backgrounds = Vec::new();
    // 640 pixels are a window of 1280 at a zoom of 200 %.
    let views =
        [("light", "light", 1280), ("dark", "dark", 1280), ("narrow", "light", 360), ("zoomed", "dark", 640)];
    for (view, scheme, width) in views {
        browser.view(scheme, width);
        assert_eq!(browser.measure("innerWidth"), width, "{name}, {view}");
        // A scroll bar at its side may have taken some of the window.
        let cut_off = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.measure(cut_off), 0, "{name}, {view}: cut off");
        backgrounds.push(browser.measure(background));
        browser.screenshot(&folder.join(format!("{name}-{view}.png")));
    }
    assert_ne!(backgrounds[0], backgrounds[1], "{name} is the same in the dark");
}

#[test]
fn a_sign_in_link_is_good_once_and_nobody_else_comes_in() {
    let project = TestProject::light().build();
    project.start(&[]);
    let stranger = http::get(&address(&project, "/"), &[]).unwrap();
    assert_eq!(stranger.status, 401);
    assert!(stranger.body.contains("pipulate open server"), "{}", stranger.body);
    assert!(!stranger.body.contains("demo"), "strangers learn nothing of the project: {}", stranger.body);

    let link = project.run(&["url", "server"]).expect(0).stdout;
    let first = http::get(link.trim(), &[]).unwrap();
    let cookie = first.header("set-cookie").expect("a session");
    assert_eq!((first.status, first.header("location")), (303, Some("/")));
    for word in ["HttpOnly", "SameSite=Strict", &format!("pipulate_{}=", project.port("server"))] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let session = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(http::get(&address(&project, "/"), &[&session]).unwrap().status, 200);

    let again = http::get(link.trim(), &[]).unwrap();
    assert_eq!((again.status, again.header("set-cookie")), (401, None));
    assert!(again.body.contains("was used already"), "{}", again.body);
    let fresh = project.run(&["url", "server"]).expect(0).stdout;
    assert_ne!(fresh, link);
    assert_eq!(http::get(fresh.trim(), &[]).unwrap().status, 303);
}

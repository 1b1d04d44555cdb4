//! Pages that stay open: they follow the events, and are accessible.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::notebooks;
use crate::support::{Browser, Jupyter, Process, TestProject, browser, holds};

/// The app, and a service that prints the test's lines.
pub(crate) fn project() -> TestProject {
    let printer = "[services.printer]\ncommand = [\"tail\", \"-n\", \"+1\", \"-F\", \"lines\"]\n";
    let project = TestProject::light().config(printer).file("lines", "").build();
    project.start(&[]);
    project
}

pub(crate) fn print(project: &TestProject, text: &str) {
    let mut file = OpenOptions::new().append(true).open(project.path("lines")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

pub(crate) fn address(project: &TestProject, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", project.port("server"))
}

#[track_caller]
pub(crate) fn signed_in(project: &TestProject) -> Browser {
    let mut browser = Browser::start(project);
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    browser.wait_for_text("h1", "demo");
    browser
}

#[test]
fn an_open_page_shows_what_happens_elsewhere() {
    let project = project();
    let mut browser = signed_in(&project);
    browser.wait_for_text("#service-printer", "running");
    browser.measure("window.samePage = true");
    project.run(&["stop", "printer"]).expect(0);
    browser.wait_for_text("#service-printer", "stopped");
    project.start(&["printer"]);
    browser.wait_for_text("#service-printer", "running");

    let printer = Process::of(&project.service("printer")["pid"]);
    browser.click("button[aria-label='Stop printer']");
    browser.wait_for_text("#answer", "Stopped printer");
    browser.wait_for_text("#service-printer", "stopped");
    assert!(!printer.lives());
    browser.click("button[aria-label='Stop all services']");
    browser.wait_for_text("#answer", "every service of this project, this page with them");
    project.wait_for_state("server", "ready");
    let config = project.read("pipulate.toml");
    project.write("pipulate.toml", &format!("{config}[services.x\n"));
    browser.wait_for_text("#alerts", "pipulate.toml can't be used");
    project.write("pipulate.toml", &config);
    holds("no alert", || browser.text("#alerts").is_empty());
    assert_eq!(browser.measure("window.samePage"), true, "all of that on one page");
    let asked = "performance.getEntriesByType('resource').filter(one => one.initiatorType === 'fetch')\
        .map(one => new URL(one.name).pathname).join(' ')";
    // A stream is listed only when it ends.
    assert_eq!(
        browser.measure(asked),
        "/services/printer/stop /services/stop",
        "it was told, and never asked"
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_page_that_is_cut_off_says_so_and_finds_back() {
    let project = project();
    let mut browser = signed_in(&project);
    browser.wait_for_text("#service-printer", "running");
    project.run(&["restart", "server"]).expect(0);
    project.run(&["stop", "printer"]).expect(0);
    browser.wait_for_text("#service-printer", "stopped");
    assert_eq!(browser.text("#offline"), "");

    project.run(&["stop", "server"]).expect(0);
    // The printer was already stopped.
    browser.wait_for_text("#offline", "This home was stopped");
    // A stop ends every session.
    project.start(&["server"]);
    browser.wait_for_text("#offline", "Signed out");
}

#[test]
fn a_page_whose_home_was_stopped_offers_nothing_and_is_as_before_after_the_next_sign_in() {
    let project = project();
    let mut browser = signed_in(&project);
    browser.wait_for_text("#service-printer", "running");
    let offered = "document.querySelectorAll('main button:not(:disabled)').length";
    assert!(browser.measure(offered).as_u64() > Some(0));
    browser.measure("window.samePage = true");
    project.run(&["stop"]).expect(0);
    browser.wait_for_text("#offline", "This home was stopped. To start it");
    assert_eq!(browser.measure(offered), 0);
    assert_eq!(browser.measure("getComputedStyle(document.querySelector('main')).filter"), "grayscale(1)");

    project.start(&[]);
    browser.wait_for_text("#offline a", "How to sign in");
    // As a second tab of the same browser, which the next start opens.
    let link = project.run(&["url", "server"]).expect(0).stdout;
    browser.measure(&format!("fetch({:?}).then(answer => answer.status)", link.trim()));
    holds("the page anew", || {
        browser.measure("window.samePage ?? null").is_null() && browser.measure(offered).as_u64() > Some(0)
    });
    browser.wait_for_text("#service-printer", "running");
    assert_eq!(browser.text("#offline"), "");

    // A page that answered a form is not loaded again.
    browser.measure(
        "document.body.append(Object.assign(document.createElement('form'), { id: 'sent', method: 'post', action: '/services/none/stop' })); sent.submit()",
    );
    browser.wait_for_text("main", "Go to the first page");
    project.run(&["stop"]).expect(0);
    browser.wait_for_text("#offline", "This home was stopped");
    project.start(&[]);
    browser.wait_for_text("#offline a", "How to sign in");
    let link = project.run(&["url", "server"]).expect(0).stdout;
    browser.measure(&format!("fetch({:?}).then(answer => answer.status)", link.trim()));
    browser.wait_for_text("#service-printer", "running");
}

#[test]
fn a_service_that_ends_again_and_again_looks_unwell_and_moves_nothing() {
    let crashing = "[services.crashing]\ncommand = [\"sh\", \"-c\", \"sleep 1; echo boom >&2; exit 3\"]\n\
                    [services.below]\ncommand = [\"sleep\", \"1000\"]\n";
    let project = TestProject::light().config(crashing).build();
    project.start(&["server", "below"]);
    let mut browser = signed_in(&project);
    browser.wait_for_text("#service-below", "running");
    browser.measure(
        "window.shifted = 0; window.seen = new Set();
         new PerformanceObserver(list => list.getEntries().forEach(one => { shifted += one.value }))
             .observe({ type: 'layout-shift', buffered: true });
         new MutationObserver(() => seen.add(document.querySelector('#service-crashing').innerText))
             .observe(document.querySelector('main'), { subtree: true, childList: true, characterData: true })",
    );
    project.run(&["start", "crashing", "--no-wait"]);
    browser.wait_for_text("#service-crashing", "restarting");
    browser.wait_for_text("#service-crashing", "unstable");
    browser.wait_for_text("#service-crashing", "crashed");
    browser.wait_for_text("#service-crashing", "boom");
    let shifted = browser.measure("shifted").as_f64().unwrap();
    assert!(shifted < 0.05, "moved by {shifted}: {}", browser.measure("[...seen].join(' | ')"));
    // Once unstable, it was never shown as healthy again.
    let seen = browser.measure("[...seen].map(text => text.split('\\n')[0])");
    let seen: Vec<&str> = seen.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let first = seen.iter().position(|text| text.contains("unstable")).unwrap();
    assert!(seen[first..].iter().all(|text| !text.contains("running")), "{seen:?}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn jupyterlab_is_opened_signed_in_and_its_kernels_are_asked_for() {
    let work = "import time\nwhile True: sum(range(10**6)); time.sleep(0.5)";
    let worker = format!("[services.worker]\ncommand = [\"python3\", \"-c\", {work:?}]\n");
    let project = TestProject::builder().config(&worker).build();
    notebooks::write(&project);
    std::fs::remove_file(project.path("broken.ipynb")).unwrap();
    project.start(&[]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.notebook("analysis.ipynb");
    let _idle = jupyter.notebook("prices.ipynb");
    let mut browser = signed_in(&project);
    browser.wait_for_text("#service-jupyter", "analysis.ipynb");
    browser.click("button[aria-label='Stop jupyter']");
    browser.wait_for_text("#answer", "analysis.ipynb, with its variables");
    kernel.begin("while True: pass");
    browser.wait_for_text("#service-jupyter .kernels", "busy");
    // The README's picture.
    browser.view_through("light", 1160, 760);
    browser.open(&address(&project, "/"));
    browser.wait_for_text("#service-jupyter .kernels", "busy");
    holds("a graph", || {
        browser.measure("document.querySelector('#service-worker polyline')?.points.length").as_u64()
            >= Some(7)
    });
    browser.screenshot(&browser::pictures().join("home.png"));
    browser.click("button[aria-label='Restart jupyter']");
    browser.wait_for_text("#answer", "analysis.ipynb is busy");
    project.wait_for_state("jupyter", "ready");

    let token = project.read(".pipulate/run/jupyter-token");
    assert_eq!(browser.measure(&format!("document.documentElement.outerHTML.includes('{token}')")), false);
    browser.measure(
        "document.querySelector('#service-jupyter form[action$=\"/open\"]').removeAttribute('target')",
    );
    browser.click("button[aria-label='Open jupyter in a new tab']");
    holds("JupyterLab", || {
        let here = browser.measure("location.port").as_str().unwrap_or_default().to_owned();
        here == project.port("jupyter").to_string() && browser.measure("document.title") == "JupyterLab"
    });
    // JupyterLab removes the token from its address, but the browser's history keeps the opened one.
    let opened = browser.measure("performance.getEntriesByType('navigation')[0].name");
    let opened = opened.as_str().unwrap();
    assert!(opened.contains("/lab") && !opened.contains("token"), "{opened}");
    project.run(&["stop", "--force"]).expect(0);
}

#[test]
fn nobody_is_kept_out_by_how_a_page_is_made() {
    let flaky = "[secrets]\nrequired = [\"API_KEY\", \"TOKEN\"]\n\
                 [services.flaky]\ncommand = [\"python3\", \"-c\", \"raise ValueError('no')\"]\nrestart = \"never\"\n";
    let project = TestProject::light().config(flaky).file(".env", "API_KEY=some-value\n").build();
    notebooks::write(&project);
    project.run(&["start", "--no-setup"]);
    let mut browser = signed_in(&project);
    browser.wait_for_text("#service-flaky", "ValueError");
    let pages = [
        "/",
        "/logs",
        "/logs?service=flaky",
        "/logs?filter=none",
        "/chat",
        "/secrets",
        "/secrets/API_KEY/forget",
        "/?q=prices",
        "/?q=no-such",
        "/notebooks/analysis.ipynb",
        "/notebooks/broken.ipynb",
        "/apps/analysis.ipynb",
        "/apps/broken.ipynb",
        "/examples/hello",
        "/examples/counter",
        "/examples/secret",
        "/nowhere",
        "/login",
    ];
    for path in pages {
        browser.open(&address(&project, path));
        for scheme in ["light", "dark"] {
            browser.view(scheme, 1280);
            assert_eq!(violations(&mut browser), Value::Array(Vec::new()), "{path}, {scheme}");
        }
    }
    browser.open(&address(&project, "/"));
    browser.click("button[aria-label='Stop all services']");
    browser.wait_for_text("#answer", "Stop all services anyway");
    assert_eq!(violations(&mut browser), Value::Array(Vec::new()), "the question");
}

/// The violations that axe finds once transitions have ended: a half-faded element has half its contrast.
#[track_caller]
pub(crate) fn violations(browser: &mut Browser) -> Value {
    browser.run_script(&axe());
    browser.measure(
        "document.getAnimations().forEach(one => { try { one.finish() } catch { /* it has no end */ } }); \
         axe.run().then(found => found.violations.map(rule => \
         rule.id + ': ' + rule.nodes.map(node => node.html + ' ' + node.failureSummary).join(' | ')))",
    )
}

fn axe() -> PathBuf {
    let here =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/npm/axe-core/node_modules/axe-core/axe.min.js");
    let script = std::env::var_os("PIPULATE_TEST_AXE").map_or(here.into(), PathBuf::from);
    assert!(
        script.is_file(),
        "{} is missing: run the tests with `cargo xtask test`, which prepares it",
        script.display()
    );
    script
}

#[test]
fn the_keyboard_is_enough() {
    let project = project();
    let mut browser = signed_in(&project);
    let focused = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent";
    let mut met = Vec::new();
    for _ in 0..40 {
        browser.press("Tab");
        met.push(browser.measure(focused).as_str().unwrap_or_default().to_owned());
        if met.last().is_some_and(|last| last == "Stop printer") {
            break;
        }
    }
    assert_eq!(met.first().map(String::as_str), Some("Skip to content"), "{met:?}");
    browser.press("Enter");
    browser.wait_for_text("#answer", "Stopped printer");
    browser.wait_for_text("#service-printer", "stopped");
    assert_eq!(browser.measure("document.activeElement.id"), "service-printer", "its button is gone");
    browser.press("s");
    browser.wait_for_text("#answer", "Started printer");
}

#[test]
fn what_a_person_has_to_decide_or_know_is_in_view_wherever_they_are() {
    let broken = "[services.broken]\ncommand = [\"no-such-program\"]\n";
    let project = TestProject::light().config(broken).build();
    project.start(&["server"]);
    let mut browser = signed_in(&project);
    browser.view_through("light", 360, 400);
    let is_in_view = |browser: &mut Browser, what: &str| {
        let place = format!(
            "(({{top, bottom}}) => top >= 0 && bottom <= innerHeight)(document.querySelector('{what}').getBoundingClientRect())"
        );
        assert_eq!(browser.measure(&place), true, "{what}");
        assert!(browser.measure("scrollY").as_f64().unwrap() > 100.0, "the person is where they were");
    };
    browser.click("button[aria-label='Start broken']");
    browser.wait_for_text("#answer", "Could not start: broken");
    is_in_view(&mut browser, "#answer .alert");

    browser.measure("document.querySelector(\"button[aria-label='Stop server']\").focus()");
    browser.press("Enter");
    browser.wait_for_text("#answer", "this page; to have it back, run \"pipulate open server\"");
    is_in_view(&mut browser, "#answer .question");
    assert_eq!(browser.measure("document.activeElement.className"), "question");
    for _ in 0..2 {
        browser.press("Tab");
    }
    assert_eq!(browser.measure("document.activeElement.textContent"), "Leave it as it is");
    // Wide content scrolls by itself, and the focused element is in view.
    browser.view_through("light", 360, 160);
    browser.measure("document.activeElement.scrollIntoView({ block: 'nearest' })");
    is_in_view(&mut browser, "#answer .question a");
    project.wait_for_state("server", "ready");
}

#[test]
fn keys_are_for_the_service_that_has_the_focus_and_can_be_switched_off() {
    let project = project();
    let mut browser = signed_in(&project);
    browser.wait_for_text("#service-printer", "running");
    let focused = |browser: &mut Browser| browser.measure("document.activeElement.id");
    browser.press("x");
    browser.press("j");
    assert_eq!(focused(&mut browser), "service-server");
    browser.press("j");
    browser.press("x");
    browser.wait_for_text("#answer", "Stopped printer");
    browser.wait_for_text("#service-printer", "stopped");
    assert_eq!(focused(&mut browser), "service-printer", "the page around it has changed");
    browser.press("s");
    browser.wait_for_text("#service-printer", "running");
    // The service without the focus is not affected.
    project.wait_for_state("server", "ready");

    browser.press("l");
    browser.wait_for_text("h1", "Logs");
    holds("the keys of that page", || browser.measure("document.readyState") == "complete");
    browser.press("/");
    for key in ["?", "j"] {
        browser.press(key);
    }
    assert_eq!(browser.measure("document.activeElement.value"), "?j", "in a field they are letters");

    browser.open(&address(&project, "/"));
    browser.press("?");
    browser.wait_for_text("#keys[open]", "next service");
    assert_eq!(violations(&mut browser), Value::Array(Vec::new()), "the list of keys");
    browser.click("#keys-use");
    browser.press("Escape");
    for path in ["/", "/logs", "/"] {
        browser.press("j");
        browser.press("?");
        assert_eq!(browser.measure("document.querySelectorAll('[open], article:focus').length"), 0);
        browser.open(&address(&project, path));
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

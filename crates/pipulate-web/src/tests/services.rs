//! The services on the front page.

use std::fs::File;
use std::io::Write as _;

use pipulate_core::identity::Pid;
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::reason::{PortHolder, Reason};
use pipulate_core::service::LogLimits;
use pipulate_core::state::ServiceState;
use pipulate_core::status::{ProcessInfo, Role};
use pipulate_store::capture::Capture;
use pipulate_store::log::time_index::Mark;

use super::fake::{Home, PORT, service};
use super::pages::services_page;

#[test]
fn services_in_trouble_come_first_and_open_and_each_service_is_shown_once() {
    let home = Home::new();
    let mut unstable = service("worker", ServiceState::Unstable);
    unstable.restarts = 75;
    let others = [service("jupyter", ServiceState::Ready), service("server", ServiceState::Ready), unstable];
    home.world.services.lock().unwrap().extend(others);
    let page = services_page(&home, None);
    let place = |name: &str| page.find(&format!(r#"<article id="service-{name}""#)).unwrap();
    let mut names = ["web", "worker", "server", "jupyter"];
    names.sort_by_key(|name| place(name));
    assert_eq!(names, ["jupyter", "server", "worker", "web"]);
    assert_eq!(page.matches("<article id=").count(), 4);
    assert!(page.contains("restarting · 75×"), "{page}");
    let (page, _) = page.split_once("id=\"timeline\"").unwrap();
    let opened =
        page.split("<details").skip(1).map(|details| details.split('>').next().unwrap().contains(" open"));
    assert_eq!(opened.collect::<Vec<_>>(), [false, false, true, false]);
}

#[test]
fn an_unstable_service_shows_how_the_instance_before_ended() {
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    let root = AbsPath::new(folder.path().canonicalize().unwrap()).unwrap();
    let layout = pipulate_store::home::ensure(&Layout::new(root)).unwrap();
    let mut unstable = service("worker", ServiceState::Unstable);
    unstable.reasons = vec![Reason::told("it ended 4 times since it was last up for a minute")];
    let limits = LogLimits { max_size: 1 << 20, keep: 1 };
    let mut capture = Capture::open(&layout, &unstable.name, limits).unwrap();
    for printed in ["boom in line 7\n", "here I am again\n"] {
        capture.mark(Mark::Start);
        File::from(capture.writer().unwrap()).write_all(printed.as_bytes()).unwrap();
        capture.drain().unwrap();
    }
    *home.world.layout.lock().unwrap() = Some(layout);
    *home.world.services.lock().unwrap() = vec![unstable];
    let page = services_page(&home, None);
    for shown in [
        "↯</span> unstable",
        "It ended 4 times",
        "boom in line 7",
        r#"action="/services/worker/restart""#,
        r#"action="/services/worker/why""#,
        "<title>↯ demo",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("here I am again"), "{page}");
}

#[test]
fn what_runs_in_the_background_is_not_said_not_to_answer() {
    let home = Home::new();
    let mut daemon = service("worker", ServiceState::Degraded);
    let process = |role| ProcessInfo { pid: Pid::new(7).unwrap(), ppid: 1, role, name: "python3".to_owned() };
    for (role, is_said) in [(Role::Main, true), (Role::Child, false)] {
        daemon.live.as_mut().unwrap().processes = vec![process(role)];
        *home.world.services.lock().unwrap() = vec![daemon.clone()];
        assert_eq!(services_page(&home, None).contains("does not answer"), is_said, "{role:?}");
    }
}

#[test]
fn a_service_that_nobody_supervises_says_so() {
    let home = Home::new();
    let mut orphan = service("worker", ServiceState::Unsupervised);
    orphan.supervisor_pid = None;
    *home.world.services.lock().unwrap() = vec![orphan];
    let page = services_page(&home, None);
    assert!(page.contains("unsupervised") && page.contains(r#"<span class="missing">gone</span>"#), "{page}");
    assert!(
        page.contains("Take over worker") && !page.contains("Start worker"),
        "nothing is begun anew: {page}"
    );
}

#[test]
fn the_card_of_the_app_itself_says_so_and_leads_nowhere() {
    let home = Home::new();
    let mut others = ["server", "jupyter"].map(|name| service(name, ServiceState::Ready));
    others[0].port = Some(PORT);
    *home.world.services.lock().unwrap() = others.to_vec();
    let page = services_page(&home, None);
    assert!(page.contains(&format!("{PORT}, this page")), "{page}");
    assert!(!page.contains("Open server") && page.contains("Open jupyter"), "{page}");
}

#[test]
fn a_log_that_lacks_lines_and_a_port_that_moved_are_told_of() {
    let home = Home::new();
    let mut full = service("worker", ServiceState::Running);
    (full.log_dropped, full.log_trouble) = (7, Some("no space left on device".to_owned()));
    full.notes.push(Reason::told("port 5001 is held by <nginx>; using 5002"));
    full.notes.push(Reason::PortMoved { wanted: 5001, holder: PortHolder::Hidden, using: 5003 });
    *home.world.services.lock().unwrap() = vec![full];
    let told = "Its log can&#39;t be written: no space left on device; 7 lines dropped so far";
    let page = services_page(&home, None).replace('\'', "&#39;");
    assert!(page.contains(told), "{page}");
    assert!(page.contains(r#"<p class="reason">Port 5001 is held by &lt;nginx&gt;; using 5002"#), "{page}");
    assert!(page.contains(r#"<p class="remark">Port 5001"#), "what is no trouble is quiet: {page}");
}

#[test]
fn every_state_has_its_word_on_the_page() {
    let home = Home::new();
    for state in ServiceState::BY_SEVERITY {
        *home.world.services.lock().unwrap() = vec![service("web", state)];
        let page = services_page(&home, None);
        assert!(page.contains(&format!("</span> {state}</span>")), "{state}");
        assert!(page.contains(r#"action="/services/web/st"#), "{state} offers to start or to stop");
    }
}

//! The pages: their texts, their headers, and their buttons.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pipulate_core::fault::Fault;
use pipulate_core::reason::Reason;
use pipulate_core::resources::{Disk, Load, Memory, Resources};
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::Doubt;
use pipulate_core::work::{Loss, Work};

use super::fake::{Home, PORT, ask, empty, last_exit, service};
use crate::headers::CONTENT_SECURITY;
use crate::notice::Notice;
use crate::observer::Observer;
use crate::views::notebooks::Choice;
use crate::views::services::{self, RenderContext, ServicesPage};
use crate::world::{Consent, ControlError, Target, Verb};

/// The front page of a new browser.
pub(super) fn services_page(home: &Home, notice: Option<&Notice>) -> String {
    let snapshot = Observer::default().look(home.state.world(), Duration::ZERO, Instant::now());
    let page =
        ServicesPage::new(&snapshot, &RenderContext { zone: &TimeZone::UTC, port: PORT }, Choice::default());
    services::page(home.state.folder(), &page, notice, &TimeZone::UTC).into_string()
}

/// One tag per line, without the assets' versions: a change to a style is no change to a page.
fn readable(page: &str) -> String {
    page.replace("><", ">\n<")
}

macro_rules! assert_page {
    ($page:expr) => {
        let page = readable(&$page);
        insta::with_settings!({filters => vec![(r"\?[0-9a-f]{32}", "?[version]"), (r#"(?s)<section id="timeline".*?</section>"#, "[timeline]")]}, {
            insta::assert_snapshot!(page);
        });
    };
}

#[test]
fn the_services_page_tells_states_reasons_and_verbs() {
    let home = Home::new();
    let mut crashed = service("worker", ServiceState::Crashed);
    crashed.reasons = vec![Reason::told("it failed 5 times within a minute; see pipulate logs worker")];
    crashed.last_exit = Some(last_exit(Some(1), None));
    crashed.restarts = 4;
    let mut backoff = service("mailer", ServiceState::Backoff);
    (backoff.port, backoff.last_exit) = (None, Some(last_exit(None, Some(9))));
    home.world.services.lock().unwrap().extend([crashed, backoff]);
    let doubt = Doubt::Service {
        service: ServiceName::parse("old").unwrap(),
        why: Reason::RunsElsewhere { machine: None },
    };
    home.world.unknown.lock().unwrap().push(doubt);
    *home.world.resources.lock().unwrap() = Resources {
        memory: Some(Memory { total: 16 << 30, available: 5 << 30, swap_total: 2 << 30, swap_used: 0 }),
        load: Some(Load { averages: [0.5, 0.4, 0.3], processors: 4 }),
        disk: Some(Disk { total: 100 << 30, free: 500 << 20 }),
    };
    let at: Timestamp = "2026-11-22T10:00:05Z".parse().unwrap();
    let notice = Notice { text: "stopped worker in 0.2 s, 0 processes left".to_owned(), at };
    assert_page!(services_page(&home, Some(&notice)));
}

#[tokio::test]
async fn the_services_page_of_an_empty_project_tells_the_next_command() {
    let home = Home::new();
    home.world.services.lock().unwrap().clear();
    assert_page!(home.get("/").await.body);
}

#[test]
fn attack_25_hostile_text_stays_text() {
    let home = Home::new();
    let hostile = "</p><script>x</script><img src=x onerror=x hx-get=/x>\u{202e}";
    let mut bad = service("web", ServiceState::Degraded);
    bad.reasons = vec![Reason::told(hostile)];
    bad.url = Some("javascript:alert(1)".to_owned());
    *home.world.services.lock().unwrap() = vec![bad];
    home.world
        .unknown
        .lock()
        .unwrap()
        .push(Doubt::Unreadable { problem: Fault::Told { text: hostile.to_owned() } });
    let notice = Notice { text: hostile.to_owned(), at: Timestamp::UNIX_EPOCH };
    let page = services_page(&home, Some(&notice));
    assert!(!page.contains("<img src=x") && !page.contains("<script>") && !page.contains("javascript:"));
}

#[tokio::test]
async fn hello_says_hello() {
    let page = Home::new().get("/examples/hello").await;
    assert_page!(page.body);
    assert_eq!(page.example(), "<h1>Hello World</h1><p>Hello, World!</p>");
}

#[tokio::test]
async fn the_counter_shows_its_count() {
    assert_page!(Home::new().get("/examples/counter").await.example());
}

#[tokio::test]
async fn the_counter_counts_for_htmx_and_without_javascript() {
    let home = Home::new();
    let partial = home.form("/examples/counter/increment").header("hx-request", "true");
    let answer = home.send(empty(partial.header("hx-request-type", "partial"))).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "Count: 1"));
    assert_eq!(answer.header("vary"), Some("HX-Request, HX-Request-Type"));

    let plain = home.post("/examples/counter/increment", "").await;
    assert_eq!((plain.status, plain.header("location")), (StatusCode::SEE_OTHER, Some("/examples/counter")));
    assert!(home.get("/examples/counter").await.example().contains("Count: 2"));
}

#[tokio::test]
async fn the_secret_page_prompts() {
    assert_page!(Home::new().get("/examples/secret").await.example());
}

#[tokio::test]
async fn the_secret_page_says_that_it_was_saved_already_set_and_known() {
    let home = Home::new();
    for (answer, title, words) in [
        (home.post("/examples/secret", "secret=x").await, "Secret Saved", "Your secret has been saved."),
        (
            home.post("/examples/secret", "secret=y").await,
            "Secret Already Set",
            "A secret is already set. No changes were made.",
        ),
        (home.get("/examples/secret").await, "Secret Prompt", "I already know your secret"),
    ] {
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body.contains(&format!("<title>{title} – demo</title>")));
        assert!(answer.example().contains(&format!("<h1>{title}</h1>")));
        assert!(answer.example().contains(words) && !answer.example().contains("<input"));
    }
}

#[tokio::test]
async fn a_stranger_sees_how_to_sign_in() {
    let answer = Home::new().send(empty(ask(Method::GET, "/"))).await;
    assert_page!(answer.body);
}

#[tokio::test]
async fn an_unknown_page_is_not_found() {
    let answer = Home::new().get("/nowhere").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_page!(answer.body);
}

#[tokio::test]
async fn htmx_gets_a_problem_in_words_and_not_as_a_page() {
    let home = Home::new();
    let request = ask(Method::GET, "/").header("hx-request", "true");
    let answer = home.send(empty(request)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::UNAUTHORIZED, r#"<span class="alert">This browser is not signed in</span>"#)
    );
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let home = Home::new();
    let answers = [
        home.get("/").await,
        home.get("/static/htmx.js").await,
        home.get("/nowhere").await,
        home.get("/services/web/stop").await,
        home.post("/services/web/stop", "").await,
        home.post("/examples/secret", "").await,
        home.get("/login").await,
        home.send(empty(ask(Method::GET, "/"))).await,
        home.send(empty(ask(Method::GET, "/").header("host", "evil.example"))).await,
        home.send(empty(ask(Method::POST, "/").header("origin", "http://evil.example"))).await,
    ];
    for answer in answers {
        for (name, value) in [
            ("content-security-policy", CONTENT_SECURITY),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{} {name}", answer.status);
        }
        assert!(answer.header("cache-control").is_some());
    }
    assert_eq!(home.get("/").await.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_button_acts_once_and_the_page_tells_it() {
    let home = Home::new();
    for verb in Verb::ALL {
        let answer = home.post(&format!("/services/web/{}", verb.word()), "").await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/")));
        assert!(home.get("/").await.body.contains(&format!("Web was asked to {}</p>", verb.word())));
    }
    let acts = home.world.acts.lock().unwrap().clone();
    let web = || Target::One(ServiceName::parse("web").unwrap());
    assert_eq!(acts, Verb::ALL.map(|verb| (web(), verb, Consent::NotAsked)));
}

#[tokio::test]
async fn what_was_refused_or_failed_says_why() {
    for (error, status) in [
        (ControlError::Refused("a kernel is busy: analysis.ipynb".to_owned()), StatusCode::CONFLICT),
        (ControlError::Failed("its log can't be opened".to_owned()), StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let home = Home::new();
        let words = pipulate_core::text::capitalized(&error.to_string());
        *home.world.refusal.lock().unwrap() = Some(error);
        let answer = home.post("/services/web/stop", "").await;
        assert_eq!(answer.status, status);
        assert!(answer.body.contains(&words), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_would_be_cut_off_is_asked_about_first() {
    let home = Home::new();
    let notebook = "<analysis>.ipynb".to_owned();
    let work = Work::BusyKernel { notebook, at_least: Duration::ZERO, memory_bytes: None };
    let ends = vec![Loss::Work(work), Loss::IdleKernel { notebook: "other.ipynb".to_owned() }];
    *home.world.refusal.lock().unwrap() = Some(ControlError::NeedsConsent(ends));
    let page = home.post("/services/web/stop", "").await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.body.contains("<html") && page.body.contains("&lt;analysis&gt;.ipynb is busy"));
    let partial = home.form("/services/web/stop").header("hx-request", "true");
    let question = home.send(empty(partial.header("hx-request-type", "partial"))).await;
    assert!(question.status == StatusCode::OK && !question.body.contains("<html"));
    assert!(question.body.contains(r#"name="consent" value="given""#), "{}", question.body);

    // Both answers lead back to the page that asked.
    let asked = home.post("/services/web/stop", "from=logs").await.body;
    assert!(asked.contains(r#"name="from" value="logs""#) && asked.contains(r#"href="/logs?service=web""#));
    let done = home.post("/services/web/stop", "consent=given&from=logs").await;
    assert_eq!(done.header("location"), Some("/logs?service=web&told"));
    let done = home.post("/services/web/stop", "consent=given&from=secrets").await;
    assert_eq!(done.header("location"), Some("/secrets?told"));
    assert!(home.get("/secrets?told").await.body.contains("Web was asked to stop"));

    let done = home.post("/services/web/stop", "consent=given").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert!(home.get("/").await.body.contains("Web was asked to stop"));
}

#[tokio::test]
async fn all_services_are_one_target() {
    let home = Home::new();
    home.post("/services/restart", "").await;
    assert_eq!(*home.world.acts.lock().unwrap(), [(Target::All, Verb::Restart, Consent::NotAsked)]);
    assert_eq!(home.post("/services/kill", "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn attack_30_a_key_leads_to_its_page_and_stands_on_none() {
    let home = Home::new();
    let address = "http://127.0.0.1:8888/lab?token=s3cret-token";
    assert_eq!(home.post("/services/web/open", "").await.status, StatusCode::CONFLICT, "it has no page");
    *home.world.address.lock().unwrap() = Some(address.to_owned());
    let answer = home.post("/services/web/open", "").await;
    assert_eq!(answer.header("refresh"), Some("0; url=http://127.0.0.1:8888/lab?token=s3cret-token"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert!(!answer.body.contains("s3cret"));
    assert_eq!(home.get("/services/web/open").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(home.post("/services/unknown/open", "").await.status, StatusCode::NOT_FOUND);
    assert!(!home.get("/").await.body.contains("s3cret"));
}

#[tokio::test]
async fn who_left_before_it_was_done_is_told_when_they_come_back() {
    let home = Home::new();
    let (release, held) = mpsc::channel::<()>();
    *home.world.hold.lock().unwrap() = Some(held);
    *home.world.refusal.lock().unwrap() = Some(ControlError::Refused("it did not start again".to_owned()));
    let (app, form) = (home.app.clone(), home.form("/services/web/restart"));
    let waiting = tokio::spawn(tower::ServiceExt::oneshot(app, empty(form)));
    while home.acts() == 0 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    drop(release);
    while !home.get("/").await.body.contains("It did not start again</p>") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_same_action_is_not_done_twice_at_once_and_another_one_may_come_between() {
    let home = Home::new();
    let (release, held) = mpsc::channel();
    *home.world.hold.lock().unwrap() = Some(held);
    let (app, form) = (home.app.clone(), home.form("/services/web/start"));
    let first =
        tokio::spawn(async move { tower::ServiceExt::oneshot(app, empty(form)).await.unwrap().status() });
    while home.acts() == 0 {
        tokio::task::yield_now().await;
    }
    let second = home.post("/services/web/start", "").await;
    assert_eq!((second.status, home.acts()), (StatusCode::CONFLICT, 1));
    assert!(second.body.contains("&quot;Start web&quot; is under way already"), "{}", second.body);
    // A pending start may be stopped.
    assert_eq!(home.post("/services/web/stop", "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(home.post("/services/stop", "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(home.get("/").await.status, StatusCode::OK, "looking is not held up");
    drop(release);
    assert_eq!(first.await.unwrap(), StatusCode::SEE_OTHER);
    assert_eq!(home.post("/services/web/start", "").await.status, StatusCode::SEE_OTHER);
}

//! Open pages: their events, the timing, and what is left out.

use axum::http::{Method, StatusCode};
use pipulate_core::answer::Alert;
use pipulate_core::state::ServiceState;

use super::fake::{Home, ask, empty, service};

#[tokio::test]
async fn an_open_page_gets_what_changes_and_nothing_else() {
    let home = Home::new();
    home.world.services.lock().unwrap().push(service("worker", ServiceState::Running));
    let mut events = home.stream("/events", &[]).await;
    let (first, all) = events.next().await;
    assert!(all.contains(r##"<hx-partial hx-target="#services""##), "{all}");
    assert!(all.contains(r#"<hx-partial hx-target="title" hx-swap="innerHTML">demo"#), "{all}");

    home.world.services.lock().unwrap()[1].state = ServiceState::Crashed;
    home.world.bell.ring();
    let (second, change) = events.next().await;
    assert_ne!(first, second);
    assert!(change.contains(r##"<hx-partial hx-target="#service-worker" hx-swap="outerMorph""##), "{change}");
    assert!(change.contains("✕ demo – Pipulate") && change.contains(r##"hx-target="#summary""##), "{change}");
    assert!(!change.contains("service-web") && !change.contains("#alerts"), "{change}");

    home.world.services.lock().unwrap().remove(1);
    home.world
        .alerts
        .lock()
        .unwrap()
        .push(Alert::PackagesDiffer { difference: "<b>outdated</b>".to_owned() });
    home.world.bell.ring();
    let (_, change) = events.next().await;
    assert!(change.contains(r##"hx-target="#services""##) && !change.contains("worker"), "{change}");
    assert!(change.contains("&lt;b&gt;outdated"), "{change}");
}

#[tokio::test]
async fn who_comes_back_gets_what_changed_meanwhile_and_only_that() {
    let home = Home::new();
    let mut events = home.stream("/events", &[]).await;
    let (id, _) = events.next().await;
    drop(events);

    let mut again = home.stream("/events", &[("last-event-id", &id)]).await;
    home.world.services.lock().unwrap()[0].state = ServiceState::Stopping;
    home.world.bell.ring();
    let (_, change) = again.next().await;
    assert!(change.contains("stopping"), "the first event is a change: {change}");

    let mut stranger = home.stream("/events", &[("last-event-id", "\u{e9}?!")]).await;
    assert!(stranger.next().await.1.contains(r##"hx-target="#services""##));
}

#[tokio::test]
async fn a_log_goes_on_where_the_page_ended_and_where_a_broken_stream_was() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "one\n");
    let page = home.get("/logs").await.body;
    let start =
        page.split_once("hx-sse:connect=\"").unwrap().1.split_once('"').unwrap().0.replace("&amp;", "&");
    printed.print("web", "two\n");
    let mut events = home.stream(&start, &[]).await;
    let (id, event) = events.next().await;
    assert!(event.contains("two") && !event.contains("one"), "{event}");
    drop(events);
    printed.print("web", "three\nfour\n");
    printed.print("new", "a service that was not there\n");
    let mut again = home.stream(&start, &[("last-event-id", &id)]).await;
    let (id, event) = again.next().await;
    assert!(event.contains("three") && event.contains("four") && event.contains("was not there"), "{event}");
    assert!(!event.contains("two"), "{event}");
    assert_eq!(id, "new:29,web:19");
}

#[tokio::test]
async fn a_stream_shows_only_what_was_chosen() {
    let (home, printed) = Home::with_logs();
    let mut events = home.stream("/logs/stream?service=web&filter=Good&from=", &[]).await;
    printed.print("worker", "good of another\n");
    printed.print("web", "bad\ngood\n");
    let (_, event) = events.next().await;
    assert!(event.contains(">good<") && !event.contains("bad") && !event.contains("another"), "{event}");
}

#[tokio::test]
async fn a_flood_is_shown_in_part_and_says_so() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "line\n".repeat(100_000));
    let mut events = home.stream("/logs/stream?from=", &[]).await;
    let (id, event) = events.next().await;
    assert_eq!(event.matches("class=\"line\"").count(), 300);
    assert!(event.contains("99700 lines came faster than they can be shown"), "{}", &event[..500]);
    assert_eq!(id, "web:500000");
}

#[tokio::test]
async fn attack_06_a_place_that_is_none_is_refused() {
    let (home, _printed) = Home::with_logs();
    for path in
        ["/logs/stream", "/logs/stream?from=web", "/logs/stream?from=%ff", "/logs?before=x", "/logs/older"]
    {
        assert_eq!(home.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
    for id in ["web", "web:-1", "\u{e9}", "web:1,web", "../../etc:1"] {
        let request = home.signed_in(ask(Method::GET, "/logs/stream?from=")).header("last-event-id", id);
        assert_eq!(home.send(empty(request)).await.status, StatusCode::BAD_REQUEST, "{id}");
    }
}

#[tokio::test]
async fn attack_21_streams_are_for_those_who_are_signed_in() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "told to nobody\n");
    for path in ["/events", "/logs/stream?from=", "/logs/download", "/logs/older?before="] {
        let answer = home.send(empty(ask(Method::GET, path))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(!answer.body.contains("told"), "{path}");
        let foreign = home.signed_in(ask(Method::GET, path)).header("origin", "http://evil.example");
        assert_eq!(home.send(empty(foreign)).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

//! "Make it an app": the question, the answer, and refusals.

use axum::http::StatusCode;
use jiff::Timestamp;
use pipulate_core::state::ServiceState;

use super::fake::{Home, empty, service};
use crate::world::{ControlError, NoApp, Verb};

fn home() -> Home {
    let home = Home::new();
    let text = r#"{"nbformat": 4, "metadata": {}, "cells": []}"#.to_owned();
    home.world.notebooks.lock().unwrap().push(("a b<i>.ipynb".to_owned(), text, Timestamp::UNIX_EPOCH));
    home
}

/// The address of the notebook's app.
const APP: &str = "/apps/a%20b%3Ci%3E.ipynb";

fn made(home: &Home) -> usize {
    home.world.apps.lock().unwrap().len()
}

#[tokio::test]
async fn a_card_and_a_preview_lead_to_the_question() {
    let home = home();
    for page in ["/", "/notebooks/a%20b%3Ci%3E.ipynb"] {
        let link =
            format!(r#"<a href="{APP}" aria-label="Make it an app: a b&lt;i&gt;.ipynb">Make it an app</a>"#);
        assert!(home.get(page).await.body.contains(&link), "{page}");
    }
}

#[tokio::test]
async fn the_question_shows_what_would_be_written_and_writes_nothing() {
    let home = home();
    let question = home.get(APP).await;
    assert_eq!(question.status, StatusCode::OK);
    for part in [
        "Make an app of a b&lt;i&gt;.ipynb?",
        "<code>server.py</code>",
        "<p>The form is cell 2 in a b&lt;i&gt;.ipynb</p>",
        r#"<p class="alert">Widgets don't move"#,
        "The app takes the place of this page",
        "pipulate open dashboard",
        &format!(r#"href="{APP}?beside""#),
        &format!(r#"<form method="post" action="{APP}"><input type="hidden" name="service" value="server">"#),
        "<button>Make it an app</button>",
    ] {
        assert!(question.body.contains(part), "{part}\n{}", question.body);
    }
    let beside = home.get(&format!("{APP}?beside")).await.body;
    assert!(beside.contains("[services.analysis]") && beside.contains(r#"value="analysis""#), "{beside}");
    assert!(!beside.contains("takes the place"), "{beside}");
    assert_eq!((made(&home), home.acts()), (0, 0));
}

#[tokio::test]
async fn what_was_agreed_to_is_written_and_started() {
    let home = home();
    let answer = home.post(APP, "service=analysis").await;
    assert_eq!(answer.status, StatusCode::OK);
    for part in [
        "<code>analysis.py</code>",
        "Analysis was asked to start",
        r#"action="/services/analysis/open""#,
        "Open the app",
    ] {
        assert!(answer.body.contains(part), "{part}\n{}", answer.body);
    }
    let apps = home.world.apps.lock().unwrap().clone();
    assert_eq!(apps, [("a b<i>.ipynb".to_owned(), "analysis".to_owned())]);
    assert_eq!(home.world.acts.lock().unwrap()[0].1, Verb::Start);

    // The second request leads to the existing app.
    let again = home.get(APP).await.body;
    for part in ["a b&lt;i&gt;.ipynb is an app already", r#"action="/services/analysis/open""#] {
        assert!(again.contains(part), "{part}\n{again}");
    }
    let another = home.get(&format!("{APP}?another")).await.body;
    assert!(another.contains("Make an app of a b&lt;i&gt;.ipynb?"), "{another}");
}

#[tokio::test]
async fn an_app_in_the_place_of_the_page_restarts_the_server_and_tells_the_way_back() {
    let home = home();
    home.world.services.lock().unwrap().push(service("server", ServiceState::Ready));
    let answer = home.post(APP, "service=server").await;
    assert_eq!(home.world.acts.lock().unwrap()[0].1, Verb::Restart);
    for part in [r#"<a href="/" role="button">Open the app</a>"#, "<code>pipulate open dashboard</code>"] {
        assert!(answer.body.contains(part), "{part}\n{}", answer.body);
    }
}

#[tokio::test]
async fn what_was_written_is_told_also_when_it_does_not_start() {
    let home = home();
    *home.world.refusal.lock().unwrap() =
        Some(ControlError::Refused("analysis crashed\nsee <its log>".into()));
    let answer = home.post(APP, "service=analysis").await.body;
    for part in [
        "<code>analysis.py</code>",
        r#"role="alert"><p>Analysis crashed</p><p>See &lt;its log&gt;</p>"#,
        "/logs?service=analysis",
    ] {
        assert!(answer.contains(part), "{part}\n{answer}");
    }
    assert!(!answer.contains("Open the app"), "{answer}");
}

#[tokio::test]
async fn a_refusal_says_why_and_nothing_is_started() {
    let home = home();
    *home.world.no_app.lock().unwrap() = Some(NoApp("x.py already exists\nchoose another".into()));
    for answer in [home.get(APP).await, home.post(APP, "service=analysis").await] {
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.body.contains("<p>x.py already exists</p><p>Choose another</p>"), "{}", answer.body);
    }
    assert_eq!((made(&home), home.acts()), (0, 0));
}

#[tokio::test]
async fn only_a_form_of_this_page_makes_an_app_of_a_notebook_of_this_folder() {
    let home = home();
    for path in ["/apps/none.ipynb", "/apps/..%2Fx.ipynb", "/apps/%ff.ipynb", "/apps/"] {
        assert_eq!(home.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(home.post(path, "service=analysis").await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for fields in ["", "service=", "service=..%2Fx"] {
        assert_eq!(home.post(APP, fields).await.status, StatusCode::BAD_REQUEST, "{fields}");
    }
    let foreign = home.form(APP).header("origin", "http://evil.example");
    assert_eq!(home.send(empty(foreign)).await.status, StatusCode::FORBIDDEN);
    let mut stranger = home.form(APP);
    stranger.headers_mut().unwrap().remove("cookie");
    assert_eq!(home.send(empty(stranger)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!((made(&home), home.acts()), (0, 0));
}

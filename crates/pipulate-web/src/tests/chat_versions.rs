//! Versions of questions, and their subjects.

use axum::http::StatusCode;
use jiff::Timestamp;

use super::fake::Home;
use super::ollama::{WHOLE, home};

#[tokio::test]
async fn every_question_can_be_asked_in_other_words_and_no_answer_is_lost() {
    let (home, _directory, _seen) = home(WHOLE);
    for question in ["One", "Two", "Three"] {
        home.post("/chat/7", &format!("question={question}")).await;
    }
    let page = home.get("/chat/7").await.body;
    assert_eq!(page.matches("Ask this instead").count(), 3, "{page}");
    assert_eq!(page.matches("Try again").count(), 1);
    home.post("/chat/7/retry", "turn=1&question=Deux").await;
    let questions =
        |home: &Home| home.kept(7).turns.into_iter().map(|turn| turn.question).collect::<Vec<_>>();
    assert_eq!(questions(&home), ["One", "Deux"]);
    let page = home.get("/chat/7").await.body;
    assert!(page.contains("<span>2/2</span>") && page.contains("name=\"version\" value=\"0\""), "{page}");
    assert_eq!(home.post("/chat/7/version", "turn=1&version=0").await.status, StatusCode::SEE_OTHER);
    assert_eq!(questions(&home), ["One", "Two", "Three"]);
    home.post("/chat/7/retry", "turn=2").await;
    assert_eq!((questions(&home).len(), home.kept(7).turns[2].versions()), (3, 2));
    for wrong in ["turn=1&version=7", "turn=9&version=0", "turn=1&version=1&last=of+another+window"] {
        assert_eq!(home.post("/chat/7/version", wrong).await.status, StatusCode::CONFLICT, "{wrong}");
    }
    assert_eq!(home.post("/chat/7/version", "turn=x&version=0").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(home.post("/chat/7/retry", "turn=9").await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_question_is_about_a_log_only_when_that_is_chosen() {
    let (home, _directory, _seen) = home(WHOLE);
    let page = home.get("/chat/7").await.body;
    assert!(page.contains("name=\"about\" value=\"log of web\"") && page.contains("9 B"), "{page}");
    let suggestions =
        page.split_once("id=\"suggestions\"").unwrap().1.split_once("id=\"chat-status\"").unwrap().0;
    assert_eq!(suggestions.matches("<button").count(), 4, "{suggestions}");
    home.post("/chat/7", "question=Plain").await;
    home.post("/chat/7", "question=Why%3F&about=log+of+web&about=log+of+nobody").await;
    let turns = home.kept(7).turns;
    assert!(turns[0].about.is_empty());
    assert_eq!(turns[1].material(), "This is the log of web:\n```\nNameError\n```\n");
    let page = home.get("/chat/7").await.body;
    assert!(page.contains("+ log of web <small>9 B</small>"), "{page}");
}

#[tokio::test]
async fn a_question_can_be_about_a_notebook_without_its_secrets() {
    let (home, _directory, _seen) = home(WHOLE);
    home.world.hidden.lock().unwrap().push("hunter22".to_owned());
    let text = r#"{"nbformat": 4, "cells": [{"cell_type": "code", "source": "key = 'hunter22'"}]}"#;
    home.world.notebooks.lock().unwrap().push((
        "a b.ipynb".to_owned(),
        text.to_owned(),
        Timestamp::UNIX_EPOCH,
    ));
    let page = home.get("/chat/7").await.body;
    assert!(page.contains("+ notebook a b.ipynb <small>"), "{page}");
    home.post("/chat/7", "question=Why%3F&about=notebook+a+b.ipynb").await;
    let material = home.kept(7).turns[0].material();
    assert!(material.contains("# Cell 1, code:\nkey = '") && !material.contains("hunter22"), "{material}");
}

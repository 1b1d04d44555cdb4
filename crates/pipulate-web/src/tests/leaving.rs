//! Clients may disconnect at any moment, and disks may be slow: a saved question is always asked, and the
//! last text is what stays on disk.

use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use pipulate_core::chat::{Chat, LeftOut, Outcome, Turn};
use tower::ServiceExt as _;

use super::fake::Home;
use super::ollama::{ENDLESS, MINUTE, WHOLE, hear, home, id};

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(MINUTE, waiting).await.unwrap_or_else(|_| panic!("waited for {what}"));
}

impl Home {
    /// Sends a form, and disconnects as soon as `is_time`.
    async fn send_and_leave(&self, path: &str, body: &str, mut is_time: impl FnMut() -> bool) {
        let request = self.form(path).header("hx-request", "true").body(Body::from(body.to_owned())).unwrap();
        let mut sending = Box::pin(self.app.clone().oneshot(request));
        until("the moment to leave", || {
            is_time() || {
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                let answered = Pin::new(&mut sending).poll(&mut context);
                // Work outside of the event loop becomes visible at the next poll.
                matches!(answered, Poll::Ready(_)) && is_time()
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_question_that_is_kept_is_asked_although_its_sender_has_left() {
    for path in ["/chat/7", "/chat/7/retry"] {
        let (home, _directory, _seen) = home(WHOLE);
        if path.ends_with("retry") {
            home.post("/chat/7", "question=Before").await;
        }
        // The page that asked stays open, and gets the answer over its own stream.
        let mut page = home.stream("/chat/7/events?page=1", &[]).await;
        page.next().await;
        let is_kept = || home.kept(7).turns.last().is_some_and(|turn| turn.question == "What");
        home.send_and_leave(path, "question=What&page=1", is_kept).await;
        until("the end of the answer", || home.kept(7).turns.last().unwrap().outcome != Outcome::Open).await;
        let turn = home.kept(7).turns.pop().unwrap();
        assert!(matches!(turn.outcome, Outcome::Whole(_)), "{path}: {turn:?}");
        hear(&mut page, "<strong>2</strong>").await;
    }
}

#[tokio::test]
async fn a_chat_whose_deletion_was_asked_for_is_gone_although_its_sender_has_left() {
    let (home, _directory, _seen) = home(ENDLESS);
    let mut asking = home.ask_as_htmx("/chat/7", "question=A+story").await;
    hear(&mut asking, "dark and").await;
    let answers = home.state.generations().clone();
    let running = answers.of(id(7)).unwrap();
    // Immediately after the stop.
    let is_stopped = || matches!(running.chat().turns.last().unwrap().outcome, Outcome::Stopped);
    home.send_and_leave("/chat/7/delete", "", is_stopped).await;
    until("the end of the chat", || home.kept(7).turns.is_empty() && answers.claim(id(7)).is_ok()).await;
}

#[tokio::test]
async fn an_older_save_that_is_slow_does_not_have_the_last_word() {
    for last in ["/chat/7/stop", "/chat/7/delete"] {
        let (home, _directory, _seen) = home(ENDLESS);
        let mut asking = home.ask_as_htmx("/chat/7", "question=A+story").await;
        hear(&mut asking, "dark and").await;
        let (release, held) = mpsc::channel();
        *home.world.hold_chats.lock().unwrap() = Some(held);
        let state = home.state.clone();
        let older = tokio::spawn(async move { state.generations().save_all().await });
        until("the older save", || home.world.hold_chats.lock().unwrap().is_none()).await;
        {
            let sending = home.post(last, "");
            tokio::pin!(sending);
            let early = tokio::time::timeout(Duration::from_millis(100), &mut sending).await;
            drop(release);
            let answer = match early {
                Ok(answer) => answer,
                Err(_waits) => sending.await,
            };
            assert_eq!(answer.status, StatusCode::SEE_OTHER);
        }
        older.await.unwrap();
        match last {
            "/chat/7/stop" => assert_eq!(home.kept(7).turns[0].outcome, Outcome::Stopped),
            _ => assert_eq!(home.kept(7).turns.len(), 0, "deleted"),
        }
    }
}

#[tokio::test]
async fn a_page_that_shows_an_older_question_does_not_throw_away_a_newer_one() {
    let (home, _directory, _seen) = home(WHOLE);
    home.post("/chat/7", "question=One").await;
    let page = home.get("/chat/7").await.body;
    let last = page.split_once("name=\"last\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    home.post("/chat/7", "question=Two").await;
    for edited in ["", "&question=Three"] {
        let refused = home.post("/chat/7/retry", &format!("last={last}{edited}")).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(refused.body.contains("gone on in another window"), "{}", refused.body);
    }
    let questions: Vec<_> = home.kept(7).turns.into_iter().map(|turn| turn.question).collect();
    assert_eq!(questions, ["One", "Two"]);
    let page = home.get("/chat/7").await.body;
    let last = page.rsplit_once("name=\"last\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    assert_eq!(home.post("/chat/7/retry", &format!("last={last}")).await.status, StatusCode::SEE_OTHER);
    // With its question's number, as the page sends it, an older question begins another
    // version: nothing is lost.
    let first = page.split_once("name=\"last\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    home.post("/chat/7/retry", &format!("turn=0&last={first}&question=Uno")).await;
    let kept = home.kept(7);
    assert_eq!((kept.turns.len(), kept.turns[0].others[0][1].question.as_str()), (1, "Two"));
}

#[tokio::test]
async fn what_a_model_can_not_take_in_is_told_beside_its_answer() {
    let (home, _directory, _seen) = home(WHOLE);
    let chats = home.world.chats.lock().unwrap().clone().unwrap();
    let said = "x".repeat(5_000);
    let turn = Turn { answer: said.clone(), outcome: Outcome::Stopped, ..Turn::new(said) };
    let chat = Chat { instructions: Some("Be brief.".to_owned()), turns: vec![turn; 20], ..Chat::default() };
    chats.write(id(7), &chat).unwrap();
    home.post("/chat/7", "question=And+now%3F").await;
    let kept = home.kept(7);
    let last = kept.turns.last().unwrap();
    assert!(matches!(last.outcome, Outcome::Whole(_)), "{last:?}");
    assert_eq!((last.left_out, kept.turns.len()), (LeftOut { turns: 11, bytes: 0 }, 21));
    let page = home.get("/chat/7").await.body;
    assert!(page.contains("was not told: the first 11 questions and answers"), "{page}");

    // A question that is too long by itself gets the reason instead of an answer.
    home.post("/chat/8", &format!("question={}", "x".repeat(120_000))).await;
    let Outcome::Broken(why) = &home.kept(8).turns[0].outcome else {
        panic!("{:?}", home.kept(8).turns[0].outcome)
    };
    assert!(why.contains("longer than llama3.1:latest can handle"), "{why}");
}

#[tokio::test]
async fn pages_without_news_hear_of_the_end_too() {
    let home = Home::new();
    for path in ["/secrets", "/examples/hello", "/logs?at=1m"] {
        let page = home.get(path).await.body;
        assert_eq!(page.matches("hx-sse:connect=\"/life\"").count(), 1, "{path}");
    }
    assert_eq!(home.get("/").await.body.matches("hx-sse:connect").count(), 1);
    let request = home
        .signed_in(super::fake::ask(axum::http::Method::GET, "/life"))
        .body(axum::body::Body::empty())
        .unwrap();
    let response = tower::ServiceExt::oneshot(home.app.clone(), request).await.unwrap();
    home.state.streams().say_farewell(crate::event_stream::Farewell::Home);
    let whole = axum::body::to_bytes(response.into_body(), 1 << 10).await.unwrap();
    assert_eq!(whole, ":\n\nevent: stopped\ndata: home\n\n");
}

//! Requests longer than a model's context: shortened if that is harmless, and reported in any case.

use pipulate_core::chat::LeftOut;
use pipulate_ollama::answer::Piece;
use pipulate_ollama::client::Client;
use pipulate_ollama::conversation::{Conversation, Question};
use pipulate_ollama::error::Error;
use pipulate_ollama::request::ChatRequest;

use crate::fake::{Fake, Script};

const ANSWER: &str = "{\"message\":{\"content\":\"Yes.\"}}\n{\"message\":{\"content\":\"\"},\"done\":true}\n";

/// The refusals of different servers, before an answer and in its place.
fn refusals() -> [Script; 3] {
    [
        Script::new(
            400,
            r#"{"error":"request (9000 tokens) exceeds the available context size (4096 tokens)"}"#,
        ),
        Script::new(500, r#"{"error":"the input length exceeds the context length"}"#),
        Script::new(200, "{\"error\":\"the input length exceeds the context length\"}\n"),
    ]
}

fn ask(fake: &Fake, request: &ChatRequest) -> Result<Vec<Piece>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut answer = Client::new(&fake.host).unwrap().chat(request).await?;
        let mut pieces = Vec::new();
        while let Some(piece) = answer.next().await? {
            pieces.push(piece);
        }
        Ok(pieces)
    })
}

fn last_request(fake: &Fake) -> String {
    std::iter::from_fn(|| fake.seen.try_recv().ok()).map(|seen| format!("{seen:?}")).last().unwrap()
}

#[test]
fn what_does_not_fit_is_left_out_and_told_first() {
    let log: String = (0..3_000).map(|number| format!("line {number}\n")).collect();
    let request = Conversation::default().ask("m", Question { material: &log, text: "What is wrong?" });
    for refusal in refusals() {
        let fake = Fake::start([("/api/chat", Script::new(200, ANSWER))]);
        fake.refuse_chats_longer_than(10_000, refusal);
        let pieces = ask(&fake, &request).unwrap();
        let Some(Piece::LeftOut(LeftOut { turns: 0, bytes })) = pieces.first() else { panic!("{pieces:?}") };
        assert!((log.len() - 10_000..log.len()).contains(bytes), "{bytes} of {}", log.len());
        assert_eq!(pieces[1], Piece::Text("Yes.".to_owned()));
        assert!(last_request(&fake).contains("line 2999\\\\n\\\\nWhat is wrong?"), "the question is last");
    }
}

#[test]
fn a_question_that_is_too_long_by_itself_is_refused() {
    for refusal in refusals() {
        let fake = Fake::start([("/api/chat", Script::new(200, ANSWER))]);
        fake.refuse_chats_longer_than(1_000, refusal);
        let request = Conversation::default().ask("m", "x".repeat(2_000).as_str());
        let refused = ask(&fake, &request).unwrap_err();
        assert!(matches!(&refused, Error::TooLong { model, .. } if model == "m"), "{refused}");
    }
}

#[test]
fn what_fits_is_sent_as_it_is() {
    let fake = Fake::start([("/api/chat", Script::new(200, ANSWER))]);
    let request = Conversation::default().ask("m", Question { material: "a\n", text: "Why?" });
    assert!(matches!(ask(&fake, &request).unwrap()[..], [Piece::Text(_), Piece::Done(_)]));
    assert!(last_request(&fake).contains("a\\\\n\\\\nWhy?"));
}

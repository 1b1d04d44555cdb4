//! Answers that are longer, or nest deeper, than is useful.

use pipulate_core::chat::Outcome;

use super::ollama::home;

/// An answer in one piece.
fn in_one_piece(field: &str, text: &str) -> &'static str {
    let line = format!("{{\"message\":{{\"{field}\":\"{text}\"}},\"done\":false}}");
    format!("{line}\n{{\"message\":{{\"content\":\"\"}},\"done\":true}}\n").leak()
}

#[tokio::test]
async fn an_answer_ends_at_its_bound_in_whatever_pieces_it_comes() {
    // The limit is inside a character.
    for field in ["content", "thinking"] {
        let (home, _directory, _seen) = home(in_one_piece(field, &format!("a{}", "é".repeat(300_000))));
        home.post("/chat/7", "question=A").await;
        let turn = home.kept(7).turns.remove(0);
        assert_eq!(turn.answer.len() + turn.thinking.len(), (128 << 10) - 1, "{field}");
        assert_eq!(
            turn.outcome,
            Outcome::Broken("the answer grew longer than 128 KiB and was stopped".to_owned())
        );
    }
}

#[tokio::test]
async fn an_answer_of_nothing_but_quotes_is_a_page_of_a_hundred_levels() {
    let (home, _directory, _seen) = home(in_one_piece("content", &format!("{} x", ">".repeat(60_000))));
    home.post("/chat/7", "question=A").await;
    let page = home.get("/chat/7").await.body;
    assert_eq!(page.matches("<blockquote>").count(), 100);
    assert!(page.contains(&"&gt;".repeat(59_900)), "the rest is text");
}

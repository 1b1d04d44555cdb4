//! The greeting: its content, and that it never exceeds its deadline.

use std::time::{Duration, Instant};

use crate::fake::{End, Fake, Script, Seen};
use pipulate_core::config::Greet;
use pipulate_ollama::greeting::greet_blocking;
use pipulate_ollama::host::Host;

const TAGS: &str =
    r#"{"models":[{"name":"qwen3:4b"},{"name":"llama3.1:latest","capabilities":["completion"]}]}"#;
const LOADED: &str = r#"{"models":[{"name":"llama3.1:latest"}]}"#;
const MINUTE: Duration = Duration::from_secs(60);

/// The events' texts, joined by `|`.
fn greeting(host: &Host, mode: Greet, deadline: Duration) -> String {
    let mut words = Vec::new();
    greet_blocking(host, None, mode, deadline, &mut |event| words.push(event.to_string()));
    words.join("|")
}

fn clever(words: &str) -> Script {
    Script::new(200, &format!("{{\"message\":{{\"content\":\"{words}\"}}}}\n{{\"done\":true}}\n"))
}

fn ollama(memory: &str, chat: Script) -> Fake {
    let (tags, memory) = (Script::new(200, TAGS), Script::new(200, memory));
    Fake::start([("/api/tags", tags), ("/api/ps", memory), ("/api/chat", chat)])
}

#[test]
fn a_model_in_memory_says_something_clever() {
    let fake = ollama(LOADED, clever(r"\n Ready \u001b[31mto pipulate!\nAnd more"));
    assert_eq!(
        greeting(&fake.host, Greet::Loaded, MINUTE),
        "Ollama says: Using model: llama3.1:latest|Ready [31mto pipulate!"
    );
    let requests: Vec<String> =
        std::iter::repeat_with(|| fake.next_request()).take(3).map(|(path, ..)| path).collect();
    assert_eq!(requests, ["/api/tags", "/api/ps", "/api/chat"]);
}

#[test]
fn a_model_that_knows_no_end_is_bound_and_its_line_ends_in_an_ellipsis() {
    let body = "{\"message\":{\"content\":\"Ready and\"}}\n{\"done\":true,\"done_reason\":\"length\"}\n";
    let fake = ollama(LOADED, Script::new(200, body));
    assert!(greeting(&fake.host, Greet::Loaded, MINUTE).ends_with("|Ready and|…"));
    let (_, _, body) = std::iter::repeat_with(|| fake.next_request()).nth(2).unwrap();
    assert!(body.contains(r#""options":{"num_predict":60}"#), "{body}");
}

#[test]
fn a_model_that_is_not_in_memory_is_named_and_left_alone() {
    let fake = ollama(r#"{"models":[]}"#, clever("Ready"));
    assert_eq!(greeting(&fake.host, Greet::Loaded, MINUTE), "Ollama says: Using model: llama3.1:latest");
    assert_eq!(
        greeting(&fake.host, Greet::Always, MINUTE),
        "Ollama says: Using model: llama3.1:latest|Ready"
    );
}

#[test]
fn never_means_that_nobody_is_asked() {
    let fake = ollama(LOADED, clever("Ready"));
    assert_eq!(greeting(&fake.host, Greet::Never, MINUTE), "");
    assert!(fake.seen.try_recv().is_err());
}

#[test]
fn an_absent_or_empty_ollama_is_one_plain_sentence() {
    let absent = greeting(&Host::parse("127.0.0.1:1").unwrap(), Greet::Loaded, MINUTE);
    assert_eq!(absent, "Ollama is not running at http://127.0.0.1:1");
    let empty = Fake::start([("/api/tags", Script::new(200, r#"{"models":[]}"#))]);
    assert_eq!(
        greeting(&empty.host, Greet::Loaded, MINUTE),
        "Ollama is running, but no model is installed; get one with: ollama pull llama3.1"
    );
    let stranger = Fake::start([("/api/tags", Script::new(200, "<html>"))]);
    let words = greeting(&stranger.host, Greet::Loaded, MINUTE);
    assert!(words.starts_with("What answers at http://127.0.0.1:"), "{words}");
}

#[test]
fn a_greeting_ends_at_its_deadline_wherever_it_is() {
    let short = Duration::from_millis(300);
    let begun = Instant::now();
    let mute = Fake::start([("/api/tags", Script::silent())]);
    let words = greeting(&mute.host, Greet::Loaded, short);
    assert_eq!(words, format!("Ollama at {} did not answer within 0.3 s; going on without it", mute.host));

    let loading = ollama(LOADED, Script::silent());
    let words = greeting(&loading.host, Greet::Loaded, short);
    assert!(
        words.ends_with("|llama3.1:latest needs more than 0.3 s to say hello; it is available anyway"),
        "{words}"
    );

    let half = Script::new(200, "{\"message\":{\"content\":\"Rea\"}}\n").ending(End::Silence);
    let talking = ollama(LOADED, half);
    assert!(greeting(&talking.host, Greet::Loaded, short).ends_with("|Rea|…"));
    assert!(begun.elapsed() < MINUTE);
}

#[test]
fn the_model_is_told_to_stop_after_its_first_line() {
    let two_lines = Script::new(200, "{\"message\":{\"content\":\"One\\nTwo\"}}\n").ending(End::Silence);
    let fake = ollama(LOADED, two_lines);
    assert!(greeting(&fake.host, Greet::Loaded, MINUTE).ends_with("|One"));
    let hung_up =
        std::iter::repeat_with(|| fake.seen.recv_timeout(MINUTE).unwrap()).find(|seen| *seen == Seen::HungUp);
    assert_eq!(hung_up, Some(Seen::HungUp));
}

#[test]
fn words_that_end_in_an_error_end_in_an_ellipsis() {
    let body = "{\"message\":{\"content\":\"Rea\"}}\n{\"error\":\"out of memory\"}\n";
    let fake = ollama(LOADED, Script::new(200, body));
    assert!(greeting(&fake.host, Greet::Loaded, MINUTE).ends_with("|Rea|…"));
    let refused = ollama(LOADED, Script::new(500, r#"{"error":"no memory"}"#));
    let words = greeting(&refused.host, Greet::Loaded, MINUTE);
    assert!(
        words.ends_with("|Ollama answered with an error (500): no memory; its own log may say more"),
        "{words}"
    );
}

//! Against a real model behind the API, for whoever has one: `cargo test -p pipulate-ollama -- --ignored`
//! with `PIPULATE_TEST_OLLAMA` set to its address.

use std::time::Duration;

use pipulate_core::config::Greet;
use pipulate_ollama::answer::Piece;
use pipulate_ollama::choose::{Choice, choose_model};
use pipulate_ollama::client::{ChatRequest, Client, Message, Role};
use pipulate_ollama::error::Error;
use pipulate_ollama::greeting::{GreetingEvent, greet_blocking};
use pipulate_ollama::host::Host;
use pipulate_ollama::probe::probe_blocking;

const PATIENCE: Duration = Duration::from_secs(300);

fn real_ollama() -> Host {
    let address =
        std::env::var("PIPULATE_TEST_OLLAMA").expect("set PIPULATE_TEST_OLLAMA to an Ollama's address");
    Host::parse(&address).unwrap()
}

#[test]
#[ignore = "needs an Ollama with a model, see PIPULATE_TEST_OLLAMA"]
fn a_real_model_greets_and_is_in_memory_then() {
    let host = real_ollama();
    let mut events = Vec::new();
    greet_blocking(&host, None, Greet::Always, PATIENCE, &mut |event| events.push(event));
    assert!(matches!(&events[..], [GreetingEvent::Using { .. }, GreetingEvent::Text(_), ..]), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, GreetingEvent::Note(_))), "{events:?}");
    assert!(!probe_blocking(&host, PATIENCE).unwrap().loaded.is_empty());
}

#[test]
#[ignore = "needs an Ollama with a model, see PIPULATE_TEST_OLLAMA"]
fn a_real_answer_comes_in_pieces_and_ends() {
    let host = real_ollama();
    let Choice::Chosen { model, .. } = choose_model(None, &probe_blocking(&host, PATIENCE).unwrap().models)
    else {
        panic!("there is no model to talk to");
    };
    let messages = vec![Message { role: Role::User, content: "Count from one to ten.".to_owned() }];
    let request = ChatRequest { model: model.name, messages, think: None };
    let pieces = pieces_of(&host, &request).unwrap();
    assert!(pieces.len() > 3, "{pieces:?}");
    let Some(Piece::Done(summary)) = pieces.last() else { panic!("{pieces:?}") };
    assert!(summary.speed().is_some_and(|speed| speed > 0.0), "{summary:?}");
}

#[test]
#[ignore = "needs an Ollama with a model, see PIPULATE_TEST_OLLAMA"]
fn a_model_that_a_real_server_has_not_is_named() {
    let request = ChatRequest { model: "no-such-model".to_owned(), messages: Vec::new(), think: None };
    let wanted = Error::NoSuchModel { model: "no-such-model".to_owned() };
    assert_eq!(pieces_of(&real_ollama(), &request), Err(wanted));
}

#[tokio::main(flavor = "current_thread")]
async fn pieces_of(host: &Host, request: &ChatRequest) -> Result<Vec<Piece>, Error> {
    let mut answer = Client::new(host)?.chat(request).await?;
    let mut pieces = Vec::new();
    while let Some(piece) = answer.next().await? {
        pieces.push(piece);
    }
    Ok(pieces)
}

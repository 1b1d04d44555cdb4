//! Against a real small model behind the API.

use std::time::Duration;

use pipulate_core::config::Greet;
use pipulate_ollama::answer::Piece;
use pipulate_ollama::choose::{Choice, choose_model};
use pipulate_ollama::client::Client;
use pipulate_ollama::error::Error;
use pipulate_ollama::greeting::{GreetingEvent, greet_blocking};
use pipulate_ollama::host::Host;
use pipulate_ollama::probe::probe_blocking;
use pipulate_ollama::request::{ChatRequest, Message, Options, Role};

use crate::model::Model;

const PATIENCE: Duration = Duration::from_secs(300);

fn host(model: &Model) -> Host {
    Host::parse(&model.address).unwrap()
}

#[test]
fn a_real_model_greets_and_is_in_memory_then() {
    let Some(model) = Model::start() else { return };
    let host = host(&model);
    let mut events = Vec::new();
    greet_blocking(&host, None, Greet::Always, PATIENCE, &mut |event| events.push(event));
    assert!(matches!(&events[..], [GreetingEvent::Using { .. }, GreetingEvent::Text(_), ..]), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, GreetingEvent::Note(_))), "{events:?}");
    assert!(!probe_blocking(&host, PATIENCE).unwrap().loaded.is_empty());
}

#[test]
fn a_real_answer_comes_in_pieces_and_ends() {
    let Some(model) = Model::start() else { return };
    let host = host(&model);
    let Choice::Chosen { model: chosen, .. } =
        choose_model(None, &probe_blocking(&host, PATIENCE).unwrap().models)
    else {
        panic!("there is no model to talk to");
    };
    // This question of all: the small model answers others with just "No." at times.
    let messages = vec![Message { role: Role::User, content: "Write a very long story.".to_owned() }];
    let options = Options { most_tokens: Some(40) };
    let request = ChatRequest { model: chosen.name, messages, material: 0, think: None, options };
    let pieces = pieces_of(&host, &request).unwrap();
    assert!(pieces.len() > 3, "{pieces:?}");
    let Some(Piece::Done(summary)) = pieces.last() else { panic!("{pieces:?}") };
    assert!(summary.speed().is_some_and(|speed| speed > 0.0), "{summary:?}");
}

#[test]
fn a_real_model_that_rambles_is_cut_off_where_it_was_asked_to_be() {
    let Some(model) = Model::start() else { return };
    let messages = vec![Message { role: Role::User, content: "Write a very long story.".to_owned() }];
    let options = Options { most_tokens: Some(8) };
    let request =
        ChatRequest { model: "smollm2:135m".to_owned(), messages, material: 0, think: None, options };
    let pieces = pieces_of(&host(&model), &request).unwrap();
    let Some(Piece::Done(summary)) = pieces.last() else { panic!("{pieces:?}") };
    assert!(summary.is_cut_off && (1..=8).contains(&summary.tokens), "{summary:?}");
}

#[test]
fn a_model_that_a_real_server_has_not_is_named() {
    let Some(model) = Model::start() else { return };
    let request = ChatRequest {
        model: "no-such-model".to_owned(),
        messages: Vec::new(),
        material: 0,
        think: None,
        options: Options::default(),
    };
    let wanted = Error::NoSuchModel { model: "no-such-model".to_owned() };
    assert_eq!(pieces_of(&host(&model), &request), Err(wanted));
}

#[test]
fn a_real_model_stops_when_its_listener_leaves() {
    let Some(mut model) = Model::start() else { return };
    leave_after_a_word(&host(&model));
    model.wait_for_hang_up();
}

#[tokio::main(flavor = "current_thread")]
async fn leave_after_a_word(host: &Host) {
    let messages = vec![Message { role: Role::User, content: "Write a long story.".to_owned() }];
    let request = ChatRequest {
        model: "smollm2:135m".to_owned(),
        messages,
        material: 0,
        think: None,
        options: Options::default(),
    };
    let mut answer = Client::new(host).unwrap().chat(&request).await.unwrap();
    assert!(answer.next().await.unwrap().is_some());
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

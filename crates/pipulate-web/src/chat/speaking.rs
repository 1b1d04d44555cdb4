//! Has a model answer, from the choice of it to the last word.

use std::sync::Arc;
use std::time::Duration;

use pipulate_ollama::answer::{Answer, Piece, Summary};
use pipulate_ollama::choose::{Choice, choose_model};
use pipulate_ollama::client::{ChatRequest, Client};
use pipulate_ollama::error::Error;
use pipulate_ollama::model::Model;
use pipulate_ollama::why;
use pipulate_store::chat::{ChatId, Effort, End};
use tokio::time::Instant;

use super::{Phase, Place, Running, Save};
use crate::state::AppState;
use crate::world::NoOllama;

/// How old a word may be that is not on disk.
const FLUSH: Duration = Duration::from_secs(2);
/// The longest answer, in bytes; what a model rambles beyond is of no use to anybody.
const LONGEST: usize = 128 << 10;
/// After this much silence a person is told what is waited for.
const SILENCE: Duration = Duration::from_secs(5);

/// Writes an answer to its end, whatever that is.
pub(super) async fn write(state: AppState, place: Place, running: Arc<Running>, model: Option<String>) {
    let end = tokio::select! {
        () = running.stop.notified() => End::Stopped,
        end = speak(&state, place.id, &running, model) => end.unwrap_or_else(End::Broken),
    };
    running.change(|live| live.turn.end = end);
    let trouble =
        running.save(&state, place.id, Save::Last).await.err().map(|problem| problem.text().into_owned());
    // Whoever looks from now on finds it on disk.
    drop(place);
    running.change(|live| live.phase = Phase::Over(trouble));
}

/// Has the model answer; why it could not is told as a fragment.
async fn speak(
    state: &AppState,
    id: ChatId,
    running: &Arc<Running>,
    model: Option<String>,
) -> Result<End, String> {
    let ollama =
        state.ask(|world| world.chat.ollama()).await.map_err(|problem| problem.text().into_owned())?;
    let ollama = ollama.map_err(|none| match none {
        NoOllama::Unusable(reason) => reason,
        NoOllama::Unasked(host) => {
            format!("nothing was sent: Ollama on another machine isn't allowed here yet: {host}")
        }
    })?;
    let client = Client::new(&ollama.host).map_err(told)?;
    let models = client.models().await.map_err(told)?;
    let model = match choose_model(model.as_deref().or(ollama.model.as_deref()), &models) {
        Choice::Chosen { model, .. } => model,
        Choice::None(reason) => return Err(reason.to_string()),
    };
    let mut request = running.request(&model.name);
    if running.live.borrow().turn.is_brief {
        why::keep_short(&mut request, client.thinks(&model).await);
    }
    let answer = ask(&client, &model, &request, running).await.map_err(told)?;
    let summary = hear_out(answer, state, id, running).await?;
    let filled = client.context_of(&model).await.and_then(|context| summary.filled(context));
    let effort = Effort { tokens: summary.tokens, seconds: summary.writing.as_secs_f64(), filled };
    Ok(if summary.is_cut_off { End::CutOff(effort) } else { End::Whole(effort) })
}

/// Asks, and tells whoever watches what is waited for.
async fn ask(
    client: &Client,
    model: &Model,
    request: &ChatRequest,
    running: &Running,
) -> Result<Answer, Error> {
    running.change(|live| live.turn.model.clone_from(&model.name));
    // A server too old to tell what is in memory is no reason not to ask.
    let is_known =
        |loaded: &[_]| loaded.iter().any(|one: &pipulate_ollama::model::Loaded| model.is_named(&one.name));
    if client.loaded().await.is_ok_and(|loaded| !model.is_cloud() && !is_known(&loaded)) {
        running.change(|live| live.phase = Phase::Loading);
    }
    let answer = client.chat(request);
    tokio::pin!(answer);
    match tokio::time::timeout(SILENCE, &mut answer).await {
        Ok(answer) => answer,
        Err(_silence) => {
            running.change(|live| {
                if live.phase == Phase::Asking {
                    live.phase = Phase::Waiting;
                }
            });
            answer.await
        }
    }
}

/// Takes in all of an answer, and sees to it that soon after a word was said it is on disk.
async fn hear_out(
    mut answer: Answer,
    state: &AppState,
    id: ChatId,
    running: &Arc<Running>,
) -> Result<Summary, String> {
    let mut unsaved_since: Option<Instant> = None;
    let mut length = 0;
    loop {
        let due = unsaved_since.unwrap_or_else(Instant::now) + FLUSH;
        tokio::select! {
            piece = answer.next() => match piece.map_err(told)? {
                Some(Piece::Done(summary)) => return Ok(summary),
                Some(mut piece) => {
                    let is_cut = cut(&mut piece, LONGEST.saturating_sub(length));
                    length = running.add(piece);
                    if is_cut {
                        return Err(format!("the answer grew longer than {} KiB and was stopped", LONGEST >> 10));
                    }
                    unsaved_since.get_or_insert_with(Instant::now);
                }
                None => return Err("the answer ended early".to_owned()),
            },
            () = tokio::time::sleep_until(due), if unsaved_since.is_some() => {
                // The end is saved again, and says why if it can't be.
                let _saved = running.save(state, id, Save::SoFar).await;
                unsaved_since = None;
            }
        }
    }
}

/// Leaves of a piece what there is room for, in bytes; returns whether that is less than all of it.
fn cut(piece: &mut Piece, room: usize) -> bool {
    let (Piece::Thinking(text) | Piece::Text(text)) = piece else { return false };
    let is_longer = text.len() > room;
    text.truncate(text.floor_char_boundary(room));
    is_longer
}

fn told(error: Error) -> String {
    error.to_string()
}

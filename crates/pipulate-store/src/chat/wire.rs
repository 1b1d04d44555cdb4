//! The disk format of a chat, version 1. Fields may be added; none may change its meaning.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use pipulate_core::chat::{Chat, Effort, LeftOut, Outcome, Turn, title};

const VERSION: u32 = 1;

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct ChatV1 {
    version: u32,
    #[serde(default)]
    name: Option<String>,
    instructions: Option<String>,
    turns: Vec<TurnV1>,
}

/// As much of it as a list shows.
#[derive(Deserialize)]
struct TitleV1 {
    #[serde(default)]
    name: Option<String>,
    turns: Vec<QuestionV1>,
}

#[derive(Deserialize)]
struct QuestionV1 {
    question: String,
}

#[derive(Serialize, Deserialize)]
struct TurnV1 {
    question: String,
    model: String,
    #[serde(default)]
    thinking: String,
    answer: String,
    end: EndV1,
    #[serde(default)]
    brief: bool,
    #[serde(default)]
    left_out: LeftOutV1,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct LeftOutV1 {
    turns: usize,
    bytes: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EndV1 {
    Open,
    Whole {
        tokens: u64,
        seconds: f64,
        #[serde(default)]
        filled: Option<u8>,
        #[serde(default)]
        cut_off: bool,
    },
    Stopped,
    Broken {
        reason: String,
    },
}

pub(super) fn encode(chat: &Chat) -> Vec<u8> {
    let turns = chat.turns.iter().cloned().map(TurnV1::from).collect();
    let (name, instructions) = (chat.name.clone(), chat.instructions.clone());
    let chat = ChatV1 { version: VERSION, name, instructions, turns };
    // Text and numbers always have a form in JSON.
    serde_json::to_vec(&chat).unwrap_or_default()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Chat, String> {
    let ChatV1 { version: _, name, instructions, turns } = decode_as(bytes)?;
    Ok(Chat { name, instructions, turns: turns.into_iter().map(Turn::from).collect() })
}

pub(super) fn decode_title(bytes: &[u8]) -> Result<String, String> {
    let TitleV1 { name, turns } = decode_as(bytes)?;
    let first = turns.first().map(|turn| turn.question.as_str());
    Ok(title(name.as_deref(), first).to_owned())
}

fn decode_as<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let damaged = |error: serde_json::Error| format!("it is no chat that this version understands: {error}");
    let Version { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version != VERSION {
        return Err(format!("it was written by a newer Pipulate (format {version}); update this one"));
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

impl EndV1 {
    fn whole(Effort { tokens, seconds, filled }: Effort, cut_off: bool) -> Self {
        Self::Whole { tokens, seconds, filled, cut_off }
    }
}

impl From<Turn> for TurnV1 {
    fn from(turn: Turn) -> Self {
        let Turn { question, model, thinking, answer, outcome, is_brief: brief, left_out } = turn;
        let left_out = LeftOutV1 { turns: left_out.turns, bytes: left_out.bytes };
        let end = match outcome {
            Outcome::Open => EndV1::Open,
            Outcome::Whole(effort) => EndV1::whole(effort, false),
            Outcome::CutOff(effort) => EndV1::whole(effort, true),
            Outcome::Stopped => EndV1::Stopped,
            Outcome::Broken(reason) => EndV1::Broken { reason },
        };
        Self { question, model, thinking, answer, end, brief, left_out }
    }
}

impl From<TurnV1> for Turn {
    fn from(turn: TurnV1) -> Self {
        let TurnV1 { question, model, thinking, answer, end, brief: is_brief, left_out } = turn;
        let left_out = LeftOut { turns: left_out.turns, bytes: left_out.bytes };
        let outcome = match end {
            EndV1::Open => Outcome::Open,
            EndV1::Whole { tokens, seconds, filled, cut_off } => {
                let effort = Effort { tokens, seconds, filled };
                if cut_off { Outcome::CutOff(effort) } else { Outcome::Whole(effort) }
            }
            EndV1::Stopped => Outcome::Stopped,
            EndV1::Broken { reason } => Outcome::Broken(reason),
        };
        Self { question, model, thinking, answer, outcome, is_brief, left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_chat_of_version_1_is_read() {
        let frozen = br#"{"version":1,"instructions":null,"turns":[
            {"question":"1?","model":"llama3.1:latest","answer":"One.","end":{"whole":{"tokens":2,"seconds":0.5}}},
            {"question":"2?","model":"m","thinking":"Hm.","answer":"T","end":{"broken":{"reason":"cut"}}},
            {"question":"3?","model":"","thinking":"","answer":"","end":"stopped","later":1}]}"#;
        let chat = decode(frozen).unwrap();
        let outcomes: Vec<_> = chat.turns.iter().map(|turn| turn.outcome.clone()).collect();
        let whole = Outcome::Whole(Effort { tokens: 2, seconds: 0.5, filled: None });
        assert_eq!(outcomes, [whole, Outcome::Broken("cut".to_owned()), Outcome::Stopped]);
        assert_eq!(chat.turns[1].thinking, "Hm.");
        assert!(decode(b"{\"version\":1}").is_err() && decode(b"").is_err());
    }
}

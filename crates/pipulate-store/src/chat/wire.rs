//! The disk format of a chat, version 2. Fields may be added; none may change its meaning.
//!
//! Version 1, which is still read, had the turns of one conversation in order. Since version 2 each turn
//! names the turn it comes `after`; of several that come after the same turn, all but the last shown are
//! `hidden`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use pipulate_core::chat::{About, Chat, Effort, LeftOut, Outcome, Turn, title};
use pipulate_core::fault::FileRefusal;

const VERSION: u32 = 2;
/// The maximum depth of edited questions within edited questions: each level is a recursive call.
const DEEPEST: usize = 50;

#[derive(Deserialize)]
#[serde(expecting = "a chat with its version")]
struct VersionOnly {
    version: u32,
}

#[derive(Deserialize)]
struct ChatV1 {
    #[serde(default)]
    name: Option<String>,
    instructions: Option<String>,
    turns: Vec<TurnV1>,
}

#[derive(Serialize, Deserialize)]
struct ChatV2 {
    version: u32,
    name: Option<String>,
    instructions: Option<String>,
    turns: Vec<TurnV2>,
}

/// The fields that a list of chats shows, in either version.
#[derive(Deserialize)]
struct Title {
    #[serde(default)]
    name: Option<String>,
    turns: Vec<QuestionOnly>,
}

#[derive(Deserialize)]
struct QuestionOnly {
    question: String,
    #[serde(default)]
    hidden: bool,
}

#[derive(Serialize, Deserialize)]
struct TurnV2 {
    #[serde(flatten)]
    turn: TurnV1,
    /// The index of the turn before it; a turn stands after its predecessor in the list.
    #[serde(default)]
    after: Option<usize>,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    about: Vec<AboutV2>,
}

#[derive(Serialize, Deserialize)]
struct AboutV2 {
    name: String,
    text: String,
    #[serde(default)]
    left_out: usize,
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
    let mut turns = Vec::new();
    encode_thread(&chat.turns, None, false, 0, &mut turns);
    let (name, instructions) = (chat.name.clone(), chat.instructions.clone());
    let chat = ChatV2 { version: VERSION, name, instructions, turns };
    // Text and numbers always have a JSON form.
    serde_json::to_vec(&chat).unwrap_or_default()
}

/// Adds a conversation to the list, with the hidden versions of its turns.
fn encode_thread(
    turns: &[Turn],
    mut after: Option<usize>,
    mut is_hidden: bool,
    depth: usize,
    list: &mut Vec<TurnV2>,
) {
    for turn in turns {
        let (before, behind) = turn.others.split_at(turn.place.min(turn.others.len()));
        let others = |others: &[Vec<Turn>], list: &mut Vec<TurnV2>| {
            // Deeper ones could not be read again.
            for other in others.iter().filter(|_| depth < DEEPEST) {
                encode_thread(other, after, true, depth + 1, list);
            }
        };
        others(before, list);
        let place = list.len();
        list.push(TurnV2::new(turn, after, is_hidden));
        others(behind, list);
        (after, is_hidden) = (Some(place), false);
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<Chat, FileRefusal> {
    if version(bytes)? == 1 {
        let ChatV1 { name, instructions, turns } = decode_as(bytes)?;
        return Ok(Chat { name, instructions, turns: turns.into_iter().map(Turn::from).collect() });
    }
    let ChatV2 { version: _, name, instructions, turns } = decode_as(bytes)?;
    Ok(Chat { name, instructions, turns: Tree::of(turns)?.thread(None, 0)? })
}

pub(super) fn decode_title(bytes: &[u8]) -> Result<String, FileRefusal> {
    version(bytes)?;
    let Title { name, turns } = decode_as(bytes)?;
    let first = turns.iter().find(|turn| !turn.hidden).map(|turn| turn.question.as_str());
    Ok(title(name.as_deref(), first).to_owned())
}

/// The turns of a file, keyed by the turn that they come after.
struct Tree {
    turns: Vec<Option<TurnV2>>,
    roots: Vec<usize>,
    following: Vec<Vec<usize>>,
}

impl Tree {
    fn of(turns: Vec<TurnV2>) -> Result<Self, FileRefusal> {
        let (mut roots, mut following) = (Vec::new(), vec![Vec::new(); turns.len()]);
        for (place, turn) in turns.iter().enumerate() {
            match turn.after {
                None => roots.push(place),
                Some(after) if after < place => following[after].push(place),
                Some(after) => return Err(FileRefusal::Damaged { turn: place, after }),
            }
        }
        Ok(Self { turns: turns.into_iter().map(Some).collect(), roots, following })
    }

    /// Returns the conversation that is shown after a turn.
    fn thread(&mut self, after: Option<usize>, depth: usize) -> Result<Vec<Turn>, FileRefusal> {
        if depth > DEEPEST {
            return Err(FileRefusal::TooDeep);
        }
        let mut thread = Vec::new();
        let mut versions = match after {
            None => std::mem::take(&mut self.roots),
            Some(after) => std::mem::take(&mut self.following[after]),
        };
        while !versions.is_empty() {
            let is_shown = |place: &usize| self.turns[*place].as_ref().is_some_and(|turn| !turn.hidden);
            let shown = versions.iter().position(is_shown).unwrap_or(versions.len() - 1);
            let here = versions[shown];
            let Some(turn) = self.turns[here].take() else { break };
            let mut turn = Turn { place: shown, ..Turn::from(turn) };
            for other in versions.into_iter().filter(|other| *other != here) {
                let Some(head) = self.turns[other].take() else { continue };
                let mut others = vec![Turn::from(head)];
                others.extend(self.thread(Some(other), depth + 1)?);
                turn.others.push(others);
            }
            thread.push(turn);
            versions = std::mem::take(&mut self.following[here]);
        }
        Ok(thread)
    }
}

fn version(bytes: &[u8]) -> Result<u32, FileRefusal> {
    let VersionOnly { version } = decode_as(bytes)?;
    if !(1..=VERSION).contains(&version) {
        return Err(FileRefusal::NewerFormat { format: version, known: VERSION });
    }
    Ok(version)
}

fn decode_as<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FileRefusal> {
    serde_json::from_slice(bytes).map_err(|error| FileRefusal::NotUnderstood { error: error.to_string() })
}

impl EndV1 {
    fn whole(Effort { tokens, seconds, filled }: Effort, cut_off: bool) -> Self {
        Self::Whole { tokens, seconds, filled, cut_off }
    }
}

impl TurnV2 {
    fn new(turn: &Turn, after: Option<usize>, hidden: bool) -> Self {
        let Turn { question, model, thinking, answer, outcome, is_brief: brief, left_out, about, .. } = turn;
        let left_out = LeftOutV1 { turns: left_out.turns, bytes: left_out.bytes };
        let end = match outcome {
            Outcome::Open => EndV1::Open,
            Outcome::Whole(effort) => EndV1::whole(*effort, false),
            Outcome::CutOff(effort) => EndV1::whole(*effort, true),
            Outcome::Stopped => EndV1::Stopped,
            Outcome::Broken(reason) => EndV1::Broken { reason: reason.clone() },
        };
        let (question, model) = (question.clone(), model.clone());
        let (thinking, answer) = (thinking.clone(), answer.clone());
        let about =
            about.iter().cloned().map(|About { name, text, left_out }| AboutV2 { name, text, left_out });
        let turn = TurnV1 { question, model, thinking, answer, end, brief: *brief, left_out };
        Self { turn, after, hidden, about: about.collect() }
    }
}

impl From<TurnV2> for Turn {
    fn from(TurnV2 { turn, about, .. }: TurnV2) -> Self {
        let about = about.into_iter().map(|AboutV2 { name, text, left_out }| About { name, text, left_out });
        Self { about: about.collect(), ..Self::from(turn) }
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
        Self { model, thinking, answer, outcome, is_brief, left_out, ..Self::new(question) }
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
        assert_eq!(decode_title(frozen).unwrap(), "1?");
        assert!(decode(b"{\"version\":1}").is_err() && decode(b"").is_err());
        assert_eq!(
            decode(br#"{"version":3,"turns":[]}"#),
            Err(FileRefusal::NewerFormat { format: 3, known: VERSION })
        );
    }

    #[test]
    fn a_frozen_chat_of_version_2_is_read() {
        let frozen = br#"{"version":2,"name":"Mine","instructions":"Be brief.","turns":[
            {"question":"1?","model":"m","answer":"A","end":"stopped","hidden":true},
            {"question":"1!","model":"m","answer":"B","end":"stopped","about":[{"name":"log of web","text":"x","left_out":7}]},
            {"question":"2?","model":"m","answer":"C","end":"stopped","after":0},
            {"question":"2!","model":"m","answer":"D","end":"stopped","after":1}]}"#;
        let chat = decode(frozen).unwrap();
        let questions = |turns: &[Turn]| turns.iter().map(|turn| turn.question.clone()).collect::<Vec<_>>();
        assert_eq!(
            (questions(&chat.turns), chat.turns[0].place),
            (vec!["1!".to_owned(), "2!".to_owned()], 1)
        );
        assert_eq!(questions(&chat.turns[0].others[0]), ["1?", "2?"]);
        assert_eq!(
            chat.turns[0].about,
            [About { name: "log of web".to_owned(), text: "x".to_owned(), left_out: 7 }]
        );
        assert_eq!(decode_title(frozen).unwrap(), "Mine");
        let looping =
            br#"{"version":2,"turns":[{"question":"","model":"","answer":"","end":"open","after":0}]}"#;
        assert!(matches!(decode(looping), Err(FileRefusal::Damaged { .. })));
    }

    #[test]
    fn every_version_is_read_as_it_was_written_to_a_bounded_depth() {
        let mut chat = Chat::default();
        for number in 0..80 {
            chat.turns.push(Turn { answer: "A".to_owned(), ..Turn::new(format!("{number}")) });
        }
        for number in [40, 10, 40] {
            let next = chat.begin_version(number.min(chat.turns.len() - 1), "edited".to_owned()).unwrap();
            chat.turns.push(Turn { answer: "B".to_owned(), ..next });
        }
        assert!(chat.show_version(10, 0));
        assert_eq!(decode(&encode(&chat)).unwrap(), chat);
        // From the last to the first question, each edit holds the one before it.
        for number in (0..chat.turns.len()).rev() {
            let next = chat.begin_version(number, "again".to_owned()).unwrap();
            chat.turns.push(Turn { answer: "C".to_owned(), ..next });
        }
        assert_eq!(decode(&encode(&chat)).unwrap().turns.len(), 1);
    }
}

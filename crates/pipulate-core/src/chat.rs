//! A conversation with the local LLM as it is stored: questions, answers, and how each answer ended.

use std::fmt;
use std::ops::AddAssign;

use jiff::Timestamp;

use crate::units::size;

/// The id of a chat: its start time in milliseconds, so that ids sort by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChatId(u64);

/// The content of one chat.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chat {
    /// The name that the user gave it.
    pub name: Option<String>,
    /// The system prompt.
    pub instructions: Option<String>,
    /// The turns that are shown, oldest first.
    pub turns: Vec<Turn>,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub question: String,
    /// The answering model; empty until it is known.
    pub model: String,
    /// The model's reasoning before the answer.
    pub thinking: String,
    pub answer: String,
    pub outcome: Outcome,
    /// The answer was limited to a few sentences.
    pub is_brief: bool,
    /// The parts that did not fit into the model's context.
    pub left_out: LeftOut,
    /// Material added to the question, in this order.
    pub about: Vec<About>,
    /// Other versions of this turn, each with the turns after it.
    pub others: Vec<Vec<Self>>,
    /// The index of this version among all of them.
    pub place: usize,
}

/// Material that a question is about, at the time of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// `log of web`
    pub name: String,
    /// Without secrets.
    pub text: String,
    /// How many bytes at its beginning were cut off.
    pub left_out: usize,
}

/// The parts of a request that did not fit into the model's context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The oldest questions of the conversation, with their answers.
    pub turns: usize,
    /// Bytes at the beginning of the material.
    pub bytes: usize,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Not yet: it is being written, or its writer was killed.
    Open,
    /// Complete.
    Whole(Effort),
    /// Cut off by a token limit or the size of the context.
    CutOff(Effort),
    /// On request.
    Stopped,
    /// By an error: what went wrong, and what to do.
    Broken(String),
}

/// The cost of an answer, if the server reported it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Effort {
    pub tokens: u64,
    pub seconds: f64,
    /// The share of the model's context that the chat filled then, in percent.
    pub filled: Option<u8>,
}

impl ChatId {
    /// Returns the id of a chat that begins now.
    pub fn new(now: Timestamp) -> Self {
        Self(now.as_millisecond().unsigned_abs())
    }

    /// Parses the displayed form of an id; any other text is refused.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok().map(Self)?;
        (number.to_string() == text).then_some(number)
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Chat {
    /// Returns its name, or else its first question; empty if it has neither.
    pub fn title(&self) -> &str {
        title(self.name.as_deref(), self.turns.first().map(|turn| turn.question.as_str()))
    }

    /// Begins another version of a turn: the turns from there on are stored in the returned turn, which
    /// belongs at the end of the remaining ones. `None`: there is no such turn.
    pub fn begin_version(&mut self, number: usize, question: String) -> Option<Turn> {
        let (thread, mut others, place) = self.take_versions(number)?;
        // A question without an answer is not stored.
        let is_empty = thread.len() == 1 && thread.iter().all(|turn| turn.answer.is_empty());
        if !is_empty {
            others.insert(place, thread);
        }
        Some(Turn { place: others.len(), others, ..Turn::new(question) })
    }

    /// Shows another version of a turn, with the turns after it. Returns false if there is none.
    pub fn show_version(&mut self, number: usize, version: usize) -> bool {
        if self.turns.get(number).is_none_or(|turn| version >= turn.versions()) {
            return false;
        }
        let Some((thread, mut others, place)) = self.take_versions(number) else { return false };
        others.insert(place, thread);
        let mut shown = others.remove(version);
        if let Some(head) = shown.first_mut() {
            (head.others, head.place) = (others, version);
        }
        self.turns.extend(shown);
        true
    }

    /// Removes the turns from `number` on; returns them, the other versions of the first one, and its index
    /// among them.
    fn take_versions(&mut self, number: usize) -> Option<(Vec<Turn>, Vec<Vec<Turn>>, usize)> {
        self.turns.get(number)?;
        let mut thread = self.turns.split_off(number);
        let head = thread.first_mut()?;
        let others = std::mem::take(&mut head.others);
        let place = std::mem::take(&mut head.place).min(others.len());
        Some((thread, others, place))
    }

    /// Removes the oldest hidden version, or else the oldest turn. Returns false if only one is left.
    pub fn forget_oldest(&mut self) -> bool {
        if let Some(turn) = self.turns.iter_mut().find(|turn| !turn.others.is_empty()) {
            turn.others.remove(0);
            turn.place = turn.place.saturating_sub(1);
            return true;
        }
        if self.turns.len() > 1 {
            self.turns.remove(0);
            return true;
        }
        false
    }
}

/// Returns the title of a chat with this name and this first question.
pub fn title<'a>(name: Option<&'a str>, first_question: Option<&'a str>) -> &'a str {
    name.or(first_question).and_then(|text| text.lines().next()).unwrap_or_default()
}

impl Turn {
    /// A question without an answer yet.
    pub fn new(question: String) -> Self {
        Self {
            question,
            model: String::new(),
            thinking: String::new(),
            answer: String::new(),
            outcome: Outcome::Open,
            is_brief: false,
            left_out: LeftOut::default(),
            about: Vec::new(),
            others: Vec::new(),
            place: 0,
        }
    }

    /// Returns the number of its versions.
    pub fn versions(&self) -> usize {
        self.others.len() + 1
    }

    /// Returns all material of the question, for a model.
    pub fn material(&self) -> String {
        let part = |about: &About| format!("This is the {}:\n```\n{}\n```\n", about.name, about.text);
        self.about.iter().map(part).collect()
    }
}

impl LeftOut {
    /// True if nothing was left out.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl AddAssign for LeftOut {
    fn add_assign(&mut self, more: Self) {
        self.turns += more.turns;
        self.bytes += more.bytes;
    }
}

impl fmt::Display for LeftOut {
    /// `the first 3 questions and answers`, `the first 1.2 MiB of what the question is about`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.turns {
            0 => {}
            1 => f.write_str("the first question and its answer")?,
            turns => write!(f, "the first {turns} questions and answers")?,
        }
        if self.turns > 0 && self.bytes > 0 {
            f.write_str(", and ")?;
        }
        if self.bytes > 0 {
            write!(f, "the first {} of what the question is about", size(self.bytes as u64))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_as_it_is_written_names_a_chat() {
        for text in ["", "-1", "+1", "01", "1.json", "../1", "1 ", "99999999999999999999999"] {
            assert_eq!(ChatId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_edited_question_keeps_the_old_one_with_all_that_followed() {
        let turn = |question: &str| Turn { answer: "A".to_owned(), ..Turn::new(question.to_owned()) };
        let mut chat = Chat { turns: vec![turn("1"), turn("2"), turn("3")], ..Chat::default() };
        let questions = |chat: &Chat| chat.turns.iter().map(|turn| turn.question.clone()).collect::<String>();
        let next = chat.begin_version(1, "2b".to_owned()).unwrap();
        chat.turns.push(Turn { answer: "B".to_owned(), ..next });
        assert_eq!(
            (questions(&chat), chat.turns[1].place, chat.turns[1].versions()),
            ("12b".to_owned(), 1, 2)
        );
        let next = chat.begin_version(1, "2c".to_owned()).unwrap();
        assert_eq!((next.place, next.versions()), (2, 3));
        chat.turns.push(next);
        assert!(chat.show_version(1, 0) && !chat.show_version(1, 3) && !chat.show_version(3, 0));
        assert_eq!((questions(&chat), chat.turns[1].place), ("123".to_owned(), 0));
        assert!(chat.show_version(1, 1));
        assert_eq!((questions(&chat), chat.turns[1].versions()), ("12b".to_owned(), 3));
        assert!(chat.show_version(1, 2));
        let next = chat.begin_version(1, "2d".to_owned()).unwrap();
        assert_eq!((next.place, next.versions()), (2, 3), "what was not answered leaves nothing behind");
        chat.turns.push(next);
        while chat.forget_oldest() {}
        assert_eq!((questions(&chat), chat.turns[0].versions()), ("2d".to_owned(), 1));
    }

    #[test]
    fn what_was_left_out_is_said_in_words() {
        let told = |turns, bytes| LeftOut { turns, bytes }.to_string();
        assert_eq!(told(1, 0), "the first question and its answer");
        assert_eq!(told(3, 0), "the first 3 questions and answers");
        assert_eq!(told(0, 2048), "the first 2.0 KiB of what the question is about");
        assert_eq!(
            told(2, 7),
            "the first 2 questions and answers, and the first 7 B of what the question is about"
        );
    }
}

//! A conversation with the local LLM as it is kept: questions, answers, and how each answer ended.

use std::fmt;
use std::ops::AddAssign;

use jiff::Timestamp;

use crate::units::size;

/// Names a chat: when it was begun, in milliseconds, so that names sort by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChatId(u64);

/// What was said in one chat.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chat {
    /// What a person calls it.
    pub name: Option<String>,
    /// What the model is told before everything else.
    pub instructions: Option<String>,
    /// Those that are shown, oldest first.
    pub turns: Vec<Turn>,
}

/// A question and what was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub question: String,
    /// Who answers; empty until that is known.
    pub model: String,
    /// What the model thought before it spoke.
    pub thinking: String,
    pub answer: String,
    pub outcome: Outcome,
    /// A few sentences were asked for, and no more.
    pub is_brief: bool,
    /// What the model was not told, because it can't take in so much.
    pub left_out: LeftOut,
    /// What was added to the question, in this order.
    pub about: Vec<About>,
    /// Other versions of this turn, each with what was said after it.
    pub others: Vec<Vec<Self>>,
    /// The place of this version among all of them.
    pub place: usize,
}

/// Something that a question is about, as it was when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// `log of web`
    pub name: String,
    /// Without secrets.
    pub text: String,
    /// How many bytes at its beginning did not fit.
    pub left_out: usize,
}

/// What was left out of a request because it was longer than the model can take in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Questions with their answers, the oldest of the conversation.
    pub turns: usize,
    /// Bytes at the beginning of what the question is about.
    pub bytes: usize,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Not at all so far: it is being written, or its writer was killed.
    Open,
    /// It is whole.
    Whole(Effort),
    /// The model had more to say, and was not allowed to or could not take in more.
    CutOff(Effort),
    /// On request.
    Stopped,
    /// Something went wrong: what, and what to do.
    Broken(String),
}

/// What an answer took, where the server said so.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Effort {
    pub tokens: u64,
    pub seconds: f64,
    /// How much of what the model can handle the chat filled then, in percent.
    pub filled: Option<u8>,
}

impl ChatId {
    /// The name of a chat that begins now.
    pub fn new(now: Timestamp) -> Self {
        Self(now.as_millisecond().unsigned_abs())
    }

    /// Reads what [`ChatId`] displays as; any other text is refused.
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
    /// Its name, else its first question; empty if it has neither.
    pub fn title(&self) -> &str {
        title(self.name.as_deref(), self.turns.first().map(|turn| turn.question.as_str()))
    }

    /// Begins another version of a turn: what was said from there on is kept with the turn that is returned, which
    /// belongs after what is left. `None`: there is no such turn.
    pub fn begin_version(&mut self, number: usize, question: String) -> Option<Turn> {
        let (thread, mut others, place) = self.take_versions(number)?;
        // A question without an answer leaves nothing behind.
        let is_empty = thread.len() == 1 && thread.iter().all(|turn| turn.answer.is_empty());
        if !is_empty {
            others.insert(place, thread);
        }
        Some(Turn { place: others.len(), others, ..Turn::new(question) })
    }

    /// Shows another version of a turn, with what was said after it. False: there is none.
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

    /// Takes the turns from `number` on, the other versions of the first of them, and its place among them.
    fn take_versions(&mut self, number: usize) -> Option<(Vec<Turn>, Vec<Vec<Turn>>, usize)> {
        self.turns.get(number)?;
        let mut thread = self.turns.split_off(number);
        let head = thread.first_mut()?;
        let others = std::mem::take(&mut head.others);
        let place = std::mem::take(&mut head.place).min(others.len());
        Some((thread, others, place))
    }

    /// Forgets the oldest of what is kept beside what is shown, else the oldest turn. False: only one is left.
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

/// The title of a chat with this name and this first question.
pub fn title<'a>(name: Option<&'a str>, first_question: Option<&'a str>) -> &'a str {
    name.or(first_question).and_then(|text| text.lines().next()).unwrap_or_default()
}

impl Turn {
    /// A question that was just asked.
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

    /// How many versions of it there are.
    pub fn versions(&self) -> usize {
        self.others.len() + 1
    }

    /// All that the question is about, for a model.
    pub fn material(&self) -> String {
        let part = |about: &About| format!("This is the {}:\n```\n{}\n```\n", about.name, about.text);
        self.about.iter().map(part).collect()
    }
}

impl LeftOut {
    /// Whether everything was in it.
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

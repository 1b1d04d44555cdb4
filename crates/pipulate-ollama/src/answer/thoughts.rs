//! Reasoning that a model writes into its answer: `<think>…</think>` at its beginning, if the server does not
//! know the model's template.

use super::Piece;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Separates reasoning from the answer, however the text is split into pieces.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    place: Place,
    /// A possible part of a tag.
    held: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Beginning,
    Inside,
    /// White space after the reasoning belongs to neither.
    Behind,
    Answer,
}

impl Thoughts {
    /// Returns the pieces in the next text.
    pub(super) fn take(&mut self, text: &str) -> Vec<Piece> {
        self.held.push_str(text);
        let mut pieces = Vec::new();
        while let Some(piece) = self.step() {
            pieces.extend(Some(piece).filter(|piece| !piece.is_empty()));
        }
        pieces
    }

    /// Returns the held text at the end of the answer.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        let rest = std::mem::take(&mut self.held);
        let piece = match self.place {
            Place::Inside => Piece::Thinking(rest),
            Place::Beginning | Place::Behind | Place::Answer => Piece::Text(rest),
        };
        Some(piece).filter(|piece| !piece.is_empty())
    }

    /// Advances by one piece, which may be empty; `None` if more text is needed.
    fn step(&mut self) -> Option<Piece> {
        match self.place {
            Place::Beginning => {
                let begin = self.held.trim_start();
                if let Some(thought) = begin.strip_prefix(OPEN) {
                    (self.held, self.place) = (thought.to_owned(), Place::Inside);
                } else if OPEN.starts_with(begin) {
                    return None;
                } else {
                    self.place = Place::Answer;
                }
                Some(Piece::Text(String::new()))
            }
            Place::Inside => {
                if let Some((thought, rest)) = self.held.split_once(CLOSE) {
                    let piece = Piece::Thinking(thought.to_owned());
                    (self.held, self.place) = (rest.to_owned(), Place::Behind);
                    return Some(piece);
                }
                let kept = (1..CLOSE.len()).rev().find(|&length| self.held.ends_with(&CLOSE[..length]));
                let rest = self.held.split_off(self.held.len() - kept.unwrap_or(0));
                let thought = std::mem::replace(&mut self.held, rest);
                (!thought.is_empty()).then_some(Piece::Thinking(thought))
            }
            Place::Behind => {
                self.held = self.held.trim_start().to_owned();
                (!self.held.is_empty()).then(|| self.place = Place::Answer)?;
                Some(Piece::Text(String::new()))
            }
            Place::Answer => {
                let text = std::mem::take(&mut self.held);
                (!text.is_empty()).then_some(Piece::Text(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the reasoning and the answer if the text comes in pieces of this many characters.
    fn told(text: &str, size: usize) -> (String, String) {
        let (mut thought, mut said) = (String::new(), String::new());
        let mut thoughts = Thoughts::default();
        let characters: Vec<char> = text.chars().collect();
        let pieces = characters.chunks(size).map(|piece| piece.iter().collect::<String>());
        let mut all: Vec<Piece> = pieces.flat_map(|piece| thoughts.take(&piece)).collect();
        all.extend(thoughts.finish());
        for piece in all {
            match piece {
                Piece::Thinking(text) => thought.push_str(&text),
                Piece::Text(text) => said.push_str(&text),
                Piece::LeftOut(_) | Piece::Done(_) => unreachable!("no text makes these"),
            }
        }
        (thought, said)
    }

    #[test]
    fn thoughts_are_told_from_the_answer_wherever_the_pieces_end() {
        for (text, thought, said) in [
            ("<think>\nhm < 5</think>\n\nIt is 5.", "\nhm < 5", "It is 5."),
            (" <think></think>It.", "", "It."),
            ("It is 5.\n", "", "It is 5.\n"),
            ("<b>It</b>", "", "<b>It</b>"),
            ("say <think>x</think>", "", "say <think>x</think>"),
            ("<think>never ending </thi", "never ending </thi", ""),
            ("<thi", "", "<thi"),
            ("  5", "", "  5"),
        ] {
            for size in 1..=text.len() {
                assert_eq!(told(text, size), (thought.to_owned(), said.to_owned()), "{text:?} by {size}");
            }
        }
    }
}

//! Shortening a request to a model's context, and reporting the parts left out.
//!
//! By default, Ollama silently drops the beginning of a prompt that is too long, including the system prompt
//! and the question. It is told not to; instead, the least important parts are left out here: the oldest
//! turns, then the beginning of the material.

use pipulate_core::chat::LeftOut;

use crate::request::{ChatRequest, Role};

/// How much more than needed may be left out to avoid cutting a line, in bytes.
const NEAR: usize = 1 << 10;

/// Returns the tokens of a request and the context length, if a refusal states them.
pub(crate) fn sizes(refusal: &str) -> Option<(u64, u64)> {
    let numbers = refusal.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    match numbers.collect::<Vec<u64>>()[..] {
        [asked, most] if asked > most && most > 0 => Some((asked, most)),
        _ => None,
    }
}

/// True if a refusal means that the request is too long. Ollama's engines have different messages.
pub(crate) fn is_too_long(refusal: &str) -> bool {
    let refusal = refusal.to_ascii_lowercase();
    let is_about_length = ["context", "prompt", "input length"].iter().any(|word| refusal.contains(word));
    is_about_length && ["exceed", "too long", "too large"].iter().any(|word| refusal.contains(word))
}

impl ChatRequest {
    /// Leaves out enough of the least important parts for the request to fit; `None` if nothing can be left
    /// out.
    pub(crate) fn shorten(&mut self, refusal: &str) -> Option<LeftOut> {
        let length: usize = self.messages.iter().map(|message| message.content.len()).sum();
        let room = match sizes(refusal) {
            // A quarter is for the answer.
            Some((asked, most)) => (length as u128 * u128::from(most) * 3 / (u128::from(asked) * 4)) as usize,
            None => length / 2,
        };
        let mut excess = length.saturating_sub(room).max(1);
        let mut left_out = LeftOut::default();
        let first = usize::from(self.messages.first().is_some_and(|message| message.role == Role::System));
        while excess > 0 && self.messages.len() > first + 2 {
            let turn = self.messages.drain(first..first + 2);
            excess = excess.saturating_sub(turn.map(|message| message.content.len()).sum());
            left_out.turns += 1;
        }
        if let Some(question) = self.messages.last_mut().filter(|_| excess > 0 && self.material > 0) {
            let text = &question.content;
            let least = text.ceil_char_boundary(excess.min(self.material));
            // Whole lines, unless they are long.
            let near = text.floor_char_boundary((least + NEAR).min(self.material)).max(least);
            let line_end = text[least..near].find('\n').map(|end| least + end + 1);
            let cut = line_end.filter(|&end| end < self.material).unwrap_or(least);
            question.content.drain(..cut);
            self.material = self.material.saturating_sub(cut);
            left_out.bytes += cut;
        }
        Some(left_out).filter(|left_out| !left_out.is_nothing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Conversation, Question};

    const SIZES: &str =
        "request (8000 tokens) exceeds the available context size (4096 tokens), try increasing it";

    #[test]
    fn refusals_of_what_is_too_long_are_known_with_their_sizes() {
        for (refusal, sizes_said) in [
            (SIZES, Some((8000, 4096))),
            ("the input length exceeds the context length", None),
            ("prompt is too long: 9000 tokens, maximum 4096", Some((9000, 4096))),
            ("prompt too long; exceeded max context length by 3 tokens", None),
        ] {
            assert!(is_too_long(refusal), "{refusal}");
            assert_eq!(sizes(refusal), sizes_said, "{refusal}");
        }
        for other in ["model requires more system memory (5.6 GiB) than is available", "server busy", ""] {
            assert!(!is_too_long(other), "{other}");
        }
    }

    #[test]
    fn the_oldest_turns_go_first_and_the_question_stays_last() {
        let mut conversation = Conversation::default();
        conversation.instruct("Be brief.");
        for number in 0..10 {
            conversation.keep(format!("{number}?{}", "x".repeat(98)), "y".repeat(100));
        }
        let mut request = conversation.ask("m", "And now?");
        let left_out = request.shorten(SIZES).unwrap();
        assert!((5..9).contains(&left_out.turns) && left_out.bytes == 0, "{left_out:?}");
        assert_eq!(request.messages[0].content, "Be brief.");
        assert!(request.messages[1].content.starts_with(&format!("{}?", left_out.turns)));
        assert_eq!(request.messages.last().unwrap().content, "And now?");
        while request.shorten("").is_some() {}
        let rest: Vec<_> = request.messages.iter().map(|message| message.content.as_str()).collect();
        assert_eq!(rest, ["Be brief.", "And now?"]);
    }

    #[test]
    fn of_what_a_question_is_about_the_beginning_goes_by_whole_lines() {
        let log: String = (0..1000).map(|number| format!("line {number}: ü\n")).collect();
        let mut request =
            Conversation::default().ask("m", Question { material: &log, text: "What is wrong?" });
        let left_out = request.shorten(SIZES).unwrap();
        let rest = request.messages[0].content.clone();
        assert!(rest.starts_with("line ") && rest.ends_with("line 999: ü\n\nWhat is wrong?"), "{rest}");
        assert!(rest.len() * 2 < log.len() && rest.len() * 3 > log.len());
        assert_eq!(left_out.bytes, log.len() + "\nWhat is wrong?".len() - rest.len());
        while request.shorten("").is_some() {}
        assert_eq!(request.messages[0].content.trim(), "What is wrong?");
        // One line of material, and nothing else.
        let mut request = Conversation::default().ask("m", Question { material: &"ü".repeat(99), text: "" });
        assert!(request.shorten("").is_some_and(|left_out| left_out.bytes >= 99));
        let mut typed = Conversation::default().ask("m", "only a question");
        assert_eq!(typed.shorten(""), None);
    }
}

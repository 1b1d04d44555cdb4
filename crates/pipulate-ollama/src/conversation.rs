//! A conversation in progress: its turns, and so the content of the next request.
//!
//! A question is added together with its answer or not at all, so that a failed question can be asked again.

use crate::request::{ChatRequest, Message, Options, Role};

/// A question to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// Its material, such as a log. If too long, its beginning is left out.
    pub material: &'a str,
    /// The question itself, at the end: models pay most attention to that, and nothing drops it.
    pub text: &'a str,
}

impl<'a> From<&'a str> for Question<'a> {
    fn from(text: &'a str) -> Self {
        Self { material: "", text }
    }
}

/// The messages to and from a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conversation {
    system: Option<String>,
    messages: Vec<Message>,
}

impl Conversation {
    /// Sets the system prompt; an empty text removes it.
    pub fn instruct(&mut self, system: &str) {
        let system = system.trim();
        self.system = (!system.is_empty()).then(|| system.to_owned());
    }

    /// Returns the system prompt.
    pub fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    /// Returns questions and answers, alternating.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Returns the request that asks `question` after this conversation.
    pub fn ask<'a>(&self, model: &str, question: impl Into<Question<'a>>) -> ChatRequest {
        let Question { material, text } = question.into();
        let mut asked = material.trim_end().to_owned();
        let is_between = !asked.is_empty() && !text.is_empty();
        // The line break at its end belongs to it.
        let material = asked.len() + usize::from(is_between);
        if is_between {
            asked.push_str("\n\n");
        }
        asked.push_str(text);
        let message = |role, content| Message { role, content };
        let system = self.system.iter().cloned().map(|text| message(Role::System, text));
        let messages =
            system.chain(self.messages.iter().cloned()).chain([message(Role::User, asked)]).collect();
        ChatRequest { model: model.to_owned(), messages, material, think: None, options: Options::default() }
    }

    /// Adds a question and its answer, even if the answer was stopped half-way. A question without any answer
    /// is not added.
    pub fn keep(&mut self, question: String, answer: String) {
        if !answer.trim().is_empty() {
            self.messages.push(Message { role: Role::User, content: question });
            self.messages.push(Message { role: Role::Assistant, content: answer });
        }
    }

    /// Removes all turns; the system prompt stays.
    pub fn forget(&mut self) {
        self.messages.clear();
    }

    /// Returns the conversation as Markdown.
    pub fn to_markdown(&self, model: &str) -> String {
        let mut text = format!("# A conversation with {model}\n");
        let instructions = self.system.iter().map(|system| ("Instructions", system.as_str()));
        let turns = self.messages.iter().map(|message| (speaker(message.role), message.content.as_str()));
        for (heading, said) in instructions.chain(turns) {
            text.push_str(&format!("\n## {heading}\n\n{}\n", said.trim_end()));
        }
        text
    }
}

fn speaker(role: Role) -> &'static str {
    match role {
        Role::System => "Instructions",
        Role::User => "You",
        Role::Assistant => "Model",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_everything_that_was_said_before() {
        let mut conversation = Conversation::default();
        conversation.instruct(" Be brief. ");
        conversation.keep("1?".to_owned(), "One.".to_owned());
        let request = conversation.ask("m", "2?");
        let said: Vec<_> = request.messages.iter().map(|said| (said.role, said.content.as_str())).collect();
        assert_eq!(
            said,
            [(Role::System, "Be brief."), (Role::User, "1?"), (Role::Assistant, "One."), (Role::User, "2?")]
        );
        conversation.forget();
        assert_eq!((conversation.messages().len(), conversation.system()), (0, Some("Be brief.")));
        conversation.instruct("");
        assert_eq!(conversation.system(), None);
    }

    #[test]
    fn a_question_without_an_answer_is_not_kept() {
        let mut conversation = Conversation::default();
        conversation.keep("1?".to_owned(), " \n".to_owned());
        assert_eq!(conversation, Conversation::default());
    }

    #[test]
    fn it_can_be_read_by_people() {
        let mut conversation = Conversation::default();
        conversation.instruct("Be brief.");
        conversation.keep("What is 1?".to_owned(), "A number.\n".to_owned());
        assert_eq!(
            conversation.to_markdown("llama3.1"),
            "# A conversation with llama3.1\n\n## Instructions\n\nBe brief.\n\n## You\n\nWhat is 1?\n\n## Model\n\nA number.\n"
        );
    }
}

//! What a model is asked: a conversation to be continued.

use serde::Serialize;

/// A conversation to be continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatRequest {
    pub model: String,
    /// None at all just loads the model.
    pub messages: Vec<Message>,
    /// How much of the last message, in bytes, is what its question is about: where the request is
    /// too long, that is left out from its beginning.
    #[serde(skip)]
    pub material: usize,
    /// Whether to think first; `None` leaves it to the model, and most that can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<bool>,
    #[serde(skip_serializing_if = "Options::is_default")]
    pub options: Options,
}

/// How a model writes; what is not said is left to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Options {
    /// The longest answer, in tokens, thoughts included. A model that has more to say is cut off there,
    /// which [`crate::answer::Summary::is_cut_off`] tells.
    #[serde(rename = "num_predict", skip_serializing_if = "Option::is_none")]
    pub most_tokens: Option<u32>,
}

impl Options {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Something said in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

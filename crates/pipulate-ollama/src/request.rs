//! A request to a model: a conversation to be continued.

use serde::Serialize;

/// A conversation to be continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatRequest {
    pub model: String,
    /// Without any, the model is only loaded.
    pub messages: Vec<Message>,
    /// How many bytes of the last message are the material of its question: if the request is too long, its
    /// beginning is left out.
    #[serde(skip)]
    pub material: usize,
    /// Whether to reason first; `None` uses the model's default, and most models that can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<bool>,
    #[serde(skip_serializing_if = "Options::is_default")]
    pub options: Options,
}

/// Generation options; `None` uses the model's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Options {
    /// The maximum length of an answer, in tokens, including reasoning. A longer answer is cut off, which
    /// [`crate::answer::Summary::is_cut_off`] reports.
    #[serde(rename = "num_predict", skip_serializing_if = "Option::is_none")]
    pub most_tokens: Option<u32>,
}

impl Options {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A message in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

//! A tool's answer: a short text for the model, and the same content as a value with a schema.

use jiff::Timestamp;
use pipulate_core::text;
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

use crate::commands::{doctor, status};
use crate::context::Context;
use crate::style::Style;
use crate::ui::{findings, status_json, status_table};

/// The answer to a call.
pub(super) struct Answer {
    text: String,
    structured: Option<Value>,
    is_error: bool,
}

impl Answer {
    /// A success; `value` matches the tool's schema.
    pub(super) fn done(text: impl Into<String>, value: &impl Serialize) -> Self {
        // serde_json only fails for maps without text keys, and there are none here.
        Self { text: text.into(), structured: serde_json::to_value(value).ok(), is_error: false }
    }

    /// An attempt that failed.
    pub(super) fn failed(text: impl Into<String>, value: &impl Serialize) -> Self {
        Self { is_error: true, ..Self::done(text, value) }
    }

    /// A refusal without an attempt.
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self { text: text.into(), structured: None, is_error: true }
    }

    pub(super) fn into_result(self) -> CallToolResult {
        let content = vec![ContentBlock::text(text::harmless(&self.text, |_| None))];
        let mut result = match self.is_error {
            true => CallToolResult::error(content),
            false => CallToolResult::success(content),
        };
        result.structured_content = self.structured;
        result
    }
}

/// The status of the services.
pub(super) fn status(context: &Context) -> Answer {
    let status = status::project_status(context);
    let style = Style::plain();
    let table = status_table::table(&status, Timestamp::now(), style, None);
    let doubts = status.unknown.iter().map(|doubt| format!("\nwarning: {}", pipulate_words::doubt(doubt)));
    let ignored = context.config_as_read().as_ref().err();
    let ignored = ignored.map(|error| format!("\nwarning: pipulate.toml is ignored: {error}"));
    let text: String = [status_table::heading(&status, style), format!("\n{table}")]
        .into_iter()
        .chain(doubts)
        .chain(ignored)
        .collect();
    Answer::done(text, &status_json::document(&status))
}

/// The findings about the home.
pub(super) fn doctor(context: &Context) -> Answer {
    let found = doctor::findings(context);
    Answer::done(findings::text(&found, false, Style::plain()), &findings::document(&found))
}

//! A value with a code, or a sentence of format 1.

use serde_json::Value;

pub(super) enum Coded {
    /// Format 1.
    Text(String),
    Data {
        code: String,
        value: Value,
    },
}

pub(super) fn coded(value: Value) -> Option<Coded> {
    match value {
        Value::String(text) => Some(Coded::Text(text)),
        value => Some(Coded::Data { code: value.get("code")?.as_str()?.to_owned(), value }),
    }
}

pub(super) fn raw(data: &str) -> Value {
    serde_json::from_str(data).unwrap_or(Value::Null)
}

/// The types here hold only valid JSON values.
pub(super) fn to_value(written: Result<Value, serde_json::Error>) -> Value {
    written.unwrap_or(Value::Null)
}

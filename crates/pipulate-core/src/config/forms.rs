//! Values in the form in which they are written. Whoever is new to TOML writes many of them in
//! another form first; the complaint then shows the right one, with their own words in it.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use toml::Value;

use crate::units::{parse_duration, parse_size};

/// A command: program and arguments.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct RawCommand(pub(super) Vec<String>);

impl TryFrom<Value> for RawCommand {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(words) => {
                let text = |word| match word {
                    Value::String(word) => Ok(word),
                    other => Err(format!("each word of a command is in quotes: \"{other}\"")),
                };
                words.into_iter().map(text).collect::<Result<_, _>>().map(Self)
            }
            Value::String(line) => {
                Err(format!("a command is a list of words: command = {}", as_words(&line)))
            }
            other => Err(format!(
                "a command is a list of words, such as [\"python\", \"worker.py\"], and not {}",
                kind(&other)
            )),
        }
    }
}

/// A shell's line as a list of words.
fn as_words(line: &str) -> String {
    // What means more to a shell than a space between words is left to a shell.
    let words = match line.contains(['|', '&', ';', '<', '>', '$', '`', '"', '\'', '*', '\\']) {
        true => vec!["sh", "-c", line],
        false => line.split_whitespace().collect(),
    };
    Value::from(words).to_string()
}

/// A port.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct RawPort(pub(super) NonZeroU16);

impl TryFrom<Value> for RawPort {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Integer(number) => {
                let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
                port.map(Self)
                    .ok_or_else(|| format!("{number} is not a port; write a number from 1 to 65535"))
            }
            Value::String(text) if text.parse::<u16>().is_ok() => {
                Err(format!("a port is a number, without quotes: port = {text}"))
            }
            other => Err(format!("a port is a number from 1 to 65535, and not {}", kind(&other))),
        }
    }
}

/// A length of time: a number and a unit, `ms`, `s`, `m` or `h`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct RawTime(pub(super) Duration);

impl TryFrom<Value> for RawTime {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => parse_duration(&text).map(Self),
            Value::Integer(_) | Value::Float(_) => {
                Err(format!("a length of time has a unit, and stands in quotes: \"{value}s\""))
            }
            other => Err(format!("a length of time is written as \"10s\", and not {}", kind(&other))),
        }
    }
}

/// A number of bytes: a number and a unit, `B`, `KiB`, `MiB` or `GiB`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct RawSize(pub(super) u64);

impl TryFrom<Value> for RawSize {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => parse_size(&text).map(Self),
            Value::Integer(_) => Err(format!("a size has a unit, and stands in quotes: \"{value}B\"")),
            other => Err(format!("a size is written as \"10MiB\", and not {}", kind(&other))),
        }
    }
}

/// Yes or no.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct RawSwitch(pub(super) bool);

impl TryFrom<Value> for RawSwitch {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Boolean(is_on) => Ok(Self(is_on)),
            other => Err(format!("write true or false, without quotes, and not {}", kind(&other))),
        }
    }
}

/// The value of a variable.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct RawText(pub(super) String);

impl TryFrom<Value> for RawText {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text)),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
                Err(format!("the value of a variable is text, in quotes: \"{value}\""))
            }
            Value::Array(_) | Value::Table(_) => {
                Err(format!("the value of a variable is text, in quotes, and not {}", kind(&value)))
            }
        }
    }
}

/// Several of something.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list, in brackets")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<List<T>, E> {
                Err(E::custom(format!("a list stands in brackets: {}", Value::from(vec![text]))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(List(list))
            }
        }

        deserializer.deserialize_any(Items(PhantomData))
    }
}

/// What a value is, for people.
fn kind(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text {}", Value::from(text.as_str())),
        Value::Integer(_) | Value::Float(_) => format!("the number {value}"),
        Value::Boolean(_) => format!("{value}"),
        Value::Datetime(_) => "a date".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

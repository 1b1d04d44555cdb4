//! Values in their correct form. Users who are new to TOML often write another form first; the error message
//! then shows the correct form, with their own words in it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use toml::Value;

use crate::secret::{MASKED, says_secret};
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
                    Value::String(word) if word.contains('\0') => Err(no_nul("a word of a command")),
                    Value::String(word) => Ok(word),
                    other => Err(format!("put each word of a command in quotes: \"{other}\"")),
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

/// Converts a shell command line into a list of words.
fn as_words(line: &str) -> String {
    // A line with shell syntax beyond spaces between words needs a shell.
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

/// A duration: a number and a unit, `ms`, `s`, `m` or `h`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct RawTime(pub(super) Duration);

impl TryFrom<Value> for RawTime {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => parse_duration(&text).map(Self),
            Value::Integer(_) | Value::Float(_) => {
                Err(format!("write a duration with a unit, in quotes: \"{value}s\""))
            }
            other => Err(format!("write a duration such as \"10s\", not {}", kind(&other))),
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
            Value::Integer(_) => Err(format!("write a size with a unit, in quotes: \"{value}B\"")),
            other => Err(format!("write a size such as \"10MiB\", not {}", kind(&other))),
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
            other => Err(format!("write true or false, without quotes, not {}", kind(&other))),
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
            Value::String(text) if text.contains('\0') => Err(no_nul("the value of a variable")),
            Value::String(text) => Ok(Self(text)),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
                Err(format!("write the value of a variable in quotes: \"{value}\""))
            }
            Value::Array(_) | Value::Table(_) => {
                Err(format!("write the value of a variable as text, in quotes, not {}", kind(&value)))
            }
        }
    }
}

/// Variables by name.
#[derive(Debug, Default)]
pub(super) struct Variables(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Variables;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, such as env = { NAME = \"value\" }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Variables, A::Error> {
                let mut variables = BTreeMap::new();
                while let Some(RawName(name)) = entries.next_key()? {
                    let RawText(value) = entries.next_value()?;
                    if says_secret(&name) && value == MASKED {
                        return Err(A::Error::custom(format!(
                            "{MASKED} stands for the value of {name}, which `pipulate config --show` does not print"
                        )));
                    }
                    variables.insert(name, value);
                }
                Ok(Variables(variables))
            }
        }

        deserializer.deserialize_any(Entries)
    }
}

/// The name of a variable.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct RawName(String);

impl TryFrom<String> for RawName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.is_empty() || name.contains(['=', '\0']) {
            true => Err("the name of a variable can't be empty or contain \"=\" or NUL".to_owned()),
            false => Ok(Self(name)),
        }
    }
}

/// One of a few allowed words.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value", bound = "T: DeserializeOwned")]
pub(super) struct RawWord<T>(pub(super) T);

impl<T: DeserializeOwned> TryFrom<Value> for RawWord<T> {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let read = |word: &str| T::deserialize(StrDeserializer::<de::value::Error>::new(word));
        match &value {
            Value::String(word) => read(word).map(Self).map_err(|error| error.to_string()),
            other => match read("") {
                Ok(empty) => Ok(Self(empty)),
                // "unknown variant ``, expected one of `TERM`, `INT`"
                Err(error) => {
                    let allowed = error.to_string();
                    let allowed = allowed.split_once("expected ").map_or("a word", |(_, allowed)| allowed);
                    Err(format!("write {allowed}, in quotes, not {}", kind(other)))
                }
            },
        }
    }
}

/// A count.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct RawCount(pub(super) u32);

impl TryFrom<Value> for RawCount {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let count = value.as_integer().and_then(|count| u32::try_from(count).ok());
        count
            .map(Self)
            .ok_or_else(|| format!("write a number, 0 or more, without quotes, not {}", kind(&value)))
    }
}

fn no_nul(what: &str) -> String {
    format!("{what} can't hold a NUL character")
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
                Err(E::custom(format!("write a list in brackets: {}", Value::from(vec![text]))))
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

/// Returns the kind of a value, for messages.
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

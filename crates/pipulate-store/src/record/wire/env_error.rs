//! Why an `env_file` can't be used, in a record. Before it had a form of its own it was a sentence.

use std::borrow::Cow;

use pipulate_core::env_error::{EnvError, Unwritable};
use pipulate_core::fault::SystemError;
use pipulate_core::project::AbsPath;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::adapters::with;
use super::coded::to_value;
use super::fault::SystemErrorV2;

#[derive(Serialize, Deserialize)]
#[serde(remote = "EnvError", tag = "of", rename_all = "kebab-case")]
enum EnvErrorV2 {
    Io {
        activity: Cow<'static, str>,
        path: AbsPath,
        #[serde(with = "SystemErrorV2")]
        error: SystemError,
    },
    Symlink {
        path: AbsPath,
    },
    NotAFile {
        path: AbsPath,
    },
    OtherOwner {
        path: AbsPath,
        owner: u32,
    },
    NotText {
        path: AbsPath,
    },
    Unwritable {
        path: AbsPath,
        #[serde(with = "UnwritableV2")]
        reason: Unwritable,
    },
    OpenQuote {
        path: AbsPath,
        line: usize,
    },
    NoVariable {
        path: AbsPath,
        line: usize,
    },
    TooLong {
        path: AbsPath,
        line: usize,
    },
    /// A sentence is written as one.
    #[serde(skip)]
    Told {
        text: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Unwritable", rename_all = "kebab-case")]
enum UnwritableV2 {
    Nul,
    CarriageReturn,
    Interpolation,
}

with!(
    env_error: EnvError as Value,
    |error| match error {
        EnvError::Told { text } => Value::String(text.clone()),
        error => to_value(EnvErrorV2::serialize(error, serde_json::value::Serializer)),
    },
    |value| match value {
        Value::String(text) => Some(EnvError::Told { text }),
        value => EnvErrorV2::deserialize(value).ok(),
    }
);

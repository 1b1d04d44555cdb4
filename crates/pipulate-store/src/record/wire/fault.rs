//! A failed file operation or system call, in a record. Older records have a sentence instead.

use std::borrow::Cow;
use std::path::PathBuf;

use pipulate_core::fault::{Fault, FileRefusal, SystemError, SystemErrorKind};
use pipulate_core::service::ServiceName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::adapters::{name, path, with};
use super::coded::to_value;

#[derive(Serialize, Deserialize)]
#[serde(remote = "Fault", tag = "of", rename_all = "kebab-case")]
enum FaultV2 {
    File {
        activity: Cow<'static, str>,
        #[serde(with = "path")]
        path: PathBuf,
        #[serde(with = "SystemErrorV2")]
        error: SystemError,
    },
    Refused {
        #[serde(with = "path")]
        path: PathBuf,
        #[serde(with = "FileRefusalV2")]
        why: FileRefusal,
    },
    System {
        activity: Cow<'static, str>,
        #[serde(with = "SystemErrorV2")]
        error: SystemError,
    },
    /// A plain sentence.
    #[serde(skip)]
    Told { text: String },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SystemError")]
pub(super) struct SystemErrorV2 {
    #[serde(with = "SystemErrorKindV2")]
    kind: SystemErrorKind,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SystemErrorKind", rename_all = "kebab-case")]
enum SystemErrorKindV2 {
    DiskFull,
    OverQuota,
    ReadOnlyDisk,
    NotPermitted,
    Other,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "FileRefusal", tag = "code", rename_all = "kebab-case")]
enum FileRefusalV2 {
    Link,
    NotAFile,
    NotAFolder,
    FileOfAnotherUser,
    FolderOfAnotherUser,
    TooLarge,
    InheritedAnother,
    NoHomeDirectory,
    NoPlaceForRun,
    UnsuitableForRun,
    OfAnotherService {
        #[serde(with = "name")]
        service: ServiceName,
    },
    Empty,
    NewerFormat {
        format: u32,
        known: u32,
    },
    NotUnderstood {
        error: String,
    },
    StrangeValue,
    Damaged {
        turn: usize,
        after: usize,
    },
    TooDeep,
}

fn encode(fault: &Fault) -> Value {
    match fault {
        Fault::Told { text } => Value::String(text.clone()),
        fault => to_value(FaultV2::serialize(fault, serde_json::value::Serializer)),
    }
}

fn decode(value: Value) -> Option<Fault> {
    match value {
        Value::String(text) => Some(Fault::Told { text }),
        value => FaultV2::deserialize(value).ok(),
    }
}

with!(fault: Fault as Value, encode, decode);
with!(
    maybe_fault: Option<Fault> as Option<Value>,
    |fault| fault.as_ref().map(encode),
    |value| value.map_or(Some(None), |value| decode(value).map(Some))
);

#[cfg(test)]
mod tests {
    use pipulate_core::env_error::EnvError;
    use pipulate_core::reason::Reason;

    use super::super::reason::decode_all;
    use super::*;

    #[test]
    fn a_sentence_of_an_older_record_is_kept_as_one() {
        let text = "could not read /p/x: no".to_owned();
        let problem = || Fault::Told { text: text.clone() };
        let reasons = [
            Reason::FileProblem { problem: problem() },
            Reason::ReloadFailed { problem: Some(problem()) },
            Reason::EnvFileUnusable { error: EnvError::Told { text: text.clone() } },
        ];
        for reason in reasons {
            let older = serde_json::json!({ "code": reason.code(), "error": text });
            assert_eq!(decode_all(older), Some(vec![reason]));
        }
    }
}

//! Forms of values without serde in a record.

use std::path::PathBuf;
use std::time::Duration;

use pipulate_core::identity::Pid;
use pipulate_core::service::ServiceName;

/// Defines a module for `#[serde(with = …)]` from a type without serde and a type with serde.
macro_rules! with {
    ($name:ident: $type:ty as $wire:ty, $encode:expr, $decode:expr) => {
        pub(super) mod $name {
            use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

            use super::*;

            pub(in crate::record::wire) fn serialize<S: Serializer>(
                value: &$type,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                let encode: fn(&$type) -> $wire = $encode;
                encode(value).serialize(serializer)
            }

            pub(in crate::record::wire) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$type, D::Error> {
                let decode: fn($wire) -> Option<$type> = $decode;
                let refused = || serde::de::Error::custom("an invalid value");
                decode(<$wire>::deserialize(deserializer)?).ok_or_else(refused)
            }
        }
    };
}

/// Wraps a type of another crate in one with serde.
macro_rules! wrapper {
    ($name:ident, $wire:literal, $type:ty) => {
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        struct $name(#[serde(with = $wire)] $type);
    };
}

pub(super) use {with, wrapper};

// JSON holds only UTF-8 paths: others are only for display.
with!(path: PathBuf as String, |path| path.to_string_lossy().into_owned(), |text| Some(text.into()));
with!(
    paths: Vec<PathBuf> as Vec<String>,
    |paths| paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
    |texts| Some(texts.into_iter().map(PathBuf::from).collect())
);
with!(
    maybe_path: Option<PathBuf> as Option<String>,
    |path| path.as_ref().map(|path| path.to_string_lossy().into_owned()),
    |text| Some(text.map(PathBuf::from))
);
with!(name: ServiceName as String, |name| name.to_string(), |text| ServiceName::parse(&text).ok());
with!(
    maybe_name: Option<ServiceName> as Option<String>,
    |name| name.as_ref().map(ServiceName::to_string),
    |text| text.map_or(Some(None), |text| ServiceName::parse(&text).ok().map(Some))
);
with!(
    seconds: Duration as f64,
    |time| time.as_secs_f64(),
    |seconds| Duration::try_from_secs_f64(seconds).ok()
);
with!(pid: Pid as i32, |pid| pid.get(), Pid::new);
with!(
    maybe_pid: Option<Pid> as Option<i32>,
    |pid| pid.map(Pid::get),
    |number| number.map_or(Some(None), |number| Pid::new(number).map(Some))
);

//! Whether other programs read `.env` as Python does. Names are told, values never: neither reader's
//! error is repeated, because it may hold one.

use std::collections::BTreeMap;

use pipulate_core::finding::Finding;
use pipulate_store::dotenv::{EnvFile, SecretValue};

use super::catalog::{Check, Group};
use super::{Examination, skipped, warning};

/// How long a value may become for dotenvy, in bytes.
const ROOM: usize = 64 << 20;

const ID: &str = "env.portable";

pub(super) const PORTABLE: Group = Group {
    checks: &[Check::new(
        ID,
        "whether `.env` means the same to python-dotenv and to a second reader (dotenvy), line by line",
    )],
    examine: |examination| vec![portable(examination)],
};

fn portable(examination: &Examination) -> Finding {
    let path = examination.layout.dotenv();
    if !path.is_file() {
        return skipped(ID, "There is no .env");
    }
    let Ok(document) = EnvFile::of(&examination.layout).read() else {
        return skipped(ID, "Not examined: .env can't be read");
    };
    let broken: Vec<String> = document.broken_lines().map(|line| line.to_string()).collect();
    let outside = |name: &str| examination.variable(name).map(str::to_owned);
    let resolved = document.resolve(&outside);
    if resolved.too_long.is_some() || may_grow(document.expose()) {
        return skipped(
            ID,
            "Not examined: .env has so many variables in its values that it may grow too long",
        );
    }
    let others = second_opinion(document.expose());
    let differs = |(key, python): &(String, Option<SecretValue>)| {
        others.get(key).map(String::as_str) != python.as_ref().map(|value| value.expose())
    };
    let different: Vec<String> = resolved.values.into_iter().filter(differs).map(|(key, _)| key).collect();
    if different.is_empty() && broken.is_empty() {
        return Finding::ok(ID, "Every reader reads .env alike");
    }
    let read =
        |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let problems = [read("read differently:", &different), read("no reader understands line", &broken)];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    warning(ID, "Not every program reads .env as Python does")
        .detail(format!("{path}: {}", problems.join("; ")))
        .advice("write those lines as NAME='value'; `pipulate secret set NAME` chooses the form that all readers share")
}

/// Whether dotenvy may need more than [`ROOM`] for a value. It fills in `$NAME` too and has no limit: `d`
/// of them, each filled in with what the ones before became, make a text at most 3^(d/3) times as long.
fn may_grow(text: &str) -> bool {
    let variables = text.matches('$').count().div_ceil(3);
    let longest = std::env::vars_os().map(|(_, value)| value.len()).max().unwrap_or(0).max(text.len());
    let factor = u32::try_from(variables).ok().and_then(|variables| 3_usize.checked_pow(variables));
    factor.and_then(|factor| factor.checked_mul(longest)).is_none_or(|length| length > ROOM)
}

/// What dotenvy reads; a line that it can't read ends what it reads.
fn second_opinion(text: &str) -> BTreeMap<String, String> {
    dotenvy::from_read_iter(text.as_bytes()).map_while(Result::ok).collect()
}

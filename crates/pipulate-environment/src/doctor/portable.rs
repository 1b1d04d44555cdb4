//! Whether other programs read `.env` as Python does. Names are told, values never: neither reader's
//! error is repeated, because it may hold one.

use std::collections::BTreeMap;

use pipulate_core::finding::Finding;
use pipulate_store::dotenv::EnvFile;

use super::catalog::{Check, Group};
use super::{Examination, skipped, warning};

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
    let others = second_opinion(document.expose());
    let differs = |key: &&str| {
        let python = document.get(key, &outside);
        others.get(*key).map(String::as_str) != python.as_ref().map(|value| value.expose())
    };
    let keys = document.keys();
    let different: Vec<String> = keys.iter().copied().filter(differs).map(str::to_owned).collect();
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

/// What dotenvy reads; a line that it can't read ends what it reads.
fn second_opinion(text: &str) -> BTreeMap<String, String> {
    dotenvy::from_read_iter(text.as_bytes()).map_while(Result::ok).collect()
}

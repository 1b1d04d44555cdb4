//! The one place that makes output identical in every run.
//!
//! Paths, ports, pids, times, durations, sizes, ids and hashes become words in brackets.

use regex::{Captures, Regex};

/// Each pattern with its replacement; earlier ones win.
const RULES: [(&str, &str); 13] = [
    (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
    (r"\b(x86_64|aarch64)-(linux|darwin)\b", "[SYSTEM]"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[UUID]"),
    (r"\b[0-9a-f]{64}\b", "[HASH]"),
    (r"\b[0-9a-f]{16}\b", "[ID]"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "[TIME]"),
    (r"\b127\.0\.0\.1:\d+\b", "127.0.0.1:[PORT]"),
    (r"\b(ports? )\d+\b", "${1}[PORT]"),
    (r"\b((?:pid|process)[ :=]+)\d+\b", "${1}[PID]"),
    (r"\b\d+(\.\d+)? (B|[KMGT]iB)\b", "[SIZE]"),
    (r"\b\d+(\.\d+)?%", "[PERCENT]"),
    (r"\b\d+[dhm] \d+[hms]\b", "[DURATION]"),
    (r"\b\d+(\.\d+)? ?(ns|µs|ms|s)\b", "[DURATION]"),
];

/// `text` with everything that differs between runs replaced, `paths` first.
pub(crate) fn redact(text: &str, paths: &[(&str, &str)], ports: &[u16]) -> String {
    let mut text = text.to_owned();
    for (path, word) in paths {
        text = text.replace(path, word);
    }
    for (pattern, word) in RULES {
        text = Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
    }
    let number = Regex::new(r"\b\d{4,5}\b").unwrap();
    let is_ours = |found: &Captures<'_>| found[0].parse().is_ok_and(|number: u16| ports.contains(&number));
    let replace =
        |found: &Captures<'_>| if is_ours(found) { "[PORT]".to_owned() } else { found[0].to_owned() };
    number.replace_all(&text, replace).into_owned()
}

#[test]
fn what_changes_between_runs_is_a_word_in_brackets() {
    let text = "Stopped jupyter: 4 processes in 0.9 s\n  left running: tmux (pid 82), at /tmp/x/demo\n\
                \x1b[1mready\x1b[0m http://127.0.0.1:20001/lab 4.0 KiB 20001 20002 3m 20s 2026-11-22T10:00:00.123Z";
    insta::assert_snapshot!(redact(text, &[("/tmp/x/demo", "[ROOT]")], &[20001]), @r"
    Stopped jupyter: 4 processes in [DURATION]
      left running: tmux (pid [PID]), at [ROOT]
    ready http://127.0.0.1:[PORT]/lab [SIZE] [PORT] 20002 [DURATION] [TIME]
    ");
}

//! The real python-dotenv reads the values that we read; it, dotenvy and bash read back the values that we
//! write.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pipulate_store::dotenv::Warning;
use pipulate_store::dotenv::document::Document;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Deserialize;

use crate::{Home, key, secret};

/// Lines as people and other programs write them, sensible or not.
const LINES_OF_PEOPLE: &[&str] = &[
    "A=a b c",
    "A=$HOME",
    "A=${NOPE:-def}",
    "A=#c",
    "A= # c",
    "A=#c # d",
    "A",
    "A-B=1",
    "1A=2",
    "'A'=2",
    "\u{feff}A=1",
    "A=C:\\dir",
    "A=\"\\t\\q\"",
    "A='a'b\nB=1",
    "A='open\nB=1\n",
    "A=\"x\nB=\"y\"\nC=1",
    "export A=1",
    "export=1",
    "export A",
    "export # c",
    "A = 1",
    " # c",
    "A='x\r\ny'\r\nB=2\r\n",
    "A=1\rB=2",
    "A=\"\\\"\"",
    "A='\\\\'",
    "A='\\'",
    "",
    "A=1 #c\n# A=2\nB=${A}",
    "'A B'=1",
    "''=1",
    "A=\n\n  B=1",
    "A='1' # 'x'",
    "A=\"a#b\" ",
    "\n\n",
    "A=é#x",
    "A:1=b",
];

/// Pieces that are special in the grammar, to be combined at random.
const PIECES_OF_TEXTS: &[&str] = &[
    "A",
    "B",
    "AB",
    "export",
    "export ",
    "=",
    "=",
    " = ",
    " ",
    "\t",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "#",
    " #",
    "'",
    "'",
    "\"",
    "\"",
    "\\",
    "\\\\",
    "\\'",
    "\\\"",
    "\\n",
    "\\x41",
    "\\u00e9",
    "${A}",
    "${B}",
    "${EMPTY:-x}",
    "${N:-d}",
    "${",
    "}",
    ":",
    ":-",
    "$",
    "x",
    "ü",
    "🦙",
    "\u{a0}",
    "\x1c",
    "\x0b",
    "\x0c",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\u{200b}",
];

/// Pieces of values, likewise.
const PIECES_OF_VALUES: &[&str] = &[
    "a", "b c", "'", "\"", "\\", "\\\\", "n", "$", "$HOME", "{", "}", "#", " #", " ", "\n", "\t", "`", "!",
    "=", "ü", "🦙",
];

/// For each text: the variables that `load_dotenv` would set, and the lines of its warnings.
const ASK_PYTHON: &str = r#"
import json, logging, os, sys, tempfile
from dotenv.main import DotEnv
from dotenv.parser import parse_stream
logging.disable()
question = json.load(sys.stdin)
os.environ.clear()
os.environ.update(question["environment"])
answers = []
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, ".env")
    for text in question["texts"]:
        with open(path, "wb") as file:
            file.write(text.encode())
        values = DotEnv(path, encoding="utf-8", interpolate=True, override=False).dict()
        with open(path, encoding="utf-8") as file:
            broken = sum(binding.error for binding in parse_stream(file))
        answers.append({"values": list(values.items()), "broken": broken})
json.dump(answers, sys.stdout)
"#;

#[derive(Debug, PartialEq, Deserialize)]
struct Reading {
    values: Vec<(String, Option<String>)>,
    broken: usize,
}

fn ask_python(environment: &BTreeMap<&str, &str>, texts: &[String]) -> Vec<Reading> {
    let question = serde_json::json!({ "environment": environment, "texts": texts }).to_string();
    let output = run(&python(), &["-c", ASK_PYTHON], &question);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns a Python that has python-dotenv.
fn python() -> PathBuf {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-venv/bin/python");
    let python = std::env::var_os("PIPULATE_TEST_PYTHON").map_or(prepared, PathBuf::from);
    let found = python.exists() && run(&python, &["-c", "import dotenv"], "").status.success();
    assert!(found, "{} has no python-dotenv; run: cargo xtask test", python.display());
    python
}

#[expect(clippy::disallowed_methods, reason = "the other readers are programs, and this crate starts none")]
fn run(program: &Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn our_reading(environment: &BTreeMap<&str, &str>, text: &str) -> Reading {
    let document = Document::parse(text);
    let lookup = |name: &str| environment.get(name).map(|value| (*value).to_owned());
    let values = document.resolve(&lookup).values.into_iter();
    let values = values.map(|(key, value)| (key, value.map(|value| value.expose().to_owned()))).collect();
    Reading { values, broken: document.broken_lines().count() }
}

/// Deterministic samples, so that a failing run can be repeated: proptest's deterministic generator.
fn samples<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    std::iter::repeat_with(|| strategy.new_tree(&mut runner).unwrap().current()).take(count).collect()
}

fn pieces(choice: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(choice), 0..most).prop_map(|pieces| pieces.concat())
}

#[test]
fn python_reads_every_text_as_we_do() {
    let environment = BTreeMap::from([("A", "outside"), ("EMPTY", "")]);
    let mut texts: Vec<String> = LINES_OF_PEOPLE.iter().copied().map(str::to_owned).collect();
    texts.extend(samples(&pieces(PIECES_OF_TEXTS, 24), 6000));
    let theirs = ask_python(&environment, &texts);
    assert_eq!(theirs.len(), texts.len());
    for (text, theirs) in texts.iter().zip(theirs) {
        assert_eq!(our_reading(&environment, text), theirs, "{text:?}");
    }
}

/// A value, the text that we wrote for it, and whether there was a warning.
struct Written {
    value: String,
    text: String,
    warning: Option<Warning>,
}

fn written(count: usize) -> Vec<Written> {
    let values =
        samples(&pieces(PIECES_OF_VALUES, 8), count).into_iter().filter(|value| !value.contains("${"));
    let before = "# first\nexport K = old # about it\nL=last";
    values
        .map(|value| {
            let home = Home::with(before);
            let warning = home.env_file().set(&key("K"), &secret(&value)).unwrap().warning;
            Written { value, text: home.text(), warning }
        })
        .collect()
}

#[test]
fn python_reads_back_every_value() {
    let written = written(800);
    let texts: Vec<String> = written.iter().map(|written| written.text.clone()).collect();
    let readings = ask_python(&BTreeMap::new(), &texts);
    assert_eq!(readings.len(), written.len());
    for (written, reading) in written.into_iter().zip(readings) {
        let wanted = [("K", written.value), ("L", "last".to_owned())];
        let values = wanted.map(|(key, value)| (key.to_owned(), Some(value))).into();
        assert_eq!(reading, Reading { values, broken: 0 }, "{}", written.text);
    }
}

#[test]
fn dotenvy_and_bash_read_back_every_value_without_a_warning() {
    let plain: Vec<Written> = written(400).into_iter().filter(|written| written.warning.is_none()).collect();
    assert!(plain.iter().any(|written| written.text.contains("K=\"")), "both of the plain forms are tried");
    let mut script = String::new();
    for written in &plain {
        let pairs: Result<Vec<_>, _> = dotenvy::from_read_iter(written.text.as_bytes()).collect();
        let wanted = [("K", written.value.as_str()), ("L", "last")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(pairs.unwrap(), wanted, "{}", written.text);
        script += &format!("{}\nprintf '%s\\0' \"$K\"\n", written.text);
    }
    let output = run(Path::new("bash"), &["--noprofile", "--norc"], &script);
    let values = String::from_utf8(output.stdout).unwrap();
    let wanted: String = plain.iter().map(|written| format!("{}\0", written.value)).collect();
    assert_eq!(values, wanted, "{}", String::from_utf8_lossy(&output.stderr));
}

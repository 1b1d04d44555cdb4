use super::*;
use proptest::prelude::*;

fn no_environment(_: &str) -> Option<String> {
    None
}

fn key(text: &str) -> EnvKey {
    EnvKey::parse(text).unwrap()
}

fn set(text: &str, name: &str, value: &str) -> String {
    Document::parse(text).with(&key(name), &SecretValue::new(value)).unwrap().0
}

fn unset(text: &str, name: &str) -> Option<String> {
    Document::parse(text).without(name).unwrap()
}

fn value(text: &str, name: &str) -> Option<String> {
    Document::parse(text).get(name, &no_environment).map(|value| value.expose().to_owned())
}

#[test]
fn an_edit_changes_its_own_value_and_nothing_else() {
    let text =
        "# Keys\r\n\r\n  export A = old # mine\r\nwhat is this?\nB=\"x\ny\" #b\n\n\nC\n'D'= # empty\nE='1'#e";
    assert_eq!(set(text, "A", "new"), text.replace("export A = old", "export A='new'"));
    assert_eq!(set(text, "B", "new"), text.replace("B=\"x\ny\"", "B='new'"));
    assert_eq!(set(text, "C", "new"), text.replace("\nC\n", "\nC='new'\n"));
    assert_eq!(set(text, "D", "new"), text.replace("'D'= #", "D='new' #"));
    assert_eq!(set(text, "E", "new"), text.replace("E='1'#e", "E='new' #e"));
    assert_eq!(set(text, "F", "new"), text.to_owned() + "\r\nF='new'\r\n");
}

#[test]
fn a_new_value_gets_a_line_of_its_own() {
    assert_eq!(set("", "A", "1"), "A='1'\n");
    assert_eq!(set("\u{feff}", "A", "1"), "\u{feff}A='1'\n");
    // Only the first is a byte order mark; a second one is a line of its own.
    assert_eq!(set("\u{feff}\u{feff}", "A", "1"), "\u{feff}\u{feff}\nA='1'\n");
    assert_eq!(set("B=2", "A", "1"), "B=2\nA='1'\n");
    assert_eq!(set("B=2\n\n", "A", "1"), "B=2\n\nA='1'\n");
}

#[test]
fn every_line_of_a_key_gets_the_new_value() {
    assert_eq!(set("A=1\nB=2\nA=3\n", "A", "4"), "A='4'\nB=2\nA='4'\n");
}

#[test]
fn a_key_goes_with_all_of_its_lines_and_leaves_the_rest() {
    assert_eq!(unset("# one\nA=1 # c\n\n  A='x\ny'\n\nB=2", "A").unwrap(), "# one\n\n\nB=2");
    assert_eq!(unset("\u{feff}A=1\r\nB=2\r\n", "A").unwrap(), "\u{feff}B=2\r\n");
    assert_eq!(unset("B=2\n", "A"), None);
    assert_eq!(unset("A-B=2\nC=1\n", "A-B").unwrap(), "C=1\n");
}

#[test]
fn a_line_with_an_open_quote_is_not_allowed_to_swallow_an_edit() {
    let document = Document::parse("A=1\n\nB='open\nC=2\n");
    let refusal = document.with(&key("D"), &SecretValue::new("x")).unwrap_err();
    assert_eq!(refusal, Refusal::OpenQuote { line: 3 });
    assert_eq!(document.with(&key("C"), &SecretValue::new("x")).unwrap_err(), refusal);
    assert!(document.with(&key("A"), &SecretValue::new("x")).is_ok());
    // A quote of the other kind closes nothing.
    assert_eq!(set("B=\"open\n", "D", "x"), "B=\"open\nD='x'\n");
}

#[test]
fn names_are_listed_once_and_lines_are_counted() {
    let document = Document::parse("A=1\r\n\r\nB\n=oops\nA=2\n\n  C='x\n");
    assert_eq!(document.keys(), ["A", "B"]);
    assert_eq!(document.broken_lines().collect::<Vec<_>>(), [4, 7]);
}

#[test]
fn the_environment_comes_before_earlier_lines() {
    let text = "A=file\nB=${A}-${C:-none}-${D}\nD\nE=${D:-x}\nA=last\n";
    assert_eq!(value(text, "B").unwrap(), "file-none-");
    assert_eq!(value(text, "E").unwrap(), "");
    assert_eq!(value(text, "A").unwrap(), "last");
    assert_eq!(value(text, "D"), None);
    let outside = |name: &str| (name == "A").then(|| "outside".to_owned());
    assert_eq!(Document::parse(text).get("B", &outside).unwrap().expose(), "outside-none-");
    assert_eq!(Document::parse(text).get("A", &outside).unwrap().expose(), "last");
}

#[test]
fn nothing_shows_a_value() {
    let document = Document::parse("A=hush\nhush='hush");
    assert_eq!(format!("{document:?}"), "Document { keys: [\"A\"], .. }");
}

/// Random texts made of characters that are special in the grammar.
fn nasty(most: usize) -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "A", "B", "export", "export ", "=", " ", "\t", "\n", "\r\n", "\r", "#", " #", "'", "\"", "\\",
        "\\\\", "\\'", "\\\"", "\\n", "${A}", "${", "}", ":-", "$", "x", "ü", "🦙", "\u{a0}", "\x1c", "\x0b",
        "\u{feff}", "\u{85}", "`", "!",
    ]);
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_statements_cover_every_byte(text in nasty(40)) {
        let document = Document::parse(text.clone());
        let mut end = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        for statement in &document.statements {
            prop_assert_eq!(statement.span.start, end);
            prop_assert!(statement.span.end > end);
            end = statement.span.end;
        }
        prop_assert_eq!(end, text.len());
    }

    #[test]
    fn what_is_written_reads_back(text in nasty(30), value in nasty(12)) {
        let document = Document::parse(text);
        let name = key("A");
        match document.with(&name, &SecretValue::new(value.clone())) {
            Ok((edited, _)) => {
                let again = Document::parse(edited);
                let read = again.get("A", &no_environment);
                prop_assert_eq!(read.as_ref().map(SecretValue::expose), Some(value.as_str()));
                prop_assert!(document.keys().iter().all(|key| again.keys().contains(key)));
                match again.without("A") {
                    Ok(without) => prop_assert!(!Document::parse(without.unwrap()).keys().contains(&"A")),
                    // The new first line would begin with a byte order mark, which only counts there.
                    Err(_) => prop_assert!(again.text.contains('\u{feff}'), "{:?}", again.text),
                }
            }
            Err(Refusal::Unwritable(_)) => {
                let bad = value.contains('\r') || value.contains("${");
                prop_assert!(bad);
            }
            Err(Refusal::OpenQuote { line }) => prop_assert!(document.broken_lines().any(|broken| broken == line)),
        }
    }
}

#[test]
fn what_no_environment_can_hold_is_found_with_its_line() {
    for (text, line) in [
        ("A=1\n\n'B=C'=2\n", Some(3)),
        ("'='=1", Some(1)),
        ("A=1\nB=\0", Some(2)),
        ("A\0=1", Some(1)),
        // Without a value nothing is set.
        ("'B=C'\nA=1\n=x", None),
        ("ü=1\nA.B='='", None),
    ] {
        assert_eq!(Document::parse(text).line_of_no_variable(), line, "{text:?}");
    }
}

#[test]
fn nested_variables_stop_growing() {
    // Each line is twice as long as the one before: 2^40 bytes in the end.
    let lines: Vec<String> = (1..40).map(|n| format!("A{n}=${{A{}}}${{A{}}}\n", n - 1, n - 1)).collect();
    let document = Document::parse(format!("A0=0123456789abcdef\n{}B=after\n", lines.concat()));
    let resolved = document.resolve(&|_| None);
    assert_eq!(resolved.too_long, Some(14), "2^13 times 16 bytes are more than 64 KiB");
    assert_eq!(resolved.values[12].1.as_ref().unwrap().expose().len(), 64 << 10);
    assert_eq!(resolved.values[13].1.as_ref().unwrap().expose(), "${A12}${A12}");
    assert_eq!(resolved.values[40].1.as_ref().unwrap().expose(), "after");
}

#[test]
fn many_long_values_stop_growing_together() {
    let long = "x".repeat(60_000);
    let lines: Vec<String> = (0..1_000).map(|n| format!("B{n}=${{A}}\n")).collect();
    let resolved = Document::parse(format!("A={long}\n{}", lines.concat())).resolve(&|_| None);
    assert_eq!(resolved.too_long, Some(36), "34 of them fit into 2 MiB, after the first line");
    let all: usize = resolved.values.iter().map(|(_, value)| value.as_ref().unwrap().expose().len()).sum();
    assert!(all < (2 << 20) + 100_000, "{all}");
}

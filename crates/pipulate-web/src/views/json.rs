//! A line of JSON, with a line for each of its values.

use serde::de::IgnoredAny;

/// The object in a line, indented; `None` for any other line. Order and numbers stay unchanged.
pub(super) fn indented(line: &str) -> Option<String> {
    let is_object = line.starts_with('{') && line.ends_with('}') && line.len() > 2;
    if !is_object || serde_json::from_str::<IgnoredAny>(line).is_err() {
        return None;
    }
    // Deep nesting would make it much larger.
    let most = 4 * line.len() + 1024;
    let (mut text, mut depth, mut is_in_string, mut is_escaped) = (String::new(), 0, false, false);
    let break_line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    };
    for letter in line.chars() {
        if text.len() > most {
            return None;
        }
        if is_in_string {
            text.push(letter);
            is_in_string = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
            continue;
        }
        match letter {
            '{' | '[' => {
                text.push(letter);
                depth += 1;
                break_line(&mut text, depth);
            }
            '}' | ']' => {
                depth -= 1;
                let trimmed = text.trim_end().len();
                let is_empty = text[..trimmed].ends_with(['{', '[']);
                text.truncate(trimmed);
                if !is_empty {
                    break_line(&mut text, depth);
                }
                text.push(letter);
            }
            ',' => {
                text.push(letter);
                break_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            '"' => {
                text.push(letter);
                is_in_string = true;
            }
            letter if letter.is_ascii_whitespace() => {}
            letter => text.push(letter),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_indented_and_nothing_else_is() {
        let line = r#"{"b": 1.50, "a":[1,{}, []],"text":"a \"{,\\"}"#;
        let expected =
            "{\n  \"b\": 1.50,\n  \"a\": [\n    1,\n    {},\n    []\n  ],\n  \"text\": \"a \\\"{,\\\\\"\n}";
        assert_eq!(indented(line).as_deref(), Some(expected));
        for line in ["", "{}", "[1]", "{a}", "{\"a\":1} b", "{\"a\":1", "x {\"a\":1}"] {
            assert_eq!(indented(line), None, "{line}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
        assert_eq!(indented(&deep), None, "its lines would be far longer than it");
    }
}

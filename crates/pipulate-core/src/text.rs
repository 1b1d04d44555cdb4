//! Cleaning and quoting of texts before they are shown.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns true if a character can neither control a terminal, nor reverse the writing direction, nor begin a
/// new line.
pub fn is_harmless(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let begins_a_line = matches!(character, '\u{2028}' | '\u{2029}');
    !character.is_control() && !turns && !begins_a_line
}

/// Returns the text on one line; each character that could control a terminal becomes `\u{fffd}`.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_harmless(c) { c } else { '\u{fffd}' }).collect()
}

/// Removes terminal controls from a text. Line breaks and tabs stay, and of color sequences those for whose
/// parameters (`1;31`) `keeps` returns a replacement.
pub fn harmless(text: &str, keeps: impl Fn(&str) -> Option<Cow<'_, str>>) -> Cow<'_, str> {
    let stays = |character| is_harmless(character) || matches!(character, '\n' | '\t');
    let Some(first) = text.find(|character| !stays(character)) else { return Cow::Borrowed(text) };
    let (begin, mut rest) = text.split_at(first);
    let mut cleaned = begin.to_owned();
    while let Some(character) = rest.chars().next() {
        let control = if character == '\x1b' { control_sequence(rest) } else { None };
        let length = control.map_or(character.len_utf8(), str::len);
        match control.and_then(color) {
            Some(parameters) => {
                if let Some(kept) = keeps(parameters) {
                    let _infallible = write!(cleaned, "\x1b[{kept}m");
                }
            }
            None if stays(character) => cleaned.push_str(&rest[..length]),
            None => {}
        }
        rest = &rest[length..];
    }
    Cow::Owned(cleaned)
}

/// Returns the control sequence that a text begins with: `ESC [`, parameters, and a final character. Its only
/// letter is the last character, so no readable text is removed with it.
fn control_sequence(text: &str) -> Option<&str> {
    let body = text.strip_prefix("\x1b[")?;
    let end = body.find(|character| !(' '..='?').contains(&character))?;
    body[end..].starts_with(|last| ('@'..='~').contains(&last)).then(|| &text[..2 + end + 1])
}

fn color(sequence: &str) -> Option<&str> {
    sequence.strip_prefix("\x1b[")?.strip_suffix('m')
}

/// Returns the parameters of a color sequence without those that hide or blink; `None` if none is left.
pub fn visible_color(parameters: &str) -> Option<Cow<'_, str>> {
    let all: Vec<&str> = parameters.split(';').collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(&parameter) = all.get(at) {
        // For a color out of 256, or of 24 bits, the following parameters are numbers.
        let length = match (parameter, all.get(at + 1)) {
            ("38" | "48" | "58", Some(&"5")) => 3,
            ("38" | "48" | "58", Some(&"2")) => 5,
            _ => 1,
        };
        let end = (at + length).min(all.len());
        if is_visible(parameter) {
            kept.extend(&all[at..end]);
        }
        at = end;
    }
    match kept.len() {
        0 => None,
        count if count == all.len() => Some(Cow::Borrowed(parameters)),
        _ => Some(Cow::Owned(kept.join(";"))),
    }
}

/// Returns true if text in this style is readable: a color, bold, underlined, or reset.
fn is_visible(parameter: &str) -> bool {
    let number = parameter.split(':').next().unwrap_or_default();
    number.is_empty()
        || number.parse().is_ok_and(|number: u8| {
            matches!(number, 0..=4 | 7 | 9 | 21..=25 | 27..=49 | 53 | 55 | 58 | 59 | 90..=97 | 100..=107)
        })
}

/// Escapes every character in JSON that could control a terminal or reverse the writing direction. Such
/// characters only occur in strings, so the meaning is unchanged.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    let is_plain = |character| is_harmless(character) || character == '\n';
    // Most JSON is ASCII, which is checked many bytes at a time.
    let is_plain_ascii = json.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n'));
    if is_plain_ascii || json.chars().all(is_plain) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_plain(character) {
            escaped.push(character);
        } else {
            // All of them are in the Basic Multilingual Plane. Writing to a String can't fail.
            let _written = write!(escaped, "\\u{:04x}", u32::from(character));
        }
    }
    Cow::Owned(escaped)
}

/// Quotes a word for sh, bash and zsh: between single quotes, only `'` is special. A path need not be UTF-8.
pub fn quoted_for_sh(word: &[u8]) -> Vec<u8> {
    quoted(word, |byte| if byte == b'\'' { b"'\\'" } else { b"" })
}

/// Quotes a word for fish, where a backslash is also special between single quotes.
pub fn quoted_for_fish(word: &[u8]) -> Vec<u8> {
    quoted(word, |byte| if matches!(byte, b'\'' | b'\\') { b"\\" } else { b"" })
}

fn quoted(word: &[u8], put_before: impl Fn(u8) -> &'static [u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word {
        quoted.extend(put_before(byte));
        quoted.push(byte);
    }
    quoted.push(b'\'');
    quoted
}

/// Returns a word as it is typed into a shell: quoted if necessary.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let means_itself = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    // zsh replaces `=ls` by the path of ls.
    if !word.is_empty() && !word.starts_with('=') && word.chars().all(means_itself) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(String::from_utf8_lossy(&quoted_for_sh(word.as_bytes())).into_owned())
}

/// Returns a command that can be pasted into a shell.
pub fn shell_words<S: AsRef<str>>(command: &[S]) -> String {
    command.iter().map(|word| shell_word(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// Turns a fragment into the beginning of a sentence: libraries' messages begin in lower case.
pub fn capitalized(fragment: &str) -> String {
    let mut letters = fragment.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(printable("a\x1b[31mb\r\n\u{9b}c é"), "a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}c é");
        for (text, shown) in [
            ("plain\n\té 👩\u{200d}🔬", "plain\n\té 👩\u{200d}🔬"),
            ("a\x1b]52;c;QQ==\x07b", "a]52;c;QQ==b"),
            ("a\x1b[2J\x1b[1;1Hb\x1b[31mc", "abc"),
            ("\u{9b}31m\u{9d}0;title\u{9c}\x7f\x08", "31m0;title"),
            ("a\r\u{202e}b\u{2066}c\u{2028}d\u{200f}", "abcd"),
            // An incomplete escape removes nothing else.
            ("\x1bPhidden?\x1b[31", "Phidden?[31"),
        ] {
            assert_eq!(harmless(text, |_| None), shown, "{text:?}");
        }
        let text = "\x1b[31mred\x1b[8mgone\x1b[2J";
        let bold = harmless(text, |color| (color != "8").then(|| format!("1;{color}").into()));
        assert_eq!(bold, "\x1b[1;31mredgone");
    }

    #[test]
    fn a_color_that_hides_does_not_pass() {
        for (parameters, kept) in [
            ("", Some("")),
            ("0", Some("0")),
            ("1;31", Some("1;31")),
            ("8", None),
            ("08", None),
            ("5;6", None),
            ("0;8;31", Some("0;31")),
            ("38;5;8", Some("38;5;8")),
            ("48;2;8;8;8;8", Some("48;2;8;8;8")),
            ("4:3;38:2::1:2:3", Some("4:3;38:2::1:2:3")),
            ("8:1", None),
            ("999", None),
        ] {
            assert_eq!(visible_color(parameters).as_deref(), kept, "{parameters}");
        }
    }

    #[test]
    fn escaped_json_means_the_same() {
        let json = "{\"a\": \"\u{9b}\u{7f}\u{202e}é\"}";
        let escaped = escaped_json(json);
        assert_eq!(escaped, "{\"a\": \"\\u009b\\u007f\\u202eé\"}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(json), value(&escaped));
    }

    #[test]
    fn a_word_is_quoted_only_if_a_shell_would_change_it() {
        for (word, typed) in [
            ("llama3.1:8b", "llama3.1:8b"),
            ("x; touch P #", "'x; touch P #'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("=ls", "'=ls'"),
            ("~", "'~'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(shell_word(word), typed);
        }
        assert_eq!(shell_words(&["a b", "c"]), "'a b' c");
        assert_eq!(quoted_for_fish(br"it's \n"), br"'it\'s \\n'");
    }
}

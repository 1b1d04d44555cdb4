//! Just enough of Rust's grammar: code without its comments and literals, and where functions are.

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function<'code> {
    pub(super) name: &'code str,
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    /// From `fn` to the closing brace.
    pub(super) lines: usize,
}

/// The code with comments and the insides of literals blanked out; lines stay where they are.
pub(super) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = blank_length(text, at);
        if length == 0 {
            code.push(char::from(bytes[at]));
            at += 1;
        } else {
            code.extend(bytes[at..at + length].iter().map(|&byte| if byte == b'\n' { '\n' } else { ' ' }));
            at += length;
        }
    }
    code
}

/// The functions in what [`code_only`] left.
pub(super) fn functions(code: &str) -> Vec<Function<'_>> {
    let starts = code.match_indices("fn ").filter(|(at, _)| *at == 0 || !is_word(code.as_bytes()[at - 1]));
    starts.filter_map(|(at, _)| function(code, at)).collect()
}

/// Where `word` stands alone in the code: line numbers, counted from 1.
pub(super) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let stands_alone = |line: &str, at: usize| {
        let bytes = line.as_bytes();
        let open_before = at == 0 || !is_word(bytes[at - 1]) || !is_word(word.as_bytes()[0]);
        let end = at + word.len();
        open_before && (end >= bytes.len() || !is_word(bytes[end]) || !is_word(bytes[end - 1]))
    };
    let numbered = code.lines().zip(1..);
    numbered
        .filter(|(line, _)| line.match_indices(word).any(|(at, _)| stands_alone(line, at)))
        .map(|(_, number)| number)
        .collect()
}

fn function(code: &str, at: usize) -> Option<Function<'_>> {
    let after = code[at + 2..].trim_start();
    let name = &after[..after.bytes().position(|byte| !is_word(byte))?];
    let body = at + body_start(&code[at..])?;
    let end = body + closing_brace(&code[body..])?;
    let line = 1 + code[..at].matches('\n').count();
    (!name.is_empty()).then(|| Function { name, line, lines: 1 + code[at..end].matches('\n').count() })
}

/// The first brace outside of parentheses and brackets; a `;` there means that there is no body.
fn body_start(code: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn closing_brace(code: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// How many bytes from `at` on are a comment or a literal; 0 if none begins there.
fn blank_length(text: &str, at: usize) -> usize {
    let rest = &text.as_bytes()[at..];
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if at == 0 || !is_word(text.as_bytes()[at - 1]) || is_prefixed(text, at) => {
            raw_string(rest)
        }
        [b'\'', ..] => char_literal(rest),
        [0x80..=0xff, ..] => 1,
        _ => 0,
    }
}

/// Whether the `r` at `at` belongs to `br"` or `cr"`.
fn is_prefixed(text: &str, at: usize) -> bool {
    let before = &text.as_bytes()[..at];
    matches!(before, [.., earlier, b'b' | b'c'] if !is_word(*earlier))
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// `r"…"` and `r#"…"#`; 0 for a raw identifier such as `r#type`.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = 2 + hashes;
    let length = rest[body..].windows(end.len()).position(|window| window == end);
    length.map_or(rest.len(), |length| body + length + end.len())
}

/// `'a'`, `'\n'` and `'ü'`; 0 for a lifetime.
fn char_literal(rest: &[u8]) -> usize {
    match rest {
        [_, b'\\', ..] => quoted(rest, b'\''),
        [_, first, ..] => {
            let width = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        _ => 0,
    }
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "a // x {\n/* b /* c */\n{ */ d \"{ \\\" }\" e r#\"\n\"{\"# 'f' '{' '\\'' &'g ü";
        let code = code_only(text);
        assert_eq!(code.lines().count(), text.lines().count());
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "d", "e", "&'g"]);
    }

    #[test]
    fn functions_are_measured_from_fn_to_the_closing_brace() {
        let code = code_only(
            "trait T { fn none(&self); }\nfn f(a: [u8; 2]) -> u8\nwhere\n{\n  { '}' }\n}\nlet g: fn(u8);",
        );
        assert_eq!(functions(&code), [Function { name: "f", line: 2, lines: 5 }]);
    }

    #[test]
    fn a_word_is_found_only_where_it_stands_alone() {
        assert_eq!(lines_with("unsafe_code\nunsafe {}\nan_unsafe\n(unsafe)", "unsafe"), [2, 4]);
        assert_eq!(lines_with("#[expect(a)]\n#[allow(a)]", "[allow("), [2]);
    }
}

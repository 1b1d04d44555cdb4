//! Wraps long sentences between words, where a terminal would break within words.

/// The indentation of lines after the first one.
const INDENT: &str = "    ";

/// Indents the lines after the first, and wraps between words where a line would be longer than `width`
/// columns. The first line has `taken` columns before it. Text in backticks, and a command after a line's
/// last colon, are not wrapped, so that they can be copied.
pub(crate) fn wrapped(text: &str, taken: usize, width: Option<u16>) -> String {
    let width = width.map_or(usize::MAX, usize::from);
    let mut shown = String::new();
    for (number, line) in text.trim_end().split('\n').enumerate() {
        let mut column = taken;
        if number > 0 {
            begin_line(&mut shown, &mut column);
        }
        for piece in pieces(line, width.saturating_sub(INDENT.len())) {
            let is_first = shown.is_empty() || shown.ends_with('\n') || column == INDENT.len();
            if !is_first && column.saturating_add(columns(piece.trim_end())) > width {
                shown.truncate(shown.trim_end().len());
                begin_line(&mut shown, &mut column);
            }
            shown.push_str(piece);
            column += columns(piece);
        }
    }
    shown
}

fn begin_line(shown: &mut String, column: &mut usize) {
    shown.push('\n');
    shown.push_str(INDENT);
    *column = INDENT.len();
}

/// The unbreakable parts of a line, each with the space after it. The text after the last colon is one part
/// if it fits in a line.
fn pieces(line: &str, room: usize) -> Vec<&str> {
    let tail = line.rfind(": ").map(|at| at + 2).filter(|&at| columns(&line[at..]) <= room);
    let (mut pieces, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, c) in line[..tail.unwrap_or(line.len())].char_indices() {
        match c {
            '`' => is_quoted = !is_quoted,
            ' ' if !is_quoted => {
                pieces.push(&line[start..=at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&line[start..]);
    pieces
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_and_never_within_a_command() {
        let wrapped = |text: &str| wrapped(text, 6, Some(30));
        assert_eq!(wrapped("short: `a b`\nsecond\n"), "short: `a b`\n    second");
        let hint = "server needs fasthtml, which is not there; add it with: pipulate add python";
        assert_eq!(
            wrapped(hint),
            "server needs fasthtml,\n    which is not there; add it\n    with: pipulate add python"
        );
        assert_eq!(
            wrapped("look at this, or run `pipulate setup` now"),
            "look at this, or run\n    `pipulate setup` now"
        );
        let path = format!("/{}", "x".repeat(40));
        assert_eq!(wrapped(&path), path, "what has no space stays whole");
        assert_eq!(wrapped(&format!("see {path} there")), format!("see\n    {path}\n    there"));
        assert_eq!(super::wrapped(hint, 6, None), hint);
    }
}

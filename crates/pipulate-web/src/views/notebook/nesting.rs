//! Checks HTML for regular nesting.
//!
//! A parser repairs irregular nesting by rules whose work grows with the square of the number of open
//! elements: half a megabyte of `<b>` takes it minutes. The output of libraries is nested well, so other HTML
//! need not be parsed at all.

/// The maximum depth of elements.
const DEEPEST: usize = 100;

const VOID: [&str; 13] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// Elements that need not be closed.
const OPTIONAL: [&str; 12] =
    ["p", "li", "dt", "dd", "td", "th", "tr", "thead", "tbody", "tfoot", "option", "colgroup"];
/// Elements whose content is text, including tags.
const TEXT: [&str; 4] = ["script", "style", "textarea", "title"];

/// Returns true if every element is closed in its place, and none is too deep.
pub(super) fn is_well_nested(html: &str) -> bool {
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(begin) = rest.find('<') {
        rest = &rest[begin + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            let Some(end) = comment.find("-->") else { return false };
            rest = &comment[end + 3..];
            continue;
        }
        let is_end = rest.starts_with('/');
        let tag = rest.strip_prefix('/').unwrap_or(rest);
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let Some(length) = end_of_tag(tag) else { return false };
        let name = tag.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(length);
        let name = tag[..name].to_ascii_lowercase();
        rest = &tag[length..];
        if TEXT.contains(&name.as_str()) && !is_end {
            let Some(end) = rest.to_ascii_lowercase().find(&format!("</{name}")) else { return false };
            rest = &rest[end + 2 + name.len()..];
            continue;
        }
        let is_fine = if is_end { close(&mut open, &name) } else { push(&mut open, name) };
        if !is_fine {
            return false;
        }
    }
    true
}

/// The end of a tag, after its `>`; a quoted value may contain one.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn push(open: &mut Vec<String>, name: String) -> bool {
    if VOID.contains(&name.as_str()) {
        return true;
    }
    if OPTIONAL.contains(&name.as_str()) && open.last() == Some(&name) {
        return true;
    }
    open.push(name);
    open.len() <= DEEPEST
}

fn close(open: &mut Vec<String>, name: &str) -> bool {
    while let Some(last) = open.pop() {
        if last == name {
            return true;
        }
        if !OPTIONAL.contains(&last.as_str()) {
            return false;
        }
    }
    // These close nothing.
    OPTIONAL.contains(&name) || VOID.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libraries_put_out_is_and_what_would_be_repaired_is_not() {
        for html in [
            "",
            "a < b && c > d <3",
            "<div><style scoped>.a > b { }</style><table border=\"1\"><tr><th></th><td>1<br>2</td></tr></table></div>",
            "<ul><li>a<li>b</ul><p>c<p>d",
            "<p title=\"</div>\">x</p><!-- <b> --><hr/>",
            "<B>x</b>",
        ] {
            assert!(is_well_nested(html), "{html}");
        }
        for html in ["<b><i></b></i>", "</div>", "<p><b></p>", "<!-- ", "<div", "<script>", "<a title='>"] {
            assert!(!is_well_nested(html), "{html}");
        }
        assert!(is_well_nested(&"<div>".repeat(100)) && !is_well_nested(&"<div>".repeat(101)));
        assert!(is_well_nested(&"<p>".repeat(100_000)));
    }
}

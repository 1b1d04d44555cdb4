//! `${NAME}` and `${NAME:-default}` inside a value, as python-dotenv fills them in.

/// Replaces every variable in `value`. `lookup` returns `None` for an unknown name. Returns `None` if the
/// result has more than `limit` bytes.
///
/// A name may hold anything but `}` and `:`; text that only resembles a variable stays as it is.
pub(super) fn interpolate(
    value: &str,
    limit: usize,
    lookup: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let mut result = String::new();
    let (mut brace, mut name_end) = (CachedSearch::new(&['}']), CachedSearch::new(&['}', ':']));
    let mut at = 0;
    while let Some(start) = value[at..].find("${").map(|offset| at + offset) {
        result.push_str(&value[at..start]);
        match read_variable(value, start + 2, &mut brace, &mut name_end) {
            Some(variable) => {
                let found = lookup(variable.name);
                result.push_str(&found.unwrap_or_else(|| variable.default.unwrap_or_default().to_owned()));
                at = variable.end;
            }
            None => {
                result.push('$');
                at = start + 1;
            }
        }
        if result.len() > limit {
            return None;
        }
    }
    result.push_str(&value[at..]);
    (result.len() <= limit).then_some(result)
}

struct Variable<'a> {
    name: &'a str,
    default: Option<&'a str>,
    /// The position after its `}`.
    end: usize,
}

/// The variable whose name begins at `begin`.
fn read_variable<'a>(
    value: &'a str,
    begin: usize,
    brace: &mut CachedSearch,
    name_end: &mut CachedSearch,
) -> Option<Variable<'a>> {
    let end = name_end.after(value, begin)?;
    let name = &value[begin..end];
    if value[end..].starts_with('}') {
        return Some(Variable { name, default: None, end: end + 1 });
    }
    value[end..].strip_prefix(":-")?;
    let close = brace.after(value, end + 2)?;
    Some(Variable { name, default: Some(&value[end + 2..close]), end: close + 1 })
}

/// Finds the next of some characters. Cached, so that a text full of `${` is searched once and not once for
/// each of them.
struct CachedSearch {
    of: &'static [char],
    /// Where the last search started, and its result.
    known: Option<(usize, Option<usize>)>,
}

impl CachedSearch {
    fn new(of: &'static [char]) -> Self {
        Self { of, known: None }
    }

    fn after(&mut self, text: &str, begin: usize) -> Option<usize> {
        if let Some((from, found)) = self.known
            && from <= begin
            && found.is_none_or(|found| begin <= found)
        {
            return found;
        }
        let found = text[begin..].find(self.of).map(|offset| begin + offset);
        self.known = Some((begin, found));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        for (value, filled) in [
            ("x${A}y${A}", "x1y1"),
            ("${B}", ""),
            ("${B:-two}", "two"),
            ("${A:-two}", "1"),
            ("${B:-}", ""),
            ("${B:-${A}}", "${A}"),
            ("$A ${A", "$A ${A"),
            ("${A:two}", "${A:two}"),
            ("$${A}", "$1"),
            ("${x${A}", ""),
            ("${:-$}{A}", "${A}"),
        ] {
            assert_eq!(interpolate(value, 64, lookup).as_deref(), Some(filled), "{value}");
        }
    }

    #[test]
    fn a_result_that_grows_too_long_is_given_up() {
        let lookup = |_: &str| Some("x".repeat(10));
        assert_eq!(interpolate("${A}${A}", 20, lookup).map(|text| text.len()), Some(20));
        for too_long in ["${A}${A}1", "${A}1${A}", "${B:-${A}}${A}1${A}"] {
            assert_eq!(interpolate(too_long, 20, lookup), None, "{too_long}");
        }
    }

    #[test]
    fn a_text_full_of_beginnings_is_searched_once() {
        // A search for each of them would scan 10^11 characters.
        for text in ["${".repeat(400_000), format!("{}:", "${".repeat(400_000)), "${a:-".repeat(200_000)] {
            assert_eq!(interpolate(&text, 1 << 20, |_| None).as_deref(), Some(&text[..]));
        }
    }
}

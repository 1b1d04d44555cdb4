//! Rust sources as tokens, without comments and the contents of literals.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

/// Whether to look at code that is compiled for tests only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tests {
    Included,
    Skipped,
}

/// One identifier, or one character of punctuation; empty for a literal.
pub(super) struct Token {
    text: String,
    place: Span,
}

/// All tokens in one list, including the contents of groups.
pub(super) fn flat(tokens: &TokenStream, tests: Tests) -> Vec<Token> {
    let mut all = Vec::new();
    flatten(tokens, tests, &mut all);
    all
}

fn flatten(tokens: &TokenStream, tests: Tests, all: &mut Vec<Token>) {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut rest = tokens.as_slice();
    while let [first, after @ ..] = rest {
        let skipped = if tests == Tests::Skipped { after_test_item(rest) } else { None };
        rest = skipped.unwrap_or(after);
        if skipped.is_some() {
            continue;
        }
        let mut push = |text: &str| all.push(Token { text: text.to_owned(), place: first.span() });
        match first {
            TokenTree::Ident(word) => push(&word.to_string()),
            TokenTree::Punct(punct) => push(&punct.to_string()),
            TokenTree::Literal(_) => push(""),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                push(open);
                flatten(&group.stream(), tests, all);
                all.push(Token { text: close.to_owned(), place: group.span_close() });
            }
        }
    }
}

/// The lines on which `code` begins, such as `fs::read(`.
pub(super) fn lines_with(tokens: &[Token], code: &str) -> Vec<usize> {
    let is_word = |character: char| character == '_' || character.is_alphanumeric();
    let mut wanted: Vec<&str> = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(word.max(if is_word(first) { 0 } else { first.len_utf8() }));
        wanted.push(token);
        rest = after.trim_start();
    }
    let found =
        tokens.windows(wanted.len()).filter(|found| found.iter().map(|token| &token.text).eq(&wanted));
    let mut lines: Vec<usize> = found.map(|found| found[0].place.start().line).collect();
    lines.dedup();
    lines
}

/// The tokens after a test-only item, if one begins here.
pub(crate) fn after_test_item(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    let [hash, TokenTree::Group(attribute), item @ ..] = tokens else { return None };
    let condition = attribute.stream().to_string().replace(' ', "");
    let is_for_tests = condition == "cfg(test)" || condition.starts_with("cfg(all(test,");
    (is_punct(hash, '#') && is_for_tests).then(|| after_item(item))
}

fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let is_use = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "use");
    let is_body =
        |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    // The braces of a `use` are no body.
    let has_body = !tokens.iter().take_while(|token| !is_punct(token, ';')).any(is_use);
    let end = tokens.iter().position(|token| is_punct(token, ';') || has_body && is_body(token));
    end.map_or(&[], |end| &tokens[end + 1..])
}

pub(crate) fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, tests: Tests, code: &str) -> Vec<usize> {
        lines_with(&flat(&text.parse().unwrap(), tests), code)
    }

    #[test]
    fn comments_and_literals_hold_no_code() {
        let text = "a; // b\n/* b /* b */ b */ \"b\"; r#\"b\"#; 'b'; b'b'; br\"b\";\n&'b b; b_b";
        assert_eq!(lines(text, Tests::Included, "b"), [3]);
        assert_eq!(lines("/// unsafe\nfn f() {}", Tests::Included, "unsafe"), [0; 0]);
    }

    #[test]
    fn code_is_found_however_it_is_spaced() {
        let text = "fs::read(a);\nstd::fs :: read\n(b);\nfs::read_dir(c);\nmy_fs::read(d);";
        assert_eq!(lines(text, Tests::Included, "fs::read("), [1, 2]);
        assert_eq!(lines("#[expect(a)]\n#[allow(a)]", Tests::Included, "[allow("), [2]);
        assert_eq!(lines("async fn f() {}", Tests::Included, "async fn"), [1]);
    }

    #[test]
    fn items_for_tests_can_be_skipped() {
        let text = "#[cfg(test)]\nuse a::{b};\nb;\n#[cfg(test)]\n#[x]\nmod b { b }\n#[cfg(all(test, c))]\nfn f<A, B>() { b }\nb";
        assert_eq!(lines(text, Tests::Skipped, "b"), [3, 9]);
        assert_eq!(lines(text, Tests::Included, "b"), [2, 3, 6, 8, 9]);
    }
}

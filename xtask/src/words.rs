//! Every sentence that the program can print, with its place in the sources, to be read from top to bottom.
//!
//! A sentence is a literal of two words or more in the product's code without tests, or a comment
//! that becomes help or a schema's description. The starter's templates and scripts are text
//! files, and are listed by name.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use proc_macro2::{TokenStream, TokenTree};

use crate::tidy::{self, after_test_item, is_punct};
use crate::{run, say};

/// The folders whose comments become help or schema descriptions.
const HELP: [&str; 2] = ["crates/pipulate/src/cli", "crates/pipulate-core/src/config"];
/// Attributes whose text only a developer reads.
const FOR_DEVELOPERS: [&str; 3] = ["expect", "allow", "cfg_attr"];

/// Prints `FILE:LINE: SENTENCE` for each.
///
/// # Errors
/// A file can't be read.
pub(crate) fn run() -> Result<ExitCode> {
    for (path, tokens) in tidy::rust_files(run::root())? {
        let is_product = path.starts_with("crates/") && path.contains("/src/") && !is_for_tests(&path);
        if !is_product {
            continue;
        }
        let has_help =
            HELP.iter().any(|folder| Path::new(&path).starts_with(folder) || path == format!("{folder}.rs"));
        let mut sentences = Vec::new();
        collect(tokens, has_help, &mut sentences);
        for (line, sentence) in sentences {
            say::result(&format!("{path}:{line}: {sentence}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_for_tests(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn collect(tokens: TokenStream, has_help: bool, sentences: &mut Vec<(usize, String)>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    while let [first, after @ ..] = rest {
        rest = after_test_item(rest).unwrap_or(match (first, after) {
            (hash, [TokenTree::Group(attribute), after @ ..]) if is_punct(hash, '#') => {
                if is_for_users(&attribute.stream(), has_help) {
                    collect(attribute.stream(), has_help, sentences);
                }
                after
            }
            // Inner attributes: the documentation of a module.
            (hash, [bang, TokenTree::Group(_), after @ ..]) if is_punct(hash, '#') && is_punct(bang, '!') => {
                after
            }
            (TokenTree::Group(group), after) => {
                collect(group.stream(), has_help, sentences);
                after
            }
            (TokenTree::Literal(literal), after) => {
                let sentence = text_of(&literal.to_string()).filter(|text| is_sentence(text));
                sentences.extend(sentence.map(|sentence| (literal.span().start().line, sentence)));
                after
            }
            (TokenTree::Ident(_) | TokenTree::Punct(_), after) => after,
        });
    }
}

fn is_for_users(attribute: &TokenStream, has_help: bool) -> bool {
    match attribute.clone().into_iter().next() {
        Some(TokenTree::Ident(name)) if name == "doc" => has_help,
        Some(TokenTree::Ident(name)) => !FOR_DEVELOPERS.iter().any(|other| name == other),
        _ => true,
    }
}

/// Returns true for two or more consecutive words.
fn is_sentence(text: &str) -> bool {
    let is_word = |word: &str| {
        let letters = word.trim_matches(|character: char| !character.is_alphabetic());
        letters.len() > 1 && letters.chars().all(|letter| letter.is_alphabetic() || "'-".contains(letter))
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).any(|pair| pair.iter().all(|word| is_word(word)))
}

/// The text of a string literal, on one line.
fn text_of(literal: &str) -> Option<String> {
    let text = literal.trim_start_matches(['r', '#']).trim_end_matches('#');
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(text.replace("\\\n", " ").replace("\\n", " ⏎ ").split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(text: &str, has_help: bool) -> Vec<String> {
        let mut found = Vec::new();
        collect(text.parse().unwrap(), has_help, &mut found);
        found.into_iter().map(|(_, sentence)| sentence).collect()
    }

    #[test]
    fn sentences_are_found_wherever_they_stand_and_code_is_none() {
        let source = "#[expect(a, reason = \"not for users\")] #[error(\"no such file: {0}\")]\n/// What it does\nfn f() \
                      { g!(\"it is\\n gone\", \"a-b\", \"%s %d\"); h(r#\"raw words\"#) }\n#[cfg(test)] mod t { \"in a test\" }";
        assert_eq!(sentences(source, false), ["no such file: {0}", "it is ⏎ gone", "raw words"]);
        assert_eq!(sentences(source, true)[1], "What it does");
    }
}

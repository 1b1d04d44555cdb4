//! The runner of notebooks, which is in the same folder as the programs that import it.
//!
//! Its last line has a checksum of the lines above, which shows whether its owner has edited it. Programs of
//! earlier versions import the same names from it.

use sha2::{Digest as _, Sha256};

/// The module that runs notebooks; every app's program imports it.
pub const RUNNER: &str = include_str!("../python/notebook_runner.py");

/// Its file, beside the programs that import it.
pub const RUNNER_FILE: &str = "notebook_runner.py";

/// The prefix of the last line.
const MARK: &str = "# As Pipulate wrote it: ";

/// The file in the runner's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// This version.
    Current,
    /// Another version, unedited.
    Outdated,
    /// An edited file.
    Edited,
}

/// The runner's text with its checksum.
pub(crate) fn runner() -> String {
    marked(RUNNER)
}

/// Classifies the text in the runner's place.
pub(crate) fn found(text: Option<&str>) -> Found {
    let Some(text) = text else { return Found::Nothing };
    if text == runner() {
        return Found::Current;
    }
    let content = text.rfind(MARK).map(|mark| text[..mark].trim_end());
    if content.is_some_and(|content| marked(content) == text) { Found::Outdated } else { Found::Edited }
}

fn marked(content: &str) -> String {
    let content = content.trim_end();
    let digest = Sha256::digest(content);
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{content}\n\n\n{MARK}{digest}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_runner_as_it_was_written_counts_as_ours() {
        let older = marked("import os");
        for (text, expected) in [
            (runner(), Found::Current),
            (older.clone(), Found::Outdated),
            (older.replace("os", "re"), Found::Edited),
            (format!("{older}# mine\n"), Found::Edited),
            (runner().replace("WAITING = 20", "WAITING = 5"), Found::Edited),
            (String::new(), Found::Edited),
            (RUNNER.to_owned(), Found::Edited),
        ] {
            assert_eq!(found(Some(&text)), expected, "{}", &text[text.len().saturating_sub(60)..]);
        }
        assert_eq!(found(None), Found::Nothing);
    }
}

//! The runner of notebooks, which stands beside the programs that import it.
//!
//! It ends with a line that holds a checksum of the lines above, so that one that its owner never edited can be
//! told from one that is his. Programs that an earlier version wrote import the same names from it.

use sha2::{Digest as _, Sha256};

/// What runs notebooks; every program of an app imports it.
pub const RUNNER: &str = include_str!("../python/notebook_runner.py");

/// Its file, beside the programs that import it.
pub const RUNNER_FILE: &str = "notebook_runner.py";

/// Begins the last line.
const MARK: &str = "# As Pipulate wrote it: ";

/// What lies where the runner belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// This version of it.
    Current,
    /// Another version of it, as it was written.
    Outdated,
    /// Something that was edited.
    Edited,
}

/// The text that is written.
pub(crate) fn runner() -> String {
    marked(RUNNER)
}

/// What a text that was read there is.
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

//! The lines of earlier conversations, for the arrow keys: the last lines of a private file in a home. A
//! conversation does not create a home.

use pipulate_core::layout::Layout;
use pipulate_store::error::StoreError;
use pipulate_store::files;

/// The number of kept lines.
pub(super) const KEPT: usize = 500;

/// Returns the lines, oldest first.
///
/// # Errors
/// The file exists and can't be read.
pub(super) fn read(layout: &Layout) -> Result<Vec<String>, StoreError> {
    let bytes = files::read_private(&layout.chat_history())?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).lines().map(unfolded).collect())
}

/// Adds a line to those of this and other terminals.
///
/// # Errors
/// The file can't be read or written.
pub(super) fn add(layout: &Layout, line: &str) -> Result<(), StoreError> {
    if !layout.state().is_dir() {
        return Ok(());
    }
    let mut lines = read(layout)?;
    if lines.last().is_some_and(|last| last == line) {
        return Ok(());
    }
    lines.push(line.to_owned());
    let kept = &lines[lines.len().saturating_sub(KEPT)..];
    let text: String = kept.iter().map(|line| folded(line) + "\n").collect();
    files::write_private(&layout.chat_history(), text.as_bytes())
}

/// Joins a text of several lines into one.
fn folded(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unfolded(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(match characters.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            }),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::samples;

    #[test]
    fn what_was_typed_comes_back_as_it_was() {
        let project = samples::project("");
        let layout = &project.context.project.layout;
        assert_eq!(read(layout).unwrap(), [""; 0]);
        let typed = ["two\nlines", r"C:\new", "last"];
        for line in ["two\nlines", r"C:\new", "last", "last"] {
            add(layout, line).unwrap();
        }
        assert_eq!(read(layout).unwrap(), typed);
        let many: Vec<String> = (0..KEPT + 7).map(|number| number.to_string()).collect();
        many.iter().for_each(|line| add(layout, line).unwrap());
        assert_eq!(read(layout).unwrap(), many[7..]);
    }

    #[test]
    fn a_folder_that_is_no_home_stays_as_it_is() {
        let project = samples::project("");
        std::fs::remove_dir_all(project.context.project.layout.state()).unwrap();
        add(&project.context.project.layout, "hello").unwrap();
        assert!(!project.context.project.layout.state().exists());
    }
}

//! The end of a log as it may be shown: harmless, secrets masked.

use std::collections::VecDeque;

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;

use super::mask::Masker;
use super::read::{Reader, Start};
use super::sanitize::Text;
use crate::error::StoreError;

/// The last `count` lines from `start` on, the unfinished one included; none if there is no log.
///
/// # Errors
/// The log can't be read.
pub fn last_lines(
    layout: &Layout,
    service: &ServiceName,
    start: Start,
    count: usize,
    masker: &Masker,
) -> Result<Vec<String>, StoreError> {
    let mut reader = Reader::open(layout, service, start)?;
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    let mut keep = |line: Vec<u8>| {
        lines.push_back(line);
        if lines.len() > count {
            lines.pop_front();
        }
    };
    while let Some(line) = reader.next_line()? {
        keep(line.to_vec());
    }
    if let Some(line) = reader.take_unfinished() {
        keep(line);
    }
    Ok(lines.iter().map(|line| masker.mask(Text::of(line).plain()).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pipulate_core::project::AbsPath;

    use super::*;

    #[test]
    fn the_end_of_a_log_is_shown_without_secrets_and_escapes() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(directory.path().to_owned()).unwrap());
        let service = ServiceName::parse("worker").unwrap();
        let masker = Masker::new(["hunter22"]);
        let last = |count| last_lines(&layout, &service, Start::Oldest, count, &masker).unwrap();
        assert_eq!(last(3), [""; 0]);
        fs::create_dir_all(layout.logs()).unwrap();
        fs::write(layout.log(&service), "one\n\x1b[31mtwo\x1b[0m\nkey=hunter22\nunfin").unwrap();
        assert_eq!(last(3), ["two", "key=****", "unfin"]);
        assert_eq!(last(9).len(), 4);
    }
}

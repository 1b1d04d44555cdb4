//! The end of a log, ready to show: sanitized, secrets masked.

use std::collections::VecDeque;

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;

use super::mask::Masker;
use super::read::{LogReader, Start};
use super::sanitize::Text;
use crate::error::StoreError;

/// Returns where to read the lines that may explain a service's state. An unstable service was restarted
/// since: show the last lines of the instance that ended.
pub fn telling(state: ServiceState, count: u64, otherwise: Start) -> Start {
    if state == ServiceState::Unstable { Start::BeforeLastStart(count) } else { otherwise }
}

/// Returns the last `count` lines from `start` on, the unfinished one included; none if there is no log.
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
    let mut reader = LogReader::open(layout, service, start)?;
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    let mut keep = |line: Vec<u8>| {
        lines.push_back(line);
        if lines.len() > count {
            lines.pop_front();
        }
    };
    let end = reader.end_of(start);
    while let Some(line) = reader.next_line()?.map(<[u8]>::to_vec) {
        if end.is_some_and(|end| reader.line_start() >= end) {
            break;
        }
        keep(line);
    }
    if let Some(line) = reader.take_unfinished().filter(|_| end.is_none()) {
        keep(line);
    }
    Ok(lines.iter().map(|line| masker.mask(Text::of(line).plain()).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write as _;

    use pipulate_core::project::AbsPath;
    use pipulate_core::service::LogLimits;

    use super::*;
    use crate::capture::Capture;
    use crate::log::time_index::Mark;

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

    #[test]
    fn before_the_last_start_stands_only_what_the_instance_that_ended_printed() {
        let directory = tempfile::tempdir().unwrap();
        let root = AbsPath::new(directory.path().canonicalize().unwrap()).unwrap();
        let layout = crate::home::ensure(&Layout::new(root)).unwrap();
        let service = ServiceName::parse("worker").unwrap();
        let masker = Masker::new(["hunter22"]);
        let start = telling(ServiceState::Unstable, 2, Start::Tail(2));
        let words = || last_lines(&layout, &service, start, 9, &masker).unwrap();
        assert_eq!(words(), [""; 0], "no log yet");
        let mut capture = Capture::open(&layout, &service, LogLimits { max_size: 1 << 20, keep: 1 }).unwrap();
        for (lines, before) in [("one\ntwo\nthree\n", &[][..]), ("new\n", &["two", "three"])] {
            capture.mark(Mark::Start);
            File::from(capture.writer().unwrap()).write_all(lines.as_bytes()).unwrap();
            capture.drain().unwrap();
            assert_eq!(words(), before);
        }
        let now = telling(ServiceState::Crashed, 2, Start::Tail(2));
        assert_eq!(last_lines(&layout, &service, now, 9, &masker).unwrap(), ["three", "new"]);
        let of_run = |count| last_lines(&layout, &service, Start::TailOfRun(count), 9, &masker).unwrap();
        assert_eq!((of_run(2), of_run(0)), (vec!["new".to_owned()], Vec::new()));
    }
}

//! The start of reading: the file and the place in it.

use super::{LogReader, Start};
use crate::error::StoreError;
use crate::log::find::{line_start, tail_start};
use crate::log::time_index::When;

impl LogReader {
    /// Skips everything before the start, and notes how much of the output after it is gone.
    pub(super) fn skip_to_start(&mut self, start: Start) -> Result<(), StoreError> {
        match start {
            Start::Oldest => {}
            Start::Tail(count) => self.skip_to_tail(count)?,
            Start::TailOfRun(count) => {
                self.skip_to_tail(count)?;
                if let Some(start) =
                    self.position_of(When::LastStart).filter(|&start| start > self.position())
                {
                    self.skip_to_line_at(start)?;
                }
            }
            Start::Since(when) => {
                if let Some(position) = self.position_of(when) {
                    self.skip_to_line_at(position)?;
                }
            }
            Start::At(position) => {
                // A reader that starts at 0 has lost nothing.
                let oldest = self.files.front().filter(|_| position > 0).map_or(0, |oldest| oldest.base);
                self.lost = oldest.saturating_sub(position);
                let (file, offset) = self.place_of(position);
                self.skip_to(file, offset);
            }
            Start::BeforeLastStart(count) => match self.position_of(When::LastStart) {
                Some(position) => self.skip_to_start(Start::Before { position, count })?,
                None => self.skip_to_tail(count)?,
            },
            Start::Before { position, count } => {
                let (file, offset) = self.place_of(position);
                let files = self.files.make_contiguous();
                let known = &files[..files.len().min(file + 1)];
                let (file, offset) = tail_start(known, offset, count, &mut self.block)?;
                self.skip_to(file, offset);
            }
        }
        Ok(())
    }

    fn skip_to_tail(&mut self, count: u64) -> Result<(), StoreError> {
        let files = self.files.make_contiguous();
        let end = files.last().map_or(0, |last| last.length);
        let (index, offset) = tail_start(files, end, count, &mut self.block)?;
        self.skip_to(index, offset);
        Ok(())
    }

    /// Skips to the line that contains a position or begins there.
    fn skip_to_line_at(&mut self, position: u64) -> Result<(), StoreError> {
        let index = self.files.partition_point(|file| file.base <= position).saturating_sub(1);
        let Some(file) = self.files.get(index) else { return Ok(()) };
        let offset = line_start(file, position.saturating_sub(file.base), &mut self.block)?;
        self.skip_to(index, offset);
        Ok(())
    }

    /// Returns the file that contains a position, and the offset in it.
    fn place_of(&self, position: u64) -> (usize, u64) {
        let index = self.files.partition_point(|file| file.base <= position).saturating_sub(1);
        let offset = self.files.get(index).map_or(0, |file| position.saturating_sub(file.base));
        let is_known = self.files.get(index).is_some_and(|file| offset <= file.length);
        (index, if is_known { offset } else { 0 })
    }

    fn skip_to(&mut self, index: usize, offset: u64) {
        self.done.extend(self.files.drain(..index).map(|file| file.id));
        if let Some(first) = self.files.front_mut() {
            first.offset = offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use pipulate_core::layout::Layout;
    use pipulate_core::project::AbsPath;
    use pipulate_core::service::{LogLimits, ServiceName};

    use super::*;
    use crate::capture::Capture;

    #[test]
    fn what_is_thrown_away_is_told_of_to_who_follows_and_to_who_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let root = AbsPath::new(directory.path().canonicalize().unwrap()).unwrap();
        let layout = crate::home::ensure(&Layout::new(root)).unwrap();
        let name = ServiceName::parse("a").unwrap();
        let limits = LogLimits { max_size: 1 << 10, keep: 1 };
        let mut capture = Capture::open(&layout, &name, limits).unwrap();
        let mut print = |text: &str| {
            File::from(capture.writer().unwrap()).write_all(text.as_bytes()).unwrap();
            capture.drain().unwrap();
        };
        let open = |start| LogReader::open(&layout, &name, start).unwrap();

        print("first\n");
        let mut follower = open(Start::Oldest);
        assert_eq!(follower.next_line().unwrap(), Some(&b"first"[..]));
        let gone_by_then = follower.line_start() + 6;
        (100..400).for_each(|number| print(&format!("line {number}, and what it says\n")));
        let mut oldest = open(Start::Oldest);
        assert!(oldest.next_line().unwrap().is_some() && oldest.lost_before() == 0);
        let kept = oldest.line_start();
        assert!(kept > 4 << 10, "{kept}");

        // It still has its old file open.
        follower.look().unwrap();
        let mut end = gone_by_then;
        while let Some(length) = follower.next_line().unwrap().map(<[u8]>::len)
            && follower.lost_before() == 0
        {
            end = follower.line_start() + length as u64 + 1;
        }
        assert_eq!((follower.line_start(), follower.lost_before()), (kept, kept - end));

        for (position, lost) in [(gone_by_then, kept - gone_by_then), (kept, 0), (0, 0)] {
            let mut late = open(Start::At(position));
            assert!(late.next_line().unwrap().is_some());
            assert_eq!((late.line_start(), late.lost_before()), (kept, lost), "{position}");
            assert!(late.next_line().unwrap().is_some() && late.lost_before() == 0, "once");
        }
    }
}

//! Where reading begins: the file and the place in it.

use super::{Reader, Start};
use crate::error::StoreError;
use crate::log::find::{line_start, tail_start};

impl Reader {
    /// Leaves out what lies before the start.
    pub(super) fn skip_to_start(&mut self, start: Start) -> Result<(), StoreError> {
        match start {
            Start::Oldest => {}
            Start::Tail(count) => self.skip_to_tail(count)?,
            Start::Since(when) => {
                if let Some(position) = self.position_of(when) {
                    self.skip_to_line_at(position)?;
                }
            }
            Start::At(position) => {
                let (file, offset) = self.place_of(position);
                self.skip_to(file, offset);
            }
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

    /// The line that a position lies in, or before which it stands, is the next one.
    fn skip_to_line_at(&mut self, position: u64) -> Result<(), StoreError> {
        let index = self.files.partition_point(|file| file.base <= position).saturating_sub(1);
        let Some(file) = self.files.get(index) else { return Ok(()) };
        let offset = line_start(file, position.saturating_sub(file.base), &mut self.block)?;
        self.skip_to(index, offset);
        Ok(())
    }

    /// Which file a position lies in, and where in it.
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

//! Lines that were shown before they were finished: the shown length of each, and the line that the
//! terminal's cursor is in.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Write};

use pipulate_store::log::merge::MergedLine;

/// The shown parts of unfinished lines, by the index of their service.
#[derive(Debug, Default)]
pub(super) struct Partials {
    /// True on a terminal, which shows unfinished lines; a pipe gets whole lines.
    in_parts: bool,
    /// The offset of the line in its service's output, and the number of text bytes shown.
    shown: RefCell<BTreeMap<usize, (u64, usize)>>,
    /// The service whose line the cursor is in.
    open: Cell<Option<usize>>,
}

impl Partials {
    pub(super) fn new(in_parts: bool) -> Self {
        Self { in_parts, ..Self::default() }
    }

    /// Returns true if unfinished lines are shown.
    pub(super) fn in_parts(&self) -> bool {
        self.in_parts
    }

    /// The number of a line's text bytes that were shown.
    pub(super) fn shown(&self, line: &MergedLine) -> usize {
        let shown = self.shown.borrow().get(&line.service).copied();
        shown.filter(|(offset, _)| *offset == line.offset).map_or(0, |(_, length)| length)
    }

    /// [`Partials::shown`] for a line that will not be shown again.
    pub(super) fn take(&self, line: &MergedLine) -> usize {
        let shown = self.shown(line);
        self.shown.borrow_mut().remove(&line.service);
        shown
    }

    /// Records that `length` bytes of a line are shown; if it `is_open`, the cursor is at its end.
    pub(super) fn keep(&self, line: &MergedLine, length: usize, is_open: bool) {
        self.shown.borrow_mut().insert(line.service, (line.offset, length));
        self.open.set(is_open.then_some(line.service));
    }

    /// Returns true if the cursor is in a line of this service.
    pub(super) fn is_open(&self, service: usize) -> bool {
        self.open.get() == Some(service)
    }

    /// Begins a new line, unless the cursor is at the beginning of one.
    pub(super) fn break_line(&self, output: &mut dyn Write) -> io::Result<()> {
        match self.open.take() {
            Some(_) => output.write_all(b"\n"),
            None => Ok(()),
        }
    }

    /// Begins a new line if the cursor is in a line of this service.
    pub(super) fn break_line_of(&self, service: usize, output: &mut dyn Write) -> io::Result<()> {
        if self.is_open(service) { self.break_line(output) } else { Ok(()) }
    }
}

//! Lines that were shown before they were finished: how much of each, and which one the terminal's cursor
//! stands behind.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Write};

use pipulate_store::log::merge::MergedLine;

/// What was shown of unfinished lines, by the places of their services.
#[derive(Debug, Default)]
pub(super) struct Partials {
    /// A terminal shows a line as far as it goes; what reads a pipe wants whole lines.
    in_parts: bool,
    /// Where the line begins in its service's output, and how many bytes of its text were shown.
    shown: RefCell<BTreeMap<usize, (u64, usize)>>,
    /// Whose line the cursor stands behind.
    open: Cell<Option<usize>>,
}

impl Partials {
    pub(super) fn new(in_parts: bool) -> Self {
        Self { in_parts, ..Self::default() }
    }

    /// Whether lines are shown as far as they go.
    pub(super) fn in_parts(&self) -> bool {
        self.in_parts
    }

    /// How much of a line was shown, in bytes of its text.
    pub(super) fn shown(&self, line: &MergedLine) -> usize {
        let shown = self.shown.borrow().get(&line.service).copied();
        shown.filter(|(offset, _)| *offset == line.offset).map_or(0, |(_, length)| length)
    }

    /// The same of a line that will not be shown again.
    pub(super) fn take(&self, line: &MergedLine) -> usize {
        let shown = self.shown(line);
        self.shown.borrow_mut().remove(&line.service);
        shown
    }

    /// So much of a line is shown now; the cursor stands behind it if it `is_open`.
    pub(super) fn keep(&self, line: &MergedLine, length: usize, is_open: bool) {
        self.shown.borrow_mut().insert(line.service, (line.offset, length));
        self.open.set(is_open.then_some(line.service));
    }

    /// Whether the cursor stands behind the line of this service.
    pub(super) fn is_open(&self, service: usize) -> bool {
        self.open.get() == Some(service)
    }

    /// Begins a new line, unless the cursor stands at the beginning of one.
    pub(super) fn break_line(&self, output: &mut dyn Write) -> io::Result<()> {
        match self.open.take() {
            Some(_) => output.write_all(b"\n"),
            None => Ok(()),
        }
    }

    /// The same behind the line of this service.
    pub(super) fn break_line_of(&self, service: usize, output: &mut dyn Write) -> io::Result<()> {
        if self.is_open(service) { self.break_line(output) } else { Ok(()) }
    }
}

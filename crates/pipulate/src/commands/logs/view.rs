//! Rendering of a line: sanitized, masked, filtered, with its time and its service's name.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pipulate_core::service::ServiceName;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::merge::MergedLine;
use pipulate_store::log::read::{Ending, Piece};
use pipulate_store::log::sanitize::{self, Text};
use pipulate_store::log::time_index::LineTime;
use regex::Regex;
use serde::Serialize;

use super::partial::Partials;
use crate::call::{LineForm, LinesSettings};
use crate::context::Context;
use crate::style::Style;
use crate::ui::printer::OutputError;

/// Longer unfinished lines, in bytes, are only shown once they end.
const LONGEST_PART: usize = 64 << 10;

/// Marks the place of a cut.
const CUT: &str = "…";

/// A way to show lines.
pub(super) struct View<'a> {
    services: Vec<ServiceName>,
    /// One for each service; all empty if there is only one.
    prefixes: Vec<String>,
    masker: Masker,
    grep: Option<&'a Regex>,
    form: LineForm,
    zone: TimeZone,
    style: Style,
    /// True once a line without a known time was shown.
    met_unknown_time: Cell<bool>,
    /// The number of bytes lost before they could be shown, by the index of the service.
    lost: RefCell<BTreeMap<usize, u64>>,
    /// The shown parts of unfinished lines.
    pub(super) partials: Partials,
}

/// A line for programs.
#[derive(Serialize)]
struct JsonLine<'a> {
    /// `None` if it is unknown.
    time: Option<String>,
    service: &'a str,
    text: &'a str,
    offset: u64,
    /// The line is too long for one piece: the next piece follows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    /// The number of bytes before it that were lost before they could be shown.
    #[serde(skip_serializing_if = "is_zero")]
    lost: u64,
}

impl<'a> View<'a> {
    /// Shows the lines of these services.
    pub(super) fn new(
        context: &Context,
        services: &[ServiceName],
        settings: &'a LinesSettings,
        masker: Masker,
    ) -> Self {
        let style = context.printer.stdout_style();
        let width = services.iter().map(|service| service.as_str().len()).max().unwrap_or(0);
        let prefixed = settings.prefix && services.len() > 1;
        let prefix = |service: &ServiceName| match prefixed {
            true => {
                let prefix = style.service(service.as_str(), format!("{service:width$} |"));
                format!("{} ", style.shown(&prefix))
            }
            false => String::new(),
        };
        Self {
            services: services.to_vec(),
            prefixes: services.iter().map(prefix).collect(),
            masker,
            grep: settings.grep.as_ref(),
            form: settings.form,
            zone: TimeZone::system(),
            style,
            met_unknown_time: Cell::new(false),
            lost: RefCell::default(),
            partials: Partials::new(context.printer.terminal().stdout_is_terminal),
        }
    }

    /// Replaces the secrets to mask.
    pub(super) fn mask_with(&mut self, masker: &Masker) {
        self.masker = masker.clone();
    }

    /// Returns true if a line without a known time was shown.
    pub(super) fn met_unknown_time(&self) -> bool {
        self.met_unknown_time.get()
    }

    /// The number of bytes that were lost since the last call, by service.
    pub(super) fn take_lost(&self) -> Vec<(&ServiceName, u64)> {
        let lost = self.lost.take().into_iter();
        lost.map(|(service, bytes)| (&self.services[service], bytes)).collect()
    }

    /// Writes a line unless it is filtered out, and returns whether it did. Its part that was already shown
    /// is not repeated.
    pub(super) fn print(&self, output: &mut dyn Write, line: MergedLine) -> Result<bool, OutputError> {
        if line.lost > 0 {
            *self.lost.borrow_mut().entry(line.service).or_default() += line.lost;
        }
        let shown = self.partials.take(&line);
        let Some(text) = self.text(&line, shown) else {
            self.partials.break_line_of(line.service, output)?;
            return Ok(false);
        };
        let is_new = shown == 0;
        if self.partials.is_open(line.service) {
            output.write_all(text.as_bytes())?;
            self.partials.break_line(output)?;
        } else if is_new || !text.is_empty() {
            self.partials.break_line(output)?;
            self.print_anew(output, &line, &text, !is_new)?;
        }
        Ok(is_new)
    }

    /// Writes the new part of an unfinished line: on a terminal, or if the part ends with a carriage return.
    pub(super) fn print_unfinished(
        &self,
        output: &mut dyn Write,
        line: MergedLine,
    ) -> Result<(), OutputError> {
        let is_whole = line.bytes.ends_with(b"\r");
        let in_parts = self.partials.in_parts() && self.form != LineForm::Json;
        if !(is_whole || in_parts) || line.bytes.len() > LONGEST_PART {
            return Ok(());
        }
        let shown = self.partials.shown(&line);
        let text = Text::of(whole_characters(line.bytes));
        let end = if is_whole { text.plain().len() } else { self.masker.final_length(text.plain()) };
        let text = text.before(end);
        let secrets = self.masker.ranges(text.plain());
        if end <= shown || !self.is_chosen(&text.render(&secrets, false)) {
            return Ok(());
        }
        let seen = self.render(&text, secrets, shown);
        let line = MergedLine { piece: Piece { ending: Ending::Complete, ..line.piece }, ..line };
        let goes_on = self.partials.is_open(line.service);
        if !goes_on {
            self.partials.break_line(output)?;
        }
        match (in_parts, goes_on) {
            (true, true) => output.write_all(seen.as_bytes())?,
            (true, false) => self.print_head(output, &line, shown > 0, &seen)?,
            (false, _) => self.print_anew(output, &line, &seen, shown > 0)?,
        }
        self.partials.keep(&line, end, in_parts);
        Ok(())
    }

    /// Writes a separate line; `is_rest` if its beginning was shown in another one.
    fn print_anew(
        &self,
        output: &mut dyn Write,
        line: &MergedLine,
        text: &str,
        is_rest: bool,
    ) -> Result<(), OutputError> {
        if self.form == LineForm::Json {
            let line = JsonLine {
                time: self.time(line).map(|time| time.to_string()),
                service: self.services[line.service].as_str(),
                text,
                offset: line.offset,
                cut: line.piece.ending == Ending::Cut,
                lost: line.lost,
            };
            serde_json::to_writer(&mut *output, &line).map_err(io::Error::from)?;
        } else {
            self.print_head(output, line, is_rest, text)?;
            if line.piece.ending == Ending::Cut {
                output.write_all(CUT.as_bytes())?;
            }
        }
        output.write_all(b"\n")?;
        Ok(())
    }

    /// Writes a line without its line break.
    fn print_head(
        &self,
        output: &mut dyn Write,
        line: &MergedLine,
        is_rest: bool,
        text: &str,
    ) -> Result<(), OutputError> {
        let _noted_if_unknown = self.time(line);
        if self.form == LineForm::Timed {
            let time = self.style.dim(self.local(line.time));
            write!(output, "{} ", self.style.shown(&time))?;
        }
        output.write_all(self.prefixes[line.service].as_bytes())?;
        if is_rest || line.piece.is_rest {
            output.write_all(CUT.as_bytes())?;
        }
        Ok(output.write_all(text.as_bytes())?)
    }

    /// The time of a line; records if it is unknown.
    fn time(&self, line: &MergedLine) -> Option<Timestamp> {
        match line.time {
            LineTime::Known(time) => Some(time),
            LineTime::NotAfter(_) => {
                self.met_unknown_time.set(true);
                None
            }
        }
    }

    /// The rendered text of a line after its first `shown` bytes; `None` if it is filtered out.
    fn text<'line>(&self, line: &MergedLine<'line>, shown: usize) -> Option<Cow<'line, str>> {
        if let Some(seen) =
            sanitize::as_harmless(line.bytes).filter(|_| line.piece == Piece::default() && shown == 0)
            && self.masker.finds_nothing(seen)
        {
            return self.is_chosen(seen).then_some(Cow::Borrowed(seen));
        }
        let text = Text::of(line.bytes);
        let secrets = self.masker.ranges_of_piece(text.plain(), line.piece);
        if !self.is_chosen(&text.render(&secrets, false)) {
            return None;
        }
        Some(Cow::Owned(self.render(&text, secrets, shown)))
    }

    /// The filter sees the masked text: a pattern finds no secret.
    fn is_chosen(&self, seen: &str) -> bool {
        self.grep.is_none_or(|grep| grep.is_match(seen))
    }

    /// Renders a text from an offset on.
    fn render(&self, text: &Text, secrets: Vec<Range<usize>>, from: usize) -> String {
        let is_colored = self.style.is_colored() && self.form != LineForm::Json;
        let from = text.plain().floor_char_boundary(from);
        if from == 0 {
            return text.render(&secrets, is_colored);
        }
        let later = secrets.into_iter().filter(|range| range.end > from);
        let later = later.map(|range| range.start.saturating_sub(from)..range.end - from);
        text.after(from).render(&later.collect::<Vec<_>>(), is_colored)
    }

    /// RFC 3339 in this machine's time zone, always equally long.
    fn local(&self, time: LineTime) -> String {
        let (LineTime::Known(time) | LineTime::NotAfter(time)) = time;
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }
}

/// An unfinished line without a partial last character.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        Ok(_) | Err(_) => bytes,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

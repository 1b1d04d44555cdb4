//! How a line is shown: harmless, masked, chosen, and with its time and its service's name in front.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use pipulate_core::service::ServiceName;
use pipulate_store::log::index::LineTime;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::merge::Line;
use pipulate_store::log::read::{Ending, Piece};
use pipulate_store::log::sanitize::{self, Text};
use regex::Regex;
use serde::Serialize;

use crate::cli::{LineForm, LinesSettings};
use crate::context::Context;
use crate::ui::printer::OutputError;
use crate::ui::style::Style;

/// Stands where a line was cut.
const CUT: &str = "…";

/// A way to show lines.
pub(super) struct View<'a> {
    services: Vec<ServiceName>,
    /// One for each service; empty ones when there is only one.
    prefixes: Vec<String>,
    masker: Masker,
    grep: Option<&'a Regex>,
    form: LineForm,
    zone: TimeZone,
    style: Style,
    /// A line was met whose time is not known.
    met_unknown_time: Cell<bool>,
    /// How much was thrown away before it could be shown, in bytes, by the place of its service.
    lost: RefCell<BTreeMap<usize, u64>>,
}

/// A line for programs.
#[derive(Serialize)]
struct JsonLine<'a> {
    /// `None` if it is not known.
    time: Option<String>,
    service: &'a str,
    text: &'a str,
    offset: u64,
    /// The line is longer than what can be shown at once: its next piece follows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    /// So many bytes before it were thrown away before they could be shown.
    #[serde(skip_serializing_if = "is_zero")]
    lost: u64,
}

impl<'a> View<'a> {
    /// Shows the lines of these services.
    pub(super) fn new(context: &Context, services: &[ServiceName], settings: &'a LinesSettings) -> Self {
        let style = context.printer.stdout_style();
        let width = services.iter().map(|service| service.as_str().len()).max().unwrap_or(0);
        let prefixed = settings.prefix && services.len() > 1;
        let prefix = |service: &ServiceName| match prefixed {
            true => style.service(service.as_str(), format!("{service:width$} |")) + " ",
            false => String::new(),
        };
        Self {
            services: services.to_vec(),
            prefixes: services.iter().map(prefix).collect(),
            masker: context.masker(),
            grep: settings.grep.as_ref(),
            form: settings.form,
            zone: TimeZone::system(),
            style,
            met_unknown_time: Cell::new(false),
            lost: RefCell::default(),
        }
    }

    /// Whether a line was met whose time is not known.
    pub(super) fn met_unknown_time(&self) -> bool {
        self.met_unknown_time.get()
    }

    /// How many bytes of whom were thrown away before they could be shown, since this was asked last.
    pub(super) fn take_lost(&self) -> Vec<(&ServiceName, u64)> {
        let lost = self.lost.take().into_iter();
        lost.map(|(service, bytes)| (&self.services[service], bytes)).collect()
    }

    /// Writes a line if it is shown, and says whether it is.
    pub(super) fn print(&self, output: &mut dyn Write, line: Line) -> Result<bool, OutputError> {
        if line.lost > 0 {
            *self.lost.borrow_mut().entry(line.service).or_default() += line.lost;
        }
        let Some(text) = self.text(&line) else { return Ok(false) };
        let time = match line.time {
            LineTime::Known(time) => Some(time),
            LineTime::NotAfter(_) => None,
        };
        if time.is_none() {
            self.met_unknown_time.set(true);
        }
        match self.form {
            LineForm::Plain => {}
            LineForm::Timed => write!(output, "{} ", self.style.dim(self.local(line.time)))?,
            LineForm::Json => {
                let line = JsonLine {
                    time: time.map(|time| time.to_string()),
                    service: self.services[line.service].as_str(),
                    text: &text,
                    offset: line.offset,
                    cut: line.piece.ending == Ending::Cut,
                    lost: line.lost,
                };
                serde_json::to_writer(&mut *output, &line).map_err(io::Error::from)?;
                output.write_all(b"\n")?;
                return Ok(true);
            }
        }
        output.write_all(self.prefixes[line.service].as_bytes())?;
        if line.piece.is_rest {
            output.write_all(CUT.as_bytes())?;
        }
        output.write_all(text.as_bytes())?;
        if line.piece.ending == Ending::Cut {
            output.write_all(CUT.as_bytes())?;
        }
        output.write_all(b"\n")?;
        Ok(true)
    }

    /// What is shown of a line itself; `None` if it is not.
    fn text<'line>(&self, line: &Line<'line>) -> Option<Cow<'line, str>> {
        // What is searched is what is seen: a pattern finds no secret.
        let is_chosen = |seen: &str| self.grep.is_none_or(|grep| grep.is_match(seen));
        if let Some(seen) = sanitize::as_harmless(line.bytes).filter(|_| line.piece == Piece::default())
            && self.masker.finds_nothing(line.bytes)
        {
            return is_chosen(seen).then_some(Cow::Borrowed(seen));
        }
        let text = Text::of(line.bytes);
        let secrets = self.masker.ranges_of_piece(text.plain(), line.piece);
        let seen = text.render(&secrets, false);
        if !is_chosen(&seen) {
            return None;
        }
        let is_colored = self.style.is_colored() && self.form != LineForm::Json;
        Some(Cow::Owned(if is_colored { text.render(&secrets, true) } else { seen }))
    }

    /// RFC 3339 in the zone of this machine, always equally long.
    fn local(&self, time: LineTime) -> String {
        let (LineTime::Known(time) | LineTime::NotAfter(time)) = time;
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

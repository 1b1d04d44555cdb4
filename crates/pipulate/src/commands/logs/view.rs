//! How a line is shown: harmless, masked, chosen, and with its time and its service's name in front.

use std::cell::Cell;
use std::io::Write;

use jiff::tz::TimeZone;
use pipulate_core::service::ServiceName;
use pipulate_store::log::index::LineTime;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::merge::Line;
use pipulate_store::log::sanitize::Text;
use regex::Regex;
use serde::Serialize;

use crate::cli::{LineForm, LinesSettings};
use crate::context::Context;
use crate::ui::printer::OutputError;
use crate::ui::style::Style;

/// A way to show lines.
pub(super) struct View<'a> {
    services: &'a [ServiceName],
    /// One for each service; empty ones when there is only one.
    prefixes: Vec<String>,
    masker: Masker,
    grep: Option<&'a Regex>,
    form: LineForm,
    zone: TimeZone,
    style: Style,
    /// A line was met whose time is not known.
    met_unknown_time: Cell<bool>,
}

/// A line for programs.
#[derive(Serialize)]
struct JsonLine<'a> {
    /// `None` if it is not known.
    time: Option<String>,
    service: &'a str,
    text: &'a str,
    offset: u64,
}

impl<'a> View<'a> {
    /// Shows the lines of these services.
    pub(super) fn new(context: &Context, services: &'a [ServiceName], settings: &'a LinesSettings) -> Self {
        let style = context.printer.stdout_style();
        let width = services.iter().map(|service| service.as_str().len()).max().unwrap_or(0);
        let prefixed = settings.prefix && services.len() > 1;
        let prefix = |service: &ServiceName| match prefixed {
            true => style.service(service.as_str(), format!("{service:width$} |")) + " ",
            false => String::new(),
        };
        Self {
            services,
            prefixes: services.iter().map(prefix).collect(),
            masker: context.masker(),
            grep: settings.grep.as_ref(),
            form: settings.form,
            zone: TimeZone::system(),
            style,
            met_unknown_time: Cell::new(false),
        }
    }

    /// Whether a line was met whose time is not known.
    pub(super) fn met_unknown_time(&self) -> bool {
        self.met_unknown_time.get()
    }

    /// A line as it is shown; `None` if it is not.
    pub(super) fn text(&self, line: Line) -> Option<String> {
        let text = Text::of(line.bytes);
        let secrets = self.masker.ranges(text.plain());
        let seen = || text.render(&secrets, false);
        // What is searched is what is seen: a pattern finds no secret.
        let is_chosen = self.grep.is_none_or(|grep| match secrets.is_empty() {
            true => grep.is_match(text.plain()),
            false => grep.is_match(&seen()),
        });
        if !is_chosen {
            return None;
        }
        let time = match line.time {
            LineTime::Known(time) => Some(time),
            LineTime::NotAfter(_) => None,
        };
        if time.is_none() {
            self.met_unknown_time.set(true);
        }
        let service = &self.services[line.service];
        let prefix = &self.prefixes[line.service];
        match self.form {
            LineForm::Plain => Some(format!("{prefix}{}", text.render(&secrets, self.style.is_colored()))),
            LineForm::Timed => {
                let time = self.style.dim(self.local(line.time));
                Some(format!("{time} {prefix}{}", text.render(&secrets, self.style.is_colored())))
            }
            LineForm::Json => {
                let line = JsonLine {
                    time: time.map(|time| time.to_string()),
                    service: service.as_str(),
                    text: &seen(),
                    offset: line.offset,
                };
                serde_json::to_string(&line).ok()
            }
        }
    }

    /// Writes a line if it is shown.
    pub(super) fn print(&self, output: &mut dyn Write, line: Line) -> Result<(), OutputError> {
        match self.text(line) {
            Some(text) => Ok(writeln!(output, "{text}")?),
            None => Ok(()),
        }
    }

    /// RFC 3339 in the zone of this machine, always equally long.
    fn local(&self, time: LineTime) -> String {
        let (LineTime::Known(time) | LineTime::NotAfter(time)) = time;
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }
}

//! Log subscriber: writes a supervisor's events as lines of supervisor.log.
//!
//! The usual subscriber needs a registry of spans, which is 32 KiB of private memory in each of a hundred
//! supervisors. No span is ever entered here: an event is a line, in the format of `tracing-subscriber`.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use pipulate_core::layout::Layout;
use pipulate_store::own_log;
use tracing::field::Visit;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::field::MakeVisitor as _;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Writes to stderr, which is supervisor.log, or to its successor when it has become too long.
pub(super) struct LogSubscriber(pub(super) Layout);

impl Subscriber for LogSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= tracing::Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        // A full disk must not end the supervisor: events are lost meanwhile.
        let _unsaid = line(event).map_err(io::Error::other).and_then(|line| self.write(&line));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl LogSubscriber {
    /// In one write, so that lines of several supervisors do not mix.
    fn write(&self, line: &str) -> io::Result<()> {
        // Until there is another one, keep using the old one.
        if let Ok(Some(next)) = own_log::successor(&self.0, io::stderr()) {
            rustix::stdio::dup2_stderr(&next)?;
        }
        io::stderr().write_all(line.as_bytes())
    }
}

fn line(event: &Event<'_>) -> Result<String, std::fmt::Error> {
    let mut line = String::new();
    SystemTime.format_time(&mut Writer::new(&mut line))?;
    write!(line, " {:>5} ", event.metadata().level())?;
    let mut fields = DefaultFields::new().make_visitor(Writer::new(&mut line));
    event.record(&mut fields as &mut dyn Visit);
    line.push('\n');
    Ok(line)
}

//! The arguments of `logs`. The comments at the fields are the help.

use clap::Args;
use jiff::Zoned;
use pipulate_core::pattern::{self, Regex};
use pipulate_store::log::time_index::When;
use pipulate_store::log::when;

use super::ServicesArgument;
use crate::call::{LineForm, LinesSettings, LogsSettings, LogsShow, Tail};

#[derive(Debug, Args)]
pub(super) struct LogsArguments {
    #[command(flatten)]
    services: ServicesArgument,
    /// Keep showing new lines as they come; Ctrl-C leaves
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines of each service, or "all" [default: 100, or all that are chosen by
    /// --since, --until or --grep]
    #[arg(short = 'n', long, value_name = "N|all", value_parser = parse_tail, allow_negative_numbers = true)]
    tail: Option<Tail>,
    /// Only lines from this time on: "10m" (ago), "14:02", "yesterday", "2026-11-22T14:02:00Z",
    /// "last-start", "last-ready"
    #[arg(long, value_name = "TIME", value_parser = parse_moment, allow_hyphen_values = true)]
    since: Option<When>,
    /// Only lines up to this time
    #[arg(long, value_name = "TIME", value_parser = parse_moment, allow_hyphen_values = true)]
    until: Option<When>,
    /// Put the time at which it came in front of each line
    #[arg(short, long)]
    timestamps: bool,
    /// Don't put the service's name in front of its lines
    #[arg(long)]
    no_prefix: bool,
    /// Only lines that match; case matters only if the pattern has capitals
    #[arg(short, long, value_name = "RE", value_parser = pattern::as_typed)]
    grep: Option<Regex>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Print where the log files are instead
    #[arg(
        long,
        conflicts_with_all = ["follow", "tail", "since", "until", "timestamps", "no_prefix", "grep", "json"]
    )]
    path: bool,
}

impl LogsArguments {
    /// What they mean.
    pub(super) fn resolve(self) -> LogsSettings {
        let show = if self.path {
            LogsShow::Paths
        } else {
            let chooses = self.grep.is_some() || self.since.is_some() || self.until.is_some();
            let default = if chooses { Tail::All } else { Tail::Lines(100) };
            LogsShow::Lines(LinesSettings {
                tail: self.tail.unwrap_or(default),
                grep: self.grep,
                since: self.since,
                until: self.until,
                follow: self.follow,
                prefix: !self.no_prefix,
                form: match (self.json, self.timestamps) {
                    (true, _) => LineForm::Json,
                    (false, true) => LineForm::Timed,
                    (false, false) => LineForm::Plain,
                },
            })
        };
        LogsSettings { services: self.services.services, show }
    }
}

fn parse_tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail::All),
        number => {
            number.parse().map(Tail::Lines).map_err(|_| "write a number of lines, or \"all\"".to_owned())
        }
    }
}

fn parse_moment(text: &str) -> Result<When, String> {
    when::parse(text, &Zoned::now())
}

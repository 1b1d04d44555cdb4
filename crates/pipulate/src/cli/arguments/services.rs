//! The arguments of `start`, `stop`, `restart` and `status`. The comments at the fields are the help.

use std::time::Duration;

use clap::Args;
use pipulate_core::units::parse_duration;

use super::{ServicesArgument, format};
use pipulate_engine::request::Wait;

use crate::call::{Projects, RestartSettings, StartSettings, StatusSettings, StopSettings};

#[derive(Debug, Args)]
pub(super) struct StartArguments {
    #[command(flatten)]
    services: ServicesArgument,
    /// Don't open the browser
    #[arg(long)]
    no_browser: bool,
    /// Don't wait until the services are ready
    #[arg(long, conflicts_with_all = ["wait_timeout", "foreground"])]
    no_wait: bool,
    /// How long to wait until the services are ready
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = parse_duration)]
    wait_timeout: Duration,
    /// Stay here and show what the services print; Ctrl-C stops everything
    #[arg(long)]
    foreground: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Install and check nothing; use the environment as it is
    #[arg(long)]
    no_setup: bool,
}

#[derive(Debug, Args)]
pub(super) struct StopArguments {
    #[command(flatten)]
    services: ServicesArgument,
    /// How long a service may take before it is forced [default: 10s, or its configuration]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Stop them even if work is in progress, without asking
    #[arg(short, long)]
    yes: bool,
    /// End them at once, without asking about work in progress
    #[arg(long)]
    force: bool,
    /// Stop the services of every project
    #[arg(long, conflicts_with = "services")]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestartArguments {
    #[command(flatten)]
    services: ServicesArgument,
    /// Restart them even if work is in progress, without asking
    #[arg(short, long, visible_alias = "force")]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show every project
    #[arg(long)]
    all: bool,
    /// Keep the table up to date; Ctrl-C leaves
    #[arg(short, long, conflicts_with = "json")]
    watch: bool,
}

impl StartArguments {
    pub(super) fn resolve(self) -> StartSettings {
        StartSettings {
            services: self.services.services,
            browser: !self.no_browser,
            wait: if self.no_wait { Wait::No } else { Wait::AtMost(self.wait_timeout) },
            foreground: self.foreground,
            dry_run: self.dry_run,
            setup: !self.no_setup,
        }
    }
}

impl StopArguments {
    pub(super) fn resolve(self) -> StopSettings {
        StopSettings {
            services: self.services.services,
            timeout: self.timeout,
            yes: self.yes || self.force,
            force: self.force,
            projects: projects(self.all),
        }
    }
}

impl RestartArguments {
    pub(super) fn resolve(self) -> RestartSettings {
        RestartSettings { services: self.services.services, yes: self.yes }
    }
}

impl StatusArguments {
    pub(super) fn resolve(self) -> StatusSettings {
        StatusSettings { format: format(self.json), projects: projects(self.all), watch: self.watch }
    }
}

fn projects(all: bool) -> Projects {
    if all { Projects::All } else { Projects::This }
}

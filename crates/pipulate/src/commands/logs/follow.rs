//! `logs -f`: prints until Ctrl-C, until the output's reader is gone, or until no requested line can come.
//! The services continue.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_core::units;
use pipulate_store::log::merge::{Merged, Patience};
use pipulate_store::log::read::Start;
use pipulate_store::log::secrets::LiveSecrets;
use pipulate_store::log::time_index::When;
use pipulate_store::log::watch::{Wake, Watch};
use pipulate_store::record;
use signal_hook::consts::SIGINT;

use super::view::View;
use super::{Scope, chosen, open, print_what_is_there, warn_of_unknown_times};
use crate::call::LinesSettings;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;

/// The time that other services' lines wait for the end of a traceback.
const HOLD: Duration = Duration::from_millis(100);
/// The time after which an unfinished line is shown.
const PAUSE: Duration = Duration::from_millis(200);

/// The end of following, apart from a reader that is gone.
pub(crate) enum Until<'a> {
    /// At Ctrl-C.
    Interrupted,
    /// Also once none of the services runs; `is_meant` decides about a Ctrl-C.
    NothingRuns { is_meant: &'a dyn Fn() -> bool },
}

/// The reason why following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Left,
    NothingRuns,
    /// The output's reader is gone.
    Unread,
}

/// Follows these services, or all of them if the list is empty.
pub(super) fn follow(
    context: &Context,
    asked: Vec<ServiceName>,
    lines: &LinesSettings,
) -> Result<ExitStatus, Failure> {
    let interrupted = interrupt::stream_of(&[SIGINT])?;
    follow_until(context, asked, lines, &interrupted, &Until::Interrupted)?;
    Ok(ExitStatus::Success)
}

/// [`follow`] until `until`; `interrupted` is readable after Ctrl-C.
pub(super) fn follow_until(
    context: &Context,
    asked: Vec<ServiceName>,
    lines: &LinesSettings,
    mut interrupted: &UnixStream,
    until: &Until<'_>,
) -> Result<Ended, Failure> {
    let stdout = io::stdout();
    let mut follower = Follower::begin(context, asked, lines, until)?;
    loop {
        // Before the last read, so that all earlier lines are still shown.
        let is_last_look = follower.is_over();
        let is_left_alone = !follower.runs && !follower.waits;
        let wake = match is_last_look || is_left_alone {
            true => Wake::Lines,
            false => follower
                .watch
                .wait(Some(interrupted.as_fd()), Some(stdout.as_fd()), follower.patience())
                .map_err(|error| Failure::failed("could not wait for new lines").cause(error))?,
        };
        match wake {
            Wake::Lines | Wake::TimedOut => follower.print_new()?,
            Wake::Records => {
                follower.take_in_new_services()?;
                follower.print_new()?;
                follower.say_whether_it_runs()?;
            }
            Wake::Stopped => {
                follower.break_line()?;
                match until {
                    Until::NothingRuns { is_meant } if !is_meant() => interrupted.read_exact(&mut [0])?,
                    Until::NothingRuns { .. } | Until::Interrupted => return Ok(Ended::Left),
                }
            }
            Wake::OutputClosed => return Ok(Ended::Unread),
        }
        if is_left_alone || is_last_look {
            follower.print_rest()?;
            return Ok(if is_left_alone { Ended::NothingRuns } else { Ended::Left });
        }
    }
}

struct Follower<'a> {
    context: &'a Context,
    asked: Vec<ServiceName>,
    lines: &'a LinesSettings,
    services: Vec<ServiceName>,
    view: View<'a>,
    watch: Watch,
    logs: Merged,
    secrets: LiveSecrets,
    warned: bool,
    /// The service, offset and length of each unfinished line at the last check.
    unfinished: Vec<(usize, u64, usize)>,
    /// The time since which there is more of them than was shown.
    unfinished_since: Option<Instant>,
    /// The time since which lines wait for the end of a traceback.
    held_since: Option<Instant>,
    runs: bool,
    /// Waits for the next start.
    waits: bool,
}

impl<'a> Follower<'a> {
    fn begin(
        context: &'a Context,
        asked: Vec<ServiceName>,
        lines: &'a LinesSettings,
        until: &Until<'_>,
    ) -> Result<Self, Failure> {
        let services = chosen(context, asked.clone(), Scope::Expected)?;
        // Watch first, then read: no line in between is missed.
        let watch = Watch::new(&context.project.layout, &services);
        if watch.is_polling() {
            context.printer.warning(
                "the system does not report changes of files here (it may have no inotify watches left), \
                 so the logs are looked at ten times a second",
            );
        }
        let runs = any_runs(context, &services);
        let mut logs = open(context, &services, lines)?;
        // After opening the logs: the masked secrets are as new as the lines.
        let mut secrets = LiveSecrets::of(&context.project.layout);
        context.warn_of_unmasked(secrets.take_problems());
        let view = View::new(context, &services, lines, secrets.masker().clone());
        print_what_is_there(context, &view, &mut logs, lines)?;
        let warned = warn_of_unknown_times(context, &view, lines);
        let waits = matches!(until, Until::Interrupted);
        let mut follower = Self {
            context,
            asked,
            lines,
            services,
            view,
            watch,
            logs,
            secrets,
            warned,
            unfinished: Vec::new(),
            unfinished_since: None,
            held_since: None,
            runs,
            waits,
        };
        if !runs {
            follower.say("is not running")?;
        }
        follower.look_at_unfinished()?;
        Ok(follower)
    }

    /// Returns true if all later lines are after the requested time.
    fn is_over(&self) -> bool {
        let is_late = matches!(self.lines.until, Some(When::At(until)) if Timestamp::now() > until);
        is_late || self.logs.is_over()
    }

    /// The time until pending lines must be shown; `None` if there are none.
    fn patience(&self) -> Option<Duration> {
        let pause = self.unfinished_since.map(|since| PAUSE.saturating_sub(since.elapsed()));
        self.rest_of_hold().into_iter().chain(pause).min()
    }

    fn rest_of_hold(&self) -> Option<Duration> {
        self.held_since.map(|since| HOLD.saturating_sub(since.elapsed()))
    }

    fn print_new(&mut self) -> Result<(), Failure> {
        self.logs.look()?;
        self.refresh_secrets()?;
        let patience = match self.rest_of_hold() {
            Some(Duration::ZERO) => Patience::None,
            Some(_) | None => Patience::Block,
        };
        let Self { context, logs, view, .. } = self;
        context
            .printer
            .data_stream(|output| logs.read(patience, |line| view.print(output, line).map(drop)))?;
        let lost = view.take_lost();
        if !lost.is_empty() {
            break_line(context, view)?;
        }
        for (service, bytes) in lost {
            context.printer.warning(format!(
                "{} of what {service} printed were thrown away before they could be shown: its log keeps no \
                 more ([logs] max_size and keep)",
                units::size(bytes)
            ));
        }
        let held_since = self.held_since.filter(|_| patience == Patience::Block);
        self.held_since = self.logs.is_holding().then(|| held_since.unwrap_or_else(Instant::now));
        if !self.warned && self.view.met_unknown_time() {
            self.break_line()?;
            self.warned = warn_of_unknown_times(self.context, &self.view, self.lines);
        }
        self.look_at_unfinished()
    }

    /// Shows unfinished lines if they have grown and have waited for [`PAUSE`].
    fn look_at_unfinished(&mut self) -> Result<(), Failure> {
        let mut now = Vec::new();
        self.logs.read_unfinished(|line| {
            // A part that ends with a carriage return is shown in pipes, too.
            if self.view.partials.in_parts() || line.bytes.ends_with(b"\r") {
                now.push((line.service, line.offset, line.bytes.len()));
            }
            Ok::<(), Failure>(())
        })?;
        if now.iter().all(|line| self.unfinished.contains(line)) {
            self.unfinished_since = None;
            return Ok(());
        }
        let since = *self.unfinished_since.get_or_insert_with(Instant::now);
        if since.elapsed() < PAUSE {
            return Ok(());
        }
        (self.unfinished, self.unfinished_since) = (now, None);
        let Self { context, logs, view, .. } = self;
        context.printer.data_stream(|output| logs.read_unfinished(|line| view.print_unfinished(output, line)))
    }

    /// Shows the unfinished lines, which will get no end.
    fn print_rest(&mut self) -> Result<(), Failure> {
        let Self { context, logs, view, .. } = self;
        context
            .printer
            .data_stream(|output| logs.read_unfinished(|line| view.print(output, line).map(drop)))?;
        self.break_line()
    }

    fn break_line(&self) -> Result<(), Failure> {
        break_line(self.context, &self.view)
    }

    /// Reads secrets that may have changed since the last lines.
    fn refresh_secrets(&mut self) -> Result<(), Failure> {
        if self.secrets.refresh() {
            self.view.mask_with(self.secrets.masker());
        }
        let problems = self.secrets.take_problems();
        if !problems.is_empty() {
            self.break_line()?;
        }
        self.context.warn_of_unmasked(problems);
        Ok(())
    }

    /// Adds services that are new since the beginning, if all are followed.
    fn take_in_new_services(&mut self) -> Result<(), Failure> {
        let now = chosen(self.context, self.asked.clone(), Scope::Expected)?;
        let new: Vec<_> = now.into_iter().filter(|service| !self.services.contains(service)).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.services.extend(new.iter().cloned());
        let masker = self.secrets.masker().clone();
        let old =
            std::mem::replace(&mut self.view, View::new(self.context, &self.services, self.lines, masker));
        self.view.partials = old.partials;
        self.watch = Watch::new(&self.context.project.layout, &self.services);
        for service in &new {
            self.logs.add(&self.context.project.layout, service, Start::Oldest)?;
        }
        Ok(())
    }

    fn say_whether_it_runs(&mut self) -> Result<(), Failure> {
        let runs = any_runs(self.context, &self.services);
        if std::mem::replace(&mut self.runs, runs) && !runs {
            self.say("has stopped")?;
        }
        Ok(())
    }

    fn say(&self, what: &str) -> Result<(), Failure> {
        if !self.waits {
            return Ok(());
        }
        self.break_line()?;
        let who = match self.services.as_slice() {
            [service] => service.to_string(),
            _ => self.context.project.layout.root().display().to_string(),
        };
        self.context.printer.note(format!("{who} {what}; waiting for the next start (Ctrl-C leaves)"));
        Ok(())
    }
}

/// Ends the line that the cursor is in.
fn break_line(context: &Context, view: &View<'_>) -> Result<(), Failure> {
    context.printer.data_stream(|output| view.partials.break_line(output))
}

/// Returns true if one of them is supervised, by the records. An unreadable record counts as running.
fn any_runs(context: &Context, services: &[ServiceName]) -> bool {
    services.iter().any(|service| match record::read(&context.project.layout, service) {
        Ok(record) => record.is_some_and(|record| record.supervisor.is_some()),
        Err(_) => true,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::context::samples;

    #[test]
    fn a_record_that_cant_be_read_is_not_the_end_of_its_service() {
        let project = samples::project("");
        let services = [ServiceName::parse("server").unwrap()];
        let layout = &project.context.project.layout;
        assert!(!any_runs(&project.context, &services));
        fs::create_dir_all(layout.run()).unwrap();
        fs::write(layout.record(&services[0]), "{").unwrap();
        assert!(any_runs(&project.context, &services));
    }
}

//! `status`: the state of the services. A query changes nothing.

use std::os::fd::AsFd as _;
use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::project::AbsPath;
use pipulate_core::status::{Doubt, ProjectStatus, Verdict};
use pipulate_engine::project::Probes;
use pipulate_engine::projects;
use pipulate_process::poll::{self, Interest};
use pipulate_store::registry;
use signal_hook::consts::SIGINT;

use crate::call::{Format, Projects, StatusSettings};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::ui::{status_json, status_table};

/// The interval of `--watch`.
const PACE: Duration = Duration::from_secs(1);

/// Prints the status, once or until Ctrl-C.
pub(crate) fn status(context: &Context, settings: StatusSettings) -> Result<ExitStatus, Failure> {
    if settings.watch {
        return watch(context, settings);
    }
    let statuses = statuses(context, settings.projects);
    show(context, settings, &statuses)?;
    Ok(exit_status(&statuses))
}

/// The status of this project: its configured services, and those with a record.
pub(crate) fn project_status(context: &Context) -> ProjectStatus {
    context.project.status(Probes::Run)
}

/// [`project_status`] without probes.
pub(crate) fn glance(context: &Context) -> ProjectStatus {
    context.project.status(Probes::Skip)
}

fn statuses(context: &Context, projects: Projects) -> Vec<ProjectStatus> {
    match projects {
        Projects::This => {
            context.config_or_warning();
            vec![project_status(context)]
        }
        Projects::All => {
            let roots = projects::find(registry::projects(context.project.layout.user())).into_iter();
            roots.map(|root| status_of(context, root)).collect()
        }
    }
}

/// The status of another project; if it may not be read, only the reason.
fn status_of(context: &Context, root: AbsPath) -> ProjectStatus {
    context.of_project(root.clone()).map_or_else(
        |problem| {
            let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
            let unknown = vec![Doubt::Unreadable { problem }];
            ProjectStatus { name: name.unwrap_or_default(), root, services: Vec::new(), unknown }
        },
        |project| project_status(&project),
    )
}

fn show(context: &Context, settings: StatusSettings, statuses: &[ProjectStatus]) -> Result<(), Failure> {
    let printer = &context.printer;
    match (settings.format, settings.projects, statuses) {
        (Format::Json, Projects::This, [status]) => printer.json(&status_json::project(status))?,
        (Format::Json, _, statuses) => printer.json(&status_json::projects(statuses))?,
        (Format::Text, _, []) => printer.note("No project has ever been started"),
        (Format::Text, _, statuses) => printer.data(text(context, statuses))?,
    }
    for why in statuses.iter().flat_map(|status| &status.unknown) {
        printer.warning(pipulate_words::doubt(why));
    }
    Ok(())
}

fn text(context: &Context, statuses: &[ProjectStatus]) -> String {
    let (style, terminal) = (context.printer.stdout_style(), context.printer.terminal());
    let room = terminal.width.filter(|_| terminal.stdout_is_terminal).map(usize::from);
    let one = |status: &ProjectStatus| {
        format!(
            "{}\n{}",
            status_table::heading(status, style),
            status_table::table(status, Timestamp::now(), style, room)
        )
    };
    statuses.iter().map(one).collect::<Vec<_>>().join("\n\n")
}

/// The worst project decides.
fn exit_status(statuses: &[ProjectStatus]) -> ExitStatus {
    let verdicts: Vec<Verdict> = statuses.iter().map(ProjectStatus::verdict).collect();
    if verdicts.contains(&Verdict::Unknown) {
        ExitStatus::Unknown
    } else if verdicts.contains(&Verdict::Unwell) {
        ExitStatus::Failed
    } else if verdicts.contains(&Verdict::Well) {
        ExitStatus::Success
    } else {
        ExitStatus::NothingRunning
    }
}

/// Updates the status repeatedly, in place on a terminal. Ctrl-C or a closed output ends only this view.
fn watch(context: &Context, settings: StatusSettings) -> Result<ExitStatus, Failure> {
    let interrupted = interrupt::stream_of(&[SIGINT])?;
    let stdout = std::io::stdout();
    let in_place = context.printer.terminal().stdout_is_terminal;
    let mut shown = String::new();
    loop {
        let text = text(context, &statuses(context, settings.projects));
        if in_place {
            context.printer.screen(&text)?;
        } else if text != shown {
            context.printer.data(&text)?;
        }
        shown = text;
        let watched = [(interrupted.as_fd(), Interest::Read), (stdout.as_fd(), Interest::HangUp)];
        let ready = poll::wait(&watched, Some(PACE))?;
        if ready.iter().any(|stream| stream.ready || stream.hung_up) {
            return Ok(ExitStatus::Success);
        }
    }
}

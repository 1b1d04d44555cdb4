//! `doctor`: examines this home, suggests a remedy for each finding, and applies it on request.

use pipulate_core::finding::{Finding, FindingStatus};
use pipulate_core::reason::PortHolder;
use pipulate_core::service::ServiceName;
use pipulate_core::status::ProjectStatus;
use pipulate_engine::jupyter;
use pipulate_environment::browser::session::Session;
use pipulate_environment::doctor::{self, Examination, PortFact, PortState};
use pipulate_environment::resources;
use pipulate_supervisor::port_owner::port_owners;

use crate::call::{DoctorSettings, Format};
use crate::commands::{setup, status};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::ui::findings;
use crate::ui::printer::Verbosity;
use crate::ui::progress::Progress;
use pipulate_engine::specs::specs;

/// Prints the findings; after fixes, the remaining ones.
pub(crate) fn doctor(context: &Context, settings: DoctorSettings) -> Result<ExitStatus, Failure> {
    let mut examination = examination(context);
    let mut found = examine(context, &examination);
    if settings.fix && mend(context, &examination, &found) {
        examination = self::examination(context);
        found = examine(context, &examination);
    }
    match settings.format {
        Format::Json => context.printer.json(&findings::json(&found))?,
        Format::Text => {
            let is_verbose = context.printer.verbosity() == Verbosity::Verbose;
            context.printer.data(findings::text(&found, is_verbose, context.printer.stdout_style()))?;
        }
    }
    let has_failure = found.iter().any(|finding| finding.status == FindingStatus::Failure);
    Ok(if has_failure { ExitStatus::Failed } else { ExitStatus::Success })
}

/// Returns the findings without printing.
pub(crate) fn findings(context: &Context) -> Vec<Finding> {
    doctor::examine(&examination(context))
}

fn examination(context: &Context) -> Examination {
    let status = status::project_status(context);
    Examination {
        layout: context.project.layout.clone(),
        config: context.config_as_read().clone(),
        session: Session::gather(context.project.around.clone()),
        exe: context.project.exe.clone(),
        ports: ports(context, &status),
        jupyter_is_open: jupyter::running(&context.project.layout).map(|server| server.admits_anyone()),
        alive: setup::may_use_packages(context),
        status,
        resources: resources::read(context.project.layout.root()),
        machine: "/".into(),
    }
}

fn examine(context: &Context, examination: &Examination) -> Vec<Finding> {
    let progress = Progress::new(&context.printer);
    progress.now("examining this home");
    doctor::examine(examination)
}

/// Applies the fixes that need no question; returns true if there were any.
fn mend(context: &Context, examination: &Examination, found: &[Finding]) -> bool {
    let repairs = doctor::repairs(found);
    for finding in &repairs {
        let progress = Progress::new(&context.printer);
        progress.now(&finding.title);
        let mended = doctor::fix(finding, examination, |line| progress.now(line));
        drop(progress);
        match mended {
            Ok(done) => context.printer.note(done),
            Err(error) => context.printer.warning(error),
        }
    }
    !repairs.is_empty()
}

/// The holders of the ports that the services have or want; empty without a configuration.
fn ports(context: &Context, status: &ProjectStatus) -> Vec<PortFact> {
    let Ok(config) = context.config_as_read() else { return Vec::new() };
    let live_port = |name: &ServiceName| {
        let service = status.service(name.as_str())?;
        service.live.as_ref().and(service.port)
    };
    let wishes = specs(&context.project, config).into_iter().filter_map(|spec| {
        let wished = spec.port?.port;
        Some((live_port(&spec.name).unwrap_or(wished), spec.name))
    });
    wishes.map(|(port, service)| PortFact { service, port, state: state_of(context, port) }).collect()
}

fn state_of(context: &Context, port: u16) -> PortState {
    let root = &**context.project.layout.root();
    let is_here = |holder: &PortHolder| matches!(holder, PortHolder::Process { project: Some(project), .. } if **project == *root);
    let owners = port_owners(port);
    if owners.iter().any(is_here) {
        return PortState::Ours;
    }
    match owners.into_iter().next() {
        None => PortState::Free,
        Some(PortHolder::Process { pid, command, project, service: _ }) => {
            PortState::Foreign { pid, command, project }
        }
        Some(_) => PortState::Unknown,
    }
}

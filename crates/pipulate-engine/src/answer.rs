//! The result of a request, as the lines that a user interface shows: which outcomes get a line, and in which
//! order.

use pipulate_core::answer::Line;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::ProjectStatus;

use crate::report::Outcome;

/// Returns lines for ended, killed and remaining processes of the services that were `asked` for by name, or
/// of the whole project. `kernels` are the notebooks whose variables ended with JupyterLab.
pub fn of_stop(outcomes: &[(ServiceName, Outcome)], asked: &[ServiceName], kernels: &[String]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut processes = 0;
    let mut refused = false;
    for (service, outcome) in outcomes {
        let service = service.clone();
        match outcome {
            Outcome::AlreadyStopped => {}
            Outcome::Stopped { record } => {
                let Some(receipt) = record.receipt.clone() else { continue };
                // Nothing to report if it had ended by itself without leftovers.
                if receipt.stopped > 0 || !receipt.survivors.is_empty() || !receipt.left.is_empty() {
                    processes += receipt.survivors.len();
                    let has_kernels = service.as_str() == ServiceName::JUPYTER;
                    lines.push(Line::Stopped { service, receipt });
                    lines.extend(of_kernels(kernels).filter(|_| has_kernels));
                }
            }
            Outcome::StartWithdrawn => lines.push(Line::StartWithdrawn { service }),
            Outcome::Unrecorded(why) => {
                lines.push(Line::StoppedUnrecorded { service, why: (**why).clone() });
            }
            Outcome::Refused(_)
            | Outcome::Up { .. }
            | Outcome::Begun
            | Outcome::Failed { .. }
            | Outcome::TimedOut
            | Outcome::Unmet { .. } => refused = true,
        }
    }
    // After a refusal, the number of remaining processes is unknown.
    if processes > 0 || !refused {
        lines.push(Line::Left { services: asked.to_vec(), processes });
    }
    lines
}

/// Returns lines for the notebooks whose idle kernels ended.
pub fn of_kernels(notebooks: &[String]) -> impl Iterator<Item = Line> {
    notebooks.iter().map(|notebook| Line::EndedKernel { notebook: notebook.clone() })
}

/// Returns lines for a start, given the status before it.
pub fn of_start(before: Option<&ProjectStatus>, up: &[ServiceName]) -> Vec<Line> {
    let was = |name: &ServiceName| before?.service(name.as_str()).filter(|service| service.live.is_some());
    let (known, fresh): (Vec<_>, Vec<_>) = up.iter().cloned().partition(|name| was(name).is_some());
    let is_orphan =
        |name: &ServiceName| was(name).is_some_and(|service| service.state == ServiceState::Unsupervised);
    let adopted: Vec<ServiceName> = known.into_iter().filter(is_orphan).collect();
    match (fresh.is_empty(), adopted.is_empty()) {
        (true, true) => vec![Line::AllUp],
        (false, true) => vec![Line::Started { services: fresh }],
        (true, false) => vec![Line::TookOver { services: adopted }],
        (false, false) => vec![Line::Started { services: fresh }, Line::TookOver { services: adopted }],
    }
}

//! Services that run another version, or another file, of the program.

use pipulate_core::service::ServiceName;
use pipulate_engine::request::{Desired, Request, Wait};

use crate::commands::audience::Asker;
use crate::context::{Context, program};
use crate::error::Failure;
use crate::ui::{denial, notes};

/// Limits old logs, and switches the supervisors, the bare words and the embedded app of this
/// project to this program.
pub(super) fn take_over(context: &Context, names: &[ServiceName], wait: Wait) -> Result<(), Failure> {
    program::remember(context);
    let project = &context.project;
    project.look_after(names, &mut |note| notes::say(&context.printer, &note)).map_err(denial::failure)?;
    program::refresh_words(context);
    let apps = project.other_apps(names);
    if apps.is_empty() {
        return Ok(());
    }
    for service in &apps {
        context.printer.note(format!("Restarting {service} with this version of Pipulate"));
    }
    let request = Request::new(Desired::Restarted, apps, wait);
    let mut asker = Asker::new(context, "restart", &request.services);
    // If one doesn't come back, the start handles it with the others.
    if let Err(denied) = project.act(&request, &mut asker) {
        context.printer.failure(&asker.failure(denied));
    }
    Ok(())
}

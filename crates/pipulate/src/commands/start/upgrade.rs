//! What runs with another version, or another file, of the program.

use pipulate_core::service::ServiceName;
use pipulate_engine::project::Note;
use pipulate_engine::reload;
use pipulate_engine::request::{Desired, Request, Wait};

use crate::commands::audience::Asker;
use crate::context::{Context, program};
use crate::ui::notes;

/// Has supervisors, the bare words and the embedded app of this project run this program.
pub(super) fn take_over(context: &Context, names: &[ServiceName], wait: Wait) {
    program::remember(context);
    for service in reload::upgrade(&context.layout, names) {
        notes::say(&context.printer, &Note::Upgraded { service });
    }
    program::refresh_words(context);
    let apps = reload::other_apps(&context.layout, names, &context.exe);
    if apps.is_empty() {
        return;
    }
    for service in &apps {
        context.printer.note(format!("Restarting {service} with this version of Pipulate"));
    }
    let request = Request::new(Desired::Restarted, apps, wait);
    let mut asker = Asker::new(context, "restart", &request.services);
    // One that did not come back is started again, or reported, with the others.
    if let Err(denied) = context.project().act(&request, &mut asker) {
        context.printer.failure(&asker.failure(denied));
    }
}

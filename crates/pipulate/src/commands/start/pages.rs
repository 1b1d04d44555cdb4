//! Opens services' pages in the browser, each once.

use pipulate_core::service::ServiceName;
use pipulate_environment::browser::plan::Plan;
use pipulate_environment::browser::session::Session;
use pipulate_environment::browser::{self, Outcome, Page};

use crate::context::Context;
use crate::links;

/// Opens the pages of these services, if they have one. Reports a browser that does not open, without
/// failing. Returns true if all opened.
pub(crate) fn open<'a>(context: &Context, services: impl Iterator<Item = &'a ServiceName>) -> bool {
    let printer = &context.printer;
    let mut pages = Vec::new();
    for service in services {
        match links::link(context, service) {
            Ok(Some(link)) => {
                let (url, secret) = (link.for_people().to_owned(), link.signed.is_some());
                pages.push(Page { name: service.to_string(), url, secret });
            }
            Ok(None) => {}
            Err(failure) => printer.failure(&failure),
        }
    }
    if pages.is_empty() {
        return true;
    }
    let ports: Vec<u16> = pages.iter().filter_map(|page| port_of(&page.url)).collect();
    let plan = Plan::decide(&Session::gather(context.project.around.clone()), &ports);
    if let Plan::Print { reason, hint } = &plan {
        printer.sentence(format!("The browser was not opened: {reason}"));
        if let Some(hint) = hint {
            printer.hint(hint);
        }
        return false;
    }
    let mut all_opened = true;
    for opened in browser::open_pages(&plan, pages, &context.own_program()) {
        match opened.outcome {
            Outcome::Opened => printer.note(format!("Opened {} in the browser", opened.name)),
            Outcome::NotOpened { reason } => {
                all_opened = false;
                printer.warning(format!("{} was not opened in the browser: {reason}", opened.name));
            }
        }
    }
    all_opened
}

fn port_of(url: &str) -> Option<u16> {
    let address = url.split_once("://")?.1.split('/').next()?;
    address.rsplit(':').next()?.parse().ok()
}

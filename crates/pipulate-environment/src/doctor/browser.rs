//! Whether a browser can be opened from here: the decision itself, carried out on paper.

use pipulate_core::finding::Finding;

use super::catalog::{Check, Group};
use super::{Examination, is_startable, skipped, warning};
use crate::browser::opener_programs;
use crate::browser::plan::Plan;

const ID: &str = "browser.opener";

pub(super) const OPENER: Group = Group {
    checks: &[Check::new(ID, "what would open pages here, or why addresses are printed instead")],
    examine: |examination| vec![opener(examination)],
};

fn opener(examination: &Examination) -> Finding {
    if examination.config.as_ref().is_ok_and(|config| config.browser.is_empty()) {
        return skipped(ID, "pipulate.toml opens no page in the browser");
    }
    let ports: Vec<u16> = examination.ports.iter().map(|fact| fact.port).collect();
    let plan = Plan::decide(&examination.session, &ports);
    if let Plan::Print { reason, hint } = plan {
        let finding = skipped(ID, format!("Addresses are printed, not opened: {reason}"));
        return finding.detail(hint.unwrap_or_default());
    }
    let programs = opener_programs(&plan);
    if let Some(program) = programs.iter().find(|program| is_startable(examination, program)) {
        return Finding::ok(ID, format!("Pages are opened by {}", program.display()));
    }
    let names: Vec<String> = programs.iter().map(|program| program.display().to_string()).collect();
    let advice = match plan {
        Plan::BrowserVariable(_) => "set BROWSER to a browser that is installed, or unset it",
        Plan::System | Plan::Print { .. } => "install xdg-utils, or set BROWSER to your browser",
    };
    warning(ID, "There is no program that opens pages in the browser")
        .detail(format!("none of these is there: {}", names.join(", ")))
        .advice(format!("{advice}; addresses can always be opened by hand"))
}

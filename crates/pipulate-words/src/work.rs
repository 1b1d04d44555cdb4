//! Work in progress and what a stop would end, as sentences.

use pipulate_core::text::printable;
use pipulate_core::units::{length_of_time, size};
use pipulate_core::work::{Loss, Work};

/// Work in progress: `analysis.ipynb is busy (for 2 min or longer)`.
pub fn work(work: &Work) -> String {
    match work {
        Work::BusyKernel { notebook, at_least, memory_bytes } => {
            let memory = memory_bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
            let since = length_of_time(at_least.as_secs_f64());
            format!("{} is busy (for {since} or longer{memory})", printable(notebook))
        }
        Work::Orphan { pid, is_running, memory_bytes } => {
            let (is, memory) = (if *is_running { "is" } else { "may be" }, size(*memory_bytes));
            format!("a kernel that outlived its JupyterLab {is} busy (pid {pid}, {memory})")
        }
        Work::Silent { kernels: 1 } => "JupyterLab does not say whether its kernel is busy".to_owned(),
        Work::Silent { kernels } => {
            format!("JupyterLab does not say whether its {kernels} kernels are busy")
        }
        Work::TerminalJob { pid, command } => {
            format!("{} (pid {pid}) runs in a terminal", printable(command))
        }
        Work::Detached { pid, command } => {
            format!("{} (pid {pid}) was started from a kernel", printable(command))
        }
    }
}

/// What a stop or restart would end.
pub fn loss(loss: &Loss) -> String {
    match loss {
        Loss::Page { service } => {
            format!("this page; to have it back, run \"pipulate open {service}\" in a terminal")
        }
        Loss::EveryService => "every service of this project, this page with them".to_owned(),
        Loss::Work(what) => work(what),
        Loss::IdleKernel { notebook } => format!("{}, with its variables", printable(notebook)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pipulate_core::identity::Pid;
    use pipulate_core::service::ServiceName;

    use super::*;

    #[test]
    fn every_loss_has_its_words() {
        let (pid, notebook) = (Pid::new(7).unwrap(), "analysis.ipynb".to_owned());
        let work = [
            Work::BusyKernel {
                notebook: notebook.clone(),
                at_least: Duration::from_secs(120),
                memory_bytes: Some(3 << 20),
            },
            Work::BusyKernel { notebook: notebook.clone(), at_least: Duration::ZERO, memory_bytes: None },
            Work::Orphan { pid, is_running: true, memory_bytes: 1 << 30 },
            Work::Orphan { pid, is_running: false, memory_bytes: 1 << 30 },
            Work::Silent { kernels: 1 },
            Work::Silent { kernels: 2 },
            Work::TerminalJob { pid, command: "vim".to_owned() },
            Work::Detached { pid, command: "\u{1b}[31mtrain".to_owned() },
        ];
        let service = ServiceName::parse("server").unwrap();
        let others = [Loss::Page { service }, Loss::EveryService, Loss::IdleKernel { notebook }];
        let losses: Vec<String> =
            work.into_iter().map(Loss::Work).chain(others).map(|it| loss(&it)).collect();
        insta::assert_snapshot!(losses.join("\n"));
    }
}

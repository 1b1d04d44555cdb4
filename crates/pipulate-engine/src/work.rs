//! Work in progress that a stop of JupyterLab would cut off, so that the user can be asked first.

use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::identity::Pid;
use pipulate_core::layout::Layout;
use pipulate_core::marker::{Marker, Part};
use pipulate_core::service::ServiceName;
use pipulate_core::status::{KernelActivity, KernelInfo};
use pipulate_core::text::printable;
use pipulate_core::work::Work;
use pipulate_process::identity::{self, own_pid};
use pipulate_process::table::{self, Entry, RunState};
use pipulate_store::record;

use crate::jupyter;
use crate::query;
use pipulate_supervisor::kernels::kernels;
use pipulate_supervisor::marker::marker_of;
use pipulate_supervisor::ownership::ownership_of;
use pipulate_supervisor::process_tree::{self, Attached, Service};

/// The losses of a stop of JupyterLab.
#[derive(Debug, Default)]
pub struct AtStake {
    pub work: Vec<Work>,
    /// The notebooks of idle kernels, whose variables would be lost.
    pub idle: Vec<String>,
}

/// Returns the current work of JupyterLab's kernels and terminals.
pub fn in_progress(layout: &Layout) -> Vec<Work> {
    at_stake(layout).work
}

/// Returns what a stop of JupyterLab would end now.
pub fn at_stake(layout: &Layout) -> AtStake {
    let Some((ours, main)) = processes(layout) else { return AtStake::default() };
    let kernels = kernels(&ours);
    let (mut work, mut idle) = (Vec::new(), Vec::new());
    if !kernels.is_empty() {
        match jupyter::kernel_activity(layout, jupyter::PATIENCE) {
            Some(notebooks) => {
                let without_work = notebooks.iter().filter(|notebook| !notebook.is_busy);
                idle.extend(without_work.map(|notebook| notebook.name.clone()));
                let now = Timestamp::now();
                let is_known = |kernel: &&KernelInfo| notebooks.iter().any(|known| known.id == kernel.id);
                let orphans = kernels.iter().filter(|kernel| !is_known(kernel));
                work.extend(orphans.filter_map(|kernel| busy_orphan(kernel, &ours)));
                let busy = notebooks.into_iter().filter(|notebook| notebook.is_busy);
                work.extend(busy.map(|notebook| busy_work(notebook, &kernels, &ours, now)));
            }
            // Unknown: kernels that may be busy are treated as busy.
            None => work.push(Work::Silent { kernels: kernels.len() }),
        }
    }
    work.extend(terminal_jobs(&ours, own_group()));
    work.extend(detached(&ours, main));
    AtStake { work, idle }
}

fn busy_work(busy: KernelActivity, kernels: &[KernelInfo], ours: &[Entry], now: Timestamp) -> Work {
    let process = kernels.iter().find(|kernel| kernel.id == busy.id);
    let entry = process.and_then(|kernel| ours.iter().find(|entry| entry.pid == kernel.pid));
    let at_least = busy.last_activity.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
    Work::BusyKernel {
        notebook: busy.name,
        // The clock may have been set back: never negative.
        at_least: at_least.unwrap_or_default(),
        memory_bytes: entry.map(|entry| entry.memory_bytes),
    }
}

/// Classifies a kernel without a server to ask. An idle kernel waits for messages; in `time.sleep`, or while
/// it reads from a database, it waits for something else.
fn busy_orphan(kernel: &KernelInfo, ours: &[Entry]) -> Option<Work> {
    let entry = ours.iter().find(|entry| entry.pid == kernel.pid)?;
    let is_running = entry.state == RunState::Running;
    let memory_bytes = entry.memory_bytes;
    let is_busy = is_running || !table::waits_for_events(entry.pid);
    is_busy.then_some(Work::Orphan { pid: entry.pid, is_running, memory_bytes })
}

/// Returns JupyterLab's processes, and its main one.
fn processes(layout: &Layout) -> Option<(Vec<Entry>, Option<Pid>)> {
    let name = ServiceName::parse(ServiceName::JUPYTER).ok()?;
    let Some(record) = record::read(layout, &name).ok()? else { return without_records(layout, &name) };
    let main = record.main.as_ref().map(|main| main.identity.pid);
    let ownership = ownership_of(layout, &name, Some(&record), &identity::host());
    Some((query::processes(layout, &record, &ownership, main)?, main))
}

/// Returns the processes of a JupyterLab that runs although all records were deleted or moved away.
fn without_records(layout: &Layout, name: &ServiceName) -> Option<(Vec<Entry>, Option<Pid>)> {
    // One record left: this service was never started, or has its own.
    if !record::services(layout).ok()?.is_empty() {
        return None;
    }
    let lost = process_tree::lost_supervisors(layout).into_iter().find(|(service, _)| service == name);
    let tree = Service::of(layout, name).below(&[lost?.1], layout, &Attached::default());
    Some((tree.ours, None))
}

/// Returns the process group of this command: if typed in one of these terminals, it does not count as work.
fn own_group() -> i32 {
    let own = own_pid().and_then(table::entry);
    own.map_or(0, |own| own.group)
}

/// Returns the foreground jobs of terminals. A terminal's shell leads its session; a job that it runs has
/// another group.
fn terminal_jobs(ours: &[Entry], asking: i32) -> Vec<Work> {
    let in_foreground = |entry: &&Entry| {
        let uses_terminal = entry.has_terminal && entry.group == entry.foreground_group;
        uses_terminal && entry.group != entry.session && entry.group != asking
    };
    let leads = |entry: &&Entry| entry.pid.get() == entry.group;
    let jobs = ours.iter().filter(in_foreground).filter(leads);
    jobs.map(|entry| Work::TerminalJob { pid: entry.pid, command: command(entry) }).collect()
}

/// Returns sessions that neither JupyterLab nor a kernel nor a terminal leads, each by its first process: the
/// session of a daemon has lost its leader.
fn detached(ours: &[Entry], main: Option<Pid>) -> Vec<Work> {
    let kernels = kernels(ours).into_iter().map(|kernel| kernel.pid);
    let known: Vec<i32> = kernels.chain(main).map(Pid::get).collect();
    let is_run = |entry: &Entry| matches!(marker_of(entry.pid), Some(Marker { part: Part::Run(_), .. }));
    let has_its_own = |entry: &&Entry| !entry.has_terminal && !known.contains(&entry.session);
    let mut found: Vec<&Entry> = ours.iter().filter(has_its_own).filter(|entry| is_run(entry)).collect();
    found.sort_by_key(|entry| (entry.session, entry.start, entry.pid));
    found.dedup_by_key(|entry| entry.session);
    let named = |entry: &Entry| Work::Detached { pid: entry.pid, command: command(entry) };
    found.into_iter().map(named).collect()
}

/// Returns the program's name: arguments may contain secrets.
fn command(entry: &Entry) -> String {
    printable(&entry.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: i32, group: i32, session: i32, foreground_group: i32) -> Entry {
        Entry {
            pid: Pid::new(pid).unwrap(),
            name: "vim".to_owned(),
            state: RunState::Living,
            parent: 1,
            group,
            session,
            has_terminal: foreground_group > 0,
            foreground_group,
            cpu_seconds: 0.0,
            start: 1,
            memory_bytes: 0,
            threads: 1,
        }
    }

    #[test]
    fn a_shell_at_its_prompt_is_no_work_and_a_program_in_front_of_it_is() {
        assert_eq!(terminal_jobs(&[entry(10, 10, 10, 10)], 99), []);
        let busy = [entry(10, 10, 10, 12), entry(12, 12, 10, 12), entry(13, 12, 10, 12)];
        let job = Work::TerminalJob { pid: Pid::new(12).unwrap(), command: "vim".to_owned() };
        assert_eq!(terminal_jobs(&busy, 99), [job]);
        assert_eq!(terminal_jobs(&busy, 12), [], "it is the one who asks");
        let background = [entry(10, 10, 10, 10), entry(14, 14, 10, 10)];
        assert_eq!(terminal_jobs(&background, 99), []);
    }
}

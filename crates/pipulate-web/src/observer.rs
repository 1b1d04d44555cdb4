//! Observes the services for the page: their present state, and the figures of the last minutes.
//!
//! Invariant: services are only probed at times, because a web server logs every probe; in between, the last
//! answer counts as long as the same process runs. Everything but [`Observer::look`] is a pure function.

mod usage;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use pipulate_core::answer::Alert;
use pipulate_core::identity::Pid;
use pipulate_core::reason::Reason;
use pipulate_core::resources::Resources;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::{KernelActivity, LiveService, ProjectStatus, ServiceStatus};
use pipulate_store::log::excerpt;
use pipulate_store::log::read::Start;
use pipulate_store::own_log::ServiceEvent;

use crate::log_page::{self, LogLine};
use crate::notebook_index::{Indexed, NotebookIndex};
use crate::world::{Probes, World};

pub(crate) use usage::{STEP, Usage, Use};

/// The interval of probes, and the interval while a service does not answer.
const PROBE_EVERY: Duration = Duration::from_secs(30);
const PROBE_UNRESPONSIVE_EVERY: Duration = Duration::from_secs(10);
/// The interval of searching the folder for notebooks while a page is open.
const LOOK_FOR_NOTEBOOKS_EVERY: Duration = Duration::from_secs(5);
/// The interval of querying JupyterLab about its kernels.
const ASK_JUPYTER_EVERY: Duration = Duration::from_secs(4);
/// The interval of reading the machine's figures.
const READ_RESOURCES_EVERY: Duration = Duration::from_secs(10);
/// The least time between two points of a graph.
const SAMPLE: Duration = Duration::from_millis(1_900);
/// The time span of a graph.
const HISTORY: Duration = Duration::from_secs(180);
/// The time span of the picture of all services.
pub(crate) const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// The number of log lines that explain a service's end.
const LAST_LINES: u64 = 8;
/// The number of lines read of another service, to show the last one that isn't empty.
const LAST_LINE: u64 = 3;

/// The state at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) status: ProjectStatus,
    pub(crate) notebooks: Arc<Indexed>,
    pub(crate) at: Timestamp,
    pub(crate) kernels: Vec<KernelActivity>,
    pub(crate) resources: Resources,
    /// Messages beside the services.
    pub(crate) alerts: Vec<Alert>,
    pub(crate) history: BTreeMap<ServiceName, Vec<Sample>>,
    /// The resource usage of each service in the last hour, while a page was open.
    pub(crate) usage: Usage,
    /// The events of the last hour, oldest first.
    pub(crate) events: Vec<ServiceEvent>,
    /// The last lines of each service: those that may explain its state, or a few.
    pub(crate) last_lines: BTreeMap<ServiceName, Vec<LogLine>>,
}

/// A point of a graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    /// In percent of one core, since the point before or the start of the process.
    pub(crate) cpu: f64,
    pub(crate) memory: u64,
}

/// The observations so far.
#[derive(Default)]
pub(crate) struct Observer {
    asked: Option<Instant>,
    asked_jupyter: Option<Instant>,
    /// Services that did not answer their last probe, and the reasons.
    unresponsive: Unresponsive,
    unstable: Unstable,
    notebooks: NotebookIndex,
    kernels: Vec<KernelActivity>,
    resources: Option<(Instant, Resources)>,
    histories: BTreeMap<ServiceName, History>,
    usage: Usage,
}

impl Observer {
    /// Takes a snapshot; services are probed if the last probe is older than `pace`.
    pub(crate) fn look(&mut self, world: &World, pace: Duration, now: Instant) -> Snapshot {
        let mut status = self.status(world, pace, now);
        keep_unstable(&mut status, &mut self.unstable);
        let at = Timestamp::now();
        self.sample(&status, now, at);
        self.ask_jupyter(world, &status, now);
        let resources = self.resources(world, now);
        let histories = self.histories.iter();
        Snapshot {
            notebooks: self.notebooks.look(&*world.notebooks, pace.min(LOOK_FOR_NOTEBOOKS_EVERY), now),
            at,
            usage: self.usage.clone(),
            events: world.logs.events(at - HOUR),
            resources,
            kernels: self.kernels.clone(),
            alerts: world.status.alerts(),
            history: histories
                .map(|(name, history)| (name.clone(), history.samples.iter().copied().collect()))
                .collect(),
            last_lines: last_lines(world, &status),
            status,
        }
    }

    fn resources(&mut self, world: &World, now: Instant) -> Resources {
        match self.resources {
            Some((read, resources)) if !is_due(Some(read), READ_RESOURCES_EVERY, now) => resources,
            Some(_) | None => self.resources.insert((now, world.status.resources())).1,
        }
    }

    /// The interval of probes while a page is open.
    pub(crate) fn pace(&self) -> Duration {
        if self.unresponsive.is_empty() { PROBE_EVERY } else { PROBE_UNRESPONSIVE_EVERY }
    }

    fn status(&mut self, world: &World, pace: Duration, now: Instant) -> ProjectStatus {
        if !is_due(self.asked, pace, now) {
            let mut status = world.status.status(Probes::Skip);
            keep_unresponsive(&mut status, &self.unresponsive);
            return status;
        }
        let mut status = world.status.status(Probes::Run);
        if unresponsive(&status).keys().any(|name| !self.unresponsive.contains_key(name)) {
            // One late answer is not enough: on a busy machine any service is late now and then.
            status = world.status.status(Probes::Run);
        }
        self.asked = Some(now);
        self.unresponsive = unresponsive(&status);
        status
    }

    /// Queries JupyterLab about its kernels, if there are any.
    fn ask_jupyter(&mut self, world: &World, status: &ProjectStatus, now: Instant) {
        let has_kernels =
            |service: &ServiceStatus| service.live.as_ref().is_some_and(|live| !live.kernels.is_empty());
        if !status.services.iter().any(has_kernels) {
            self.kernels.clear();
            self.asked_jupyter = None;
        } else if is_due(self.asked_jupyter, ASK_JUPYTER_EVERY, now) {
            self.kernels = world.status.kernels();
            self.asked_jupyter = Some(now);
        }
    }

    fn sample(&mut self, status: &ProjectStatus, now: Instant, at: Timestamp) {
        self.histories.retain(|name, _| status.service(name.as_str()).is_some_and(|s| s.live.is_some()));
        for service in &status.services {
            let Some(live) = &service.live else { continue };
            let history = self.histories.entry(service.name.clone()).or_default();
            history.add(live, now);
            if let Some(sample) = history.samples.back().filter(|sample| sample.at == now) {
                self.usage.add(&service.name, at, sample);
            }
        }
        self.usage.forget_before(at - HOUR);
    }
}

fn is_due(last: Option<Instant>, pace: Duration, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= pace)
}

/// Services that did not answer, with their main process and the reasons.
type Unresponsive = BTreeMap<ServiceName, (Option<Pid>, Vec<Reason>)>;

fn unresponsive(status: &ProjectStatus) -> Unresponsive {
    let pid = |service: &ServiceStatus| service.live.as_ref().map(|live| live.pid);
    let services = status.services.iter().filter(|service| service.state == ServiceState::Degraded);
    services.map(|service| (service.name.clone(), (pid(service), service.reasons.clone()))).collect()
}

/// Restores the state of services that did not answer their last probe: without probes they count as ready.
fn keep_unresponsive(status: &mut ProjectStatus, unresponsive: &Unresponsive) {
    for service in status.services.iter_mut().filter(|service| service.state == ServiceState::Ready) {
        let Some((pid, reasons)) = unresponsive.get(&service.name) else { continue };
        if service.live.as_ref().map(|live| live.pid) == *pid {
            service.state = ServiceState::Degraded;
            service.reasons.clone_from(reasons);
        }
    }
}

/// The reasons of services that were unstable when they last ran.
type Unstable = BTreeMap<ServiceName, Vec<Reason>>;

/// Keeps a service unstable while it waits for its next start: its appearance would change with every crash.
fn keep_unstable(status: &mut ProjectStatus, unstable: &mut Unstable) {
    let mut last = std::mem::take(unstable);
    for service in &mut status.services {
        let reasons = match service.state {
            ServiceState::Unstable => service.reasons.clone(),
            ServiceState::Backoff => match last.remove(&service.name) {
                Some(reasons) => reasons,
                None => continue,
            },
            ServiceState::Stopped
            | ServiceState::Starting
            | ServiceState::Ready
            | ServiceState::Running
            | ServiceState::Degraded
            | ServiceState::Crashed
            | ServiceState::Exited
            | ServiceState::Stopping
            | ServiceState::Unsupervised
            | ServiceState::Unknown => continue,
        };
        service.state = ServiceState::Unstable;
        service.reasons.clone_from(&reasons);
        unstable.insert(service.name.clone(), reasons);
    }
}

/// The last lines of each service.
fn last_lines(world: &World, status: &ProjectStatus) -> BTreeMap<ServiceName, Vec<LogLine>> {
    let services = status.services.iter();
    services
        .filter_map(|service| {
            let count = if service.state.is_in_trouble() { LAST_LINES } else { LAST_LINE };
            // The log's own page reports a log that can't be read.
            let start = excerpt::telling(service.state, count, Start::Tail(count));
            let lines = log_page::last(&*world.logs, &service.name, start).ok()?;
            (!lines.is_empty()).then(|| (service.name.clone(), lines))
        })
        .collect()
}

/// One service's points.
#[derive(Default)]
struct History {
    last: Option<(Pid, f64, Instant)>,
    samples: VecDeque<Sample>,
}

impl History {
    /// Adds a point, unless the last one is too recent. The one before may be hours old.
    fn add(&mut self, live: &LiveService, now: Instant) {
        let cpu = match self.last.filter(|(known, ..)| *known == live.pid) {
            Some((_, used, at)) => {
                let elapsed = now.saturating_duration_since(at);
                if elapsed < SAMPLE {
                    return;
                }
                // The CPU time of an ended process is no longer included.
                (live.cpu_seconds - used).max(0.0) / elapsed.as_secs_f64() * 100.0
            }
            None => {
                self.samples.clear();
                live.cpu_percent
            }
        };
        self.last = Some((live.pid, live.cpu_seconds, now));
        self.samples.retain(|sample| now.saturating_duration_since(sample.at) <= HISTORY);
        self.samples.push_back(Sample { at: now, cpu, memory: live.memory_bytes });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::tests::fake;

    fn project(services: Vec<ServiceStatus>) -> ProjectStatus {
        let root = fake::path("/home/ann/demo");
        ProjectStatus { name: "demo".to_owned(), root, services, unknown: Vec::new() }
    }

    #[test]
    fn who_did_not_answer_is_sick_until_asked_again_or_replaced() {
        let mut silent = fake::service("web", ServiceState::Degraded);
        silent.reasons = vec![Reason::NotResponding];
        let unresponsive = unresponsive(&project(vec![silent]));
        let mut glance = project(vec![fake::service("web", ServiceState::Ready)]);
        keep_unresponsive(&mut glance, &unresponsive);
        assert_eq!(glance.services[0].state, ServiceState::Degraded);
        assert_eq!(glance.services[0].reasons, [Reason::NotResponding]);

        let mut replaced = project(vec![fake::service("web", ServiceState::Ready)]);
        replaced.services[0].live.as_mut().unwrap().pid = Pid::new(4711).unwrap();
        keep_unresponsive(&mut replaced, &unresponsive);
        assert_eq!(replaced.services[0].state, ServiceState::Ready);
    }

    #[test]
    fn a_service_that_ends_again_and_again_looks_the_same_between_its_ends() {
        let seen = |state, unstable: &mut Unstable| {
            let mut worker = fake::service("worker", state);
            worker.reasons = vec![Reason::told(state.word())];
            let mut project = project(vec![worker]);
            keep_unstable(&mut project, unstable);
            (project.services[0].state, project.services[0].reasons.clone())
        };
        let mut unstable = Unstable::new();
        let told = |state: ServiceState| (state, vec![Reason::told(state.word())]);
        assert_eq!(seen(ServiceState::Backoff, &mut unstable), told(ServiceState::Backoff), "the first end");
        for state in
            [ServiceState::Unstable, ServiceState::Backoff, ServiceState::Backoff, ServiceState::Unstable]
        {
            assert_eq!(seen(state, &mut unstable), told(ServiceState::Unstable), "{state}");
        }
        for end in [ServiceState::Crashed, ServiceState::Running, ServiceState::Stopped] {
            seen(ServiceState::Unstable, &mut unstable);
            assert_eq!(seen(end, &mut unstable), told(end));
            assert_eq!(
                seen(ServiceState::Backoff, &mut unstable),
                told(ServiceState::Backoff),
                "after {end}"
            );
        }
    }

    #[test]
    fn a_graph_shows_what_was_used_between_two_looks_of_the_last_minutes() {
        let (mut history, start) = (History::default(), Instant::now());
        let second = |number| start + Duration::from_secs(number);
        let live = |pid, cpu_seconds, memory_bytes| LiveService {
            pid: Pid::new(pid).unwrap(),
            cpu_seconds,
            cpu_percent: 20.0,
            memory_bytes,
            ..fake::service("web", ServiceState::Ready).live.unwrap()
        };
        let points = |history: &History| {
            let point = |sample: &Sample| ((sample.at - start).as_secs(), sample.cpu, sample.memory);
            history.samples.iter().map(point).collect::<Vec<_>>()
        };
        for (seconds, used, memory) in [(0, 10.0, 1), (1, 10.5, 1), (2, 11.0, 2), (4, 9.0, 3)] {
            history.add(&live(42, used, memory), second(seconds));
        }
        assert_eq!(points(&history), [(0, 20.0, 1), (2, 50.0, 2), (4, 0.0, 3)]);
        history.add(&live(43, 0.1, 4), second(6));
        assert_eq!(points(&history), [(6, 20.0, 4)], "another process is another history");
        for number in 0..1000 {
            history.add(&live(43, 0.1, 5), second(10 + 2 * number));
        }
        assert_eq!(points(&history).len(), 91);
        history.add(&live(43, 36.1, 6), second(2008 + 3600));
        assert_eq!(points(&history), [(5608, 1.0, 6)], "nobody looked for an hour");
    }

    #[test]
    fn who_is_late_once_is_asked_again_before_it_is_called_sick() {
        let home = fake::Home::new();
        let mut observer = Observer::default();
        let mut look = |seconds| {
            let at = Instant::now() + Duration::from_secs(seconds);
            let snapshot = observer.look(home.state.world(), Duration::from_secs(10), at);
            (snapshot.status.services[0].state, std::mem::take(&mut *home.world.looks.lock().unwrap()).len())
        };
        let silent = || vec![fake::service("web", ServiceState::Degraded)];
        *home.world.seen_once.lock().unwrap() = Some(silent());
        assert_eq!(look(0), (ServiceState::Ready, 2));
        *home.world.services.lock().unwrap() = silent();
        assert_eq!(look(20), (ServiceState::Degraded, 2));
        assert_eq!(look(40), (ServiceState::Degraded, 1), "what is known is not asked twice");
    }

    #[test]
    fn services_are_probed_now_and_then() {
        let home = fake::Home::new();
        let (mut observer, start) = (Observer::default(), Instant::now());
        for seconds in 0..61 {
            let pace = observer.pace();
            observer.look(home.state.world(), pace, start + Duration::from_secs(seconds));
        }
        let looks = home.world.looks.lock().unwrap().clone();
        let closely = looks.iter().filter(|look| **look == Probes::Run).count();
        assert_eq!((looks.len(), closely), (61, 3));
        assert_eq!(home.world.resource_reads.load(Ordering::Relaxed), 7);
    }
}

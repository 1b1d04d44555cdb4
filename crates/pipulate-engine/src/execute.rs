//! The one executor: observes, reconciles, acts and waits, until each goal has an outcome.
//!
//! The supervisors that it launches share one pipe, the notify pipe. Each writes its service's name when its
//! record changes, so that only changed records are read; other supervisors are watched for their end.

mod act;
mod notify;
mod withdrawal;

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use pipulate_core::layout::Layout;
use pipulate_core::reason::Reason;
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_process::identity::Verified;
use pipulate_process::poll::{self, Interest};
use pipulate_process::{reaper, table};
use pipulate_store::request::Made;
use pipulate_supervisor::ownership::Ownership;
use pipulate_supervisor::process_tree::Claims;
pub use pipulate_supervisor::program::LaunchError;
use pipulate_supervisor::program::Program;

use crate::observe::Observer;
use crate::reconcile::{Aim, Awaited, Fact, Goal, Observed, Step, reconcile};
use crate::report::{Outcome, Outcomes};
use notify::NotifyPipe;
pub use notify::failure_line;
pub use withdrawal::Withdrawal;

/// Poll interval for records of supervisors that don't notify.
const POLL: Duration = Duration::from_millis(50);
/// Poll interval for everything, in addition to notifications.
const SLOW_POLL: Duration = Duration::from_millis(250);
/// Maximum number of steps in one pass for one service, to stop a loop.
pub(crate) const STEPS: usize = 16;
/// Maximum number of supervisors launched concurrently to stop services that have none.
const STOPS_AT_ONCE: usize = 64;

/// An event while a request is carried out.
#[derive(Debug)]
pub enum Event<'a> {
    /// These services' supervisors were signaled or launched. Services that settled before needed no action.
    Begun { services: &'a [ServiceName] },
    Settled {
        service: &'a ServiceName,
        outcome: &'a Outcome,
        /// This request started the current instance: it neither ran before, nor did another request start
        /// it.
        began: bool,
    },
    /// Each service of a group has an outcome.
    GroupSettled,
}

/// Executes goals in one project.
pub struct Executor<'a> {
    pub layout: &'a Layout,
    pub program: &'a Program,
    /// The launch specs of services; without one, a supervisor reads the configuration itself.
    pub specs: &'a dyn Fn(&[ServiceName]) -> Vec<ServiceSpec>,
    /// True if this process may take a service's lock to record that none of its processes is alive: nothing
    /// else in this process may look at locks meanwhile.
    pub takes_locks: bool,
    /// The supervisors launched by this process, if it has to reap them; a command ends before they do.
    pub launched: Option<&'a Mutex<Vec<Verified>>>,
    pub withdrawal: Withdrawal<'a>,
}

/// One service's goal in progress.
struct Task {
    service: ServiceName,
    goal: Goal,
    supervisor: Option<Supervisor>,
    /// True if there is news.
    is_due: bool,
}

/// The supervisor that a task waits for.
struct Supervisor {
    process: Verified,
    /// Launched by this process.
    is_child: bool,
    /// True if it writes to the notify pipe.
    notifies: bool,
    has_ended: bool,
    /// Withdrawn when waiting ends.
    _request: Option<Made>,
}

/// The progress of a task.
enum Advanced {
    Open,
    Settled {
        outcome: Outcome,
        began: bool,
        /// The supervisor that was launched for it, if alive, has begun its work.
        is_watched_over: bool,
    },
    Failed,
}

struct Run<'a> {
    executor: &'a Executor<'a>,
    observer: Observer<'a>,
    /// Before the observer's scan of the process table.
    claims_since: SystemTime,
    names: Vec<ServiceName>,
    specs: Option<Vec<ServiceSpec>>,
    notify: NotifyPipe,
    tasks: Vec<Task>,
    outcomes: Outcomes,
    /// True after the first pass.
    has_begun: bool,
    is_cancelled: bool,
}

impl Executor<'_> {
    /// Executes these goals concurrently, and returns when each has an outcome. After an interrupt or an
    /// error nothing more is begun; launched supervisors have begun when this returns.
    ///
    /// # Errors
    /// The system lacks resources for another process, or the home's files can't be written.
    pub fn run(
        &self,
        goals: Vec<(ServiceName, Goal)>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<Outcomes, LaunchError> {
        let names: Vec<ServiceName> = goals.iter().map(|(service, _)| service.clone()).collect();
        let task = |(service, goal)| Task { service, goal, supervisor: None, is_due: true };
        let mut tasks: Vec<Task> = goals.into_iter().map(task).collect();
        // Supervisors watch the next one by name: each is signaled before the one that it watches ends.
        if tasks.iter().all(|task| task.goal.aim == Aim::Stop) {
            tasks.sort_by(|one, other| one.service.cmp(&other.service));
        }
        let mut run = Run {
            executor: self,
            observer: Observer::new(self.layout, self.takes_locks, self.withdrawal.pending),
            claims_since: SystemTime::now(),
            specs: None,
            notify: NotifyPipe::new()?,
            tasks,
            outcomes: Vec::new(),
            names,
            has_begun: false,
            is_cancelled: false,
        };
        let mut failure = run.pass(on_event).err();
        run.has_begun = true;
        run.notify.close_writer();
        if !run.is_cancelled {
            on_event(Event::Begun { services: &run.names });
        }
        loop {
            failure = failure.or(run.pass(on_event).err());
            match failure {
                None if run.tasks.is_empty() => return Ok(run.in_order()),
                Some(error) if run.tasks.is_empty() => return Err(error),
                None | Some(_) => run.sleep()?,
            }
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        for mut task in std::mem::take(&mut self.tasks) {
            self.leave_announced();
            self.let_go(&mut task);
        }
    }
}

impl Run<'_> {
    /// Stops waiting for a task's supervisor.
    fn let_go(&self, task: &mut Task) {
        let child = task.supervisor.take().filter(|supervisor| supervisor.is_child);
        if let (Some(child), Some(launched)) = (child, self.executor.launched) {
            launched.lock().unwrap_or_else(PoisonError::into_inner).push(child.process);
        }
    }

    /// Returns the outcomes in the order of the services.
    fn in_order(&mut self) -> Outcomes {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        let positions: HashMap<&ServiceName, usize> = self.names.iter().zip(0..).collect();
        outcomes.sort_by_key(|(service, _)| positions.get(service).copied());
        outcomes
    }

    /// Advances every task for which there is news. After an error, only tasks that were begun are still
    /// awaited.
    fn pass(&mut self, on_event: &mut dyn FnMut(Event<'_>)) -> Result<(), LaunchError> {
        (self.observer.claims, self.claims_since) = (Claims::default(), SystemTime::now());
        let mut open = Vec::new();
        let mut failure = None;
        let mut stops = self.tasks.iter().filter(|task| task.is_stopped_by_child()).count();
        for mut task in std::mem::take(&mut self.tasks) {
            let must_wait = task.supervisor.is_none() && task.goal.aim == Aim::Stop && stops >= STOPS_AT_ONCE;
            let is_due = std::mem::take(&mut task.is_due) || self.is_cancelled;
            if !is_due || must_wait {
                task.is_due |= must_wait;
                open.push(task);
                continue;
            }
            let was_by_child = task.is_stopped_by_child();
            let advanced = self.advance(&mut task).unwrap_or_else(|error| {
                self.is_cancelled = true;
                failure.get_or_insert(error);
                Advanced::Failed
            });
            match advanced {
                Advanced::Settled { outcome, began, is_watched_over } => {
                    on_event(Event::Settled { service: &task.service, outcome: &outcome, began });
                    if !is_watched_over {
                        self.leave_announced();
                    }
                    self.let_go(&mut task);
                    self.outcomes.push((task.service, outcome));
                    stops -= usize::from(was_by_child);
                }
                Advanced::Failed => self.let_go(&mut task),
                Advanced::Open => {
                    stops += usize::from(task.is_stopped_by_child());
                    stops -= usize::from(was_by_child);
                    open.push(task);
                }
            }
        }
        self.tasks = open;
        failure.map_or(Ok(()), Err)
    }

    /// Executes steps until the task has to wait.
    fn advance(&mut self, task: &mut Task) -> Result<Advanced, LaunchError> {
        for _ in 0..STEPS {
            if self.is_cancelled()? {
                task.goal.cancel(Instant::now());
            }
            let mut seen = self.observer.look(&task.service, task.awaited(), task.goal.aim);
            task.goal.looked(&seen);
            let mut step = reconcile(&task.goal, &seen, Instant::now());
            while let Step::Look(fact) = step {
                self.look_closer(task, &mut seen, fact)?;
                step = reconcile(&task.goal, &seen, Instant::now());
            }
            match step {
                Step::Wait => return Ok(Advanced::Open),
                Step::End(outcome) => return Ok(Advanced::settled(outcome, &task.goal, &seen)),
                step => match self.act(task, &step, &seen)? {
                    act::Acted::Done => {
                        task.goal.did(&step, &seen, Instant::now());
                        // Services with an action settle after [`Event::Begun`], however fast they are. For a
                        // stopping supervisor, its end is sufficient news.
                        if !self.has_begun && step.involves_supervisor() {
                            task.is_due = task.polls();
                            return Ok(Advanced::Open);
                        }
                    }
                    act::Acted::Vanished => task.goal.vanished(),
                    act::Acted::Settled(outcome) => return Ok(Advanced::settled(outcome, &task.goal, &seen)),
                },
            }
        }
        // Another process acts on the service as fast as we do: look again a little later.
        task.is_due = true;
        Ok(Advanced::Open)
    }

    fn look_closer(&mut self, task: &Task, seen: &mut Observed, fact: Fact) -> Result<(), LaunchError> {
        match fact {
            Fact::Lost => seen.lost = Some(self.observer.lost(&task.service)),
            Fact::Holder => {
                if let Ownership::Supervised(pid) = seen.owner {
                    seen.holder = Some(self.observer.holder(&task.service, pid));
                }
            }
            Fact::Answer => {
                let answer = seen.record.as_ref().map(|record| self.observer.answer(record, &seen.owner));
                seen.answer = Some(answer.unwrap_or(Ok(())));
            }
            Fact::Outdated => {
                if let Ownership::Supervised(pid) = seen.owner {
                    seen.is_outdated = Some(table::runs_another(pid, &self.executor.program.path));
                }
            }
            Fact::WhyFailed => {
                let why = self.notify.why_failed(&task.service)?;
                seen.why_failed = Some(why.unwrap_or(Reason::SupervisorFailed));
            }
        }
        Ok(())
    }

    /// Sleeps until there is news for a task.
    fn sleep(&mut self) -> Result<(), LaunchError> {
        let now = Instant::now();
        let patience = self.tasks.iter().map(|task| self.patience(task, now)).min().unwrap_or_default();
        let ends = self.tasks.iter().enumerate().filter_map(|(index, task)| Some((index, task.end()?)));
        let (indices, ends): (Vec<usize>, Vec<_>) = ends.unzip();
        let mut watched: Vec<_> = ends.into_iter().map(|end| (end, Interest::Read)).collect();
        let (notify, interrupt) = (self.notify.descriptor(), self.interrupt());
        watched.extend(notify.into_iter().chain(interrupt).map(|descriptor| (descriptor, Interest::Read)));
        let ready = poll::wait(&watched, patience)?;
        let has_news = |ready: &poll::Ready| ready.ready || ready.hung_up;
        let (of_ends, others) = ready.split_at(indices.len());
        let is_notified = notify.is_some() && others.first().is_some_and(has_news);
        self.is_cancelled |= interrupt.is_some() && others.last().is_some_and(has_news);
        let mut is_quiet = true;
        for (index, ready) in indices.iter().zip(of_ends) {
            if has_news(ready) {
                is_quiet = false;
                let task = &mut self.tasks[*index];
                task.is_due = true;
                if let Some(supervisor) = &mut task.supervisor {
                    supervisor.has_ended = true;
                }
            }
        }
        if is_notified {
            let named = self.notify.read()?;
            is_quiet = false;
            for task in &mut self.tasks {
                task.is_due |= named.contains(task.service.as_str());
            }
        }
        let now = Instant::now();
        for task in &mut self.tasks {
            let is_late = task.goal.wakes_at().is_some_and(|at| at <= now);
            task.is_due |= is_late || (is_quiet && task.polls());
        }
        Ok(())
    }

    /// Returns how long a task can wait without news; `None` if its supervisor's end is sufficient news.
    fn patience(&self, task: &Task, now: Instant) -> Option<Duration> {
        let left = task.goal.wakes_at().map(|at| at.saturating_duration_since(now));
        let poll = match (task.is_due, task.polls()) {
            (true, _) => Some(POLL),
            (false, true) => {
                let notifies = task.supervisor.as_ref().is_some_and(|supervisor| supervisor.notifies);
                Some(if notifies && self.notify.is_open() { SLOW_POLL } else { POLL })
            }
            (false, false) => None,
        };
        left.into_iter().chain(poll).min()
    }
}

impl Advanced {
    fn settled(outcome: Outcome, goal: &Goal, seen: &Observed) -> Self {
        let is_watched_over =
            seen.awaited != Awaited::Child(None) || matches!(seen.owner, Ownership::Supervised(_));
        Self::Settled { outcome, began: goal.began(seen), is_watched_over }
    }
}

impl Task {
    fn awaited(&self) -> Awaited {
        match &self.supervisor {
            None => Awaited::None,
            Some(supervisor) if supervisor.is_child => {
                Awaited::Child(reaper::peek(supervisor.process.identity().pid))
            }
            Some(supervisor) => Awaited::Other { lives: supervisor.process.lives() },
        }
    }

    /// True if a supervisor of this process stops the service.
    fn is_stopped_by_child(&self) -> bool {
        let is_child = self.supervisor.as_ref().is_some_and(|supervisor| supervisor.is_child);
        self.goal.aim == Aim::Stop && is_child
    }

    /// True if the record may change without a notification.
    fn polls(&self) -> bool {
        self.goal.aim != Aim::Stop || self.supervisor.is_none()
    }

    /// A descriptor that becomes readable when the awaited supervisor has ended. A notifying one is not
    /// watched.
    fn end(&self) -> Option<BorrowedFd<'_>> {
        let is_watched = |supervisor: &&Supervisor| {
            !supervisor.has_ended && (self.goal.aim == Aim::Stop || !supervisor.notifies)
        };
        self.supervisor.as_ref().filter(is_watched)?.process.descriptor()
    }
}

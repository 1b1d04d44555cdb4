//! Executing one step: signaling a supervisor, or launching one.

use std::io::ErrorKind;

use pipulate_core::reason::Reason;
use pipulate_core::receipt::Receipt;
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::identity::{SignalError, Verified};
use pipulate_process::signals::Signal;
use pipulate_store::error::StoreError;
use pipulate_store::files;
use pipulate_store::lock::Lock;
use pipulate_store::pending::PendingStart;
use pipulate_store::record;
use pipulate_store::request::{self, Made};
use pipulate_supervisor::ownership::{Ownership, ownership_unheld};
use pipulate_supervisor::process_tree::Claims;
use pipulate_supervisor::program::Beginning;

use super::{LaunchError, Run, Supervisor, Task};
use crate::observe::written_at;
use crate::reconcile::{Ask, Launch, Observed, Step};
use crate::report::Outcome;

/// The result of a step.
pub(super) enum Acted {
    Done,
    /// The supervisor to be signaled has ended, or never supervised: look again.
    Vanished,
    Settled(Outcome),
}

impl Run<'_> {
    pub(super) fn act(
        &mut self,
        task: &mut Task,
        step: &Step,
        seen: &Observed,
    ) -> Result<Acted, LaunchError> {
        Ok(match step {
            Step::Ask(ask) => self.ask(task, ask),
            Step::Join(pid) => match self.observer.pin(&task.service, *pid) {
                Some(process) => self.wait_for(task, process, None),
                None => Acted::Vanished,
            },
            Step::Hurry => {
                if let Some(supervisor) = &task.supervisor {
                    // Refused or gone: its end is awaited either way.
                    let _heard = supervisor.process.signal(Signal::TERM);
                }
                Acted::Done
            }
            Step::Launch(launch) => self.launch(task, *launch, seen)?,
            Step::RecordStopped => self.record_stopped(&task.service)?,
            Step::BecomeStart => {
                self.let_go(task);
                Acted::Done
            }
            Step::Wait | Step::Look(_) | Step::End(_) => Acted::Done,
        })
    }

    fn ask(&self, task: &mut Task, ask: &Ask) -> Acted {
        let pid = ask.supervisor();
        let found = match ask {
            Ask::StopLost { .. } => self.observer.pin_lost(&task.service, pid),
            Ask::Begin { .. } | Ask::Restart { .. } | Ask::Stop { .. } | Ask::Upgrade { .. } => {
                self.observer.pin(&task.service, pid)
            }
        };
        let Some(process) = found else {
            return match ask {
                Ask::StopLost { .. } => Acted::Settled(Outcome::AlreadyStopped),
                Ask::Begin { .. } | Ask::Restart { .. } | Ask::Stop { .. } | Ask::Upgrade { .. } => {
                    Acted::Vanished
                }
            };
        };
        let (request, signal) = match ask {
            Ask::Begin { next_run, .. } => (next_run.clone().map(request::Request::Begin), Signal::USR2),
            Ask::Restart { generation, .. } => {
                (generation.clone().map(request::Request::Restart), Signal::USR2)
            }
            Ask::Stop { .. } | Ask::StopLost { .. } => (None, Signal::TERM),
            Ask::Upgrade { .. } => (None, Signal::USR1),
        };
        // If no file can be made, as in a read-only folder, a signal alone carries the request.
        let made = request.and_then(|request| request.make(self.executor.layout, &task.service).ok());
        let signal = if made.is_some() { Signal::WINCH } else { signal };
        let sent = match ask {
            // Repeated marked signals mean no more than one stop.
            Ask::Stop { .. } | Ask::StopLost { .. } => process.signal_marked(signal),
            Ask::Begin { .. } | Ask::Restart { .. } | Ask::Upgrade { .. } => process.signal(signal),
        };
        match (sent, ask) {
            (Ok(()), _) => self.wait_for(task, process, made),
            // A new one is started in its place, or awaited.
            (Err(_), Ask::Begin { .. }) => Acted::Vanished,
            (Err(error), _) => Acted::Settled(Outcome::Refused(Box::new(not_signaled(error)))),
        }
    }

    fn launch(&mut self, task: &mut Task, launch: Launch, seen: &Observed) -> Result<Acted, LaunchError> {
        let spec = match launch {
            Launch::Start => self.spec(&task.service),
            Launch::Adopt | Launch::Stop => None,
        };
        let beginning = match launch {
            Launch::Start | Launch::Adopt => Beginning::Start,
            Launch::Stop => Beginning::Stop,
        };
        let (program, layout) = (self.executor.program, self.executor.layout);
        let pending = self.executor.withdrawal.pending.map(PendingStart::id);
        let notify = self.notify.writer().map_err(LaunchError::from);
        let started = notify.and_then(|notify| {
            program.start(layout, &task.service, beginning, spec.as_ref(), pending, notify)
        });
        match (started, launch) {
            (Ok(process), _) => {
                self.let_go(task);
                task.supervisor = Some(Supervisor {
                    process,
                    is_child: true,
                    notifies: true,
                    has_ended: false,
                    _request: None,
                });
                Ok(Acted::Done)
            }
            (Err(LaunchError::Store(error)), Launch::Stop)
                if seen.owner == Ownership::Gone && error.kind() == Some(ErrorKind::ReadOnlyFilesystem) =>
            {
                Ok(Acted::Settled(Outcome::Unrecorded(Box::new(error.into()))))
            }
            (Err(error), Launch::Stop) => {
                let why = Reason::SupervisorNotStarted { problem: error.into() };
                Ok(Acted::Settled(Outcome::Refused(Box::new(why))))
            }
            (Err(error), Launch::Start | Launch::Adopt) => Err(error),
        }
    }

    /// Read once for all services: they share the configuration.
    fn spec(&mut self, service: &ServiceName) -> Option<ServiceSpec> {
        let (executor, names) = (self.executor, &self.names);
        let specs = self.specs.get_or_insert_with(|| (executor.specs)(names));
        specs.iter().find(|spec| spec.name == *service).cloned()
    }

    /// Writes the last record of a service without living processes, as its supervisor would have.
    fn record_stopped(&self, service: &ServiceName) -> Result<Acted, LaunchError> {
        let layout = self.executor.layout;
        let unwritable = |error: StoreError| Acted::Settled(Outcome::Unrecorded(Box::new(error.into())));
        // Closing any descriptor of a lock's file releases it: don't look at it until this is dropped.
        let _lock = match Lock::acquire(&layout.lock(service)) {
            Ok(Ok(lock)) => lock,
            Ok(Err(_taken)) => return Ok(Acted::Vanished),
            Err(error) => return Ok(unwritable(error)),
        };
        let Ok(Some(mut record)) = record::read(layout, service) else { return Ok(Acted::Vanished) };
        // A service with a record that recent may have processes that the scan missed.
        let is_recent = written_at(layout, service).is_none_or(|written| written >= self.claims_since);
        let fresh = Claims::default();
        let claims = if is_recent { &fresh } else { &self.observer.claims };
        let owner = ownership_unheld(claims, layout, service, &record, &self.observer.host);
        if owner != Ownership::Gone {
            return Ok(Acted::Vanished);
        }
        (record.state, record.wanted) = (ServiceState::Stopped, Wanted::Stopped);
        record.reasons.clear();
        (record.supervisor, record.main, record.address) = (None, None, None);
        (record.restarts, record.unexpected_ends) = (0, 0);
        record.saved.clear();
        record.receipt = Some(Receipt::default());
        let pid_file = layout.pid_file(service);
        let removed = if pid_file.exists() { files::remove(&pid_file) } else { Ok(()) };
        Ok(match removed.and_then(|()| record::write_last(layout, &record)) {
            Ok(()) => Acted::Settled(Outcome::Stopped { record: Box::new(record) }),
            Err(error) => unwritable(error),
        })
    }

    /// Waits for a supervisor that was signaled: it does not write to our pipe, so its record is polled.
    fn wait_for(&self, task: &mut Task, process: Verified, request: Option<Made>) -> Acted {
        self.let_go(task);
        let (is_child, notifies, has_ended) = (false, false, false);
        task.supervisor = Some(Supervisor { process, is_child, notifies, has_ended, _request: request });
        Acted::Done
    }
}

fn not_signaled(error: SignalError) -> Reason {
    match error {
        SignalError::Forbidden { pid } => Reason::SupervisorNotSignaled { pid, error: None },
        SignalError::Failed { pid, source } => {
            Reason::SupervisorNotSignaled { pid, error: Some(source.to_string()) }
        }
    }
}

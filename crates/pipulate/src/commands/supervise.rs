//! The hidden verb of a supervisor: one process for one service, as long as it runs.
//!
//! Its stdout is the notify pipe and its stderr supervisor.log. `start` passes its launch spec; without one
//! (for a rescue by a sibling, or a re-exec, in the same process and with the lock still held) it reads the
//! configuration.

mod log_subscriber;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use pipulate_core::fault::Fault;
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::reason::Reason;
use pipulate_core::service::{RestartPolicy, ServiceName, ServiceSpec};
use pipulate_core::state::ServiceState;
use pipulate_engine::execute::failure_line;
use pipulate_engine::particulars;
use pipulate_engine::specs::{specs, with_env_file};
use pipulate_process::identity::own_pid;
use pipulate_store::error::StoreError;
use pipulate_store::files;
use pipulate_store::lock::Lock;
use pipulate_store::pending::is_withdrawn;
use pipulate_store::record::{self, Record};
use pipulate_supervisor::driver::{self, Task};
use pipulate_supervisor::launch_spec::LaunchSpec;
use pipulate_supervisor::notice;
use pipulate_supervisor::particulars::Words;
use pipulate_supervisor::program::{Beginning, Program, VERB};

use crate::call::SuperviseSettings;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use log_subscriber::LogSubscriber;

/// The launch spec of a supervisor that was given one.
pub(crate) fn launch_spec(args: &[OsString]) -> Option<LaunchSpec> {
    is_supervisor(args).then(|| LaunchSpec::read(rustix::stdio::stdin())).flatten()
}

/// Returns true if these are a supervisor's arguments.
pub(crate) fn is_supervisor(args: &[OsString]) -> bool {
    args.get(1).is_some_and(|verb| verb == VERB)
}

/// Supervises by its launch spec, without reading the configuration.
pub(crate) fn follow(given: LaunchSpec) -> ExitStatus {
    let program = Program::new(given.program());
    let pending = given.pending();
    let LaunchSpec { layout, spec, .. } = given;
    let service = spec.name.clone();
    let ended = begin(&layout, &service, |notify| {
        // The launch spec was read, and may contain secrets: close its file.
        let silence = File::open("/dev/null").and_then(|null| Ok(rustix::stdio::dup2_stdin(null)?));
        silence.map_err(system("close standard input"))?;
        let Some(lock) = take_lock(&layout, &service, pending.as_ref())? else {
            return Ok(ExitStatus::GaveWay);
        };
        let (layout, beginning) = (layout.clone(), Beginning::Start);
        let fifo = None;
        let particulars = particulars::of(&spec);
        let (words, is_ordered): (Words, _) = (pipulate_words::reasons, true);
        driver::supervise(Task {
            layout,
            spec,
            lock,
            fifo,
            notify,
            program,
            beginning,
            words,
            particulars,
            is_ordered,
        })?;
        Ok(ExitStatus::Success)
    });
    ended.unwrap_or_else(|why| {
        tracing::error!(service = %service, "{}", pipulate_words::reason(&why, &service));
        ExitStatus::Failed
    })
}

/// Supervises by the configuration, until the service has settled. Another supervisor at work
/// is not an error.
pub(crate) fn supervise(context: &Context, settings: SuperviseSettings) -> Result<ExitStatus, Failure> {
    let SuperviseSettings { service, beginning, .. } = &settings;
    let ended = begin(&context.project.layout, service, |notify| {
        let lock = match settings.lock {
            Some(number) => Some(Lock::inherited(number, &context.project.layout.lock(service))?),
            None => take_lock(&context.project.layout, service, settings.pending.as_ref())?,
        };
        let Some(lock) = lock else { return Ok(ExitStatus::GaveWay) };
        let spec = match beginning {
            Beginning::Start => {
                configured(context, service).inspect_err(|why| note_its_end(context, service, why))?
            }
            Beginning::Rescue => configured(context, service).unwrap_or_else(|why| {
                // The configuration is being edited: a running service must not stay unsupervised meanwhile,
                // with its output unread.
                let why = pipulate_words::reason(&why, service);
                tracing::warn!(%service, "it is supervised without its configuration: {why}");
                // It is unknown how to start it again.
                let restart = RestartPolicy::Never;
                ServiceSpec { restart, watch: None, ..spec_of_living(context, service) }
            }),
            Beginning::Stop => spec_of_living(context, service),
        };
        let task = Task {
            layout: context.project.layout.clone(),
            particulars: particulars::of(&spec),
            spec,
            lock,
            fifo: settings.fifo.map(files::inherited).transpose().map_err(system("take over the FIFO"))?,
            notify,
            program: context.project.program(),
            beginning: *beginning,
            words: pipulate_words::reasons,
            is_ordered: false,
        };
        driver::supervise(task)?;
        Ok(ExitStatus::Success)
    });
    ended.map_err(|why| Failure::failed(pipulate_words::reason(&why, service)))
}

/// Records why a service could not be started again after its old instance has ended. The record keeps naming
/// the supervisor, so that orphans are still searched for.
fn note_its_end(context: &Context, service: &ServiceName, why: &Reason) {
    let record = record::read(&context.project.layout, service).ok().flatten();
    let is_own = |record: &Record| record.supervisor.as_ref().map(|named| named.pid) == own_pid();
    if let Some(mut record) = record.filter(is_own) {
        record.state = ServiceState::Crashed;
        record.reasons = vec![why.clone()];
        record.main = None;
        // Shows the requester that the restart was tried.
        record.generation = record.next_run.take();
        if let Err(error) = record::write(&context.project.layout, &record) {
            tracing::warn!(%service, "{error}");
        }
    }
}

/// Runs `work`, which is given the notify pipe, between every supervisor's first and last steps.
fn begin(
    layout: &Layout,
    service: &ServiceName,
    work: impl FnOnce(Option<OwnedFd>) -> Result<ExitStatus, Reason>,
) -> Result<ExitStatus, Reason> {
    // Once the lock is held, a stop may come: its signal is blocked until it can be handled.
    notice::hold_back().map_err(system("hold signals back"))?;
    // Only a second call in one process fails.
    let _first = tracing::subscriber::set_global_default(LogSubscriber(layout.clone()));
    let (mut notify, given) = take_stdout().map_err(system("take standard output"))?;
    let ended = work(Some(given));
    if let Err(why) = &ended {
        let line = failure_line(service, why);
        let _nobody_waits = notify.write_all(line.as_bytes());
    }
    ended
}

/// `None`: another process supervises it, or its pending start was withdrawn.
fn take_lock(
    layout: &Layout,
    service: &ServiceName,
    pending: Option<&RunId>,
) -> Result<Option<Lock>, StoreError> {
    let lock = Lock::acquire(&layout.lock(service))?.ok();
    // Not before taking the lock: a stop that withdraws it later finds the lock held.
    Ok(lock.filter(|_| !pending.is_some_and(|start| is_withdrawn(layout, start, service))))
}

fn configured(context: &Context, name: &ServiceName) -> Result<ServiceSpec, Reason> {
    let project = &context.project;
    let config = project.config.as_ref().map_err(|error| Reason::ConfigUnusable {
        file: project.layout.config().to_path_buf(),
        error: error.message.clone(),
    })?;
    let spec = specs(project, config).into_iter().find(|spec| spec.name == *name);
    with_env_file(project, config, spec.ok_or(Reason::NotConfigured)?)
}

/// The spec for supervising and stopping a running service, even one that is no longer configured.
fn spec_of_living(context: &Context, service: &ServiceName) -> ServiceSpec {
    let config = context.config_as_read().as_ref().ok();
    let known = config
        .and_then(|config| specs(&context.project, config).into_iter().find(|spec| spec.name == *service));
    known.unwrap_or_else(|| {
        let is_jupyter = service.as_str() == ServiceName::JUPYTER;
        let layout = &context.project.layout;
        ServiceSpec {
            token: is_jupyter.then(|| layout.jupyter_token()),
            jupyter_runtime: is_jupyter.then(|| layout.jupyter_runtime()),
            ..ServiceSpec::bare(service.clone(), layout.root().clone())
        }
    })
}

/// Moves the notify pipe from stdout, so that no other code writes to it. Returns it twice.
fn take_stdout() -> io::Result<(File, OwnedFd)> {
    let notify = rustix::stdio::stdout().try_clone_to_owned()?;
    let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    Ok((notify.try_clone()?.into(), notify))
}

fn system(activity: &'static str) -> impl FnOnce(io::Error) -> Reason {
    move |error| Fault::System { activity: activity.into(), error: (&error).into() }.into()
}

//! The hidden verb of a supervisor: one process for one service, as long as it lives.
//!
//! `start` calls it with the doorbell as stdout and supervisor.log as stderr. A restart calls it
//! again in place, in the same process and with the lock still held.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use pipulate_core::layout::Layout;
use pipulate_core::service::{
    LogLimits, Readiness, RestartPolicy, ServiceName, ServiceSpec, StopSignal, StopSpec,
};
use pipulate_process::signals;
use pipulate_store::dotenv::EnvFile;
use pipulate_store::files;
use pipulate_store::lock::Lock;
use pipulate_store::own_log;
use pipulate_supervisor::driver::{self, Beginning, Task};
use pipulate_supervisor::program::Program;

use crate::cli::SuperviseSettings;
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::specs::specs;
use crate::ui::style::Style;

/// Supervises until the service has settled. Somebody else supervising it already is fine.
pub(crate) fn supervise(context: &Context, settings: SuperviseSettings) -> Result<ExitStatus, Failure> {
    // From the moment that the lock is ours, a stop may come: it waits until somebody listens.
    signals::hold_back()?;
    write_own_log(&context.layout);
    let mut doorbell = take_stdout()?;
    let service = settings.service.clone();
    let ended = try_to_supervise(context, settings, &doorbell);
    if let Err(failure) = &ended {
        // Whoever waits hears why, in one line.
        let words = failure.render(Style::plain()).replace("error: ", "").trim().replace('\n', "; ");
        let _nobody_waits = doorbell.write_all(format!("{service}: {words}\n").as_bytes());
    }
    ended
}

fn try_to_supervise(
    context: &Context,
    settings: SuperviseSettings,
    doorbell: &std::fs::File,
) -> Result<ExitStatus, Failure> {
    let path = context.layout.lock(&settings.service);
    let lock = match settings.lock {
        Some(number) => Lock::inherited(number, &path)?,
        None => match Lock::acquire(&path)? {
            Ok(lock) => lock,
            Err(_holder) => return Ok(ExitStatus::GaveWay),
        },
    };
    let task = Task {
        layout: context.layout.clone(),
        spec: match settings.beginning {
            Beginning::Start => spec(context, &settings.service)?,
            Beginning::Stop => spec_for_stop(context, &settings.service),
        },
        lock,
        fifo: settings.fifo.map(files::inherited).transpose()?,
        doorbell: Some(OwnedFd::from(doorbell.try_clone()?)),
        program: Program(context.exe.clone()),
        beginning: settings.beginning,
    };
    driver::supervise(task)?;
    Ok(ExitStatus::Success)
}

fn spec(context: &Context, name: &ServiceName) -> Result<ServiceSpec, Failure> {
    let config = context.config()?;
    let found = specs(context, config).into_iter().find(|spec| spec.name == *name);
    let mut spec = found
        .ok_or_else(|| Failure::new(FailureKind::Usage, format!("there is no such service here: {name}")))?;
    let env_file = config.service(name.as_str()).and_then(|service| service.env_file.as_ref());
    if let Some(env_file) = env_file {
        let path = context.layout.inside(env_file);
        if !path.exists() {
            return Err(Failure::failed(format!("its env_file is not there: {path}")));
        }
        let file = EnvFile::new(path, context.layout.dotenv_lock());
        for key in file.keys()? {
            if let Some(value) = file.get(&key)? {
                spec.env.entry(key).or_insert_with(|| value.expose().into());
            }
        }
    }
    Ok(spec)
}

/// What a stop needs to know of a service, also of one that no configuration knows any more.
fn spec_for_stop(context: &Context, service: &ServiceName) -> ServiceSpec {
    let config = context.config_as_read().as_ref().ok();
    let known =
        config.and_then(|config| specs(context, config).into_iter().find(|spec| spec.name == *service));
    known.unwrap_or_else(|| {
        let is_jupyter = service.as_str() == ServiceName::JUPYTER;
        ServiceSpec {
            name: service.clone(),
            command: Vec::new(),
            directory: context.layout.root().clone(),
            env: BTreeMap::new(),
            env_removed: Vec::new(),
            port: None,
            ready: Readiness::Exec,
            restart: RestartPolicy::Never,
            stop: StopSpec { signal: StopSignal::Term, timeout: Duration::from_secs(10) },
            page: None,
            token: is_jupyter.then(|| context.layout.jupyter_token()),
            jupyter_runtime: is_jupyter.then(|| context.layout.jupyter_runtime()),
            log_limits: LogLimits { max_size: 10 << 20, keep: 5 },
            watch: None,
        }
    })
}

/// Takes the doorbell out of stdout's place, where nothing else of ours may ring it.
fn take_stdout() -> Result<std::fs::File, Failure> {
    let doorbell = std::io::stdout().as_fd().try_clone_to_owned()?;
    let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    Ok(doorbell.into())
}

fn write_own_log(layout: &Layout) {
    let layout = layout.clone();
    let written = tracing_subscriber::fmt().with_writer(move || OwnLog(layout.clone())).with_ansi(false);
    // A full disk is no reason to end: what can't be said then stays unsaid.
    let written = written.with_target(false).log_internal_errors(false);
    // Only a second call in one process fails.
    let _first = written.try_init();
}

/// Stderr, which is supervisor.log, or the next one when that has become too long.
struct OwnLog(Layout);

impl Write for OwnLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // As long as there is no other one, the old one goes on.
        if let Ok(Some(next)) = own_log::successor(&self.0, io::stderr()) {
            rustix::stdio::dup2_stderr(&next)?;
        }
        io::stderr().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

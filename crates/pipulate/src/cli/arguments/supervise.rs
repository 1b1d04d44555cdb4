//! The arguments of the hidden verb of supervisors, which only this program writes.

use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::Args;
use pipulate_core::marker::RunId;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;
use pipulate_supervisor::program::Beginning;

use crate::call::SuperviseSettings;

#[derive(Debug, Args)]
pub(super) struct SuperviseArguments {
    #[arg(value_parser = ServiceName::parse)]
    service: ServiceName,

    #[arg(long)]
    stop: bool,

    #[arg(long, conflicts_with = "stop")]
    rescue: bool,

    #[arg(long)]
    pending: Option<String>,

    #[arg(long)]
    lock: Option<RawFd>,

    #[arg(long)]
    fifo: Option<RawFd>,

    #[arg(long)]
    formerly: Option<PathBuf>,

    #[arg(long, requires = "run")]
    state: Option<PathBuf>,

    #[arg(long, requires = "state")]
    run: Option<PathBuf>,
}

impl SuperviseArguments {
    pub(super) fn resolve(self) -> SuperviseSettings {
        SuperviseSettings {
            service: self.service,
            beginning: match (self.stop, self.rescue) {
                (true, _) => Beginning::Stop,
                (false, true) => Beginning::Rescue,
                (false, false) => Beginning::Start,
            },
            pending: self.pending.and_then(|id| RunId::parse(&id)),
            lock: self.lock,
            fifo: self.fifo,
            formerly: self.formerly.and_then(AbsPath::new),
            places: self.state.and_then(AbsPath::new).zip(self.run.and_then(AbsPath::new)),
        }
    }
}

//! What a supervisor of JupyterLab learns from it once it answers.

use pipulate_core::identity::Pid;
use pipulate_core::reason::Reason;
use pipulate_store::sockets;

use super::{Driver, Main};
use crate::jupyter::{Server, settings};
use crate::machine::Phase;

impl Driver {
    /// Makes sure that the kernels of the next JupyterLab outlive it, and that only this user can talk to
    /// them. It starts without that, too.
    pub(super) fn prepare_kernels(&mut self) {
        if self.spec.jupyter_runtime.is_some() {
            sockets::clean(&self.layout);
            let folder = sockets::ensure(&self.layout);
            match folder {
                None => self.journal.note(Reason::NoSocketFolder),
                Some(_) => self.journal.forget_note(&Reason::NoSocketFolder),
            }
            self.journal.complain_of(settings::write(&self.layout, folder.as_deref()));
        }
    }

    /// Records where JupyterLab's page is, by its own word, and warns if it lets anyone in. Once for
    /// each main process.
    pub(super) fn learn_from_jupyter(&mut self) {
        let main = self.main.as_ref().map(Main::pid);
        let is_up = self.spec.jupyter_runtime.is_some() && matches!(self.machine.phase(), Phase::Up { .. });
        let Some(address) = self.readying.address.filter(|_| is_up && self.learned_from != main) else {
            return;
        };
        self.learned_from = main;
        let pids: Vec<Pid> = self.family().ours.into_iter().map(|entry| entry.pid).collect();
        let Some(server) = Server::described(&self.layout, address, pids) else { return };
        self.journal.found_page(server.path("lab"), server.path("api"));
        match server.is_open() {
            true => self.journal.note(Reason::NoToken),
            false => self.journal.forget_note(&Reason::NoToken),
        }
    }
}

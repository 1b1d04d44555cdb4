//! Sockets: where the service's processes listen, and who holds a port.

use pipulate_core::layout::Layout;
use pipulate_core::reason::{PortHolder, Reason};
use pipulate_core::service::PortWish;
use pipulate_process::ports::{self, Listeners};
use pipulate_process::table::Entry;
use pipulate_store::port_claims::PortClaim;

use super::background::listed;
use super::own_tree::OwnTree;
use super::port::{Choice, Port};
use super::readiness::Listening;
use crate::port_owner::{self, port_owners};

/// The sockets of a service's processes.
pub(crate) struct Sockets<'a> {
    pub(crate) tree: &'a OwnTree,
    pub(crate) layout: &'a Layout,
}

impl Sockets<'_> {
    /// Returns true if one of the service's own processes listens on a port: one that outlived its instance.
    pub(crate) fn hold(&self, port: u16) -> bool {
        self.listeners().own().any(|own| own.port == port)
    }

    /// Chooses the port of the next instance and claims it; returns it with a note about the choice for the
    /// user.
    ///
    /// # Errors
    /// None of its possible ports is free.
    pub(crate) fn choose(
        &self,
        port: &Port,
        wish: Option<PortWish>,
        claim: &mut PortClaim,
    ) -> Result<(Option<u16>, Option<Reason>), Reason> {
        match port.choose(wish, |port| ports::is_free(port) && claim.take(port)) {
            Choice::None => Ok((None, None)),
            Choice::Port { number, instead_of } => {
                let moved = |wanted| Reason::PortMoved {
                    wanted,
                    holder: self.holder_to_name(wanted, claim),
                    using: number,
                };
                Ok((Some(number), instead_of.map(moved)))
            }
            Choice::PinnedIsTaken(port) => {
                Err(Reason::PortHeld { port, holder: self.holder_to_name(port, claim) })
            }
            Choice::AllTaken(from) => Err(Reason::NoFreePort { from }),
        }
    }

    /// Returns who holds a port: preferably one of the service's own processes, then any listener, then the
    /// supervisor of a service that has claimed it.
    fn holder_to_name(&self, port: u16, claim: &PortClaim) -> PortHolder {
        let holds = |entry: &Entry| {
            Listeners::of([entry.pid]).is_ok_and(|listeners| listeners.own().any(|own| own.port == port))
        };
        let holders: Vec<Entry> = self.tree.find(self.layout).ours.into_iter().filter(holds).collect();
        match holders.is_empty() {
            true => match (self.holder(port), claim.holder(port)) {
                (PortHolder::Unseen, Some(supervisor)) => port_owner::process(supervisor),
                (holder, _) => holder,
            },
            false => PortHolder::Own { processes: listed(&holders) },
        }
    }
}

impl Listening for Sockets<'_> {
    fn listeners(&self) -> Listeners {
        Listeners::of(self.tree.pids(self.layout)).unwrap_or_default()
    }

    fn holder(&self, port: u16) -> PortHolder {
        let own = self.tree.pids(self.layout);
        let own_process = |holder: &PortHolder| match holder {
            PortHolder::Process { pid, command, .. } if own.contains(pid) => {
                Some(PortHolder::LeftBehind { pid: *pid, command: command.clone() })
            }
            PortHolder::Process { .. }
            | PortHolder::Hidden
            | PortHolder::LeftBehind { .. }
            | PortHolder::Own { .. }
            | PortHolder::Unseen => None,
        };
        let holders = port_owners(port);
        let other = holders.iter().find(|holder| own_process(holder).is_none()).cloned();
        other.or_else(|| holders.first().and_then(own_process)).unwrap_or(PortHolder::Unseen)
    }
}

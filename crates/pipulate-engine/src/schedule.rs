//! The order in which services are started, stopped and restarted: needs come first, and are stopped last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pipulate_core::config::Config;
use pipulate_core::service::ServiceName;

use crate::plan;
use crate::report::{Outcome, Outcomes};

/// Groups of services, each handled after the previous one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    groups: VecDeque<Vec<ServiceName>>,
    /// The services that must be up before each service is handled.
    needs: BTreeMap<ServiceName, Vec<ServiceName>>,
    /// A service whose need is merely late is begun anyway: its supervisor waits.
    hands_over: bool,
}

/// The services to be handled next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Turn {
    pub services: Vec<ServiceName>,
    /// Services that are skipped, with the need that is not up.
    pub unmet: Vec<(ServiceName, ServiceName)>,
}

impl Schedule {
    /// Services to be started, ordered by their needs.
    pub fn of_start(config: &Config, services: &[ServiceName]) -> Self {
        Self::upwards(config, services, true)
    }

    /// Services to be restarted: the one in which this program runs comes last, as it ends with that one.
    pub fn of_restart(config: &Config, services: &[ServiceName], own: Option<&ServiceName>) -> Self {
        let mut schedule = Self::upwards(config, services, false);
        schedule.put_last(own);
        schedule
    }

    /// Services to be stopped: dependents before their needs, this program's own last. A service without a
    /// record never ran: nothing waits for it.
    pub fn of_stop(
        config: Option<&Config>,
        services: &[ServiceName],
        recorded: &BTreeSet<ServiceName>,
        own: Option<&ServiceName>,
    ) -> Self {
        let (recorded, others): (Vec<_>, Vec<_>) =
            services.iter().cloned().partition(|service| recorded.contains(service));
        let mut groups: VecDeque<_> = plan::waves(config, &recorded).into_iter().rev().collect();
        groups.extend((!others.is_empty()).then_some(others));
        let mut schedule = Self { groups, needs: BTreeMap::new(), hands_over: false };
        schedule.put_last(own);
        schedule
    }

    fn upwards(config: &Config, services: &[ServiceName], hands_over: bool) -> Self {
        let groups = plan::waves(Some(config), services).into();
        let known = services.iter().filter_map(|name| config.service(name.as_str()));
        let needs = known.map(|service| (service.name.clone(), service.depends_on.clone())).collect();
        Self { groups, needs, hands_over }
    }

    fn put_last(&mut self, own: Option<&ServiceName>) {
        let Some(own) = own.filter(|own| self.services().any(|service| service == *own)) else { return };
        self.groups.iter_mut().for_each(|group| group.retain(|service| service != own));
        self.groups.retain(|group| !group.is_empty());
        self.groups.push_back(vec![own.clone()]);
    }

    /// Returns all services that are still to be handled.
    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.groups.iter().flatten()
    }

    /// Returns the next turn, given the outcomes of the earlier ones.
    pub fn next(&mut self, outcomes: &Outcomes) -> Option<Turn> {
        let group = self.groups.pop_front()?;
        let mut turn = Turn::default();
        for service in group {
            let needs = self.needs.get(&service).map(Vec::as_slice).unwrap_or_default();
            match needs.iter().find(|needed| self.is_down(needed, outcomes)) {
                Some(needed) => turn.unmet.push((service.clone(), needed.clone())),
                None => turn.services.push(service),
            }
        }
        Some(turn)
    }

    fn is_down(&self, needed: &ServiceName, outcomes: &Outcomes) -> bool {
        outcomes.iter().any(|(service, outcome)| service == needed && is_down(outcome, self.hands_over))
    }
}

fn is_down(outcome: &Outcome, hands_over: bool) -> bool {
    match outcome {
        Outcome::TimedOut => !hands_over,
        Outcome::Failed { .. } | Outcome::Refused(_) | Outcome::Unmet { .. } => true,
        Outcome::Up { .. } | Outcome::Begun => false,
        Outcome::AlreadyStopped
        | Outcome::StartWithdrawn
        | Outcome::Stopped { .. }
        | Outcome::Unrecorded(_) => true,
    }
}

#[cfg(test)]
mod tests;

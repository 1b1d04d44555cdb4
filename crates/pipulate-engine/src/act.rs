//! Starting, stopping and restarting services of a project, from the request to the report.

use std::collections::BTreeSet;

use pipulate_core::answer::Note;
use pipulate_core::marker::RunId;
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::{ProjectStatus, Verdict};
use pipulate_store::pending::PendingStart;
use pipulate_store::record;
use pipulate_supervisor::program::Program;
use pipulate_supervisor::random;
use serde::{Deserialize, Serialize};

use crate::conduct::conduct;
use crate::denial::Denial;
use crate::execute::{Event, Executor, Withdrawal};
use crate::project::{Probes, Project};
use crate::report::{Outcome, Outcomes};
use crate::request::{Desired, Request, Wait};
use crate::schedule::Schedule;
use crate::work::AtStake;
use crate::{plan, query, specs, work};
use pipulate_core::work::Work;

/// The user interface that a request came from.
pub trait Audience {
    fn note(&mut self, note: Note);

    fn event(&mut self, event: &Event<'_>);

    /// An event in the start of the services that a restart's services depend on.
    fn need_event(&mut self, event: &Event<'_>);

    /// Asks whether work in progress may be cut off, before anything is done.
    fn consents(&mut self, work: &[Work]) -> bool;

    /// Asks whether a restart may end these notebooks' idle kernels, with their variables.
    fn consents_to_idle(&mut self, _notebooks: &[String]) -> bool {
        true
    }

    /// These services are restarted now, group by group.
    fn begins(&mut self, _services: &[ServiceName]) {}

    /// These notebooks' kernels end now, with their variables.
    fn kernels_end(&mut self, _notebooks: &[String]) {}
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    pub outcomes: Outcomes,
    /// Why there was nothing to do.
    pub idle: Option<Idle>,
    /// The notebooks whose kernels ended without work in progress, with their variables.
    #[serde(default)]
    pub ended_kernels: Vec<String>,
}

/// Why there was nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Idle {
    /// All services run already.
    AllUp,
    NothingRuns,
    /// The running services were skipped.
    LeftAlone,
}

impl Project {
    /// Carries out a request.
    ///
    /// # Errors
    /// The request as a whole is refused.
    pub fn act(&self, request: &Request, audience: &mut dyn Audience) -> Result<Report, Denial> {
        match request.desired {
            Desired::Running => self.start(request, audience),
            Desired::Stopped => self.stop(request, audience),
            Desired::Restarted => self.restart(request, audience),
        }
    }

    /// Starts the services that don't run, without a set-up.
    fn start(&self, request: &Request, audience: &mut dyn Audience) -> Result<Report, Denial> {
        let services = self.chosen(&request.services)?;
        let config = self.config()?;
        self.look_after(&services, &mut |note| audience.note(note))?;
        if self.already_up(&services).len() == services.len() {
            return Ok(Report { idle: Some(Idle::AllUp), ..Report::default() });
        }
        let project = self.make_home(&mut |note| audience.note(note))?;
        project.refuse_elsewhere(&services)?;
        match project.missing_secrets(config) {
            Ok(names) if names.is_empty() => {}
            Ok(names) => {
                let names = names.iter().map(ToString::to_string).collect();
                audience.note(Note::SecretsMissing { names });
            }
            Err(error) => audience.note(Note::SecretsUnread { error }),
        }
        let pending = project.announce(&services);
        let withdrawal = Withdrawal { pending: pending.as_ref(), interrupt: None };
        let outcomes =
            project.launch(&services, request.wait, withdrawal, &mut |event| audience.event(&event))?;
        Ok(Report { outcomes, ..Report::default() })
    }

    /// Returns the requested services with those that they depend on, or those of a bare `start`, in order.
    ///
    /// # Errors
    /// One does not exist, or there is none.
    pub fn chosen(&self, asked: &[ServiceName]) -> Result<Vec<ServiceName>, Denial> {
        let config = self.config()?;
        let known = self.configured(config);
        let existing: BTreeSet<ServiceName> = known.iter().cloned().collect();
        self.refuse_unknown(asked, &existing)?;
        let by_default = || plan::default_services(config).into_iter().map(|service| service.name.clone());
        let asked = if asked.is_empty() { by_default().collect() } else { asked.to_vec() };
        let wanted = plan::with_needs(config, &asked);
        if let Some(missing) = wanted.iter().find(|name| !existing.contains(name)) {
            let dependants = config.services.iter().filter(|service| service.depends_on.contains(missing));
            let dependants = dependants.map(|service| service.name.clone()).collect();
            return Err(Denial::MissingNeed { missing: missing.clone(), dependants });
        }
        let wanted: BTreeSet<ServiceName> = wanted.into_iter().collect();
        let in_their_order: Vec<_> = known.into_iter().filter(|name| wanted.contains(name)).collect();
        let chosen = plan::waves(Some(config), &in_their_order).concat();
        if chosen.is_empty() { Err(Denial::NothingToStart) } else { Ok(chosen) }
    }

    /// Announces a start, so that a stop wins over services that the start has not begun. `None` if no file
    /// can be made: then nothing can be started either.
    pub fn announce(&self, services: &[ServiceName]) -> Option<PendingStart> {
        let id = RunId::from_random(random().ok()?);
        PendingStart::announce(&self.layout, id, services).ok()
    }

    /// Starts these services, each after those that it depends on; a failure holds back only those that need
    /// the failed service.
    ///
    /// # Errors
    /// The configuration can't be used, or the system lacks resources.
    pub fn launch(
        &self,
        services: &[ServiceName],
        wait: Wait,
        withdrawal: Withdrawal<'_>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<Outcomes, Denial> {
        let schedule = Schedule::of_start(self.config()?, services);
        let request = Request::new(Desired::Running, services.to_vec(), wait);
        self.conduct(schedule, &request, withdrawal, on_event)
    }

    /// Stops services wherever their files are.
    fn stop(&self, request: &Request, audience: &mut dyn Audience) -> Result<Report, Denial> {
        if let Err(error) = &self.config {
            let file = self.layout.config();
            audience.note(Note::ConfigIgnored { file, error: error.clone() });
        }
        let elsewhere = self.elsewhere();
        let mut known: BTreeSet<ServiceName> = query::services(&self.layout)?.into_iter().collect();
        known.extend(self.services());
        let mut places = Vec::new();
        for place in &elsewhere {
            let services = query::services(&place.layout)?;
            known.extend(services.iter().cloned());
            places.push((place, services));
        }
        self.refuse_unknown(&request.services, &known)?;
        let is_wanted = |name: &ServiceName| request.services.is_empty() || request.services.contains(name);
        places.insert(0, (self, known.into_iter().collect()));
        places.iter_mut().for_each(|(_, services)| services.retain(is_wanted));
        let mut kernels = Vec::new();
        // `--force` skips questions to JupyterLab.
        if !request.stop.force {
            for (place, services) in &places {
                kernels.extend(place.spare_work(services, request.consent, audience)?);
            }
        }
        if !kernels.is_empty() {
            audience.kernels_end(&kernels);
        }
        let mut outcomes = Outcomes::new();
        for (place, services) in &places {
            outcomes.extend(place.stop_all(services, request, audience)?);
        }
        kernels.retain(|_| has_ended_jupyter(&outcomes));
        Ok(Report { outcomes, ended_kernels: kernels, idle: None })
    }

    /// Stops these services, dependents first.
    ///
    /// # Errors
    /// The system lacks resources.
    pub fn stop_all(
        &self,
        services: &[ServiceName],
        request: &Request,
        audience: &mut dyn Audience,
    ) -> Result<Outcomes, Denial> {
        let recorded = query::services(&self.layout).unwrap_or_default().into_iter().collect();
        let config = self.config.as_ref().ok();
        let schedule = Schedule::of_stop(config, services, &recorded, self.own_service().as_ref());
        self.conduct(schedule, request, Withdrawal::default(), &mut |event| audience.event(&event))
    }

    /// Refuses to cut off work in progress without consent. Returns the notebooks whose kernels are idle.
    ///
    /// # Errors
    /// There is work in progress.
    pub fn spare_work(
        &self,
        services: &[ServiceName],
        consent: bool,
        audience: &mut dyn Audience,
    ) -> Result<Vec<String>, Denial> {
        if services.iter().all(|service| service.as_str() != ServiceName::JUPYTER) {
            return Ok(Vec::new());
        }
        let AtStake { work, idle } = work::at_stake(&self.layout);
        match consent || work.is_empty() || audience.consents(&work) {
            true => Ok(idle),
            false => Err(Denial::WorkInProgress { work }),
        }
    }

    /// Restarts services; the others are not touched. Named services that don't run are started.
    fn restart(&self, request: &Request, audience: &mut dyn Audience) -> Result<Report, Denial> {
        // Before anything ends: with an unusable configuration, nothing could be started again.
        let config = self.config()?;
        let status = self.status(Probes::Run);
        let known: BTreeSet<ServiceName> = self.configured(config).into_iter().collect();
        self.refuse_unknown(&request.services, &known)?;
        let services = match request.services.is_empty() {
            true => everything_but_kernels(&known, &status, audience),
            false => request.services.clone(),
        };
        if services.is_empty() {
            return idle(status);
        }
        specs::refuse_unusable(self, config, &services)?;
        let project = &self.make_home(&mut |note| audience.note(note))?;
        project.refuse_elsewhere(&services)?;
        for service in &services {
            record::try_out(&project.layout, service)
                .map_err(|error| Denial::NoRoom { error: error.into() })?;
        }
        let mut kernels = project.spare_work(&services, request.consent, audience)?;
        if !request.consent && !kernels.is_empty() && !audience.consents_to_idle(&kernels) {
            return Err(Denial::KernelsKept { notebooks: kernels });
        }
        let pending = project.announce(&project.chosen(&services)?);
        let withdrawal = Withdrawal { pending: pending.as_ref(), interrupt: None };
        project.start_needs(&services, request.wait, withdrawal, audience)?;
        let schedule = Schedule::of_restart(config, &services, self.own_service().as_ref());
        audience.begins(&services);
        let outcomes = project.conduct(schedule, request, withdrawal, &mut |event| audience.event(&event))?;
        kernels.retain(|_| has_ended_jupyter(&outcomes));
        Ok(Report { outcomes, ended_kernels: kernels, idle: None })
    }

    /// Starts the services that these depend on and that are down.
    fn start_needs(
        &self,
        services: &[ServiceName],
        wait: Wait,
        withdrawal: Withdrawal<'_>,
        audience: &mut dyn Audience,
    ) -> Result<(), Denial> {
        let status = self.status(Probes::Skip);
        // A need that exited successfully has done its job, and starting a running one would not make it
        // answer.
        let is_down = |name: &ServiceName| {
            let found = status.service(name.as_str()).map(|service| service.state);
            found.is_none_or(|state| {
                !state.is_well() && !matches!(state, ServiceState::Degraded | ServiceState::Unstable)
            })
        };
        let needed = self.chosen(services)?.into_iter();
        let down: Vec<ServiceName> =
            needed.filter(|name| !services.contains(name) && is_down(name)).collect();
        let outcomes = self.launch(&down, wait, withdrawal, &mut |event| audience.need_event(&event))?;
        let is_up = |outcome: &Outcome| matches!(outcome, Outcome::Up { .. } | Outcome::Begun);
        match outcomes.iter().all(|(_, outcome)| is_up(outcome)) {
            true => Ok(()),
            false => Err(Denial::NeedsDown { outcomes }),
        }
    }

    fn conduct(
        &self,
        schedule: Schedule,
        request: &Request,
        withdrawal: Withdrawal<'_>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<Outcomes, Denial> {
        let program = match request.desired {
            Desired::Stopped => self.program(),
            Desired::Running | Desired::Restarted => self.lasting_program(),
        };
        let specs = |services: &[ServiceName]| {
            self.config.as_ref().map(|config| specs::for_start(self, config, services)).unwrap_or_default()
        };
        Ok(conduct(&self.executor(&program, &specs, withdrawal), schedule, request, on_event)?)
    }

    pub(crate) fn executor<'a>(
        &'a self,
        program: &'a Program,
        specs: &'a dyn Fn(&[ServiceName]) -> Vec<ServiceSpec>,
        withdrawal: Withdrawal<'a>,
    ) -> Executor<'a> {
        let (layout, takes_locks, launched) = (&self.layout, self.takes_locks, self.launched.as_deref());
        Executor { layout, program, specs, takes_locks, launched, withdrawal }
    }
}

/// True if JupyterLab, in its state before, ended.
fn has_ended_jupyter(outcomes: &Outcomes) -> bool {
    outcomes.iter().any(|(service, outcome)| {
        service.as_str() == ServiceName::JUPYTER
            && match outcome {
                Outcome::Stopped { .. }
                | Outcome::Up { .. }
                | Outcome::Failed { .. }
                | Outcome::TimedOut
                | Outcome::Unrecorded(_) => true,
                Outcome::Begun
                | Outcome::Unmet { .. }
                | Outcome::AlreadyStopped
                | Outcome::StartWithdrawn
                | Outcome::Refused(_) => false,
            }
    })
}

fn idle(status: ProjectStatus) -> Result<Report, Denial> {
    let idle = match status.verdict() {
        Verdict::Unknown => return Err(Denial::UnknownState { why: status.unknown }),
        Verdict::NothingRunning => Idle::NothingRuns,
        Verdict::Well | Verdict::Unwell => Idle::LeftAlone,
    };
    Ok(Report { idle: Some(idle), ..Report::default() })
}

/// Returns services that run or should run, including crashed ones; JupyterLab only if it has no kernels.
/// Services that could not be started again are left out.
fn everything_but_kernels(
    known: &BTreeSet<ServiceName>,
    status: &ProjectStatus,
    audience: &mut dyn Audience,
) -> Vec<ServiceName> {
    let mut services = Vec::new();
    for service in &status.services {
        let name = &service.name;
        let kernels = service.live.as_ref().map_or(0, |live| live.kernels.len());
        if !known.contains(name) {
            if service.live.is_some() {
                audience.note(Note::NotConfigured { service: name.clone() });
            }
        } else if name.as_str() == ServiceName::JUPYTER && kernels > 0 {
            audience.note(Note::HasKernels { service: name.clone(), kernels });
        } else if service.live.is_some() || service.wanted == Wanted::Run {
            services.push(name.clone());
        }
    }
    services
}

/// Returns the current generations of services, which the request refers to.
pub fn generations(
    project: &Project,
    services: &[ServiceName],
) -> std::collections::BTreeMap<ServiceName, pipulate_core::marker::RunId> {
    let generation = |service: &ServiceName| {
        let record = record::read(&project.layout, service).ok()??;
        Some((service.clone(), record.generation?))
    };
    services.iter().filter_map(generation).collect()
}

//! The resource usage of each service, in steps long enough to show an hour in one picture.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pipulate_core::service::ServiceName;

use super::Sample;

/// The length of a step.
pub(crate) const STEP: SignedDuration = SignedDuration::from_secs(20);

/// The steps of each service, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage(BTreeMap<ServiceName, Vec<Use>>);

/// One step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Use {
    /// Its beginning.
    pub(crate) at: Timestamp,
    /// In percent of one core, the mean of its samples.
    pub(crate) cpu: f64,
    /// In bytes, the maximum of its samples.
    pub(crate) memory: u64,
    samples: f64,
}

impl Use {
    pub(crate) fn of(at: Timestamp, cpu: f64, memory: u64) -> Self {
        Self { at, cpu, memory, samples: 1.0 }
    }
}

impl Usage {
    pub(super) fn add(&mut self, service: &ServiceName, at: Timestamp, sample: &Sample) {
        let begin = at.as_second() - at.as_second().rem_euclid(STEP.as_secs());
        let at = Timestamp::from_second(begin).unwrap_or(at);
        let steps = self.0.entry(service.clone()).or_default();
        match steps.last_mut().filter(|last| last.at == at) {
            Some(last) => {
                last.samples += 1.0;
                last.cpu += (sample.cpu - last.cpu) / last.samples;
                last.memory = last.memory.max(sample.memory);
            }
            None => steps.push(Use::of(at, sample.cpu, sample.memory)),
        }
    }

    pub(super) fn forget_before(&mut self, begin: Timestamp) {
        self.0.retain(|_, steps| {
            steps.retain(|step| step.at >= begin);
            !steps.is_empty()
        });
    }

    /// The completed steps of a service.
    pub(crate) fn of(&self, service: &ServiceName, now: Timestamp) -> &[Use] {
        let steps = self.0.get(service).map(Vec::as_slice).unwrap_or_default();
        &steps[..steps.partition_point(|step| step.at + STEP <= now)]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_step_is_the_mean_of_its_samples_and_is_forgotten_after_an_hour() {
        let (web, mut usage) = (ServiceName::parse("web").unwrap(), Usage::default());
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut add = |second, cpu, memory| {
            usage.add(&web, at(second), &Sample { at: Instant::now(), cpu, memory });
        };
        add(1_000, 10.0, 5);
        add(1_002, 20.0, 7);
        add(1_018, 30.0, 6);
        add(1_021, 1.0, 1);
        let steps = |usage: &Usage, now| {
            usage
                .of(&web, at(now))
                .iter()
                .map(|step| (step.at.as_second(), step.cpu, step.memory))
                .collect::<Vec<_>>()
        };
        assert_eq!(steps(&usage, 1_019), [], "it is not over");
        assert_eq!(steps(&usage, 1_039), [(1_000, 20.0, 7)]);
        assert_eq!(steps(&usage, 1_040), [(1_000, 20.0, 7), (1_020, 1.0, 1)]);
        usage.forget_before(at(1_020));
        assert_eq!(steps(&usage, 1_040), [(1_020, 1.0, 1)]);
    }
}

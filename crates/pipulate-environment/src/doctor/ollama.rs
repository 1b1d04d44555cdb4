//! The local LLM: optional, so its absence is only mentioned.

use std::time::Duration;

use pipulate_core::finding::Finding;
use pipulate_core::resources::Memory;
use pipulate_core::units;
use pipulate_ollama::choose::{Choice, NoModel, choose_model};
use pipulate_ollama::error::Error;
use pipulate_ollama::host::Host;
use pipulate_ollama::model::Model;
use pipulate_ollama::probe::probe_blocking;

use super::check::{Check, Group};
use super::{Examination, skipped, warning};
use crate::ollama::{Absence, Place, VARIABLE};

const REACHABLE: &str = "ollama.reachable";
const MODELS: &str = "ollama.models";
const MEMORY: &str = "ollama.memory";

/// The timeout, short because it is optional.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) const OLLAMA: Group = Group {
    checks: &[
        Check::new(
            REACHABLE,
            "`GET /api/version` and `/api/tags` of Ollama, which is optional; and whether it is installed",
        ),
        Check::new(MODELS, "whether it has a model to talk to, the configured one first"),
        Check::new(MEMORY, "whether that model fits into the memory that is available now"),
    ],
    examine: reachable_and_models,
};

fn reachable_and_models(examination: &Examination) -> Vec<Finding> {
    let unanswered = |id| skipped(id, "Not checked: Ollama does not answer");
    let without = |reachable| vec![reachable, unanswered(MODELS), unanswered(MEMORY)];
    let config = match examination.config() {
        Ok(config) => config,
        Err(reason) => return [REACHABLE, MODELS, MEMORY].map(|id| skipped(id, reason)).into(),
    };
    let host = match Place::find(&examination.layout, config, examination.variable(VARIABLE)) {
        Ok(Place::Open(host)) => host,
        Ok(Place::Unasked(host)) => return uncontacted(examination, &host),
        Err(error) => {
            let finding = warning(REACHABLE, "Ollama's address can't be used").detail(error.to_string());
            return without(finding.advice("write http://127.0.0.1:11434, or leave it out"));
        }
    };
    match probe_blocking(&host, PATIENCE) {
        Ok(probe) => {
            let title = format!("Ollama {} answers at {host}", probe.version);
            let choice = choose_model(config.ollama.model.as_deref(), &probe.models);
            let memory = match &choice {
                Choice::Chosen { model, .. } if host.is_loopback() && !model.is_cloud() => {
                    memory(model, model.needs(&probe.loaded), examination.resources.memory)
                }
                Choice::Chosen { .. } => skipped(MEMORY, "The model does not run on this machine"),
                Choice::None(_) => skipped(MEMORY, "Not checked: there is no model"),
            };
            vec![Finding::ok(REACHABLE, title), models(choice), memory]
        }
        Err(Error::Unreachable { reason, .. }) => {
            let finding = skipped(REACHABLE, format!("Ollama does not run at {host} (it is optional)"));
            let absence = Absence::look(host.is_loopback(), &examination.session, &examination.machine);
            without(absent(absence, finding.detail(reason)))
        }
        Err(error) => {
            let finding = warning(REACHABLE, format!("Ollama gave an unexpected answer at {host}"));
            let advice = "check that OLLAMA_HOST, or [ollama] host, is where Ollama listens";
            without(finding.detail(error.to_string()).advice(advice))
        }
    }
}

/// The findings about a host on another machine that only the folder's file names: nothing is sent to it.
fn uncontacted(examination: &Examination, host: &Host) -> Vec<Finding> {
    let title = format!("Ollama was not contacted: this folder wants to use one on another machine, {host}");
    let finding = warning(REACHABLE, title).detail("prompts and the logs of services would be sent there");
    let unexamined = |id| skipped(id, "Not checked: Ollama was not contacted");
    let finding = finding.command("allow it", examination.pipulate(&["models"]));
    vec![finding, unexamined(MODELS), unexamined(MEMORY)]
}

/// The advice depends on whether it is installed, and on which machine.
fn absent(absence: Absence, finding: Finding) -> Finding {
    match (absence.command(), absence.advice()) {
        (Some(command), _) => finding.command("start it", command),
        (None, Some(advice)) => finding.advice(advice),
        (None, None) => finding.advice("check that it is running there, or set OLLAMA_HOST to its address"),
    }
}

fn models(choice: Choice) -> Finding {
    let none = match choice {
        Choice::Chosen { model, why } => {
            return Finding::ok(MODELS, format!("{} would answer: {why}", model.name));
        }
        Choice::None(none) => none,
    };
    let finding = warning(MODELS, "Ollama has no model that can chat").detail(none.to_string());
    match &none {
        NoModel::NotInstalled { wanted } => finding.command("get it", ["ollama", "pull", wanted]),
        NoModel::CannotChat { .. } => finding.advice("name another one in [ollama] model, or leave it out"),
        NoModel::NothingInstalled | NoModel::NothingSuitable | NoModel::OnlyCloud => {
            finding.command("get one", ["ollama", "pull", "llama3.1"])
        }
    }
}

/// Compares the memory that a model still needs, in bytes, with the available memory.
fn memory(model: &Model, needed: u64, memory: Option<Memory>) -> Finding {
    match memory {
        None => skipped(MEMORY, "Could not find out how much memory is available"),
        Some(memory) if memory.fits_model(needed) => {
            Finding::ok(MEMORY, format!("There is enough memory for {}", model.name))
        }
        Some(memory) => warning(MEMORY, format!("{} may not fit into memory", model.name))
            .detail(format!(
                "it takes {} and more, and {} are available",
                units::size(needed),
                units::size(memory.available)
            ))
            .advice("end other programs, or get a smaller model and name it in [ollama] model"),
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::finding::FindingStatus;

    use super::*;

    #[test]
    fn a_model_that_is_too_large_for_the_memory_is_told() {
        let model = Model { name: "llama3.1:70b".to_owned(), size: 40_000_000_000, ..Model::default() };
        let with = |available| Memory { total: 16 << 30, available, swap_total: 0, swap_used: 0 };
        let told = |needed, available: Option<u64>| memory(&model, needed, available.map(with)).status;
        assert_eq!(told(model.size, Some(8 << 30)), FindingStatus::Warning);
        assert_eq!(told(4_000_000_000, Some(8 << 30)), FindingStatus::Ok);
        assert_eq!(told(0, Some(0)), FindingStatus::Ok, "it is in memory already");
        assert_eq!(told(1, None), FindingStatus::Skipped);
    }

    #[test]
    fn a_server_without_a_usable_model_is_told_with_the_command_that_gets_one() {
        for (configured, command) in [(None, "llama3.1"), (Some("qwen3:8b"), "qwen3:8b")] {
            let finding = models(choose_model(configured, &[]));
            assert_eq!(finding.status, FindingStatus::Warning);
            assert_eq!(finding.fix.unwrap().command, ["ollama", "pull", command]);
        }
    }
}

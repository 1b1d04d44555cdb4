//! The local LLM: optional, so its absence is only told.

use std::time::Duration;

use pipulate_core::finding::Finding;
use pipulate_ollama::choose::{Choice, NoModel, choose_model};
use pipulate_ollama::error::Error;
use pipulate_ollama::host::Host;
use pipulate_ollama::model::Model;
use pipulate_ollama::probe::probe_blocking;

use super::catalog::{Check, Group};
use super::{Examination, skipped, warning};
use crate::browser::session::Wsl;

const REACHABLE: &str = "ollama.reachable";
const MODELS: &str = "ollama.models";

/// More than that is not waited for an optional thing.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) const OLLAMA: Group = Group {
    checks: &[
        Check::new(
            REACHABLE,
            "`GET /api/version` and `/api/tags` of Ollama, which is optional; and whether it is installed",
        ),
        Check::new(MODELS, "whether it has a model to talk to, the configured one first"),
    ],
    examine: reachable_and_models,
};

fn reachable_and_models(examination: &Examination) -> Vec<Finding> {
    let no_models = || skipped(MODELS, "Not examined: Ollama does not answer");
    let config = match examination.config() {
        Ok(config) => &config.ollama,
        Err(reason) => return vec![skipped(REACHABLE, reason), skipped(MODELS, reason)],
    };
    let variable = examination.session.surroundings.variable("OLLAMA_HOST").and_then(|value| value.to_str());
    let host = match Host::choose(None, variable, config.host.as_deref()) {
        Ok(host) => host,
        Err(error) => {
            let finding = warning(REACHABLE, "Ollama's address can't be used").detail(error.to_string());
            return vec![finding.advice("write http://127.0.0.1:11434, or leave it out"), no_models()];
        }
    };
    match probe_blocking(&host, PATIENCE) {
        Ok(probe) => {
            let title = format!("Ollama {} answers at {host}", probe.version);
            vec![Finding::ok(REACHABLE, title), models(config.model.as_deref(), &probe.models)]
        }
        Err(Error::Unreachable { host, reason }) => {
            let finding = skipped(REACHABLE, format!("Ollama does not run at {host} (it is optional)"));
            vec![absent(examination, finding.detail(reason)), no_models()]
        }
        Err(error) => {
            let finding = warning(REACHABLE, format!("Ollama does not answer as it should at {host}"));
            let advice = "see that OLLAMA_HOST, or [ollama] host, is where Ollama listens";
            vec![finding.detail(error.to_string()).advice(advice), no_models()]
        }
    }
}

/// What to do depends on whether it is there at all, and on whose machine.
fn absent(examination: &Examination, finding: Finding) -> Finding {
    let is_installed = examination.program("ollama").is_some()
        || examination.machine_file("Applications/Ollama.app").exists();
    match (is_installed, examination.session.wsl) {
        (true, _) => finding.command("start it", &["ollama", "serve"], false),
        (false, Wsl::No) => finding.advice("to have one, install it: https://ollama.com/download"),
        (false, Wsl::Interop | Wsl::NoInterop) => finding.advice(
            "to have one, install it inside of WSL: https://ollama.com/download/linux (one that runs on Windows is \
             reached only at the address of Windows: set OLLAMA_HOST)",
        ),
    }
}

fn models(configured: Option<&str>, models: &[Model]) -> Finding {
    let none = match choose_model(configured, models) {
        Choice::Chosen { model, why } => {
            return Finding::ok(MODELS, format!("{} would answer: {why}", model.name));
        }
        Choice::None(none) => none,
    };
    let finding = warning(MODELS, "Ollama has no model to talk to").detail(none.to_string());
    match &none {
        NoModel::NotInstalled { wanted } => finding.command("get it", &["ollama", "pull", wanted], false),
        NoModel::CannotChat { .. } => finding.advice("name another one in [ollama] model, or leave it out"),
        NoModel::NothingInstalled | NoModel::NothingSuitable | NoModel::OnlyCloud => {
            finding.command("get one", &["ollama", "pull", "llama3.1"], false)
        }
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::finding::FindingStatus;

    use super::*;

    #[test]
    fn a_server_without_a_usable_model_is_told_with_the_command_that_gets_one() {
        for (configured, command) in [(None, "llama3.1"), (Some("qwen3:8b"), "qwen3:8b")] {
            let finding = models(configured, &[]);
            assert_eq!(finding.status, FindingStatus::Warning);
            assert_eq!(finding.fix.unwrap().command, ["ollama", "pull", command]);
        }
    }
}

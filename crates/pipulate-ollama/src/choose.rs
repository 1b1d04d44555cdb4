//! The choice of a model, decided from the list alone and always with a reason.
//!
//! A model in the cloud is only used if it was configured by name: prompts would leave the machine.

use std::cmp::Reverse;
use std::fmt;

use pipulate_core::text::shell_word;

use crate::model::{Model, split_tag};

/// The default model.
pub const PREFERRED: &str = "llama3.1:latest";

/// The result of choosing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// This model, and why.
    Chosen { model: Model, why: Why },
    /// None, and why.
    None(NoModel),
}

/// Why a model was chosen. Its [`fmt::Display`] is the reason as one phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Configured,
    /// Configured by name, and it runs in the cloud.
    ConfiguredCloud,
    /// Configured without a tag, and installed under another one than `latest`.
    ConfiguredOtherTag,
    Preferred,
    NewestLlama,
    FirstLocal,
}

/// Why there is no usable model, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoModel {
    #[error("model {wanted} is not installed; get it with: ollama pull {}", shell_word(.wanted))]
    NotInstalled { wanted: String },
    #[error("model {model} can't chat; choose another one (in pipulate.toml it is [ollama] model)")]
    CannotChat { model: String },
    #[error("no model is installed; get one with: ollama pull llama3.1")]
    NothingInstalled,
    #[error("no installed model can chat on this machine; get one with: ollama pull llama3.1")]
    NothingSuitable,
    #[error(
        "the installed models run in the cloud, which is only done when you ask for it; get a local one \
         with: ollama pull llama3.1"
    )]
    OnlyCloud,
}

/// Chooses among `models`, in the server's order (newest first).
///
/// ```
/// use pipulate_ollama::choose::{Choice, NoModel, choose_model};
///
/// let none = choose_model(Some("qwen3"), &[]);
/// assert_eq!(none, Choice::None(NoModel::NotInstalled { wanted: "qwen3".to_owned() }));
/// ```
pub fn choose_model(configured: Option<&str>, models: &[Model]) -> Choice {
    if let Some(wanted) = configured.map(str::trim).filter(|wanted| !wanted.is_empty()) {
        return choose_configured(wanted, models);
    }
    let local: Vec<&Model> = models.iter().filter(|model| model.can_chat() && !model.is_cloud()).collect();
    let preferred =
        local.iter().find(|model| model.is_named(PREFERRED)).map(|model| (*model, Why::Preferred));
    let newest = || newest_llama(&local).map(|model| (model, Why::NewestLlama));
    let first = || local.first().map(|model| (*model, Why::FirstLocal));
    match preferred.or_else(newest).or_else(first) {
        Some((model, why)) => Choice::Chosen { model: model.clone(), why },
        None if models.is_empty() => Choice::None(NoModel::NothingInstalled),
        None if models.iter().any(|model| model.can_chat()) => Choice::None(NoModel::OnlyCloud),
        None => Choice::None(NoModel::NothingSuitable),
    }
}

fn choose_configured(wanted: &str, models: &[Model]) -> Choice {
    let exact = models.iter().find(|model| model.is_named(wanted));
    let other_tag = || {
        let same_base = |model: &&Model| {
            model.base().eq_ignore_ascii_case(wanted) && model.can_chat() && !model.is_cloud()
        };
        models.iter().find(same_base).filter(|_| split_tag(wanted).1.is_none())
    };
    let (model, why) = match (exact, exact.is_none().then(other_tag).flatten()) {
        (Some(model), _) if model.is_cloud() => (model, Why::ConfiguredCloud),
        (Some(model), _) => (model, Why::Configured),
        (None, Some(model)) => (model, Why::ConfiguredOtherTag),
        (None, None) => return Choice::None(NoModel::NotInstalled { wanted: wanted.to_owned() }),
    };
    if model.can_chat() {
        Choice::Chosen { model: model.clone(), why }
    } else {
        Choice::None(NoModel::CannotChat { model: model.name.clone() })
    }
}

/// Returns the newest by version; of one version the plain one, then `latest`, then the server's order.
fn newest_llama<'a>(models: &[&'a Model]) -> Option<&'a Model> {
    let candidates = models.iter().filter_map(|model| Some((llama_version(model.base())?, *model)));
    let (_, newest) = candidates.min_by_key(|((version, plain), model)| {
        (Reverse(version.clone()), Reverse(*plain), Reverse(model.tag() == "latest"))
    })?;
    Some(newest)
}

/// `llama3.2-vision` is version 3.2 and not plain; a name that starts differently is no llama.
fn llama_version(base: &str) -> Option<(Vec<u32>, bool)> {
    let base = base.to_ascii_lowercase();
    let rest = base.strip_prefix("llama")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let version = rest[..end].split('.').map_while(|part| part.parse().ok()).collect();
    Some((version, end == rest.len()))
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured => "configured",
            Self::ConfiguredCloud => "configured; what you write to it leaves this machine",
            Self::ConfiguredOtherTag => "configured, installed under another tag",
            Self::Preferred => "the usual one",
            Self::NewestLlama => "the newest Llama on this machine",
            Self::FirstLocal => "the first one on this machine that can chat",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(names: &[&str]) -> Vec<Model> {
        names.iter().map(|name| Model { name: (*name).to_owned(), ..Model::default() }).collect()
    }

    fn chosen(configured: Option<&str>, names: &[&str]) -> (String, Why) {
        match choose_model(configured, &models(names)) {
            Choice::Chosen { model, why } => (model.name, why),
            Choice::None(reason) => panic!("{names:?}: {reason}"),
        }
    }

    #[test]
    fn a_model_is_chosen_for_a_reason() {
        use Why::{Configured, ConfiguredCloud, ConfiguredOtherTag, FirstLocal, NewestLlama, Preferred};
        for (configured, names, model, why) in [
            (Some("phi3"), &["llama3.1:latest", "phi3:latest"][..], "phi3:latest", Configured),
            (Some("phi3:mini"), &["phi3:latest", "phi3:mini"], "phi3:mini", Configured),
            (Some("llama3.1"), &["x:1b", "llama3.1:8b"], "llama3.1:8b", ConfiguredOtherTag),
            (Some("gpt-oss:120b-cloud"), &["gpt-oss:120b-cloud"], "gpt-oss:120b-cloud", ConfiguredCloud),
            (Some("  "), &["llama3.1:latest"], "llama3.1:latest", Preferred),
            (None, &["llama3.3:latest", "llama3.1:latest"], "llama3.1:latest", Preferred),
            (None, &["llama2:latest", "llama3.2:latest"], "llama3.2:latest", NewestLlama),
            (None, &["llama3.2:latest", "llama3.10:1b"], "llama3.10:1b", NewestLlama),
            (None, &["llama3.1:8b", "llama3.1:instruct"], "llama3.1:8b", NewestLlama),
            (None, &["llama3.2:3b", "llama3.2:latest"], "llama3.2:latest", NewestLlama),
            (None, &["llama3.2-vision:latest", "llama3.2:3b"], "llama3.2:3b", NewestLlama),
            (None, &["llama-guard3:latest", "llama2:7b"], "llama2:7b", NewestLlama),
            (None, &["llama4:cloud", "llama3:8b"], "llama3:8b", NewestLlama),
            (None, &["llama2-uncensored:7b", "qwen3:4b"], "llama2-uncensored:7b", NewestLlama),
            (None, &["nomic-embed-text:latest", "codellama:7b", "qwen3:4b"], "codellama:7b", FirstLocal),
            (None, &["gpt-oss:120b-cloud", "qwen3:4b"], "qwen3:4b", FirstLocal),
            (None, &["Llama3.2:1b", "llama3:8b"], "Llama3.2:1b", NewestLlama),
            (None, &["llama3.2-vision:11b", "nomic-embed-text"], "llama3.2-vision:11b", NewestLlama),
            (None, &["phi3:mini", "phi3:mini"], "phi3:mini", FirstLocal),
        ] {
            assert_eq!(chosen(configured, names), (model.to_owned(), why), "{configured:?} {names:?}");
        }
    }

    #[test]
    fn no_choice_says_what_to_pull() {
        for (configured, names, wanted) in [
            (None, &[][..], "no model is installed; get one with: ollama pull llama3.1"),
            (None, &["nomic-embed-text"], "no installed model can chat"),
            (None, &["llama-guard3:1b"], "no installed model can chat"),
            (None, &["gpt-oss:120b-cloud"], "only done when you ask"),
            (Some("phi9"), &["llama3.1:latest"], "ollama pull phi9"),
            (Some("llama3.1:70b"), &["llama3.1:8b"], "ollama pull llama3.1:70b"),
            (Some("llama4"), &["llama4:cloud"], "ollama pull llama4"),
            (Some("nomic-embed-text"), &["nomic-embed-text:latest"], "can't chat"),
        ] {
            let Choice::None(reason) = choose_model(configured, &models(names)) else { panic!("{names:?}") };
            assert!(reason.to_string().contains(wanted), "{names:?}: {reason}");
        }
    }

    #[test]
    fn every_reason_for_having_none_says_what_to_do() {
        let reasons = [
            NoModel::NotInstalled { wanted: "phi9".to_owned() },
            NoModel::CannotChat { model: "nomic-embed-text:latest".to_owned() },
            NoModel::NothingInstalled,
            NoModel::NothingSuitable,
            NoModel::OnlyCloud,
        ];
        let told: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_cloud_model_is_known_by_its_remote_host_too() {
        let elsewhere =
            Model { remote_host: Some("https://ollama.com".to_owned()), ..models(&["llama9"]).remove(0) };
        assert_eq!(choose_model(None, &[elsewhere]), Choice::None(NoModel::OnlyCloud));
    }
}

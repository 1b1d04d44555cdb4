//! The models that a chat can choose from. `pipulate-ollama` has the rule for the default.

use std::time::Duration;

use pipulate_core::resources::Memory;
use pipulate_core::text::shell_word;
use pipulate_ollama::choose::{Choice, NoModel, PREFERRED, choose_model};
use pipulate_ollama::client::{Client, Limits};
use pipulate_ollama::error::Error;
use pipulate_ollama::model::{Loaded, Model, split_tag};

use crate::world::{NoOllama, Ollama, Panicked, World};

/// Short limits: a page does not wait long for a distant or sleeping server.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(1),
    question: Duration::from_secs(2),
    first_word: Duration::from_secs(2),
    next_word: Duration::from_secs(2),
};

/// The models to choose from, or why there are none.
pub(crate) enum ModelChoices {
    Models {
        /// Those that can chat.
        models: Vec<ModelChoice>,
        /// The one that answers unless another is chosen.
        chosen: String,
        /// The host, if it isn't this machine.
        elsewhere: Option<String>,
    },
    Nothing {
        reason: String,
        /// Other advice, as a fragment.
        advice: Option<String>,
        /// The command to type in a terminal.
        command: Option<String>,
    },
    /// The folder's files name this host on another machine, which the user hasn't allowed.
    Unasked { host: String },
}

impl ModelChoices {
    /// The chosen model, if it runs in the cloud.
    pub(crate) fn in_cloud(&self) -> Option<&str> {
        let Self::Models { models, chosen, .. } = self else { return None };
        let is_it = |model: &&ModelChoice| model.name == *chosen && model.is_cloud;
        models.iter().find(is_it).map(|model| model.name.as_str())
    }
}

/// A model to choose.
pub(crate) struct ModelChoice {
    pub(crate) name: String,
    /// Bytes on disk.
    pub(crate) size: u64,
    pub(crate) is_cloud: bool,
    /// True if the available memory suffices, as far as that is known.
    pub(crate) fits: bool,
}

/// Queries Ollama; `last` is the model that answered last in this chat.
///
/// # Errors
/// Only when the app itself is broken: without Ollama, the choices say so.
pub(crate) async fn look(world: &World, last: Option<&str>) -> Result<ModelChoices, Panicked> {
    let ollama = match world.ask(|world| world.chat.ollama()).await? {
        Ok(ollama) => ollama,
        Err(NoOllama::Unusable(reason)) => {
            return Ok(ModelChoices::Nothing { reason, advice: None, command: None });
        }
        Err(NoOllama::Unasked(host)) => return Ok(ModelChoices::Unasked { host: host.to_string() }),
    };
    let Installed { models, loaded } = match installed(&ollama).await {
        Ok(installed) => installed,
        Err(error) => return Ok(nothing(&error, ollama)),
    };
    // The memory of another machine is unknown.
    let memory = match ollama.host.is_loopback() {
        true => world.ask(|world| world.status.resources()).await?.memory,
        false => None,
    };
    Ok(choices(&models, ollama.model.as_deref(), last, elsewhere(&ollama), fits(memory, &loaded)))
}

fn elsewhere(ollama: &Ollama) -> Option<String> {
    Some(&ollama.host).filter(|host| !host.is_loopback()).map(ToString::to_string)
}

fn nothing(error: &Error, ollama: Ollama) -> ModelChoices {
    let is_absent = matches!(error, Error::Unreachable { .. });
    let (advice, command) = if is_absent { (ollama.advice, ollama.start) } else { (None, None) };
    ModelChoices::Nothing { reason: error.to_string(), advice, command }
}

/// Ollama's models.
struct Installed {
    models: Vec<Model>,
    /// Empty if the server is too old to list them.
    loaded: Vec<Loaded>,
}

async fn installed(ollama: &Ollama) -> Result<Installed, Error> {
    let client = Client::with_limits(&ollama.host, LIMITS)?;
    let (models, loaded) = tokio::join!(client.models(), client.loaded());
    Ok(Installed { models: models?, loaded: loaded.unwrap_or_default() })
}

/// Returns a check whether a model fits into this memory beside the loaded ones.
fn fits(memory: Option<Memory>, loaded: &[Loaded]) -> impl Fn(&Model) -> bool {
    move |model| memory.is_none_or(|memory| memory.fits_model(model.needs(loaded)))
}

fn choices(
    models: &[Model],
    configured: Option<&str>,
    last: Option<&str>,
    elsewhere: Option<String>,
    fits: impl Fn(&Model) -> bool,
) -> ModelChoices {
    let again = last.map(|last| choose_model(Some(last), models));
    let choice = match again {
        Some(chosen @ Choice::Chosen { .. }) => chosen,
        Some(Choice::None(_)) | None => choose_model(configured, models),
    };
    let chosen = match choice {
        Choice::Chosen { model, .. } => model.name,
        Choice::None(reason) => {
            let pull = match &reason {
                NoModel::NotInstalled { wanted } => Some(wanted.as_str()),
                NoModel::NothingInstalled | NoModel::NothingSuitable | NoModel::OnlyCloud => {
                    Some(split_tag(PREFERRED).0)
                }
                NoModel::CannotChat { .. } => None,
            };
            let command = pull.map(|model| format!("ollama pull {}", shell_word(model)));
            return ModelChoices::Nothing { reason: reason.to_string(), advice: None, command };
        }
    };
    let talkers = models.iter().filter(|model| model.can_chat());
    let model_choice = |model: &Model| ModelChoice {
        name: model.name.clone(),
        size: model.size,
        is_cloud: model.is_cloud(),
        fits: fits(model),
    };
    ModelChoices::Models { models: talkers.map(model_choice).collect(), chosen, elsewhere }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(names: &[&str]) -> Vec<Model> {
        names.iter().map(|name| Model { name: (*name).to_owned(), ..Model::default() }).collect()
    }

    #[test]
    fn the_model_that_answered_last_goes_on_as_long_as_it_is_there() {
        let all = models(&["qwen3:4b", "llama3.1:latest", "nomic-embed-text:latest", "gpt-oss:120b-cloud"]);
        let chosen = |configured, last| match choices(&all, configured, last, None, |_| true) {
            ModelChoices::Models { models, chosen, .. } => (models.len(), chosen),
            ModelChoices::Nothing { reason, .. } => (0, reason),
            ModelChoices::Unasked { host } => (0, host),
        };
        assert_eq!(chosen(None, None), (3, "llama3.1:latest".to_owned()));
        assert_eq!(chosen(Some("llama3.1"), Some("qwen3:4b")), (3, "qwen3:4b".to_owned()));
        assert_eq!(chosen(Some("qwen3:4b"), Some("gone")), (3, "qwen3:4b".to_owned()));
    }

    #[test]
    fn without_a_model_it_is_said_what_to_type() {
        let command =
            |names: &[&str], configured| match choices(&models(names), configured, None, None, |_| true) {
                ModelChoices::Nothing { command, .. } => command,
                ModelChoices::Models { chosen, .. } | ModelChoices::Unasked { host: chosen } => {
                    panic!("{chosen}")
                }
            };
        assert_eq!(command(&[], None).as_deref(), Some("ollama pull llama3.1"));
        assert_eq!(command(&["gpt-oss:120b-cloud"], None).as_deref(), Some("ollama pull llama3.1"));
        assert_eq!(command(&["a"], Some("phi3")).as_deref(), Some("ollama pull phi3"));
        assert_eq!(command(&["nomic-embed-text"], Some("nomic-embed-text")), None);
    }

    #[test]
    fn a_model_that_does_not_fit_into_memory_is_marked_unless_it_is_loaded_or_runs_elsewhere() {
        let all = [("large", 9_u64), ("small", 3), ("loaded", 9), ("far:cloud", 9)];
        let all = all.map(|(name, gigabytes)| Model {
            name: name.to_owned(),
            size: gigabytes * 1_000_000_000,
            ..Model::default()
        });
        let loaded = [Loaded { name: "loaded".to_owned(), ..Loaded::default() }];
        let memory = Memory { total: 16 << 30, available: 4 << 30, swap_total: 0, swap_used: 0 };
        let marked = |memory: Option<Memory>| -> Vec<String> {
            let ModelChoices::Models { models, .. } = choices(&all, None, None, None, fits(memory, &loaded))
            else {
                panic!("there are models")
            };
            models.into_iter().filter(|model| !model.fits).map(|model| model.name).collect()
        };
        assert_eq!(marked(Some(memory)), ["large"]);
        assert_eq!(marked(None), [""; 0], "nothing is known");
    }
}

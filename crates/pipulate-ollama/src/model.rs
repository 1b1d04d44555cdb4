//! A server's models, parsed leniently: any field may be missing or null.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// A model that is installed (`/api/tags`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Model {
    /// With its tag: `llama3.1:latest`.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Bytes on disk.
    #[serde(deserialize_with = "or_default")]
    pub size: u64,
    #[serde(deserialize_with = "or_default")]
    pub details: Details,
    /// Its capabilities, if the server is new enough to report them.
    pub capabilities: Option<Vec<String>>,
    /// Set for a model in the cloud.
    pub remote_host: Option<String>,
    /// Set for a model in the cloud.
    pub remote_model: Option<String>,
}

/// The details of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Details {
    #[serde(deserialize_with = "or_default")]
    pub family: String,
    /// As the server writes it: `8.0B`.
    #[serde(deserialize_with = "or_default")]
    pub parameter_size: String,
    #[serde(deserialize_with = "or_default")]
    pub quantization_level: String,
}

/// A model that is in memory (`/api/ps`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Loaded {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Its context length in tokens, if the server is new enough to report it. The server drops the beginning
    /// of a longer conversation.
    pub context_length: Option<u64>,
    /// When it will be unloaded.
    #[serde(deserialize_with = "timestamp")]
    pub expires_at: Option<Timestamp>,
}

/// A server's description of one model (`/api/show`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Description {
    /// Its capabilities, if the server is new enough to report them.
    pub capabilities: Option<Vec<String>>,
}

impl Description {
    /// True if it has a reasoning phase, as far as the server reports it.
    pub(crate) fn can_think(&self) -> bool {
        has(self.capabilities.as_deref(), "thinking") == Some(true)
    }
}

impl Model {
    /// Returns the name without its tag.
    pub fn base(&self) -> &str {
        split_tag(&self.name).0
    }

    /// Returns the tag; `latest` if there is none.
    pub fn tag(&self) -> &str {
        split_tag(&self.name).1.unwrap_or("latest")
    }

    /// True if `name` means this model; a name without a tag means `latest`.
    pub fn is_named(&self, name: &str) -> bool {
        let (base, tag) = split_tag(name);
        base.eq_ignore_ascii_case(self.base()) && tag.unwrap_or("latest").eq_ignore_ascii_case(self.tag())
    }

    /// True if prompts to it leave this machine.
    pub fn is_cloud(&self) -> bool {
        let remote = |field: &Option<String>| field.as_ref().is_some_and(|text| !text.is_empty());
        remote(&self.remote_host)
            || remote(&self.remote_model)
            || self.tag() == "cloud"
            || self.tag().ends_with("-cloud")
    }

    /// Returns how much memory it still needs, in bytes: none if it is loaded already, or runs in the cloud.
    pub fn needs(&self, loaded: &[Loaded]) -> u64 {
        let is_loaded = loaded.iter().any(|loaded| self.is_named(&loaded.name));
        if is_loaded || self.is_cloud() { 0 } else { self.size }
    }

    /// True if it has a reasoning phase, as far as the server reports it.
    pub(crate) fn can_think(&self) -> bool {
        has(self.capabilities.as_deref(), "thinking") == Some(true)
    }

    /// Returns true if it generates text. False for embedding models, and for those that only classify texts
    /// as safe or not. Without capabilities from an old server, the name decides.
    pub fn can_chat(&self) -> bool {
        const EMBEDDERS: [&str; 5] = ["embed", "bert", "minilm", "bge-", "rerank"];
        const JUDGES: [&str; 2] = ["guard", "shield"];
        let base = self.base().to_ascii_lowercase();
        let family = self.details.family.to_ascii_lowercase();
        if JUDGES.iter().any(|word| base.contains(word)) {
            return false;
        }
        let named = || EMBEDDERS.iter().any(|word| base.contains(word) || family.contains(word));
        has(self.capabilities.as_deref(), "completion").unwrap_or_else(|| !named())
    }
}

/// `None` if the server does not report it.
fn has(capabilities: Option<&[String]>, capability: &str) -> Option<bool> {
    let known = capabilities.filter(|list| !list.is_empty())?;
    Some(known.iter().any(|word| word == capability))
}

/// The tag is after a colon, but `host:5000/name` has none.
pub fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((base, tag)) if !tag.contains('/') => (base, Some(tag)),
        Some(_) | None => (name, None),
    }
}

/// Treats null as a missing field.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Ignores an invalid time.
fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Model {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn missing_and_null_fields_are_no_error() {
        assert_eq!(read("{}"), Model::default());
        let nulls = r#"{"name":"a","size":null,"modified_at":null,"capabilities":null,"remote_host":null,
            "details":{"family":null,"families":null,"parameter_size":null},"new_field":[1]}"#;
        assert_eq!(read(nulls), Model { name: "a".to_owned(), ..Model::default() });
        assert_eq!(read(r#"{"details":null}"#), Model::default());
        let loaded = |text| serde_json::from_str::<Loaded>(text).unwrap();
        assert_eq!(loaded(r#"{"name":null,"expires_at":"soon"}"#), Loaded::default());
        assert!(loaded(r#"{"expires_at":"2026-11-20T10:00:00.123456789-08:00"}"#).expires_at.is_some());
    }

    #[test]
    fn a_name_without_a_tag_means_latest() {
        let model = read(r#"{"name":"Llama3.1:latest"}"#);
        assert!(
            model.is_named("llama3.1") && model.is_named("llama3.1:latest") && !model.is_named("llama3.1:8b")
        );
        assert_eq!(split_tag("localhost:5000/me/model"), ("localhost:5000/me/model", None));
    }

    #[test]
    fn models_that_do_not_chat_are_known() {
        for json in [
            r#"{"name":"nomic-embed-text:latest"}"#,
            r#"{"name":"x","details":{"family":"nomic-bert"}}"#,
            r#"{"name":"all-minilm"}"#,
            r#"{"name":"x","capabilities":["embedding"]}"#,
            r#"{"name":"llama-guard3:1b","capabilities":["completion"]}"#,
        ] {
            assert!(!read(json).can_chat(), "{json}");
        }
        for json in
            [r#"{"name":"llama3.1"}"#, r#"{"name":"bert-talk","capabilities":["completion","tools"]}"#]
        {
            assert!(read(json).can_chat(), "{json}");
        }
    }

    #[test]
    fn models_that_run_elsewhere_are_known() {
        for json in [
            r#"{"name":"gpt-oss:120b-cloud"}"#,
            r#"{"name":"glm:cloud"}"#,
            r#"{"name":"x","remote_host":"https://ollama.com:443"}"#,
        ] {
            assert!(read(json).is_cloud(), "{json}");
        }
        assert!(!read(r#"{"name":"cloudy:7b","remote_host":""}"#).is_cloud());
    }
}

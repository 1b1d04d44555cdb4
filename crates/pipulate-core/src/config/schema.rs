//! The JSON schema of `pipulate.toml`, with which editors complete and check.
//!
//! It states the rules of [`Config::parse`](super::Config::parse) as far as a schema can: for example, not
//! that the services in `depends_on` must exist. Draft 7, which every editor's TOML support knows.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::forms::{List, RawCommand, RawPort, RawSize, RawSwitch, RawText, RawTime, Variables};
use super::raw::{RawConfig, RawReady, RawService, RawServices};
use crate::secret::EnvKey;
use crate::service::ServiceName;
use crate::watch::Glob;
use crate::web_host::WebHost;

/// The schema, as JSON.
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<RawConfig>();
    RecursiveTransform(without_null).transform(&mut schema);
    schema.insert("title".to_owned(), "pipulate.toml".into());
    schema.to_value()
}

/// Removes null, which TOML does not have: optional keys are left out.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("default");
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if let [only] = choices.as_slice() {
            // Draft 7 ignores keywords beside a $ref, so it stays nested.
            let only = vec![only.clone()];
            object.remove("anyOf");
            object.insert("allOf".to_owned(), Value::Array(only));
        }
    }
}

/// Defines the written form of a type.
macro_rules! written {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

written!(RawCommand, "Command", {
    "type": "array",
    "minItems": 1,
    "items": [{ "type": "string", "minLength": 1, "pattern": "^[^\\u0000]*$" }],
    "additionalItems": { "type": "string", "pattern": "^[^\\u0000]*$" }
});
written!(RawPort, "Port", { "type": "integer", "minimum": 1, "maximum": 65535 });
written!(RawSwitch, "Switch", { "type": "boolean" });
written!(RawText, "Text", { "type": "string", "pattern": "^[^\\u0000]*$" });
written!(EnvKey, "SecretName", { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" });
written!(ServiceName, "ServiceName", {
    "type": "string",
    "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$",
    "not": { "const": "supervisor" }
});
written!(WebHost, "HostName", {
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]{1,63}([.][A-Za-z0-9_-]{1,63})*(:[1-9][0-9]{0,4})?$",
    "examples": ["app.example.org"]
});
written!(RawTime, "Time", {
    "type": "string",
    "pattern": "^\\s*([0-9]+[.]?[0-9]*|[.][0-9]+)\\s*(ms|s|m|min|h)?\\s*$",
    "examples": ["10s", "500ms", "2m"]
});
written!(RawSize, "Size", {
    "type": "string",
    "pattern": "^[0-9]+\\s*(B|KiB|K|k|MiB|M|GiB|G)?\\s*$",
    "examples": ["10MiB", "512KiB"]
});

impl JsonSchema for Glob {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["*.py"] })
    }
}

impl JsonSchema for Variables {
    fn schema_name() -> Cow<'static, str> {
        "Variables".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<RawText>();
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[^=\\u0000]+$" },
            "additionalProperties": text
        })
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

impl JsonSchema for RawReady {
    fn schema_name() -> Cow<'static, str> {
        "Ready".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let time = generator.subschema_for::<RawTime>();
        let table = |key: &str, value: Value| {
            json!({
                "type": "object",
                "properties": { key: value, "timeout": time },
                "required": [key],
                "additionalProperties": false
            })
        };
        json_schema!({
            "anyOf": [
                { "const": "none" },
                table("http", json!({ "type": "string", "pattern": "^/\\S*$" })),
                table("tcp", json!({ "const": true })),
                table("log", json!({ "type": "string" }))
            ]
        })
    }
}

/// The built-in services need no command, and a restart of JupyterLab would end its kernels.
impl JsonSchema for RawServices {
    fn schema_name() -> Cow<'static, str> {
        "Services".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let service = generator.subschema_for::<RawService>();
        let name = generator.subschema_for::<ServiceName>();
        json_schema!({
            "type": "object",
            "propertyNames": name,
            "properties": {
                (ServiceName::JUPYTER): { "allOf": [service, { "properties": { "watch": { "maxItems": 0 } } }] },
                (ServiceName::SERVER): service,
                (ServiceName::DASHBOARD): service
            },
            "additionalProperties": { "allOf": [service, { "required": ["command"] }] }
        })
    }
}

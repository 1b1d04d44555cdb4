//! The resources of an assistant: the configuration in effect, its schema, and the help.

use pipulate_core::config::schema;
use rmcp::model::{ErrorData, Resource};

use crate::commands::config;
use crate::context::Context;
use crate::style::Style;

const CONFIG: &str = "pipulate://config";
const SCHEMA: &str = "pipulate://schema";
const COMMANDS: &str = "pipulate://commands";

/// The resources as a client lists them.
pub(super) fn all() -> Vec<Resource> {
    [
        (
            CONFIG,
            "configuration",
            "The configuration in force, every default filled in, without secrets",
            "application/toml",
        ),
        (SCHEMA, "schema", "The JSON schema of pipulate.toml", "application/schema+json"),
        (COMMANDS, "commands", "What the verbs of the command line do, with their options", "text/plain"),
    ]
    .map(|(uri, name, description, kind)| {
        Resource::new(uri, name).with_description(description).with_mime_type(kind)
    })
    .into()
}

/// Returns the text of a resource; `help` is the help of all verbs.
///
/// # Errors
/// There is no such resource, or the configuration can't be used.
pub(super) fn read(context: &Context, uri: &str, help: String) -> Result<String, ErrorData> {
    match uri {
        CONFIG => config::shown(context)
            .map_err(|failure| ErrorData::internal_error(failure.render(Style::plain()), None)),
        SCHEMA => Ok(format!("{:#}", schema())),
        COMMANDS => Ok(help),
        unknown => {
            let message =
                format!("there is no resource {unknown:?}; there are: {CONFIG}, {SCHEMA}, {COMMANDS}");
            Err(ErrorData::resource_not_found(message, None))
        }
    }
}

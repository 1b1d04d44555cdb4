//! `models`: the local LLM server's models, and the one that `chat` would use.

use pipulate_ollama::choose::{Choice, choose_model};
use pipulate_ollama::probe::probe_blocking;

use crate::call::Format;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::llm_session;
use crate::ui::model_table;

/// The timeout of Ollama's list.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Lists the models.
pub(crate) fn models(context: &Context, format: Format) -> Result<ExitStatus, Failure> {
    let host = llm_session::host(context)?;
    let found = probe_blocking(&host, PATIENCE)
        .map_err(|error| llm_session::told(error, &host, &context.project.around))?;
    let choice = choose_model(context.config()?.ollama.model.as_deref(), &found.models);
    let chosen = match &choice {
        Choice::Chosen { model, .. } => Some(model.name.as_str()),
        Choice::None(_) => None,
    };
    match format {
        Format::Json => context.printer.json(&model_table::json(&found, chosen)?)?,
        Format::Text => {
            let style = context.printer.stdout_style();
            if !found.models.is_empty() {
                context.printer.data(model_table::table(&found.models, &found.loaded, chosen, style))?;
            }
            match &choice {
                Choice::Chosen { model, why } => {
                    context.printer.note(format!("\npipulate chat would use {}: {why}", model.name));
                }
                Choice::None(reason) => context.printer.hint(reason),
            }
        }
    }
    Ok(ExitStatus::Success)
}

//! The models of the local LLM server, for people and for programs.

use jiff::tz::TimeZone;
use pipulate_core::text::printable;
use pipulate_core::units::model_size;
use pipulate_ollama::model::{Loaded, Model};
use pipulate_ollama::probe::Probe;
use serde::Serialize;

use super::status_table::{aligned, widths};
use crate::style::Style;

const HEADINGS: [&str; 5] = ["MODEL", "SIZE", "PARAMETERS", "QUANTIZATION", "NOTE"];

/// A row for each model, newest first; `current` is marked.
pub(crate) fn table(models: &[Model], loaded: &[Loaded], current: Option<&str>, style: Style) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let rows: Vec<[String; 5]> = models.iter().map(|model| row(model, loaded, current)).collect();
    let widths = widths([&headings[..]].into_iter().chain(rows.iter().map(|row| &row[..])));
    let heading = style.bold(aligned(&headings, &widths, |_, cell| cell));
    let rows = rows.iter().map(|row| aligned(row, &widths, |_, cell| cell).trim_end().to_owned());
    [heading].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn row(model: &Model, loaded: &[Loaded], current: Option<&str>) -> [String; 5] {
    let or_unknown = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let size = if model.is_cloud() { "-".to_owned() } else { model_size(model.size) };
    let notes = [
        (current == Some(model.name.as_str())).then(|| "used by chat".to_owned()),
        in_memory(model, loaded).map(until),
        model.is_cloud().then(|| "in the cloud".to_owned()),
        (!model.can_chat()).then(|| "does not chat".to_owned()),
    ];
    let cells = [
        model.name.clone(),
        size,
        or_unknown(&model.details.parameter_size),
        or_unknown(&model.details.quantization_level),
        notes.into_iter().flatten().collect::<Vec<_>>().join(", "),
    ];
    cells.map(|cell| printable(&cell))
}

fn in_memory<'a>(model: &Model, loaded: &'a [Loaded]) -> Option<&'a Loaded> {
    loaded.iter().find(|loaded| model.is_named(&loaded.name))
}

fn until(loaded: &Loaded) -> String {
    match loaded.expires_at {
        Some(time) => {
            let time = time.to_zoned(TimeZone::system());
            format!("in memory until {:02}:{:02}", time.hour(), time.minute())
        }
        None => "in memory".to_owned(),
    }
}

#[derive(Serialize)]
struct Listing<'a> {
    schema: u32,
    version: &'a str,
    chosen: Option<&'a str>,
    models: Vec<ModelJson<'a>>,
}

#[derive(Serialize)]
struct ModelJson<'a> {
    name: &'a str,
    size_bytes: u64,
    parameters: &'a str,
    quantization: &'a str,
    loaded: bool,
    cloud: bool,
    can_chat: bool,
}

/// The models for programs; fields may be added, never changed within a schema.
///
/// # Errors
/// None with these types.
pub(crate) fn json(probe: &Probe, chosen: Option<&str>) -> serde_json::Result<String> {
    let row = |model| ModelJson::of(model, &probe.loaded);
    let models = probe.models.iter().map(row).collect();
    serde_json::to_string(&Listing { schema: 1, version: &probe.version, chosen, models })
}

impl<'a> ModelJson<'a> {
    fn of(model: &'a Model, loaded: &[Loaded]) -> Self {
        Self {
            name: &model.name,
            size_bytes: model.size,
            parameters: &model.details.parameter_size,
            quantization: &model.details.quantization_level,
            loaded: in_memory(model, loaded).is_some(),
            cloud: model.is_cloud(),
            can_chat: model.can_chat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, size: u64) -> Model {
        Model { name: name.to_owned(), size, ..Model::default() }
    }

    #[test]
    fn a_table_tells_what_is_used_in_memory_elsewhere_or_mute() {
        let models = [
            model("llama3.1:latest", 4_920_753_328),
            model("gpt-oss:120b-cloud", 384),
            model("nomic-embed-text:latest", 274_302_450),
        ];
        let loaded = [Loaded { name: "llama3.1:latest".to_owned(), ..Loaded::default() }];
        insta::assert_snapshot!(table(&models, &loaded, Some("llama3.1:latest"), Style::plain()), @r"
        MODEL                    SIZE    PARAMETERS  QUANTIZATION  NOTE
        llama3.1:latest          4.9 GB  -           -             used by chat, in memory
        gpt-oss:120b-cloud       -       -           -             in the cloud
        nomic-embed-text:latest  274 MB  -           -             does not chat
        ");
        let probe = Probe { version: "0.30.6".to_owned(), models: models.to_vec(), loaded: loaded.to_vec() };
        let text = json(&probe, Some("llama3.1:latest")).unwrap();
        let first: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&first["schema"], &first["chosen"]), (&1.into(), &"llama3.1:latest".into()));
        assert_eq!(
            first["models"][0],
            serde_json::json!({"name": "llama3.1:latest", "size_bytes": 4_920_753_328_u64, "parameters": "",
                "quantization": "", "loaded": true, "cloud": false, "can_chat": true})
        );
    }
}

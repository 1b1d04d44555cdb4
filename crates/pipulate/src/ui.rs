//! Words and colors. Only [`printer`] writes to the terminal; the other modules turn values into text.

pub(crate) mod announced;
pub(crate) mod ask;
pub(crate) mod banner;
pub(crate) mod denial;
pub(crate) mod findings;
pub(crate) mod hidden;
pub(crate) mod launched;
pub(crate) mod model_table;
pub(crate) mod notes;
pub(crate) mod offer;
pub(crate) mod printer;
pub(crate) mod progress;
pub(crate) mod receipt;
pub(crate) mod setup_events;
pub(crate) mod started;
pub(crate) mod status_json;
pub(crate) mod status_table;
pub(crate) mod terminal;

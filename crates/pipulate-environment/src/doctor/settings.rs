//! What is written in `pipulate.toml`.

use pipulate_core::finding::Finding;
use pipulate_store::files;

use super::catalog::{Check, Group};
use super::{Examination, failure};

const VALID: &str = "config.valid";

pub(super) const CONFIG: Group = Group {
    checks: &[Check::new(VALID, "whether `pipulate.toml` can be read; the line that can't is shown")],
    examine: |examination| vec![config(examination)],
};

fn config(examination: &Examination) -> Finding {
    let file = examination.layout.config();
    match &examination.config {
        Ok(_) if file.exists() => Finding::ok(VALID, "pipulate.toml is valid"),
        Ok(_) => Finding::ok(VALID, "There is no pipulate.toml: everything has its default"),
        Err(error) => {
            let advice = match files::read_foreign_text(&file) {
                Ok(_) => "mend that line; `pipulate config --schema` has the keys",
                Err(_) => "put a text file that you can read in its place, or move it away",
            };
            failure(VALID, "pipulate.toml can't be read")
                .detail(format!("{file}: {}", error.message))
                .advice(advice)
        }
    }
}

//! The contents of a notebook, from `notebook_runner.py`.

use serde::Deserialize;

/// The parts of a notebook that matter for an app. Cells are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Description {
    /// The first heading, else the name of the file.
    pub title: String,
    /// The name of the file without its ending, transliterated to ASCII as far as possible.
    pub ascii_name: String,
    /// The language of its kernel, in lower case: `python`, `r`, `julia`.
    pub language: String,
    /// The kernel's name, such as `python3`.
    pub kernel: Option<String>,
    /// The number of code cells.
    pub cells: usize,
    /// The cell that becomes the form.
    pub form_cell: Option<usize>,
    /// True if that cell is tagged `parameters`.
    pub tagged: bool,
    pub fields: Vec<Field>,
    pub unusable: Vec<Unusable>,
    /// Cells that use ipywidgets.
    pub widgets: Vec<usize>,
    /// Cells that call `input` or `getpass`.
    pub questions: Vec<usize>,
    /// Modules that the home's Python lacks, the notebook's and the app's own.
    pub missing: Vec<String>,
}

/// A field of the form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Field {
    /// The variable.
    pub name: String,
    /// `int`, `float`, `bool`, `str`, `date`, `datetime`, `choice`, or `file`.
    pub kind: String,
    pub label: String,
}

/// Code in the form's cell that becomes no field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Unusable {
    pub text: String,
    pub why: String,
}

//! What is in a notebook, as `notebook_runner.py` describes it.

use serde::Deserialize;

/// A notebook, as far as an app is made of it. Cells are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Description {
    /// The first heading, else the name of the file.
    pub title: String,
    /// The name of the file without its ending, in ASCII as far as that can be said.
    pub ascii_name: String,
    /// The language of its kernel, in lower case: `python`, `r`, `julia`.
    pub language: String,
    /// The kernel's name, such as `python3`.
    pub kernel: Option<String>,
    /// How many cells hold code.
    pub cells: usize,
    /// The cell that becomes the form.
    pub form_cell: Option<usize>,
    /// Whether that cell is tagged `parameters`.
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

/// Something in the form's cell that becomes no field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Unusable {
    pub text: String,
    pub why: String,
}

//! Notes for the owner of a notebook about its app, for every user interface.

use std::fmt;

use pipulate_core::missing_module::MissingModule;
use pipulate_core::text::shell_word;

use crate::description::Field;

/// A note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The form comes from this cell.
    Form { cell: usize, tagged: bool, fields: Vec<Field> },
    /// There is only a button.
    NoForm(NoForm),
    /// Code in the form's cell that becomes no field.
    Unusable { text: String, why: String },
    /// Cells with widgets, which need a running kernel to react.
    Widgets { cells: Vec<usize> },
    /// Cells that read input with `input`.
    Questions { cells: Vec<usize> },
    /// Imported modules of the notebook or its app that the home's Python lacks.
    NotInstalled { modules: Vec<MissingModule> },
    /// `notebook_runner.py` was edited.
    RunnerKept { path: String, notebook: String },
    /// `notebook_runner.py` is another version's, and was never edited.
    RunnerReplaced { path: String },
}

/// The reason why there is no form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoForm {
    /// Only Python's assignments are supported.
    Language(String),
    /// No cell is tagged, and the first one does more than assign literals.
    NoCell,
    /// The tagged cell assigns no literal.
    NoField { cell: usize },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { cell, tagged, fields } => {
                let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                let why = if *tagged { "tagged \"parameters\"" } else { "the first one; it only assigns values" };
                write!(f, "The form is cell {cell} ({why}): {}", names.join(", "))
            }
            Self::NoForm(NoForm::Language(language)) => {
                write!(f, "There is no form, only Run: forms are made of Python, and this notebook is in {language}")
            }
            Self::NoForm(NoForm::NoCell) => f.write_str(
                "There is no form, only Run: in JupyterLab, give the cell that assigns the inputs the tag \"parameters\"",
            ),
            Self::NoForm(NoForm::NoField { cell }) => {
                write!(f, "There is no form, only Run: cell {cell} assigns no number, text, date, or choice")
            }
            Self::Unusable { text, why } => write!(f, "Not in the form: {text}: {why}"),
            Self::Widgets { cells } => write!(
                f,
                "Widgets don't move in the app ({}): make their values parameters, or show the notebook with Voilà \
                 (pipulate add voila)",
                numbered(cells)
            ),
            Self::Questions { cells } => write!(
                f,
                "Nobody can answer input() in the app ({}): make the answer a parameter",
                numbered(cells)
            ),
            Self::NotInstalled { modules } => {
                let names: Vec<&str> = modules.iter().map(|missing| missing.module.as_str()).collect();
                let packages: Vec<&str> = modules.iter().map(|missing| missing.package.as_str()).collect();
                let (names, packages) = (names.join(", "), packages.join(" "));
                write!(f, "Not installed: {names}; add with: pipulate add {packages}")
            }
            Self::RunnerKept { path, notebook } => write!(
                f,
                "Kept because it was edited: {path}. For the current version, rename it, then: pipulate app {}",
                shell_word(notebook)
            ),
            Self::RunnerReplaced { path } => {
                write!(f, "Updated to the current version: {path}")
            }
        }
    }
}

impl Note {
    /// Returns true if the app will lack a feature of the notebook.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Unusable { .. }
            | Self::Widgets { .. }
            | Self::Questions { .. }
            | Self::NotInstalled { .. } => true,
            Self::Form { .. } | Self::NoForm(_) | Self::RunnerKept { .. } | Self::RunnerReplaced { .. } => {
                false
            }
        }
    }
}

fn numbered(cells: &[usize]) -> String {
    const NAMED: usize = 8;
    let numbers: Vec<String> = cells.iter().take(NAMED).map(ToString::to_string).collect();
    let others = cells.len().saturating_sub(NAMED);
    let more = if others > 0 { format!(" and {others} more") } else { String::new() };
    format!("{} {}{more}", if cells.len() == 1 { "cell" } else { "cells" }, numbers.join(", "))
}

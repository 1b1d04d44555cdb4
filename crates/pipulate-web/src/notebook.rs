//! A notebook from its untrusted file: fields may be missing, and only the shown ones are kept.
//!
//! Parsed here and not by a crate, see docs/adr/0045.

mod summary;
mod text;

use serde::Deserialize;

pub(crate) use summary::{Image, Run, SVG, Summary, title};
pub(crate) use text::{Attachments, MimeBundle, Text, Truthy};

/// A notebook of format 4.
#[derive(Debug, Deserialize)]
pub(crate) struct Notebook {
    #[serde(default)]
    pub(crate) cells: Vec<Cell>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    language_info: Named,
    #[serde(default)]
    kernelspec: Spec,
}

#[derive(Debug, Default, Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    #[serde(default)]
    language: Option<String>,
}

/// A cell.
#[derive(Debug, Deserialize)]
pub(crate) struct Cell {
    #[serde(default)]
    pub(crate) cell_type: CellType,
    #[serde(default)]
    pub(crate) source: Text,
    /// Images for its Markdown, by their names.
    #[serde(default)]
    attachments: Attachments,
    /// True for a code cell that was run.
    #[serde(default)]
    pub(crate) execution_count: Truthy,
    #[serde(default)]
    pub(crate) outputs: Vec<Output>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CellType {
    Markdown,
    Code,
    #[default]
    #[serde(other)]
    Raw,
}

/// The output of a code cell.
#[derive(Debug, Deserialize)]
#[serde(tag = "output_type", rename_all = "snake_case")]
pub(crate) enum Output {
    Stream {
        #[serde(default)]
        name: String,
        #[serde(default)]
        text: Text,
    },
    #[serde(alias = "execute_result")]
    DisplayData {
        #[serde(default)]
        data: MimeBundle,
    },
    Error {
        #[serde(default)]
        ename: String,
        #[serde(default)]
        evalue: String,
        #[serde(default)]
        traceback: Text,
    },
    #[serde(other)]
    Unknown,
}

/// The reason why a file can't be shown as a notebook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotANotebook {
    #[error("it is not a notebook: {0}")]
    Broken(String),
    /// The major version.
    #[error("it is a notebook of format {0}; open it in JupyterLab, which converts it")]
    OtherFormat(u64),
}

impl Cell {
    pub(crate) fn has_attachment(&self, name: &str) -> bool {
        self.attachments.0.get(name).is_some_and(MimeBundle::has_image)
    }
}

impl Notebook {
    /// Parses a notebook's file.
    ///
    /// # Errors
    /// It is not JSON, or not of the shape of a notebook of format 4.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, NotANotebook> {
        #[derive(Deserialize)]
        struct Format {
            nbformat: Option<u64>,
        }
        let broken = |error: serde_json::Error| NotANotebook::Broken(error.to_string());
        let Format { nbformat } = serde_json::from_slice(file).map_err(broken)?;
        match nbformat {
            Some(4) => serde_json::from_slice(file).map_err(broken),
            Some(other) => Err(NotANotebook::OtherFormat(other)),
            None => Err(NotANotebook::Broken("it does not name its format".to_owned())),
        }
    }

    /// The language of its code, in lower case.
    pub(crate) fn language(&self) -> String {
        let Metadata { language_info, kernelspec } = &self.metadata;
        let named = Some(&language_info.name).filter(|name| !name.is_empty());
        named.or(kernelspec.language.as_ref()).map_or_else(|| "python".to_owned(), |name| name.to_lowercase())
    }

    /// An image that was attached to a cell, decoded.
    pub(crate) fn attachment(&self, cell: usize, name: &str) -> Option<Image> {
        Image::of(self.cells.get(cell)?.attachments.0.get(name)?)
    }

    /// The image of an output, decoded.
    pub(crate) fn image(&self, cell: usize, output: usize) -> Option<Image> {
        match self.cells.get(cell)?.outputs.get(output)? {
            Output::DisplayData { data } => Image::of(data),
            Output::Stream { .. } | Output::Error { .. } | Output::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;

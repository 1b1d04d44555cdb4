//! A notebook's summary for a card: its title, its last image, and the result of its last run.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::{CellType, MimeBundle, Notebook, Output};

/// The longest title, in characters.
const LONGEST_TITLE: usize = 120;
/// The number of Markdown cells that are searched for a heading, and the bytes of each.
const CELLS: usize = 20;
const CELL_BYTES: usize = 16 << 10;
/// The largest image that is shown, in bytes, and in pixels.
const LARGEST_IMAGE: usize = 8 << 20;
const MOST_PIXELS: u64 = 64 << 20;

/// The summary of a notebook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Its first heading.
    pub(crate) title: Option<String>,
    /// The cell and the output of its last image.
    pub(crate) image: Option<(usize, usize)>,
    pub(crate) run: Run,
}

/// The result of the last run, from the outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Run {
    /// No cell has a number.
    Never,
    Well,
    /// The name of the last error.
    Failed(String),
    /// It was not read yet.
    Unread,
    TooLarge,
    /// The reason why it can't be read.
    Broken(String),
}

/// The only kind of image that is active when it is opened as a page.
pub(crate) const SVG: &str = "image/svg+xml";

/// An image whose kind is passive as an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) content_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Summary {
    /// Summarizes a notebook's file.
    pub(crate) fn of(file: &[u8]) -> Self {
        match Notebook::parse(file) {
            Ok(notebook) => {
                Self { title: title(&notebook), image: last_image(&notebook), run: run(&notebook) }
            }
            Err(error) => Self::nothing(Run::Broken(error.to_string())),
        }
    }

    /// An empty summary.
    pub(crate) fn nothing(run: Run) -> Self {
        Self { title: None, image: None, run }
    }
}

/// Its first heading.
pub(crate) fn title(notebook: &Notebook) -> Option<String> {
    let cells = notebook.cells.iter().filter(|cell| cell.cell_type == CellType::Markdown).take(CELLS);
    cells
        .map(|cell| &cell.source.0)
        .find_map(|text| first_heading(&text[..text.floor_char_boundary(CELL_BYTES)]))
}

fn first_heading(markdown: &str) -> Option<String> {
    let mut heading: Option<String> = None;
    for event in Parser::new(markdown) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), heading) => *heading = Some(String::new()),
            (Event::End(TagEnd::Heading(_)), Some(text)) if !text.trim().is_empty() => {
                return Some(text.trim().chars().take(LONGEST_TITLE).collect());
            }
            (Event::Text(text) | Event::Code(text), Some(heading)) => heading.push_str(&text),
            (Event::SoftBreak, Some(heading)) => heading.push(' '),
            _ => {}
        }
    }
    None
}

fn last_image(notebook: &Notebook) -> Option<(usize, usize)> {
    let outputs = notebook.cells.iter().enumerate().flat_map(|(at, cell)| {
        cell.outputs.iter().enumerate().map(move |(number, output)| (at, number, output))
    });
    let mut images = outputs.filter(|(.., output)| match output {
        Output::DisplayData { data } => data.has_image(),
        Output::Stream { .. } | Output::Error { .. } | Output::Unknown => false,
    });
    images.next_back().map(|(cell, output, _)| (cell, output))
}

fn run(notebook: &Notebook) -> Run {
    let outputs = notebook.cells.iter().flat_map(|cell| &cell.outputs);
    let mut errors = outputs.filter_map(|output| match output {
        Output::Error { ename, .. } => Some(ename.chars().take(LONGEST_TITLE).collect::<String>()),
        Output::Stream { .. } | Output::DisplayData { .. } | Output::Unknown => None,
    });
    let was_run =
        || notebook.cells.iter().any(|cell| cell.cell_type == CellType::Code && cell.execution_count.0);
    match errors.next_back() {
        Some(error) => Run::Failed(error),
        None if was_run() => Run::Well,
        None => Run::Never,
    }
}

impl Image {
    /// Decodes the image of an output; `None` if it has none, or an invalid one.
    pub(crate) fn of(data: &MimeBundle) -> Option<Self> {
        let of = |content_type, text: &Option<String>| {
            let text = text.as_ref().filter(|text| text.len() < LARGEST_IMAGE / 3 * 4)?;
            let packed: String = text.split_ascii_whitespace().collect();
            let bytes = STANDARD.decode(packed).ok()?;
            let image = Self { content_type, bytes };
            image.is_genuine().then_some(image)
        };
        let svg = || {
            let text =
                data.svg.as_ref().filter(|text| text.len() < LARGEST_IMAGE && text.contains("<svg"))?;
            Some(Self { content_type: SVG, bytes: text.clone().into_bytes() })
        };
        of("image/png", &data.png).or_else(|| of("image/jpeg", &data.jpeg)).or_else(svg)
    }

    /// Returns true if it begins like its kind, and needs a reasonable amount of memory.
    fn is_genuine(&self) -> bool {
        if self.content_type == "image/jpeg" {
            return self.bytes.starts_with(b"\xff\xd8\xff");
        }
        // https://www.w3.org/TR/png-3/#11IHDR
        let side = |at: usize| {
            let bytes = self.bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u64::from(u32::from_be_bytes(bytes)))
        };
        let pixels = side(16).zip(side(20)).map(|(width, height)| width.saturating_mul(height));
        self.bytes.starts_with(b"\x89PNG\r\n\x1a\n") && pixels.is_some_and(|pixels| pixels <= MOST_PIXELS)
    }
}

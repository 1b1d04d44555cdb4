//! The preview of a notebook: its text, its code and its outputs, all inactive.

mod nesting;

use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use maud::{Markup, PreEscaped, html};
use pipulate_core::text::printable;
use pipulate_core::units::{counted, size};
use pipulate_store::log::sanitize::{Part, Text as Line};

use crate::assets;
use crate::highlight::highlight;
use crate::markdown;
use crate::notebook::{Cell, CellType, MimeBundle, Notebook, Output};
use crate::views::layout;
use crate::views::log_line::piece;
use crate::views::notebooks::{attachment_address, image_address, make_app, open, stem};
use crate::world::Folder;

/// The limit for one text, in bytes, and for HTML, which is shown whole or not at all.
const TEXT: usize = 64 << 10;
const HTML: usize = 256 << 10;
/// The limit for a notebook, in bytes of its cells' contents.
const NOTEBOOK: usize = 4 << 20;

/// The page's view model.
pub(crate) struct NotebookPage {
    pub(crate) path: String,
    pub(crate) title: Option<String>,
    /// Changes with the file.
    pub(crate) version: i128,
    pub(crate) notebook: Notebook,
}

/// The whole page.
pub(crate) fn page(folder: &Folder, page: &NotebookPage) -> Markup {
    let language = page.notebook.language();
    let (mut room, mut shown) = (NOTEBOOK, Vec::new());
    for (at, cell) in page.notebook.cells.iter().enumerate() {
        if room == 0 {
            break;
        }
        room = room.saturating_sub(cell.size());
        shown.push(one_cell(page, &language, at, cell));
    }
    let left = page.notebook.cells.len() - shown.len();
    let content = html! {
        @if shown.is_empty() { p { "This notebook has no cells yet" } }
        h2 class="unseen" { "Cells" }
        @for cell in &shown { (cell) }
        @if left > 0 { p class="left-out" { (counted(left, "more cell")) ": open it in JupyterLab to see all of it" } }
    };
    frame(folder, &page.path, page.title.as_deref(), &content)
}

/// A page for a notebook that can't be shown.
pub(crate) fn unreadable(folder: &Folder, path: &str, why: &str) -> Markup {
    frame(folder, path, None, &html! { p class="alert" role="alert" { (why) } })
}

fn frame(folder: &Folder, path: &str, title: Option<&str>, content: &Markup) -> Markup {
    let title = title.unwrap_or_else(|| stem(path));
    let content = html! {
        link rel="stylesheet" href=(assets::NOTEBOOK_STYLE.address());
        div class="headline" {
            h1 { (title) }
            p class="path" { (printable(path)) }
            div class="verbs" {
                a href="/" { "All notebooks" }
                (open(path))
                (make_app(path))
            }
        }
        div id="notebook" { (content) }
    };
    layout::page(folder, title, Some("/notebooks"), &content)
}

impl Cell {
    /// Its share of the page, in bytes.
    fn size(&self) -> usize {
        let output = |output: &Output| match output {
            Output::Stream { text, .. } | Output::Error { traceback: text, .. } => text.0.len().min(TEXT),
            Output::DisplayData { data } => {
                let texts = [&data.html, &data.markdown, &data.plain];
                texts.into_iter().flatten().map(String::len).max().unwrap_or(0).min(HTML)
            }
            Output::Unknown => 0,
        };
        // The frame counts, too: there may be very many empty cells.
        self.source.0.len().min(TEXT) + self.outputs.iter().map(|one| 256 + output(one)).sum::<usize>() + 256
    }
}

fn one_cell(page: &NotebookPage, language: &str, at: usize, cell: &Cell) -> Markup {
    let source = cell.source.0.as_str();
    match cell.cell_type {
        CellType::Markdown => {
            let attached = |name: &str| {
                let address = || attachment_address(&page.path, at, name, page.version);
                cell.has_attachment(name).then(address)
            };
            html! { div class="text" { (markdown::with_attachments(cut(source).0, &attached)) } }
        }
        CellType::Raw => {
            html! { @if !source.trim().is_empty() { pre class="raw" tabindex="0" { (cut(source).0) } } }
        }
        CellType::Code => html! {
            div class="cell" {
                @if !source.trim().is_empty() {
                    pre tabindex="0" role="region" aria-label={ "Code of cell " (at + 1) } { code { (highlight(cut(source).0, language)) } }
                    (left_out(cut(source).1))
                }
                @for (number, output) in cell.outputs.iter().enumerate() {
                    div class="output" { (one_output(page, (at, number), output)) }
                }
            }
        },
    }
}

fn one_output(page: &NotebookPage, place: (usize, usize), output: &Output) -> Markup {
    match output {
        Output::Stream { name, text } => {
            html! { div data-stream=[(name == "stderr").then_some("stderr")] { (terminal_text(&text.0)) } }
        }
        Output::Error { ename, evalue, traceback } => {
            let fallback = || format!("{ename}: {evalue}");
            let text = if traceback.0.is_empty() { fallback() } else { traceback.0.clone() };
            html! { div class="error" { (terminal_text(&text)) } }
        }
        Output::DisplayData { data } => display(page, place, data),
        Output::Unknown => html! {},
    }
}

/// The richest safe kind of an output.
fn display(page: &NotebookPage, place: (usize, usize), data: &MimeBundle) -> Markup {
    let MimeBundle { html, markdown, plain, others, .. } = data;
    if data.has_image() {
        let alt = plain.as_deref().map_or("An image", |text| cut_at(text, 200).0);
        return html! { img src=(image_address(&page.path, place, page.version)) alt=(alt) loading="lazy" decoding="async"; };
    }
    let is_shown = |text: &String| text.len() <= HTML && nesting::is_well_nested(text);
    match (html, markdown, plain) {
        (Some(text), ..) if is_shown(text) => {
            html! { div class="wide html" tabindex="0" role="region" aria-label="Table or text" { (harmless_html(text)) } }
        }
        (_, Some(text), _) => html! { div class="text" { (markdown::render(cut(text).0)) } },
        (_, _, Some(text)) => terminal_text(text),
        _ => html! {
            p class="left-out" {
                @if html.is_some() { "This output is too large or too complex to be shown here: open the notebook in JupyterLab to see it" }
                @else if let Some(kind) = others.first() { "Only JupyterLab shows this output: " (kind) }
            }
        },
    }
}

/// The rendering of a text in a terminal.
fn terminal_text(text: &str) -> Markup {
    let (text, more) = cut(text);
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    html! {
        pre tabindex="0" {
            @for (at, line) in lines.enumerate() {
                @if at > 0 { "\n" }
                // A progress bar overwrites itself.
                (colored(line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default()))
            }
        }
        (left_out(more))
    }
}

fn colored(line: &str) -> Markup {
    let (mut html, mut color) = (String::new(), String::new());
    Line::of(line.as_bytes()).for_each_part(&[], |part| match part {
        Part::Color(parameters) => parameters.clone_into(&mut color),
        Part::Text(text) => html.push_str(&piece(text, &color).into_string()),
    });
    PreEscaped(html)
}

/// Untrusted HTML without anything that acts, loads or looks like a part of the page.
fn harmless_html(text: &str) -> Markup {
    static BUILDER: LazyLock<Builder<'static>> = LazyLock::new(|| {
        let mut builder = Builder::default();
        // Pictures would be loaded from other sites; style sheets would appear as text.
        builder.rm_tags(["img", "map", "area"]);
        builder.add_clean_content_tags([
            "style", "script", "title", "template", "svg", "math", "noscript", "iframe",
        ]);
        builder.url_schemes(["http", "https", "mailto"].into());
        builder.url_relative(UrlRelative::Deny);
        builder.link_rel(Some("noopener noreferrer nofollow"));
        builder.set_tag_attribute_value("a", "target", "_blank");
        builder
    });
    PreEscaped(BUILDER.clean(text).to_string())
}

/// The beginning of a text, and the number of bytes left out.
fn cut(text: &str) -> (&str, usize) {
    cut_at(text, TEXT)
}

fn cut_at(text: &str, most: usize) -> (&str, usize) {
    let kept = &text[..text.floor_char_boundary(most)];
    (kept, text.len() - kept.len())
}

fn left_out(bytes: usize) -> Markup {
    html! {
        @if bytes > 0 { p class="left-out" { (size(bytes as u64)) " more: open the notebook in JupyterLab to see all of it" } }
    }
}

#[cfg(test)]
mod tests;

//! Untrusted Markdown as safe HTML.
//!
//! Invariants: every tag in the result is one of those written here, and all untrusted text and addresses are
//! escaped by one function. HTML in the Markdown is text. Links use http, https or mail only; a picture
//! becomes its description, because loading it would contact another site. Endless nesting uses no stack;
//! below [`DEEPEST`] levels it is text, because both the parser and a browser need more time for each line
//! with its depth.

use maud::{Escaper, Markup, PreEscaped, html};
use percent_encoding::percent_decode_str;
use std::fmt::Write as _;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::file_place;
use crate::highlight::highlight;

mod depth;

/// The form of the buttons that create a notebook from code.
pub(crate) const INSERT_FORM: &str = "insert-code";

/// The maximum depth of elements.
const DEEPEST: usize = 100;

/// Renders it.
pub(crate) fn render(markdown: &str) -> Markup {
    let (mut writer, mut html) = (Writer::default(), String::new());
    each_block(&mut writer, markdown, |block| html.push_str(&block.0));
    PreEscaped(html)
}

/// Renders it with the attached images that `address` knows.
pub(crate) fn with_attachments(markdown: &str, address: &Addresses) -> Markup {
    let mut html = String::new();
    let mut writer = Writer { attached: Some(address), ..Writer::default() };
    each_block(&mut writer, markdown, |block| html.push_str(&block.0));
    PreEscaped(html)
}

/// Renders an answer: as [`render`], with buttons for its code and for the files that it names.
pub(crate) fn answer(markdown: &str) -> Markup {
    PreEscaped(blocks(markdown).into_iter().map(|block| block.0).collect())
}

/// Renders a short answer: as [`render`], with buttons for the files that it names.
pub(crate) fn with_files(markdown: &str) -> Markup {
    let (mut writer, mut html) = (Writer { names_files: true, ..Writer::default() }, String::new());
    each_block(&mut writer, markdown, |block| html.push_str(&block.0));
    PreEscaped(html)
}

/// Renders each paragraph, list and so on of an answer as one element. Appended text only changes the last
/// one.
pub(crate) fn blocks(markdown: &str) -> Vec<Markup> {
    let (mut writer, mut blocks) =
        (Writer { has_buttons: true, names_files: true, ..Writer::default() }, Vec::new());
    each_block(&mut writer, markdown, |block| blocks.push(block));
    blocks
}

fn each_block(writer: &mut Writer<'_>, markdown: &str, mut take: impl FnMut(Markup)) {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let text = depth::limited(markdown, DEEPEST);
    for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
        if matches!(event, Event::End(TagEnd::CodeBlock)) {
            let end = text[range.clone()].trim_end();
            writer.is_closed =
                range.end < text.trim_end().len() || end.ends_with("```") || end.ends_with("~~~");
        }
        writer.event(event);
        if writer.depth == 0 && !writer.html.is_empty() {
            // Consists of the tags below and of escaped text.
            take(PreEscaped(std::mem::take(&mut writer.html)));
        }
    }
}

/// The addresses of attached images by their names.
type Addresses<'a> = dyn Fn(&str) -> Option<String> + 'a;

#[derive(Default)]
struct Writer<'a> {
    html: String,
    /// The number of open elements, including those that are too deep.
    depth: usize,
    /// For each open link, whether it was rendered as one.
    links: Vec<bool>,
    in_table_head: bool,
    /// True if code blocks get buttons.
    has_buttons: bool,
    /// True if file names become buttons.
    names_files: bool,
    /// The addresses of attached images.
    attached: Option<&'a Addresses<'a>>,
    /// An attached image's address and description, and the number of open elements in that.
    image: Option<(String, String, usize)>,
    /// The language of an open code block, and its text so far.
    code: Option<(String, String)>,
    /// True if the ending code block is complete, and can't grow.
    is_closed: bool,
}

impl Writer<'_> {
    fn event(&mut self, event: Event) {
        if let Some((_, alt, open)) = &mut self.image {
            match event {
                Event::Text(text) | Event::Code(text) => return alt.push_str(&text),
                Event::Start(_) => return *open += 1,
                Event::End(_) if *open > 0 => return *open -= 1,
                Event::End(_) => {}
                _ => return,
            }
        }
        match event {
            Event::Start(tag) => {
                self.depth += 1;
                if self.depth <= DEEPEST {
                    self.open(tag);
                }
            }
            Event::End(tag) => {
                if self.depth <= DEEPEST {
                    self.close(tag);
                }
                self.depth -= 1;
            }
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => match &mut self.code {
                Some((_, code)) => code.push_str(&text),
                None => self.text(&text),
            },
            Event::Code(text) => {
                let code = html! { code { (text) } };
                let code = match file_place::alone(&text).filter(|_| self.names_files) {
                    Some(place) => file_place::button(&place.path, place.line, &code),
                    None => code,
                };
                self.html.push_str(&code.0);
            }
            Event::FootnoteReference(name) => self.text(&name),
            Event::SoftBreak => self.html.push('\n'),
            Event::HardBreak => self.html.push_str("<br>"),
            Event::Rule => self.html.push_str("<hr>"),
            Event::TaskListMarker(is_done) => self.html.push_str(if is_done { "☑ " } else { "☐ " }),
        }
    }

    fn text(&mut self, text: &str) {
        // Writing to a string can't fail.
        let _infallible = Escaper::new(&mut self.html).write_str(text);
    }

    fn open(&mut self, tag: Tag) {
        let html = match tag {
            Tag::Paragraph | Tag::HtmlBlock => "<p>",
            Tag::Heading { level, .. } => heading(level).0,
            Tag::BlockQuote(_) => "<blockquote>",
            Tag::CodeBlock(kind) => {
                let name =
                    if let CodeBlockKind::Fenced(info) = &kind { info.split(' ').next() } else { None };
                self.code = Some((name.unwrap_or_default().to_lowercase(), String::new()));
                ""
            }
            Tag::List(None) => "<ul>",
            Tag::List(Some(start)) => {
                let _infallible = write!(self.html, "<ol start=\"{start}\">");
                return;
            }
            Tag::Item => "<li>",
            Tag::Table(_) => "<div class=\"wide\"><table>",
            Tag::TableHead => {
                self.in_table_head = true;
                "<thead><tr>"
            }
            Tag::TableRow => "<tr>",
            Tag::TableCell if self.in_table_head => "<th>",
            Tag::TableCell => "<td>",
            Tag::Emphasis => "<em>",
            Tag::Strong => "<strong>",
            Tag::Strikethrough => "<del>",
            Tag::Link { dest_url, .. } => return self.open_link(&dest_url),
            Tag::Image { dest_url, .. } => {
                let name = dest_url
                    .strip_prefix("attachment:")
                    .map(|name| percent_decode_str(name).decode_utf8_lossy());
                self.image = name
                    .zip(self.attached)
                    .and_then(|(name, address)| Some((address(&name)?, String::new(), 0)));
                if self.image.is_some() { "" } else { "<em>[" }
            }
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => "",
        };
        self.html.push_str(html);
    }

    /// A complete block is highlighted and has buttons.
    fn block_of_code(&self, language: &str, code: &str) -> Markup {
        let is_python = matches!(language, "" | "py" | "python" | "python3" | "ipython");
        let text = if self.is_closed {
            highlight(code, language)
        } else {
            html! { (code) }
        };
        html! {
            div class="code" {
                @if self.has_buttons {
                    div class="verbs" {
                        @if self.is_closed && is_python {
                            button class="calm" form=(INSERT_FORM) name="code" value=(code) { "Insert into a new notebook" }
                        }
                        button type="button" class="copy calm" { "Copy" }
                    }
                }
                pre tabindex="0" { code { (text) } }
            }
        }
    }

    fn open_link(&mut self, address: &str) {
        let is_harmless = is_harmless(address);
        self.links.push(is_harmless);
        if is_harmless {
            self.html.push_str("<a rel=\"noopener noreferrer nofollow\" target=\"_blank\" href=\"");
            self.text(address);
            self.html.push_str("\">");
        }
    }

    fn close(&mut self, tag: TagEnd) {
        let html = match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => "</p>",
            TagEnd::Heading(level) => heading(level).1,
            TagEnd::BlockQuote(_) => "</blockquote>",
            TagEnd::CodeBlock => {
                let (language, code) = self.code.take().unwrap_or_default();
                self.html.push_str(&self.block_of_code(&language, &code).0);
                ""
            }
            TagEnd::List(false) => "</ul>",
            TagEnd::List(true) => "</ol>",
            TagEnd::Item => "</li>",
            TagEnd::Table => "</tbody></table></div>",
            TagEnd::TableHead => {
                self.in_table_head = false;
                "</tr></thead><tbody>"
            }
            TagEnd::TableRow => "</tr>",
            TagEnd::TableCell if self.in_table_head => "</th>",
            TagEnd::TableCell => "</td>",
            TagEnd::Emphasis => "</em>",
            TagEnd::Strong => "</strong>",
            TagEnd::Strikethrough => "</del>",
            TagEnd::Link if self.links.pop() == Some(true) => "</a>",
            TagEnd::Image => match self.image.take() {
                Some((address, alt, _)) => {
                    self.html
                        .push_str(&html! { img src=(address) alt=(alt) loading="lazy" decoding="async"; }.0);
                    ""
                }
                None => "]</em>",
            },
            TagEnd::Link
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => "",
        };
        self.html.push_str(html);
    }
}

/// The page has its own headings: those of an answer are one level lower.
fn heading(level: HeadingLevel) -> (&'static str, &'static str) {
    match level {
        HeadingLevel::H1 => ("<h3>", "</h3>"),
        HeadingLevel::H2 => ("<h4>", "</h4>"),
        HeadingLevel::H3 => ("<h5>", "</h5>"),
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => ("<h6>", "</h6>"),
    }
}

fn is_harmless(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    ["http://", "https://", "mailto:"].iter().any(|scheme| address.starts_with(scheme))
}

#[cfg(test)]
mod tests;

//! Markdown of a stranger as harmless HTML.
//!
//! Invariants: every tag in the result is one of those written here, and every text and address of
//! the stranger's goes through one escaping function. HTML in the Markdown is text. A link leads by
//! http, https or mail and nowhere else; a picture is its description, for to fetch it would tell
//! somebody. What nests without end costs no stack; below [`DEEPEST`] levels it is text, because both the
//! parser and a browser need more time for each line the deeper it stands.

use maud::{Escaper, Markup, PreEscaped};
use std::fmt::Write as _;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

mod depth;

/// How many elements may stand inside each other.
const DEEPEST: usize = 100;

/// Renders it.
pub(crate) fn render(markdown: &str) -> Markup {
    PreEscaped(blocks(markdown).into_iter().map(|block| block.0).collect())
}

/// Renders each paragraph, list and so on as one element. What is added to the text changes only the last one.
pub(crate) fn blocks(markdown: &str) -> Vec<Markup> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let (mut writer, mut blocks) = (Writer::default(), Vec::new());
    for event in Parser::new_ext(&depth::limited(markdown, DEEPEST), options) {
        writer.event(event);
        if writer.depth == 0 && !writer.html.is_empty() {
            // Made of the tags below and of escaped text.
            blocks.push(PreEscaped(std::mem::take(&mut writer.html)));
        }
    }
    blocks
}

#[derive(Default)]
struct Writer {
    html: String,
    /// How many elements are open, those that stand too deep included.
    depth: usize,
    /// Of links that are open: whether it became one.
    links: Vec<bool>,
    in_table_head: bool,
}

impl Writer {
    fn event(&mut self, event: Event) {
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
            | Event::DisplayMath(text) => self.text(&text),
            Event::Code(text) => {
                self.html.push_str("<code>");
                self.text(&text);
                self.html.push_str("</code>");
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
            Tag::CodeBlock(_) => {
                "<div class=\"code\"><button type=\"button\" class=\"copy calm\">Copy</button><pre tabindex=\"0\"><code>"
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
            Tag::Image { .. } => "<em>[",
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
            TagEnd::CodeBlock => "</code></pre></div>",
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
            TagEnd::Image => "]</em>",
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

/// The page has headings of its own: those of an answer come below them.
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
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn becomes(markdown: &str, html: &str) {
        assert_eq!(render(markdown).into_string(), html, "{markdown}");
    }

    #[test]
    fn what_people_write_is_shown_as_it_is_meant() {
        becomes("Hello *you* **all**", "<p>Hello <em>you</em> <strong>all</strong></p>");
        becomes("# One\n- a\n- `b`", "<h3>One</h3><ul><li>a</li><li><code>b</code></li></ul>");
        becomes("3. x", "<ol start=\"3\"><li>x</li></ol>");
        becomes(
            "a | b\n--|--\n1 | 2",
            "<div class=\"wide\"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table></div>",
        );
        let code = render("```python\nif a < b:\n    pass\n```").into_string();
        assert!(code.ends_with("<code>if a &lt; b:\n    pass\n</code></pre></div>"), "{code}");
        assert!(
            render("<https://a.example/?a&b>").into_string().contains("href=\"https://a.example/?a&amp;b\"")
        );
    }

    #[test]
    fn attack_23_nothing_of_a_strangers_becomes_an_element() {
        becomes("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>");
        becomes("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>");
        becomes("![seen](https://evil.example/x.png)", "<p><em>[seen]</em></p>");
        becomes("[x](javascript:alert(1)) [y](JavaScript:1) [z](/services/stop)", "<p>x y z</p>");
        becomes("[x](data:text/html,1) [y](//evil.example) [z](vbscript:1)", "<p>x y z</p>");
        let link =
            render("[x](https://e.example/\"onclick=\"alert(1)) [y](<http://e.example/\" onclick=\"a>)");
        assert!(!link.into_string().contains("\" onclick"));
        becomes(
            "</div><hx-partial hx-target=\"body\">x</hx-partial>",
            "<p>&lt;/div&gt;&lt;hx-partial hx-target=&quot;body&quot;&gt;x&lt;/hx-partial&gt;</p>",
        );
        let fenced = render("```\"><img src=x>\nx\n```").into_string();
        assert!(!fenced.contains("<img"), "{fenced}");
    }

    #[test]
    fn what_is_added_to_a_text_changes_only_its_last_block() {
        let text = "# A\n\none *two*\nthree\n\n- a\n- b\n\n  more\n\n```py\nx = 1\n\ny\n```\n\n---\n\n|a|b|\n|-|-|\n|1|2|\n\n> q\n\nend";
        let mut before: Vec<String> = Vec::new();
        for (end, _) in text.char_indices() {
            let now: Vec<String> = blocks(&text[..end]).into_iter().map(|block| block.0).collect();
            // Where there are fewer, a page gets all of them.
            if now.len() >= before.len() {
                let kept = before.len().saturating_sub(1);
                assert_eq!(now[..kept], before[..kept], "{:?}", &text[..end]);
            }
            before = now;
        }
        assert_eq!(blocks(text).len(), 8);
    }

    #[test]
    fn what_nests_without_end_costs_no_stack() {
        for text in [">", "- ", "*a _b ", "[", "![", "<b>"] {
            render(&text.repeat(20_000));
        }
    }

    #[test]
    fn nothing_stands_deeper_than_a_hundred_levels_and_all_of_it_is_shown() {
        let deep: String = (0..400).map(|level| format!("{}- a\n", "  ".repeat(level))).collect();
        for (text, open, close) in [
            (format!("{} x", ">".repeat(60_000)), "<blockquote>", "</blockquote>"),
            (format!("{}x", "- ".repeat(60_000)), "<ul>", "</ul>"),
            (format!("{}x", "1. ".repeat(40_000)), "<ol", "</ol>"),
            (format!("{}x{}", "*a **b ".repeat(5_000), "** *".repeat(5_000)), "<em>", "</em>"),
            (deep, "<ul>", "</ul>"),
        ] {
            let html = render(&text).into_string();
            let (mut depth, mut deepest) = (0_usize, 0);
            for tag in html.split('<').skip(1).filter(|tag| !tag.starts_with("br")) {
                depth = if tag.starts_with('/') { depth - 1 } else { depth + 1 };
                deepest = deepest.max(depth);
            }
            assert!(depth == 0 && deepest <= DEEPEST, "{open}: {deepest} levels, {depth} left open");
            assert_eq!(html.matches(open).count(), html.matches(close).count());
            assert_eq!(html.matches('x').count(), text.matches('x').count(), "{open}");
        }
    }

    #[test]
    fn an_answer_takes_time_in_proportion_to_its_length() {
        // The best of a few, as time on this very thread: whoever else is busy does not count. The thread's own
        // clock is exact where what /proc says of it may be a tick old.
        let cpu = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            Duration::try_from(time).unwrap()
        };
        let cost = |text: &str| {
            let measure = || {
                let begin = cpu();
                render(text);
                cpu() - begin
            };
            (0..5).map(|_| measure()).min().unwrap().as_secs_f64()
        };
        // Every line of them stands inside everything that the first one opened.
        for marker in ["> ", "- ", "1. "] {
            let text = |length: usize| format!("{}a\n{}", marker.repeat(length), "b\n".repeat(2 * length));
            let ratio = cost(&text(8_000)) / cost(&text(500));
            // In proportion it would be 16, by the square 256.
            assert!(ratio < 64.0, "{marker}: sixteen times the length takes {ratio:.1} times as long");
        }
    }
}

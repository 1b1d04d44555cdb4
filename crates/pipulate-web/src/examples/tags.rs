//! Tags as functions, as in FastHTML: `titled("Hello World", p("Hello, World!"))`.
//!
//! Invariant: text is escaped where it becomes part of a tag; there is no way around it.

use maud::{Escaper, Render};
use std::fmt::Write as _;

/// An element with what is in it.
pub(super) struct Tag {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: String,
}

/// A page: its title and what is on it.
pub(super) struct Titled {
    pub(super) title: &'static str,
    content: String,
}

/// What can stand in an element.
pub(super) trait Content {
    fn write(&self, html: &mut String);
}

/// A page whose title is its heading.
pub(super) fn titled(title: &'static str, content: impl Content) -> Titled {
    self::title(title, (h1(title), content))
}

/// A page with this title.
pub(super) fn title(title: &'static str, content: impl Content) -> Titled {
    Titled { title, content: written(&content) }
}

macro_rules! tags {
    ($($name:ident)*) => { $(
        pub(super) fn $name(content: impl Content) -> Tag {
            Tag { name: stringify!($name), attributes: Vec::new(), content: written(&content) }
        }
    )* };
}

macro_rules! attributes {
    ($($function:ident: $name:literal)*) => { impl Tag { $(
        pub(super) fn $function(self, value: impl Into<String>) -> Self {
            self.with($name, value)
        }
    )* } };
}

tags! { h1 p form label button input }
attributes! {
    id: "id" name: "name" kind: "type" role: "role" method: "method" action: "action"
    hx_post: "hx-post" hx_target: "hx-target" hx_swap: "hx-swap"
}

impl Tag {
    /// Any other attribute.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }
}

impl Content for Tag {
    fn write(&self, html: &mut String) {
        html.extend(["<", self.name]);
        for (name, value) in &self.attributes {
            html.extend([" ", name, "=\""]);
            value.write(html);
            html.push('"');
        }
        html.push('>');
        // The only element here that has no end.
        if self.name != "input" {
            html.extend([&self.content, "</", self.name, ">"]);
        }
    }
}

impl Content for str {
    fn write(&self, html: &mut String) {
        // A string can be written to without end.
        let _written = Escaper::new(html).write_str(self);
    }
}

impl Content for &str {
    fn write(&self, html: &mut String) {
        (**self).write(html);
    }
}

impl Content for String {
    fn write(&self, html: &mut String) {
        self.as_str().write(html);
    }
}

impl Content for () {
    fn write(&self, _: &mut String) {}
}

impl<A: Content> Content for Option<A> {
    fn write(&self, html: &mut String) {
        self.iter().for_each(|content| content.write(html));
    }
}

impl<A: Content, B: Content> Content for (A, B) {
    fn write(&self, html: &mut String) {
        self.0.write(html);
        self.1.write(html);
    }
}

impl<A: Content, B: Content, C: Content> Content for (A, B, C) {
    fn write(&self, html: &mut String) {
        self.0.write(html);
        self.1.write(html);
        self.2.write(html);
    }
}

fn written(content: &impl Content) -> String {
    let mut html = String::new();
    content.write(&mut html);
    html
}

impl Render for Titled {
    fn render_to(&self, html: &mut String) {
        html.push_str(&self.content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let page = titled("A & B", (p("<script>").id("\"x\""), input(()).name("n"), Some("1 < 2")));
        let expected =
            r#"<h1>A &amp; B</h1><p id="&quot;x&quot;">&lt;script&gt;</p><input name="n">1 &lt; 2"#;
        assert_eq!(page.render().into_string(), expected);
    }
}

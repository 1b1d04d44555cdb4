//! Text that may be one string or a list of strings, and the texts of an output by their kind.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text. A value that isn't text counts as empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

/// True if a value is there and not null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Truthy(pub(crate) bool);

/// The kinds of an output that can be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MimeBundle {
    pub(crate) png: Option<String>,
    pub(crate) jpeg: Option<String>,
    /// It may contain scripts: it is shown as an image only.
    pub(crate) svg: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) markdown: Option<String>,
    pub(crate) plain: Option<String>,
    /// Kinds that are not shown here, such as widgets.
    pub(crate) others: Vec<String>,
}

impl MimeBundle {
    pub(crate) fn has_image(&self) -> bool {
        self.png.is_some() || self.jpeg.is_some() || self.svg.is_some()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<String, A::Error> {
        let mut whole = String::new();
        while let Some(Text(part)) = parts.next_element()? {
            whole.push_str(&part);
        }
        Ok(whole)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(String::new())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_bool<E>(self, _: bool) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_i64<E>(self, _: i64) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_u64<E>(self, _: u64) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_f64<E>(self, _: f64) -> Result<String, E> {
        Ok(String::new())
    }
}

impl<'de> Deserialize<'de> for Truthy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<IgnoredAny>::deserialize(deserializer)?.is_some()))
    }
}

impl<'de> Deserialize<'de> for MimeBundle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BundleVisitor)
    }
}

/// The images of a cell. A value that isn't an object counts as none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attachments(pub(crate) BTreeMap<String, MimeBundle>);

impl<'de> Deserialize<'de> for Attachments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(serde_json::from_value(value).unwrap_or_default()))
    }
}

struct BundleVisitor;

impl<'de> Visitor<'de> for BundleVisitor {
    type Value = MimeBundle;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of texts by their media type")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MimeBundle, A::Error> {
        let mut bundle = MimeBundle::default();
        while let Some(kind) = map.next_key::<String>()? {
            let place = match kind.as_str() {
                "image/png" => &mut bundle.png,
                "image/jpeg" => &mut bundle.jpeg,
                "image/svg+xml" => &mut bundle.svg,
                "text/html" => &mut bundle.html,
                "text/markdown" => &mut bundle.markdown,
                "text/plain" => &mut bundle.plain,
                _ => {
                    let IgnoredAny = map.next_value()?;
                    bundle.others.push(kind);
                    continue;
                }
            };
            let Text(text) = map.next_value()?;
            *place = Some(text).filter(|text| !text.is_empty());
        }
        Ok(bundle)
    }
}

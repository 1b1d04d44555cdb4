//! Decoding of escapes: a secret may be URL-encoded, in JSON, in Python's `repr`, in a shell's quotes, or in
//! HTML, and each program leaves other characters unescaped.
//!
//! So the text is decoded, rather than the secret encoded in every way.

/// A way of escaping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `%2F`, as in an address.
    Percent,
    /// `%2F` and `+` for a space, as in a form.
    Form,
    /// `\"`, `\n`, `\u00fc`, `\xfc`, `\374`: JSON, Python, C, shells.
    Backslash,
    /// `&amp;`, `&#39;`, `&#x27;`.
    Html,
}

pub(super) const KINDS: [Kind; 4] = [Kind::Percent, Kind::Form, Kind::Backslash, Kind::Html];

/// A text with the escapes of one kind decoded.
#[derive(Debug)]
pub(super) struct Unescaped {
    pub(super) text: String,
    /// Pairs of a place in `text` and its place in the original; between two pairs both advance alike.
    places: Vec<(usize, usize)>,
    /// The place in `text` of a possible beginning of another escape at its very end.
    pub(super) open: Option<usize>,
}

/// The next element of the text.
enum Step {
    /// An escape, and its length in bytes.
    Char(char, usize),
    /// An escape that encodes a byte, not a character, and its length.
    Byte(u8, usize),
    /// No escape.
    Literal,
    /// The text ends before this is decided.
    Open,
}

/// Returns true if a text may contain an escape; `+` is one only if a secret contains a space. Nearly every
/// line needs only this check, and `&` and `%` are common in lines without escapes.
pub(super) fn may_hold_some(text: &str, with_spaces: bool) -> bool {
    let bytes = text.as_bytes();
    let is_one = |place: usize| {
        let kind = match bytes[place] {
            b'%' => Kind::Percent,
            b'&' => Kind::Html,
            _ => Kind::Backslash,
        };
        !matches!(kind.step(&text[place..]), Step::Literal)
    };
    memchr::memchr3_iter(b'%', b'\\', b'&', bytes).any(is_one)
        || (with_spaces && memchr::memchr(b'+', bytes).is_some())
}

impl Unescaped {
    /// Decodes the escapes of one kind; `None` if there are none.
    pub(super) fn of(text: &str, kind: Kind) -> Option<Self> {
        let mut decoded = Self { text: String::new(), places: vec![(0, 0)], open: None };
        let (mut done, mut place, mut has_plus) = (0, 0, false);
        while let Some(found) = text.as_bytes()[place..].iter().position(|&byte| kind.begins_with(byte)) {
            place += found;
            match kind.step(&text[place..]) {
                Step::Literal => {
                    place += 1;
                    continue;
                }
                Step::Open => {
                    decoded.text.push_str(&text[done..place]);
                    decoded.open = Some(decoded.text.len());
                    done = place;
                    break;
                }
                Step::Char(character, length) => {
                    has_plus |= text.as_bytes()[place] == b'+';
                    decoded.text.push_str(&text[done..place]);
                    decoded.push(character, place);
                    place += length;
                    done = place;
                }
                Step::Byte(..) => {
                    decoded.text.push_str(&text[done..place]);
                    place = decoded.push_bytes(text, kind, place);
                    done = place;
                }
            }
            decoded.places.push((decoded.text.len(), place));
        }
        decoded.text.push_str(&text[done..]);
        let is_of_use = kind != Kind::Form || has_plus;
        (is_of_use && (decoded.places.len() > 1 || decoded.open.is_some())).then_some(decoded)
    }

    /// Returns the place in the original.
    pub(super) fn original(&self, place: usize) -> usize {
        let next = self.places.partition_point(|(known, _)| *known <= place);
        self.places.get(next.wrapping_sub(1)).map_or(place, |(known, original)| original + (place - known))
    }

    fn push(&mut self, character: char, original: usize) {
        self.places.push((self.text.len(), original));
        self.text.push(character);
    }

    /// Pushes the bytes that begin at a place, as UTF-8 or, if invalid, as Latin-1; returns the place after
    /// them.
    fn push_bytes(&mut self, text: &str, kind: Kind, mut place: usize) -> usize {
        let (mut bytes, mut begins) = (Vec::new(), Vec::new());
        while let Step::Byte(byte, length) = kind.step(&text[place..]) {
            bytes.push(byte);
            begins.push(place);
            place += length;
        }
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            for (offset, character) in chunk.valid().char_indices() {
                self.push(character, begins[at + offset]);
            }
            at += chunk.valid().len();
            let is_cut = place == text.len() && at + chunk.invalid().len() == bytes.len();
            if is_cut && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none())
            {
                self.open = Some(self.text.len());
            }
            for &byte in chunk.invalid() {
                self.push(char::from(byte), begins[at]);
                at += 1;
            }
        }
        place
    }
}

impl Kind {
    fn begins_with(self, byte: u8) -> bool {
        match self {
            Self::Percent => byte == b'%',
            Self::Form => byte == b'%' || byte == b'+',
            Self::Backslash => byte == b'\\',
            Self::Html => byte == b'&',
        }
    }

    fn step(self, text: &str) -> Step {
        let Some(&first) = text.as_bytes().first().filter(|&&byte| self.begins_with(byte)) else {
            return Step::Literal;
        };
        match self {
            Self::Form if first == b'+' => Step::Char(' ', 1),
            Self::Percent | Self::Form => match hex(&text[1..], 2) {
                Ok(value) => byte(value, 3),
                Err(step) => step,
            },
            Self::Backslash => backslash(text),
            Self::Html => html(text),
        }
    }
}

fn byte(value: u32, length: usize) -> Step {
    u8::try_from(value).map_or(Step::Literal, |value| Step::Byte(value, length))
}

/// Parses this many hexadecimal digits.
fn hex(text: &str, digits: usize) -> Result<u32, Step> {
    let there = text.bytes().take(digits).take_while(u8::is_ascii_hexdigit).count();
    match there == digits {
        true => u32::from_str_radix(&text[..digits], 16).map_err(|_| Step::Literal),
        false if there == text.len() => Err(Step::Open),
        false => Err(Step::Literal),
    }
}

fn backslash(text: &str) -> Step {
    let Some(kind) = text[1..].chars().next() else { return Step::Open };
    let rest = &text[1 + kind.len_utf8()..];
    let numbered = |digits| match hex(rest, digits) {
        Ok(value) => char::from_u32(value).map_or(Step::Literal, |value| Step::Char(value, 2 + digits)),
        Err(step) => step,
    };
    match kind {
        'u' if rest.starts_with('{') => match rest.split_once('}') {
            Some((digits, _)) => u32::from_str_radix(&digits[1..], 16)
                .ok()
                .and_then(char::from_u32)
                .map_or(Step::Literal, |value| Step::Char(value, 3 + digits.len())),
            None => Step::Open,
        },
        'u' => match hex(rest, 4) {
            Ok(high @ 0xd800..0xdc00) => surrogate(high, &rest[4..]),
            _ => numbered(4),
        },
        'U' => numbered(8),
        'x' => hex(rest, 2).map_or_else(|step| step, |value| byte(value, 4)),
        '0'..='3' if rest.len() >= 2 && rest.bytes().take(2).all(|byte| matches!(byte, b'0'..=b'7')) => {
            u32::from_str_radix(&text[1..4], 8).map_or(Step::Literal, |value| byte(value, 4))
        }
        'n' => Step::Char('\n', 2),
        'r' => Step::Char('\r', 2),
        't' => Step::Char('\t', 2),
        kind if kind.is_ascii_alphanumeric() => Step::Literal,
        kind => Step::Char(kind, 1 + kind.len_utf8()),
    }
}

/// Parses the second half of a JSON surrogate pair.
fn surrogate(high: u32, rest: &str) -> Step {
    let Some(digits) = rest.strip_prefix("\\u") else {
        return if "\\u".starts_with(rest) { Step::Open } else { Step::Literal };
    };
    match hex(digits, 4) {
        Ok(low @ 0xdc00..0xe000) => char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
            .map_or(Step::Literal, |value| Step::Char(value, 12)),
        Ok(_) => Step::Literal,
        Err(step) => step,
    }
}

fn html(text: &str) -> Step {
    /// The longest HTML reference that is decoded, in bytes.
    const LONGEST: usize = 10;
    let Some(end) = text.bytes().take(LONGEST).position(|byte| byte == b';') else {
        let is_one = text[1..].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#');
        return if text.len() < LONGEST && is_one { Step::Open } else { Step::Literal };
    };
    let name = &text[1..end];
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let character = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        name => match name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")) {
            Some(digits) => number(digits, 16),
            None => name.strip_prefix('#').and_then(|digits| number(digits, 10)),
        },
    };
    character.map_or(Step::Literal, |character| Step::Char(character, end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_taken_back() {
        for (kind, text, expected) in [
            (Kind::Percent, "a%2Fb%c3%bc%FC+", "a/büü+"),
            (Kind::Percent, "50% of %zz%", "50% of %zz%"),
            (Kind::Form, "a+b%2B", "a b+"),
            (Kind::Backslash, r#"\"\\\/\n\u00fc\u00FC\ud83d\ude00\U0001f600\u{fc}"#, "\"\\/\nüü😀😀ü"),
            (Kind::Backslash, r"\xc3\xbc\xfc\303\274\'\ \d", "üüü' \\d"),
            (Kind::Html, "&amp;&lt;&gt;&quot;&#39;&#x27;&apos;&unknown;&", "&<>\"'''&unknown;&"),
        ] {
            let decoded = Unescaped::of(text, kind);
            assert_eq!(decoded.map_or(text.to_owned(), |decoded| decoded.text), expected, "{text}");
        }
        assert!(Unescaped::of("nothing", Kind::Form).is_none());
        assert!(Unescaped::of("a%20b", Kind::Form).is_none(), "the same as without a plus");
    }

    #[test]
    fn what_may_go_on_is_known() {
        for (kind, text, open) in [
            (Kind::Percent, "a%2Fb%", Some(3)),
            (Kind::Percent, "a%2Fb%2", Some(3)),
            (Kind::Percent, "a%2Fb%c3", Some(3)),
            (Kind::Percent, "a%2Fb", None),
            (Kind::Backslash, r"\n\u00f", Some(1)),
            (Kind::Backslash, r"\n\ud83d\u", Some(1)),
            (Kind::Html, "&lt;&#3", Some(1)),
        ] {
            assert_eq!(Unescaped::of(text, kind).unwrap().open, open, "{text}");
        }
    }

    proptest! {
        /// For any text, the places map to increasing places in the original.
        #[test]
        fn places_are_those_of_the_original(text in "([%\\\\&;#+ux{}a-f0-9]|\\\\u00fc|%c3%bc|&amp;|ü){0,40}") {
            for kind in KINDS {
                let Some(decoded) = Unescaped::of(&text, kind) else { continue };
                let places: Vec<usize> =
                    decoded.text.char_indices().map(|(place, _)| decoded.original(place)).collect();
                prop_assert!(places.is_sorted() && places.iter().all(|&place| text.is_char_boundary(place)));
                prop_assert_eq!(decoded.original(decoded.text.len()), text.len());
            }
        }
    }
}

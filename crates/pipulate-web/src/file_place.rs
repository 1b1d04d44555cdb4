//! File names with lines in output and answers: `File "worker.py", line 12`, `worker.py:12`.

use std::ops::Range;

use maud::{Markup, html};

/// The file extensions that are recognized in a name without context.
const KINDS: [&str; 10] = ["py", "ipynb", "toml", "txt", "md", "csv", "json", "yaml", "yml", "env"];

/// The shared form of the buttons that open files.
pub(crate) const FORM: &str = "open-file";

/// A file of the folder that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilePlace {
    /// The part of the text that names it.
    pub(crate) range: Range<usize>,
    /// Its path below the folder, or as in the text.
    pub(crate) path: String,
    pub(crate) line: Option<u32>,
}

/// The file in a line of a Python traceback, if `find` knows it.
pub(crate) fn in_traceback(line: &str, find: impl Fn(&str) -> Option<String>) -> Option<FilePlace> {
    const BEFORE: &str = "File \"";
    let path = line.find(BEFORE)? + BEFORE.len();
    let (name, rest) = line[path..].split_once('"')?;
    // A button can't be broken into lines: one around the whole path would not fit a narrow window.
    let begin = path + name.rfind('/').map_or(0, |slash| slash + 1);
    let rest = rest.strip_prefix(", line ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let end = line.len() - rest.len() + digits;
    let number = rest[..digits].parse().ok()?;
    Some(FilePlace { range: begin..end, path: find(name)?, line: Some(number) })
}

/// The file if the text is only its name, with or without a line: `lib/prices.py:12`.
pub(crate) fn alone(text: &str) -> Option<FilePlace> {
    let numbered = text.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse().ok()?)));
    let (path, line) = numbered.map_or((text, None), |(path, line)| (path, Some(line)));
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let (stem, kind) = path.rsplit_once('.')?;
    let is_file = !stem.is_empty() && !stem.starts_with(['/', '.']) && KINDS.contains(&kind);
    (is_file && path.chars().all(is_plain)).then(|| FilePlace {
        range: 0..text.len(),
        path: path.to_owned(),
        line,
    })
}

/// Opens a file in JupyterLab, signed in. Uses a form that every page has. JupyterLab has no address for a line of a
/// text file, so the tooltip says how to get there.
pub(crate) fn button(path: &str, line: Option<u32>, text: &Markup) -> Markup {
    let there = line.map(|line| format!(", then Edit → Go to Line: {line}")).unwrap_or_default();
    html! { button form=(FORM) name="path" value=(path) class="file" title={ "Open in JupyterLab" (there) } { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_names_a_file_where_the_folder_has_it() {
        let find = |name: &str| name.strip_prefix("/demo/").map(str::to_owned);
        let line = "  File \"/demo/a b.py\", line 12, in <module>";
        let place = in_traceback(line, find).unwrap();
        assert_eq!((&line[place.range], place.path.as_str()), ("a b.py\", line 12", "a b.py"));
        assert_eq!(place.line, Some(12));
        for other in
            ["File \"/usr/x.py\", line 1", "File \"/demo/x.py\", line", "File \"/demo/x.py", "x.py", ""]
        {
            assert_eq!(in_traceback(other, find), None, "{other}");
        }
    }

    #[test]
    fn a_name_alone_is_a_file_of_a_known_kind() {
        for (text, path) in [
            ("worker.py", Some(("worker.py", None))),
            ("lib/prices.py:12", Some(("lib/prices.py", Some(12)))),
            ("a.py:", None),
            ("a.py:99999999999", None),
            ("np.array", None),
            ("/etc/passwd.txt", None),
            ("../x.py", None),
            (".env", None),
            ("a b.py", None),
            ("x.py\"><b>", None),
            ("", None),
        ] {
            let place = alone(text);
            let found = place.as_ref().map(|place| (place.path.as_str(), place.line));
            assert_eq!(found, path, "{text}");
        }
    }
}

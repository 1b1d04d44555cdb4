//! Syntax highlighting: comments, strings, numbers and keywords, as classes.
//!
//! It knows their forms in the languages of notebooks, without grammars, which is enough for reading. It
//! scans the text once, and every byte of it is in the result, escaped.

use maud::{Markup, PreEscaped, html};

/// The forms of a language's tokens.
struct Language {
    comment: &'static str,
    /// Strings over several lines.
    long_quotes: &'static [&'static str],
    quotes: &'static [char],
    keywords: &'static [&'static str],
}

const PYTHON: Language = Language {
    comment: "#",
    long_quotes: &["\"\"\"", "'''"],
    quotes: &['"', '\''],
    keywords: &[
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "case", "class",
        "continue", "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if",
        "import", "in", "is", "lambda", "match", "nonlocal", "not", "or", "pass", "raise", "return", "try",
        "while", "with", "yield",
    ],
};
const R: Language = Language {
    comment: "#",
    long_quotes: &[],
    quotes: &['"', '\''],
    keywords: &[
        "FALSE", "Inf", "NA", "NULL", "NaN", "TRUE", "break", "else", "for", "function", "if", "in",
        "library", "next", "repeat", "return", "while",
    ],
};
const JULIA: Language = Language {
    comment: "#",
    long_quotes: &["\"\"\""],
    // A single quote also is the transpose of a matrix.
    quotes: &['"'],
    keywords: &[
        "abstract", "begin", "break", "catch", "const", "continue", "do", "else", "elseif", "end", "export",
        "false", "finally", "for", "function", "global", "if", "import", "in", "let", "local", "macro",
        "module", "mutable", "nothing", "quote", "return", "struct", "true", "try", "using", "where",
        "while",
    ],
};
const SHELL: Language = Language {
    comment: "#",
    long_quotes: &[],
    quotes: &['"', '\''],
    keywords: &[
        "case", "do", "done", "elif", "else", "esac", "exit", "export", "fi", "for", "function", "if", "in",
        "local", "return", "then", "until", "while",
    ],
};
const C_LIKE: Language = Language {
    comment: "//",
    long_quotes: &["`"],
    quotes: &['"', '\''],
    keywords: &[
        "async",
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "default",
        "do",
        "else",
        "enum",
        "export",
        "extends",
        "false",
        "finally",
        "fn",
        "for",
        "from",
        "func",
        "function",
        "if",
        "impl",
        "import",
        "in",
        "interface",
        "let",
        "loop",
        "match",
        "mod",
        "mut",
        "new",
        "nil",
        "null",
        "of",
        "package",
        "pub",
        "return",
        "self",
        "static",
        "struct",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "type",
        "typeof",
        "use",
        "var",
        "void",
        "where",
        "while",
    ],
};
const SQL: Language = Language {
    comment: "--",
    long_quotes: &[],
    quotes: &['\'', '"'],
    keywords: &[
        "AND", "AS", "ASC", "BY", "CASE", "CREATE", "DELETE", "DESC", "DISTINCT", "ELSE", "END", "FROM",
        "GROUP", "HAVING", "IN", "INSERT", "INTO", "IS", "JOIN", "LEFT", "LIMIT", "NOT", "NULL", "ON", "OR",
        "ORDER", "SELECT", "SET", "TABLE", "THEN", "UNION", "UPDATE", "VALUES", "WHEN", "WHERE", "WITH",
    ],
};

/// The language with that name, in lower case; `None` for unsupported ones.
fn language(name: &str) -> Option<&'static Language> {
    Some(match name {
        "python" | "python3" | "py" | "ipython" | "ipython3" => &PYTHON,
        "r" => &R,
        "julia" => &JULIA,
        "bash" | "sh" | "shell" | "zsh" | "console" => &SHELL,
        "javascript" | "js" | "typescript" | "ts" | "rust" | "rs" | "go" | "java" | "c" | "cpp" | "c++" => {
            &C_LIKE
        }
        "sql" => &SQL,
        _ => return None,
    })
}

/// The code, highlighted if the language is known.
pub(crate) fn highlight(code: &str, name: &str) -> Markup {
    let Some(language) = language(name) else { return html! { (code) } };
    let mut marked = Marked { html: String::with_capacity(code.len() * 2), plain: String::new() };
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let (length, class) = language.token(rest, first);
        let (token, after) = rest.split_at(length);
        marked.push(token, class);
        rest = after;
    }
    marked.end()
}

impl Language {
    /// The length of the next token, in bytes, and its class.
    fn token(&self, rest: &str, first: char) -> (usize, Option<&'static str>) {
        if rest.starts_with(self.comment) {
            return (rest.find('\n').unwrap_or(rest.len()), Some("hl-comment"));
        }
        if let Some(quote) = self.long_quotes.iter().find(|quote| rest.starts_with(**quote)) {
            let end = rest[quote.len()..].find(quote).map_or(rest.len(), |end| end + 2 * quote.len());
            return (end, Some("hl-string"));
        }
        if self.quotes.contains(&first) {
            return (end_of_string(rest, first), Some("hl-string"));
        }
        if first.is_ascii_digit() {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
            return (rest.find(|c| !is_part(c)).unwrap_or(rest.len()), Some("hl-number"));
        }
        if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            return (end, self.keywords.contains(&&rest[..end]).then_some("hl-keyword"));
        }
        (first.len_utf8(), None)
    }
}

/// The end of a string: after its quote, or at the end of its line.
fn end_of_string(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The highlighted part, and the plain text since.
struct Marked {
    html: String,
    plain: String,
}

impl Marked {
    fn push(&mut self, token: &str, class: Option<&str>) {
        let Some(class) = class else { return self.plain.push_str(token) };
        self.flush();
        self.html.push_str(&html! { span class=(class) { (token) } }.into_string());
    }

    fn flush(&mut self) {
        let plain = std::mem::take(&mut self.plain);
        self.html.push_str(&html! { (plain) }.into_string());
    }

    fn end(mut self) -> Markup {
        self.flush();
        // Consists of the spans above and of escaped text.
        PreEscaped(self.html)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code with its tokens in brackets.
    fn marks(code: &str, language: &str) -> String {
        let html = highlight(code, language).into_string();
        let html = ["comment", "string", "number", "keyword"].iter().fold(html, |html, class| {
            html.replace(&format!("<span class=\"hl-{class}\">"), &format!("[{} ", &class[..1]))
        });
        html.replace("</span>", "]")
    }

    #[test]
    fn what_helps_to_read_is_marked() {
        for (language, code, expected) in [
            ("python", "for x in y: # all", "[k for] x [k in] y: [c # all]"),
            ("python", "format = 'a\\'b' + \"c\"", "format = [s 'a\\'b'] + [s &quot;c&quot;]"),
            ("python", "'''a\nb''' 1_000.5e3", "[s '''a\nb'''] [n 1_000.5e3]"),
            ("python", "x2 = f'{y}'", "x2 = f[s '{y}']"),
            ("python", "'open\nif", "[s 'open]\n[k if]"),
            ("r", "x <- TRUE # yes", "x &lt;- [k TRUE] [c # yes]"),
            ("rust", "let a = 1; // b", "[k let] a = [n 1]; [c // b]"),
            ("brainfuck", "if 'x' #", "if 'x' #"),
        ] {
            assert_eq!(marks(code, language).replace("&#39;", "'"), expected, "{language}");
        }
    }

    #[test]
    fn attack_23_code_stays_text_and_all_of_it_is_shown() {
        for code in [
            "</span><script>alert(1)</script> # <img src=x>",
            "\"</code></pre><img src=x onerror=1>",
            "'''</span>",
            "é\"ü\\",
            "\\\"\u{202e}",
        ] {
            for language in ["python", "rust", "none"] {
                let html = highlight(code, language).into_string();
                let text = html.replace("</span>", "");
                let text = ["comment", "string", "number", "keyword"]
                    .iter()
                    .fold(text, |text, class| text.replace(&format!("<span class=\"hl-{class}\">"), ""));
                assert!(!text.contains('<'), "{html}");
                let text = text
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\"")
                    .replace("&amp;", "&");
                assert_eq!(text, code);
            }
        }
    }
}

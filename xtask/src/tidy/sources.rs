//! Rules about the Rust sources.

use super::TextFile;
use super::exceptions::{EXCEPTIONS, Rule};
use super::scan;

/// The longest that a file may be.
pub(super) const FILE_LINES: usize = 400;

/// The longest that a function may be.
pub(super) const FUNCTION_LINES: usize = 60;

/// Notes to oneself that belong in an issue; written so that this file holds none of them.
const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// What reads a file that may be a device, a FIFO or without end.
const BOUNDED: &str = "read it with pipulate_store::files::read_foreign";

/// Where only values are allowed: sources that begin with this path hold none of these words.
const PURE: [(&str, &[&str]); 2] = [
    (
        "crates/pipulate-core/src/",
        &["fs::", "net::", "process::", "env::var", "::now(", "io::stdin", "thread::"],
    ),
    (
        "crates/pipulate-supervisor/src/machine",
        &["fs::", "net::", "process::", "::now(", "thread::", "async fn"],
    ),
];

/// Every complaint about the Rust sources.
pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let mut permissions = Permissions::default();
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let code = scan::code_only(&file.text);
        complaints.extend(check_module_doc(file));
        complaints.extend(check_lengths(file, &code, &mut permissions));
        complaints.extend(check_words(file, &code, &mut permissions));
        complaints.extend(check_purity(file, &code));
    }
    complaints.extend(files.iter().flat_map(check_notes));
    complaints.extend(permissions.unused());
    complaints
}

fn check_module_doc(file: &TextFile) -> Option<String> {
    // The tests of a module have their purpose in their name.
    let says_its_purpose = file.text.starts_with("//! ") || file.path.ends_with("/tests.rs");
    (!says_its_purpose).then(|| format!("{}:1: begin with //! and say what the file is for", file.path))
}

fn check_lengths(file: &TextFile, code: &str, permissions: &mut Permissions) -> Vec<String> {
    let path = &file.path;
    let mut complaints = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES && !permissions.has(Rule::FileLength, path) {
        complaints.push(format!("{path}: {lines} lines, more than {FILE_LINES}; split it by subject"));
    }
    for function in scan::functions(code).iter().filter(|function| function.lines > FUNCTION_LINES) {
        let subject = format!("{path}#{}", function.name);
        if !permissions.has(Rule::FunctionLength, &subject) {
            complaints.push(format!(
                "{path}:{}: {} has {} lines, more than {FUNCTION_LINES}; give its parts names",
                function.line, function.name, function.lines
            ));
        }
    }
    complaints
}

fn check_words(file: &TextFile, code: &str, permissions: &mut Permissions) -> Vec<String> {
    let path = &file.path;
    let mut complaints = Vec::new();
    for (word, rule, advice) in [
        ("target_os", Rule::TargetOs, "keep one file per system behind one signature"),
        ("unsafe", Rule::Unsafe, "find a safe call, or a file that may hold it"),
        ("fs::read(", Rule::UnboundedRead, BOUNDED),
        ("fs::read_to_string(", Rule::UnboundedRead, BOUNDED),
    ] {
        // Tests read what they wrote.
        let code = if rule == Rule::UnboundedRead { outside_of_tests(path, code) } else { code };
        let lines = scan::lines_with(code, word);
        if !lines.is_empty() && !permissions.has(rule, path) {
            complaints.extend(
                lines.iter().map(|line| format!("{path}:{line}: {word} outside of its files; {advice}")),
            );
        }
    }
    let allows = scan::lines_with(code, "[allow(");
    complaints.extend(
        allows.iter().map(|line| format!("{path}:{line}: use #[expect(…, reason = \"…\")] instead of allow")),
    );
    complaints
}

/// Code up to the tests of a file, which may touch the world. Tests and tasks have none.
fn outside_of_tests<'code>(path: &str, code: &'code str) -> &'code str {
    let is_tests = path.ends_with("tests.rs") || path.contains("tests/") || path.starts_with("xtask/");
    if is_tests { "" } else { code.split("#[cfg(test)]").next().unwrap_or(code) }
}

fn check_purity(file: &TextFile, code: &str) -> Vec<String> {
    let path = &file.path;
    let code = outside_of_tests(path, code);
    let rules = PURE.iter().filter(|(prefix, _)| path.starts_with(prefix));
    rules
        .flat_map(|(_, words)| words.iter())
        .flat_map(|word| scan::lines_with(code, word).into_iter().map(move |line| (word, line)))
        .map(|(word, line)| format!("{path}:{line}: {word} in pure code; let the caller hand the fact in"))
        .collect()
}

fn check_notes(file: &TextFile) -> Vec<String> {
    let notes = NOTES
        .iter()
        .flat_map(|note| scan::lines_with(&file.text, note).into_iter().map(move |line| (note, line)));
    notes.map(|(note, line)| format!("{}:{line}: {note}; do it or file an issue", file.path)).collect()
}

/// The exceptions, and which of them were needed.
#[derive(Default)]
struct Permissions {
    used: Vec<(Rule, String)>,
}

impl Permissions {
    fn has(&mut self, rule: Rule, subject: &str) -> bool {
        let listed =
            EXCEPTIONS.iter().any(|exception| exception.rule == rule && exception.subject == subject);
        if listed {
            self.used.push((rule, subject.to_owned()));
        }
        listed
    }

    fn unused(&self) -> Vec<String> {
        let is_unused =
            |rule, subject: &str| !self.used.iter().any(|used| used.0 == rule && used.1 == subject);
        let unused = EXCEPTIONS.iter().filter(|exception| is_unused(exception.rule, exception.subject));
        unused
            .map(|exception| {
                let (subject, reason) = (exception.subject, exception.reason);
                format!("xtask/src/tidy/exceptions.rs: {subject} no longer needs its exception ({reason}); remove it")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints_about(path: &str, text: &str) -> Vec<String> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        let unneeded = |complaint: &String| !complaint.starts_with("xtask/src/tidy/exceptions.rs");
        check(&[file]).into_iter().filter(unneeded).collect()
    }

    #[test]
    fn a_well_kept_file_draws_no_complaint() {
        assert_eq!(complaints_about("crates/a/src/a.rs", "//! Purpose.\nfn f() {\n}\n"), [""; 0]);
    }

    #[test]
    fn each_broken_rule_draws_one_complaint() {
        let long_file = format!("//! Purpose.\n{}", "\n".repeat(FILE_LINES));
        let long_function = format!("//! Purpose.\nfn f() {{{}}}", "\n".repeat(FUNCTION_LINES));
        for text in [
            "fn f() {}",
            &long_file,
            &long_function,
            "//! Purpose.\n#[cfg(target_os = \"linux\")]\nfn f() {}",
            "//! Purpose.\nunsafe fn f() {}",
            "//! Purpose.\n#[allow(dead_code)]\nfn f() {}",
            "//! Purpose.\nfn f() {\n    std::fs::read(path);\n}",
            concat!("//! Purpose.\n// TO", "DO: later\n"),
        ] {
            assert_eq!(complaints_about("crates/a/src/a.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn the_vocabulary_and_the_machine_take_facts_and_never_look() {
        let text = "//! Purpose.\nfn f() {\n    Instant::now();\n}\n#[cfg(test)]\nmod tests { fn g() { Instant::now(); } }";
        for path in ["crates/pipulate-core/src/a.rs", "crates/pipulate-supervisor/src/machine/a.rs"] {
            assert_eq!(complaints_about(path, text).len(), 1, "{path}");
        }
        assert_eq!(complaints_about("crates/pipulate-supervisor/src/driver.rs", text), [""; 0]);
    }
}

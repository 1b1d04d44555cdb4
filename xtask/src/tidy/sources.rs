//! Rules about the Rust sources.

use super::TextFile;
use super::exceptions::{EXCEPTIONS, Rule};
use super::tokens::{self, Tests, Token};

/// The maximum length of a file, in lines: a guide. A longer file is split by idea. One type with methods in
/// several files is not a split: either it is several things, or the file gets an exception.
pub(super) const FILE_LINES: usize = 400;

/// Notes that belong in an issue; written so that this file contains none of them.
const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// The alternative for files that may be a device, a FIFO or endless.
const BOUNDED: &str = "read it with pipulate_store::files::read_foreign";

/// Words that are forbidden in the sources below a path.
const FOREIGN_WORDS: [(&str, &[&str]); 4] = [
    (
        "crates/pipulate-core/src/",
        // An address is a value; a connection is not.
        &[
            "fs::",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "process::",
            "env::var",
            "::now(",
            "io::stdin",
            "thread::",
        ],
    ),
    (
        "crates/pipulate-supervisor/src/machine",
        &["fs::", "net::", "process::", "::now(", "thread::", "async fn"],
    ),
    (
        "crates/pipulate-engine/src/reconcile",
        &["fs::", "net::", "process::", "::now(", "thread::", "async fn"],
    ),
    // Neither a service nor a file of ours, nor the meaning of a variable or signal.
    ("crates/pipulate-process/src/", &["marker", "layout", "ServiceName", "config"]),
];

/// Every complaint about the Rust sources.
pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let mut permissions = Permissions::default();
    let mut complaints = Vec::new();
    for (file, stream) in files.iter().filter_map(|file| Some((file, file.tokens.as_ref()?))) {
        let code = tokens::flat(stream, Tests::Included);
        let product =
            if is_for_tests(&file.path) { Vec::new() } else { tokens::flat(stream, Tests::Skipped) };
        complaints.extend(check_module_doc(file));
        complaints.extend(check_length(file, &mut permissions));
        complaints.extend(check_words(&file.path, &code, &product, &mut permissions));
        complaints.extend(check_foreign_words(&file.path, &product));
    }
    complaints.extend(files.iter().flat_map(check_notes));
    complaints.extend(permissions.unused());
    complaints
}

fn check_module_doc(file: &TextFile) -> Option<String> {
    // A test module's purpose is in its name.
    let says_its_purpose = file.text.starts_with("//! ") || file.path.ends_with("/tests.rs");
    (!says_its_purpose).then(|| format!("{}:1: begin with //! and say what the file is for", file.path))
}

fn check_length(file: &TextFile, permissions: &mut Permissions) -> Option<String> {
    let (path, lines) = (&file.path, file.text.lines().count());
    (lines > FILE_LINES && !permissions.has(Rule::FileLength, path))
        .then(|| format!("{path}: {lines} lines, more than {FILE_LINES}; split it by idea"))
}

fn check_words(path: &str, code: &[Token], product: &[Token], permissions: &mut Permissions) -> Vec<String> {
    let mut complaints = Vec::new();
    for (word, rule, advice) in [
        ("target_os", Rule::TargetOs, "keep one file per system behind one signature"),
        ("unsafe", Rule::Unsafe, "find a safe call, or a file that may hold it"),
        ("fs::read(", Rule::UnboundedRead, BOUNDED),
        ("fs::read_to_string(", Rule::UnboundedRead, BOUNDED),
    ] {
        // Tests read their own files.
        let code = if rule == Rule::UnboundedRead { product } else { code };
        let lines = tokens::lines_with(code, word);
        if !lines.is_empty() && !permissions.has(rule, path) {
            complaints.extend(
                lines.iter().map(|line| format!("{path}:{line}: {word} outside of its files; {advice}")),
            );
        }
    }
    let allows = tokens::lines_with(code, "[allow(");
    complaints.extend(
        allows.iter().map(|line| format!("{path}:{line}: use #[expect(…, reason = \"…\")] instead of allow")),
    );
    complaints
}

/// Returns true if the whole file is for tests or the project's own tasks, which may access the system.
fn is_for_tests(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("tests/") || path.starts_with("xtask/")
}

fn check_foreign_words(path: &str, product: &[Token]) -> Vec<String> {
    let rules = FOREIGN_WORDS.iter().filter(|(prefix, _)| path.starts_with(prefix));
    rules
        .flat_map(|(_, words)| words.iter())
        .flat_map(|word| tokens::lines_with(product, word).into_iter().map(move |line| (word, line)))
        .map(|(word, line)| format!("{path}:{line}: {word} does not belong here; let the caller hand it in"))
        .collect()
}

fn check_notes(file: &TextFile) -> Vec<String> {
    let notes = file.text.lines().zip(1..).filter_map(|(line, number)| {
        let note = line.split(|c: char| !c.is_alphanumeric()).find(|word| NOTES.contains(word))?;
        Some(format!("{}:{number}: {note}; do it or file an issue", file.path))
    });
    notes.collect()
}

/// The exceptions, and which of them were used.
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
        let file = TextFile::new(path.to_owned(), text.to_owned()).unwrap();
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
        for text in [
            "fn f() {}",
            &long_file,
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

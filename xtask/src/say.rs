//! The only file here that prints. Stdout is for data, stderr for people.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the tasks' one door to the terminal")]

/// Prints progress to stderr.
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}

/// Prints a result to stdout.
pub(crate) fn result(text: &str) {
    println!("{text}");
}

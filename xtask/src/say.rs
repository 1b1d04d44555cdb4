//! The only file here that prints. Stdout is for what a script could use, stderr for people.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the tasks' one door to the terminal")]

/// Tells a person what is going on.
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}

/// Gives a result.
pub(crate) fn result(text: &str) {
    println!("{text}");
}

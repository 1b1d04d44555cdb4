//! A question to the user at the terminal.

use std::io::BufRead as _;

use super::printer::Printer;

/// Returns true if there is a terminal to ask at.
pub(crate) fn can_ask(printer: &Printer) -> bool {
    let terminal = printer.terminal();
    terminal.stdin_is_terminal && terminal.stderr_is_terminal
}

/// Returns true if the answer is yes. Without a terminal the answer is no.
pub(crate) fn yes(printer: &Printer, question: &str) -> bool {
    if !can_ask(printer) {
        return false;
    }
    printer.raw_note(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

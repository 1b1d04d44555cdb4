//! A web program that no service runs, with the configuration that would run it.

use pipulate_core::config::Config;
use pipulate_core::web_program::WebProgram;
use pipulate_environment::web_programs;

use super::printer::Printer;

/// Names the program, and the lines to add.
pub(crate) fn say(printer: &Printer, config: &Config, program: &WebProgram) {
    printer.note(text(program, web_programs::port(config)));
}

fn text(program: &WebProgram, port: u16) -> String {
    let lines: Vec<String> = program.table(port).lines().map(|line| format!("    {line}")).collect();
    format!(
        "Found {}, which no service runs. If it is your web app, write this into pipulate.toml:\n{}",
        program.title(),
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_to_write_stand_below_what_was_found() {
        let program = WebProgram::of("app.py", "import streamlit as st\n").unwrap();
        insta::assert_snapshot!(text(&program, 5001));
    }
}

//! `docs/reference/`: pages generated from the program's own texts. The tests here keep them current;
//! `INSTA_UPDATE=always cargo test -p pipulate reference` writes them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;

use clap::CommandFactory as _;
use pipulate_core::config::schema;
use pipulate_core::reason::{Reason, examples};
use pipulate_core::service::ServiceName;
use serde_json::Value;

use super::arguments::Arguments;
use super::parse_with;
use crate::exit_code::ExitStatus;

const WRITTEN: &str = "Written by the program itself; a test keeps it current.\n";

#[track_caller]
fn is_current(name: &str, text: &str) {
    let path = format!("{}/../../docs/reference/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
        fs::write(&path, text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let advice = "write it with: INSTA_UPDATE=always cargo test -p pipulate reference";
    assert!(written == text, "docs/reference/{name} is not what the program says; {advice}");
}

#[test]
fn the_page_about_the_command_line_is_current() {
    let mut page = format!("# The command line\n\n{WRITTEN}");
    let help = |words: &[&str]| {
        let args = std::iter::once("pipulate").chain(words.iter().copied()).chain(["--help"]);
        let answer = parse_with(Arguments::command().term_width(100), args.map(OsString::from)).unwrap_err();
        let text = answer.error.render().to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        format!(
            "\n## `{}`\n\n```text\n{}\n```\n",
            ["pipulate", &words.join(" ")].join(" ").trim(),
            lines.join("\n").trim()
        )
    };
    page += &help(&[]);
    for verb in Arguments::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
        page += &help(&[verb.get_name()]);
        for below in verb.get_subcommands() {
            page += &help(&[verb.get_name(), below.get_name()]);
        }
    }
    is_current("cli.md", &page);
}

#[test]
fn the_page_about_exit_codes_is_current() {
    let meaning = |status: ExitStatus| match status {
        ExitStatus::Success => "done, or already so; `status`: every wanted service is ready or running",
        ExitStatus::Failed => {
            "failed, or refused; `status`: a wanted service is in trouble; `doctor`: a check failed"
        }
        ExitStatus::Usage => "the command line is wrong, or there is no such service",
        ExitStatus::NothingRunning => "`status`: nothing is running",
        ExitStatus::Unknown => "`status`: the state can't be determined",
        ExitStatus::TimedOut => "waited too long",
        ExitStatus::Interrupted => "interrupted by Ctrl-C",
        // Only between supervisors.
        ExitStatus::GaveWay => "",
    };
    let mut page = format!(
        "# Exit codes\n\n{WRITTEN}\nThey are part of the public interface. `run` and `shell` become what they \
         run, and end as it ends.\n\n| code | meaning |\n|---|---|\n"
    );
    for status in [
        ExitStatus::Success,
        ExitStatus::Failed,
        ExitStatus::Usage,
        ExitStatus::NothingRunning,
        ExitStatus::Unknown,
        ExitStatus::TimedOut,
        ExitStatus::Interrupted,
    ] {
        writeln!(page, "| {} | {} |", status.code(), meaning(status)).unwrap();
    }
    is_current("exit-codes.md", &page);
}

#[test]
fn the_page_about_reasons_is_current() {
    let service = ServiceName::parse("server").unwrap();
    let mut page = format!(
        "# Reasons\n\n{WRITTEN}\n`status --json` says why a service is as it is: `reason` is a sentence and may \
         change; `reason_code` is one of these codes, and stays. Several reasons are one sentence, with the \
         code of the first. `notes` and `note_codes` say what else to know about a start. A code that is not \
         listed here was written by a newer Pipulate.\n\n| code | for example |\n|---|---|\n"
    );
    for code in Reason::CODES {
        let examples = examples::all();
        let example = examples.iter().find(|reason| reason.code() == *code).unwrap();
        let sentence = pipulate_words::reason(example, &service).replace('|', "\\|");
        writeln!(page, "| `{code}` | {sentence} |").unwrap();
    }
    is_current("reasons.md", &page);
}

#[test]
fn the_page_about_the_configuration_is_current() {
    let schema = schema();
    let mut page = format!(
        "# `pipulate.toml`\n\n{WRITTEN}\nThe file is optional, and so is every key in it. An unknown key is an \
         error that points at its line. `pipulate config --show` says what is in force; `pipulate config \
         --schema` prints the JSON schema from which this page is made, for editors: save it, and name it in \
         the file's first line, `#:schema pipulate.schema.json`.\n"
    );
    for (name, table) in schema["properties"].as_object().unwrap() {
        if name != "services" {
            section(&mut page, &format!("[{name}]"), table, resolved(&schema, table), &schema);
        }
    }
    let services = &schema["properties"]["services"];
    section(&mut page, "[services.NAME]", services, &schema["definitions"]["Service"], &schema);
    let stop = &schema["definitions"]["Stop"];
    section(
        &mut page,
        "stop = { … }",
        &schema["definitions"]["Service"]["properties"]["stop"],
        stop,
        &schema,
    );
    is_current("config.md", &page);
}

fn section(page: &mut String, title: &str, about: &Value, table: &Value, schema: &Value) {
    writeln!(page, "\n## `{title}`\n\n{}\n\n| key | is | what it says |\n|---|---|---|", words(about))
        .unwrap();
    for (key, value) in table["properties"].as_object().unwrap() {
        writeln!(page, "| `{key}` | {} | {} |", form(schema, value), words(value)).unwrap();
    }
}

fn words(value: &Value) -> String {
    value["description"].as_str().unwrap_or_default().replace('\n', " ")
}

/// Follows a `$ref`, if there is one.
fn resolved<'a>(schema: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().or_else(|| value["allOf"][0]["$ref"].as_str());
    let name = reference.and_then(|reference| reference.strip_prefix("#/definitions/"));
    name.map_or(value, |name| &schema["definitions"][name])
}

/// The form of a value, for people.
fn form(schema: &Value, value: &Value) -> String {
    let value = resolved(schema, value);
    if let Some(example) = value["examples"][0].as_str() {
        return format!("`\"{example}\"`");
    }
    let choices = value["oneOf"].as_array().or_else(|| value["anyOf"].as_array());
    if let Some(choices) = choices {
        return choices.iter().map(|choice| form(schema, choice)).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = value["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
    }
    if !value["const"].is_null() {
        return format!("`{}`", value["const"]);
    }
    match value["type"].as_str() {
        Some("array") => "a list".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => "a number".to_owned(),
        Some("object") => table(schema, value),
        Some(_) | None => "text".to_owned(),
    }
}

fn table(schema: &Value, value: &Value) -> String {
    match value["required"][0].as_str() {
        Some(key) => format!("`{{ {key} = … }}` ({})", form(schema, &value["properties"][key])),
        None => "a table".to_owned(),
    }
}

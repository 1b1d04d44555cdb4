//! `secret`: the names and values in `.env`. A value is typed without echo, or comes through a pipe; it is
//! never in arguments, and is only written to the file.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read as _};

use pipulate_core::answer::Note;
use pipulate_core::config::Config;
use pipulate_core::secret::EnvKey;
use pipulate_environment::doctor;
use pipulate_store::dotenv::{EnvFile, SecretValue, Unset};

use crate::call::SecretVerb;
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::ui::hidden::{self, Answer};
use crate::ui::notes;

/// The longest value that is read, in bytes: no environment variable can be longer.
const LIMIT: u64 = 128 << 10;

/// The maximum width of the column of names.
const WIDEST: usize = 60;

/// Edits the file, or lists its names.
pub(crate) fn secret(context: &Context, verb: SecretVerb) -> Result<ExitStatus, Failure> {
    match verb {
        SecretVerb::Set { is_given: true, .. } => Err(Failure::new(
            FailureKind::Usage,
            "a value is not taken from the command line, where other users and your history see it",
        )
        .hint("leave it out, and it is asked for: pipulate secret set KEY")
        .hint("or pipe it in: pipulate secret set KEY < FILE")),
        SecretVerb::Set { name, is_given: false } => set(context, &key(&name)?),
        SecretVerb::List => list(context),
        SecretVerb::Unset { name } => unset(context, &key(&name)?),
    }
}

/// Handles `[secrets] required` for `start`: asks for missing secrets, or names them without a terminal. An
/// empty answer skips one, and `start` continues.
///
/// # Errors
/// Ctrl-C was pressed, or a value can't be saved.
pub(crate) fn see_to_required(context: &Context, config: &Config) -> Result<(), Failure> {
    let mut missing = match context.project.missing_secrets(config) {
        Ok(missing) => missing,
        Err(error) => {
            context.printer.warning(error);
            return Ok(());
        }
    };
    let terminal = context.printer.terminal();
    if terminal.stdin_is_terminal && terminal.stderr_is_terminal && !missing.is_empty() {
        context
            .printer
            .note("This project needs secrets; they are kept in .env (Enter alone leaves one out)");
        let mut refused = Vec::new();
        for key in missing {
            match typed(context, key.as_str())? {
                Some(value) => save(context, &key, &value)?,
                None => refused.push(key),
            }
        }
        missing = refused;
    }
    if let Some(first) = missing.first() {
        let hint = format!("save it with: pipulate secret set {first}");
        notes::say(
            &context.printer,
            &Note::SecretsMissing { names: missing.iter().map(EnvKey::to_string).collect() },
        );
        context.printer.hint(hint);
    }
    Ok(())
}

fn set(context: &Context, key: &EnvKey) -> Result<ExitStatus, Failure> {
    // Before a secret is typed that would go to another folder.
    let context = &context.confirmed()?;
    let value = match context.printer.terminal().stdin_is_terminal {
        true => typed(context, key.as_str())?,
        false => piped()?,
    };
    let value = value.ok_or_else(|| Failure::failed("no value was given, so nothing was changed"))?;
    save(context, key, &value)?;
    Ok(ExitStatus::Success)
}

fn unset(context: &Context, key: &EnvKey) -> Result<ExitStatus, Failure> {
    let path = context.project.layout.dotenv();
    // Without a file there is no need for a lock, or for a home to keep it in.
    let outcome = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Unset::WasNotThere,
        Ok(_) | Err(_) => EnvFile::of(&context.home()?.project.layout).unset(key.as_str())?,
    };
    let name = key.as_str();
    context.printer.note(match outcome {
        Unset::Removed => format!("Removed {name} from: {path}"),
        Unset::WasNotThere => format!("{name} is not in: {path}"),
    });
    Ok(ExitStatus::Success)
}

/// Prints each name on a line, with the place of its value.
fn list(context: &Context) -> Result<ExitStatus, Failure> {
    let around = &context.project.around;
    let required = required(context.config_or_warning());
    let in_order = EnvFile::of(&context.project.layout).names()?;
    let in_file: BTreeSet<&String> = in_order.iter().collect();
    let mut names: Vec<&String> = in_order.iter().chain(&required).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    if names.is_empty() {
        context.printer.note(format!("There are no secrets in: {}", context.project.layout.dotenv()));
    }
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0).min(WIDEST);
    for name in names {
        let place = match (in_file.contains(name), around.variable(name).is_some()) {
            (true, true) => "the environment, which hides the one in .env",
            (true, false) => ".env",
            (false, true) => "the environment",
            (false, false) => "missing",
        };
        context.printer.data(format!("{name:width$}  {place}"))?;
    }
    Ok(ExitStatus::Success)
}

fn required(config: Option<&Config>) -> Vec<String> {
    config.into_iter().flat_map(|config| &config.secrets).map(EnvKey::to_string).collect()
}

fn save(context: &Context, key: &EnvKey, value: &SecretValue) -> Result<(), Failure> {
    let context = context.home()?;
    let written = EnvFile::of(&context.project.layout).set(key, value)?;
    let name = key.as_str();
    context.printer.note(format!("Saved {name} in: {}", context.project.layout.dotenv()));
    if let Some(warning) = written.warning {
        context.printer.warning(format!("{name}: {warning}"));
    }
    let around = &context.project.around;
    if doctor::secrets_would_be_published(&context.project.layout, around) {
        context.printer.warning("git does not ignore .env: the next `git add .` adds your secrets");
        context.printer.hint("add the line .env to .gitignore");
    }
    if around.variable(name).is_some() {
        let why = "also has a value in the environment, and programs see that one";
        context.printer.warning(format!("{name} {why}"));
    }
    Ok(())
}

/// The typed value; `None` if it is empty.
fn typed(context: &Context, name: &str) -> Result<Option<SecretValue>, Failure> {
    let failed = |error| Failure::failed("could not read from the terminal").cause(error);
    match hidden::ask(&context.printer, &format!("{name} (not shown): ")).map_err(failed)? {
        Answer::Line(bytes) => value_of(bytes),
        Answer::SeveralLines => Err(Failure::failed("that was more than one line, so nothing was saved")
            .hint(format!("put it into a file, and pipe that in: pipulate secret set {name} < FILE"))),
        Answer::Interrupted => {
            Err(Failure::new(FailureKind::Interrupted, "interrupted, and nothing was saved"))
        }
    }
}

/// The piped value; `None` if it is empty.
fn piped() -> Result<Option<SecretValue>, Failure> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed("could not read the value from stdin").cause(error))?;
    if bytes.len() as u64 > LIMIT {
        return Err(Failure::failed(
            "the value is longer than 128 KiB, which no environment variable can be",
        ));
    }
    value_of(bytes)
}

fn value_of(bytes: Vec<u8>) -> Result<Option<SecretValue>, Failure> {
    // The conversion error contains the bytes, so drop it.
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::failed("the value is not UTF-8 text, which is all that .env can hold")
            .hint("encode it first, such as with: base64 -w 0 FILE | pipulate secret set KEY")
    })?;
    let value = SecretValue::from_input(&text);
    Ok((!value.expose().is_empty()).then_some(value))
}

fn key(name: &OsStr) -> Result<EnvKey, Failure> {
    EnvKey::parse(&name.to_string_lossy())
        .map_err(|error| Failure::new(FailureKind::Usage, error.to_string()))
}

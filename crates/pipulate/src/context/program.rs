//! The program that supervises: this one, from a permanent place.
//!
//! If it is in a cache, a command that starts services first executes a copy of itself. The copy is called by
//! the name of the file in the cache.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pipulate_environment::bare_words;
use pipulate_environment::venv::bin_dir;
use pipulate_process::command::Command;
use pipulate_process::table;
use pipulate_store::copies::{self, Copies};
use pipulate_store::{known, program};

use super::Context;
use crate::call::{Call, McpVerb, Verb};
use crate::ui::printer::Printer;

/// Disables the copy.
const NO_COPY: &str = "PIPULATE_NO_COPY";

/// Executes a copy of this program if services may be started and it is in a cache. On failure, prints a
/// warning and returns.
pub(crate) fn leave_cache(call: &Call, args: &[OsString], printer: &Printer) {
    let starts_services = matches!(&call.verb, Verb::Restart(_) | Verb::Open(_) | Verb::Mcp(McpVerb::Serve))
        || matches!(&call.verb, Verb::Start(settings) if !settings.dry_run);
    if !starts_services || std::env::var_os(NO_COPY).is_some() {
        return;
    }
    let (Some(folder), Ok(own)) = (copies::folder(), table::own_program()) else { return };
    let Some(cache) = copies::cache_above(&own).filter(|_| !is_copy(&own)) else { return };
    let copied = Copies::open(&folder).and_then(|copies| {
        let copy = copies.keep(&own, &table::own_image(&own))?;
        Ok((copies, copy))
    });
    let why = match copied {
        // The copy is locked against removal until it runs.
        Ok((_held, copy)) => Command::new(copy).called(&own).args(args.iter().skip(1)).exec().to_string(),
        Err(error) => error.to_string(),
    };
    printer.warning(format!(
        "this program lies in a cache, {}, and could not be copied: {why}",
        cache.display()
    ));
}

/// The paths of this process's program, the called one first.
pub(crate) fn files(own: &Path) -> Vec<PathBuf> {
    let called = std::env::args_os().next().map(PathBuf::from);
    let called = called.filter(|called| is_copy(own) && called.is_absolute() && called != own);
    called.into_iter().chain([own.to_owned()]).collect()
}

fn is_copy(program: &Path) -> bool {
    let folder = copies::folder().and_then(|folder| folder.canonicalize().ok());
    folder.is_some_and(|folder| program.starts_with(folder))
}

/// Records the program that supervises from now on, for supervisors that are asked to re-exec.
pub(crate) fn remember(context: &Context) {
    if known::is_home(&context.project.layout)
        && let Err(error) = program::remember(&context.project.layout, &context.project.exe)
    {
        context.printer.detail(error);
    }
}

/// Points this project's bare words to this program.
pub(crate) fn refresh_words(context: &Context) {
    let Ok(config) = context.config() else { return };
    let bin = bin_dir(&context.project.layout, &config.python);
    let Some(venv) = bin.parent() else { return };
    for problem in bare_words::refresh(venv, context.project.layout.root(), &context.programs) {
        context.printer.detail(problem);
    }
}

/// Removes the copies that no process runs, once `command` has started or stopped services.
pub(crate) fn sweeping<T>(command: impl FnOnce() -> T) -> T {
    let done = command();
    let folder = copies::folder().filter(|folder| folder.is_dir());
    if let Some(copies) = folder.and_then(|folder| Copies::open(&folder).ok()) {
        let used: BTreeSet<PathBuf> = table::all_pids().into_iter().filter_map(table::program).collect();
        copies.sweep(|copy| used.contains(copy));
    }
    done
}

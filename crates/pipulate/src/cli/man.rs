//! The manual pages, generated from the help.

use std::io;

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::arguments::Arguments;

/// The page of the program, or of one verb; `None` if there is no such verb.
///
/// # Errors
/// None in practice: it is written to memory.
pub(crate) fn page(verb: Option<&str>) -> io::Result<Option<Vec<u8>>> {
    let mut command = Arguments::command();
    command.build();
    let command = match verb {
        None => Some(command),
        Some(verb) => command.find_subcommand(verb).filter(|verb| !verb.is_hide_set()).cloned(),
    };
    let Some(command) = command else { return Ok(None) };
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(Some(page))
}

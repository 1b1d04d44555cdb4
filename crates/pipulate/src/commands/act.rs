//! The hidden verb of the page's helper: carries out a request that ends the page's own service, and leaves
//! the report for the next instance of the page.

use std::io::{self, Read as _};

use pipulate_engine::kept::Kept;
use pipulate_engine::request::Request;

use crate::commands::serve::actions::Quiet;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;

/// More than any request is long.
const LONGEST: u64 = 4 << 20;

/// Reads a request from stdin, and carries it out.
pub(crate) fn act(context: &Context) -> Result<ExitStatus, Failure> {
    interrupt::outlives_its_terminal()?;
    let mut text = Vec::new();
    io::stdin().lock().take(LONGEST).read_to_end(&mut text)?;
    let request: Request = serde_json::from_slice(&text)?;
    let mut quiet = Quiet::default();
    let result = context.project.act(&request, &mut quiet);
    let status = if result.is_ok() { ExitStatus::Success } else { ExitStatus::Failed };
    Kept { request, notes: quiet.notes, result }.leave(&context.project.layout)?;
    Ok(status)
}

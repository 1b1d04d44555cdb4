//! The hosts to which the user lets a project send prompts. They are in the user's own state directory, so no
//! file of a project's folder can claim consent.

use std::path::{Path, PathBuf};

use pipulate_core::fault::FileRefusal;
use pipulate_core::layout::Layout;
use pipulate_core::project::{AbsPath, ProjectId};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::{files, folders};

const SCHEMA: u32 = 1;
/// How many hosts are remembered per project: the latest ones.
const MOST: usize = 16;

/// The format on disk.
#[derive(Serialize, Deserialize)]
struct Wire {
    schema: u32,
    /// Guards against another folder's path with the same id.
    root: AbsPath,
    hosts: Vec<String>,
}

/// Returns true if the user has allowed this project to send prompts to this host, a base URL. An unreadable
/// file allows nothing.
pub fn is_given(layout: &Layout, host: &str) -> bool {
    let hosts = file(layout).map(|file| allowed(&file, layout)).unwrap_or_default();
    hosts.iter().any(|allowed| allowed == host)
}

/// Remembers that the user allows a host.
///
/// # Errors
/// The user's state directory is not writable, or there is none.
pub fn give(layout: &Layout, host: &str) -> Result<(), StoreError> {
    let Some(file) = file(layout) else {
        return Err(StoreError::refused(layout.root(), FileRefusal::NoHomeDirectory));
    };
    let mut hosts = allowed(&file, layout);
    hosts.retain(|allowed| allowed != host);
    hosts.push(host.to_owned());
    hosts.drain(..hosts.len().saturating_sub(MOST));
    folders::make_parents(&file)?;
    let bytes =
        serde_json::to_vec(&Wire { schema: SCHEMA, root: layout.root().clone(), hosts }).unwrap_or_default();
    files::write_private(&file, &bytes)
}

fn allowed(file: &Path, layout: &Layout) -> Vec<String> {
    let bytes = files::read_private(file).ok().flatten();
    let wire = bytes.and_then(|bytes| serde_json::from_slice::<Wire>(&bytes).ok());
    let wire = wire.filter(|wire| wire.schema == SCHEMA && wire.root == *layout.root());
    wire.map(|wire| wire.hosts).unwrap_or_default()
}

fn file(layout: &Layout) -> Option<PathBuf> {
    Some(layout.user()?.state.join("consent").join(ProjectId::of_root(layout.root()).to_string()))
}

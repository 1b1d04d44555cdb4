//! The keys of pages: JupyterLab's token and the web app's, each in its own private file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pipulate_core::layout::Layout;

use crate::error::StoreError;
use crate::{files, known};

/// Returns the token that was made here for this file, or a new one: 32 random bytes as hexadecimal digits,
/// without a line break (JupyterLab would read it as part of the token), private to the user. A token that
/// came with the folder, or that others could read, is replaced.
///
/// # Errors
/// The folder is not writable, or the existing file is refused.
pub fn ensure(layout: &Layout, path: &Path) -> Result<String, StoreError> {
    let is_private = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.mode() & 0o077 == 0);
    match existing(path)? {
        Some(token) if is_private(path) && known::is_key(layout, path, token.as_bytes()) => Ok(token),
        Some(_) | None => make(layout, path),
    }
}

/// Replaces an existing token; returns true if there was one. The file is never missing meanwhile.
///
/// # Errors
/// The folder is not writable, or the existing file is refused.
pub fn renew(layout: &Layout, path: &Path) -> Result<bool, StoreError> {
    let is_there = existing(path)?.is_some();
    if is_there {
        make(layout, path)?;
    }
    Ok(is_there)
}

/// Makes a new token, replacing any old one.
fn make(layout: &Layout, path: &Path) -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::io("make", path)(io::Error::other(error.to_string())))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    files::write_private(path, token.as_bytes())?;
    // If nothing can be remembered, each start makes a new token.
    let _unless_it_failed = known::remember_key(layout, path, token.as_bytes());
    Ok(token)
}

/// Returns the existing token; `None` if there is none, or if it is not one of ours.
///
/// # Errors
/// The file is refused or can't be read.
pub fn existing(path: &Path) -> Result<Option<String>, StoreError> {
    let text = files::read_private(path)?.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.filter(|text| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())))
}

/// Returns the tokens in JupyterLab's own server files: the user's configuration may set another one than ours.
/// An unreadable file yields none.
pub fn of_jupyter(layout: &Layout) -> Vec<String> {
    let entries = fs::read_dir(layout.jupyter_runtime()).into_iter().flatten().flatten();
    let is_servers = |name: &str| name.starts_with("jpserver-") && name.ends_with(".json");
    let token = |path: PathBuf| {
        path.file_name()?.to_str().filter(|name| is_servers(name))?;
        let file: serde_json::Value = serde_json::from_slice(&files::read_private(&path).ok()??).ok()?;
        file["token"].as_str().map(str::to_owned)
    };
    entries.filter_map(|entry| token(entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use pipulate_core::layout::UserDirs;
    use pipulate_core::project::AbsPath;

    use super::*;

    /// A home and its user's state directory, both in this folder.
    fn home_of_user(folder: &tempfile::TempDir) -> Layout {
        let folder = AbsPath::new(folder.path()).unwrap();
        let user = UserDirs { state: folder.at("state"), runtime: None };
        Layout::new(folder).of_user(Some(user))
    }

    #[test]
    fn without_a_state_directory_no_key_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path()).unwrap());
        let first = ensure(&layout, &layout.inside("token")).unwrap();
        assert_ne!(ensure(&layout, &layout.inside("token")).unwrap(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the token");
    }

    #[test]
    fn a_token_is_renewed_only_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let layout = home_of_user(&folder);
        let path = folder.path().join("token");
        assert!(!renew(&layout, &path).unwrap() && !path.exists());
        let first = ensure(&layout, &path).unwrap();
        assert!(renew(&layout, &path).unwrap());
        let second = existing(&path).unwrap().unwrap();
        assert_ne!(second, first);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_token_stays_the_same_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let layout = home_of_user(&folder);
        let path = folder.path().join("token");
        let first = ensure(&layout, &path).unwrap();
        assert_eq!(ensure(&layout, &path).unwrap(), first);
        let meta = path.metadata().unwrap();
        assert_eq!((meta.mode() & 0o777, meta.len()), (0o600, 64));
    }

    #[test]
    fn a_token_that_was_not_made_here_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let layout = home_of_user(&folder);
        let at = |name: &str| folder.path().join(name);
        let committed = "ab".repeat(32);
        files::write_private(&at("token"), committed.as_bytes()).unwrap();
        let made = ensure(&layout, &at("token")).unwrap();
        assert_ne!(made, committed);
        // A copy, a token that others could read, and the token that it replaced.
        fs::copy(at("token"), at("copy")).unwrap();
        assert_ne!(ensure(&layout, &at("copy")).unwrap(), made);
        fs::set_permissions(at("token"), fs::Permissions::from_mode(0o644)).unwrap();
        assert_ne!(ensure(&layout, &at("token")).unwrap(), made);
        files::write_private(&at("token"), made.as_bytes()).unwrap();
        assert_ne!(ensure(&layout, &at("token")).unwrap(), made);
    }
}

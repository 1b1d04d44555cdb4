//! Links in a tree under watch, which are not followed.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Filter, WatchError};

/// The most files in the target of a link that are examined.
const MOST_READ: usize = 1000;

/// Returns true if a link leads to a wanted file, or to a folder with one, that is not watched under its own
/// path.
pub(super) fn is_skipped(root: &Path, filter: &Filter, link: &Path) -> bool {
    let Ok(target) = root.join(link).canonicalize() else { return false };
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let inside = target.strip_prefix(&root).ok();
    if !target.is_dir() {
        return (filter.file)(link) && !inside.is_some_and(|inside| (filter.file)(inside));
    }
    if inside.is_some_and(|inside| (filter.folder)(inside)) || !(filter.folder)(link) {
        return false;
    }
    let entries = fs::read_dir(&target).into_iter().flatten().flatten().take(MOST_READ);
    entries.map(|entry| link.join(entry.file_name())).any(|file| (filter.file)(&file))
}

/// Reports which links are not followed, unless there is a worse problem to report.
pub(super) fn report(skipped: &mut [PathBuf], trouble: &mut Option<WatchError>) {
    skipped.sort();
    if let (Some(first), None) = (skipped.first(), &trouble) {
        *trouble = Some(WatchError::LinksSkipped { first: first.clone(), more: skipped.len() - 1 });
    }
}

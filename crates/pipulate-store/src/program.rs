//! The program of a home: the path of the program that last started services there.
//!
//! Its supervisors execute it when they are asked to hand over to another program. The requester writes it
//! down first, so that a file that came with the folder is never followed.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use pipulate_core::layout::Layout;

use crate::error::StoreError;
use crate::files;

/// Writes down the program that supervises from now on.
///
/// # Errors
/// The folder is not there or not writable.
pub fn remember(layout: &Layout, program: &Path) -> Result<(), StoreError> {
    match recall(layout).as_deref() == Some(program) {
        true => Ok(()),
        false => files::write_private(&layout.program(), program.as_os_str().as_bytes()),
    }
}

/// Returns the recorded program.
pub fn recall(layout: &Layout) -> Option<PathBuf> {
    let path = PathBuf::from(OsString::from_vec(files::read_private(&layout.program()).ok()??));
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use pipulate_core::project::AbsPath;

    use super::*;

    #[test]
    fn the_last_one_counts_and_only_an_absolute_path() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        assert!(remember(&layout, Path::new("/a")).is_err(), "there is no home");
        let layout = crate::home::ensure(&layout).unwrap();
        assert_eq!(recall(&layout), None);
        let strange = PathBuf::from(OsString::from_vec(b"/b\xff\n/pipulate".to_vec()));
        for program in [Path::new("/a/pipulate"), &strange] {
            remember(&layout, program).unwrap();
            assert_eq!(recall(&layout).as_deref(), Some(program));
        }
        remember(&layout, Path::new("pipulate")).unwrap();
        assert_eq!(recall(&layout), None);
    }
}

//! Who else can read the project's secrets.

use std::os::unix::fs::MetadataExt;

use pipulate_core::finding::Finding;

use super::{Examination, skipped, warning};

/// The id that [`super::fix`] knows how to mend itself.
pub(super) const PERMISSIONS: &str = "secrets.permissions";

/// `secrets.permissions`.
pub(super) fn permissions(examination: &Examination) -> Vec<Finding> {
    let path = examination.layout.dotenv();
    let file = match path.symlink_metadata() {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return vec![skipped(PERMISSIONS, "There is no .env")];
        }
        Err(error) => {
            return vec![skipped(PERMISSIONS, ".env can't be looked at").detail(format!("{path}: {error}"))];
        }
    };
    vec![if !file.is_file() {
        warning(PERMISSIONS, ".env is not a plain file")
            .detail(format!("{path} is a link, a folder or a device; Pipulate does not write through those"))
            .advice("put the file itself there")
    } else if file.mode() & 0o077 != 0 {
        warning(PERMISSIONS, "Other users of this machine can read your secrets")
            .detail(format!("{path} has mode {:04o}", file.mode() & 0o7777))
            .command("make it readable for you alone", &["chmod", "600", &path.display().to_string()], true)
    } else {
        Finding::ok(PERMISSIONS, ".env is readable for you alone")
    }]
}

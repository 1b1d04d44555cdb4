//! Whether this machine has the program Ollama, which is optional, and what to do where it does not run.

use std::path::Path;

use crate::surroundings::Surroundings;

/// Where it is got.
pub(crate) const DOWNLOAD: &str = "https://ollama.com/download";

/// Whether it is installed: on `PATH`, or as the app of a Mac. `machine` is where the machine's own
/// files are: `/`, except in tests.
pub(crate) fn is_installed(around: &Surroundings, machine: &Path) -> bool {
    around.programs("ollama").next().is_some() || machine.join("Applications/Ollama.app").exists()
}

/// What has it run on this machine.
pub fn way_to_run(around: &Surroundings, machine: &Path) -> String {
    match is_installed(around, machine) {
        true => "start it with: ollama serve".to_owned(),
        false => format!("it is optional; to have it, install it: {DOWNLOAD}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_what_is_installed_is_to_be_started() {
        let folder = tempfile::tempdir().unwrap();
        let around = Surroundings::default().with("PATH", folder.path().as_os_str());
        let way = || way_to_run(&around, folder.path());
        assert_eq!(way(), "it is optional; to have it, install it: https://ollama.com/download");
        let program = folder.path().join("ollama");
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(way(), "start it with: ollama serve");
        fs::remove_file(program).unwrap();
        fs::create_dir_all(folder.path().join("Applications/Ollama.app")).unwrap();
        assert!(is_installed(&around, folder.path()));
    }
}

//! A project in a temporary folder, for tests of verbs.

use std::fs;

use pipulate_core::project::AbsPath;
use pipulate_engine::project as engine;

use super::*;
use crate::ui::printer::Verbosity;
use crate::ui::printer::memory::{self, Printed};

pub(crate) struct Project {
    pub(crate) context: Context,
    pub(crate) printed: Printed,
    _directory: tempfile::TempDir,
}

/// A project with this `pipulate.toml`.
pub(crate) fn project(config: &str) -> Project {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
    fs::create_dir_all(layout.logs()).unwrap();
    fs::create_dir_all(layout.run()).unwrap();
    fs::write(layout.config(), config).unwrap();
    let (printer, printed) = memory::printer(Verbosity::Normal);
    let exe = PathBuf::from("/usr/bin/pipulate");
    let programs = vec![exe.clone()];
    let project = engine::Project {
        config: read_config(&layout),
        layout,
        exe,
        around: Surroundings::of_this_process(),
        takes_locks: true,
        launched: None,
    };
    let context = Context { project, printer, programs, is_guess: false };
    Project { context, printed, _directory: directory }
}

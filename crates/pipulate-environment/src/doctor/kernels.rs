//! Whether notebooks run in this home's own Python: Jupyter's kernel specs, which other environments
//! and deleted ones leave in the user's folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pipulate_core::finding::Finding;
use pipulate_store::files;
use serde::Deserialize;

use super::catalog::{Check, Group};
use super::{Examination, failure, real, skipped, warning};
use crate::venv::existing_python;

const ID: &str = "jupyter.kernelspec";

pub(super) const KERNELSPEC: Group = Group {
    checks: &[Check::new(
        ID,
        "Jupyter's kernel specs, in the order in which Jupyter looks: whether notebooks start this home's Python, \
         and whether each spec's program is still there",
    )],
    examine: |examination| vec![kernelspec(examination)],
};

/// The kernel that a new notebook gets.
const DEFAULT: &str = "python3";

/// What we read of a `kernel.json`.
#[derive(Deserialize)]
struct Spec {
    argv: Vec<String>,
}

fn kernelspec(examination: &Examination) -> Finding {
    let config = match examination.config() {
        Ok(config) => config,
        Err(reason) => return skipped(ID, reason),
    };
    if !config.has_jupyter() {
        return skipped(ID, "JupyterLab is switched off");
    }
    let Some(python) = existing_python(&examination.layout, &config.python) else {
        return skipped(ID, "Not examined: there is no Python environment");
    };
    let prefix = python.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    let specs = specs(examination, prefix);
    let Some((file, program)) = specs.get(DEFAULT) else {
        // ipykernel brings one that needs no file.
        return Finding::ok(ID, "Notebooks run in this home's Python")
            .detail("read: no kernel spec stands before it");
    };
    if let Some(program) = program.as_deref().filter(|program| !is_of(program, prefix)) {
        let gone = if program.exists() { "" } else { ", which is not there" };
        return failure(ID, format!("Notebooks would run in another Python: {}{gone}", program.display()))
            .detail(format!("read: {}, which stands before this home's own kernel", file.display()))
            .command(
                "move that kernel spec away, or give it the name of its own environment",
                ["mv", &folder_of(file), &format!("{}-other", folder_of(file))],
            );
    }
    let dangling = specs.iter().find_map(|(name, (file, program))| {
        program
            .as_ref()
            .filter(|program| program.is_absolute() && !program.exists())
            .map(|program| (name, file, program))
    });
    match dangling {
        None => {
            Finding::ok(ID, "Notebooks run in this home's Python").detail(format!("read: {}", file.display()))
        }
        Some((name, file, program)) => {
            warning(ID, format!("The kernel {name} can't start: its Python is gone"))
                .detail(format!("read: {}, which starts {}", file.display(), program.display()))
                .command("remove that kernel spec", ["rm", "-r", &folder_of(file)])
        }
    }
}

/// The kernels by name: the first file that Jupyter finds, and the program it starts; `None` stands
/// for Jupyter's own Python.
fn specs(examination: &Examination, prefix: &Path) -> BTreeMap<String, (PathBuf, Option<PathBuf>)> {
    let mut specs = BTreeMap::new();
    for folder in search_path(examination, prefix) {
        let kernels = fs::read_dir(folder.join("kernels")).into_iter().flatten().flatten();
        for kernel in kernels {
            let file = kernel.path().join("kernel.json");
            let Ok(bytes) = files::read_foreign(&file) else { continue };
            let Ok(spec) = serde_json::from_slice::<Spec>(&bytes) else { continue };
            let program = spec.argv.into_iter().next().map(PathBuf::from);
            // A bare `python` is the one that Jupyter itself runs with.
            let program = program.filter(|program| program.is_absolute());
            let name = kernel.file_name().to_string_lossy().to_lowercase();
            specs.entry(name).or_insert((file, program));
        }
    }
    specs
}

/// Jupyter's data folders; in an environment its own come before the user's.
fn search_path(examination: &Examination, prefix: &Path) -> Vec<PathBuf> {
    let named = examination.variable("JUPYTER_PATH").unwrap_or_default();
    let home = examination.session.surroundings.home();
    let user = examination
        .variable("JUPYTER_DATA_DIR")
        .map(PathBuf::from)
        .or_else(|| examination.variable("XDG_DATA_HOME").map(|folder| Path::new(folder).join("jupyter")))
        .or_else(|| {
            Some(home?.join(if examination.session.macos {
                "Library/Jupyter"
            } else {
                ".local/share/jupyter"
            }))
        });
    std::env::split_paths(named)
        .chain([prefix.join("share/jupyter")])
        .chain(user)
        .chain([PathBuf::from("/usr/local/share/jupyter"), PathBuf::from("/usr/share/jupyter")])
        .collect()
}

/// Not by where its links end: that is the Python below all environments.
fn is_of(program: &Path, prefix: &Path) -> bool {
    program.parent().is_some_and(|bin| real(bin) == real(&prefix.join("bin")))
}

fn folder_of(file: &Path) -> String {
    file.parent().unwrap_or(file).display().to_string()
}

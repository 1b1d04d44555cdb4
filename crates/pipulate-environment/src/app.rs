//! A notebook becomes an app: what is in it is asked, a plan is made, its files are written.
//!
//! The notebook is described by the same program that reads its form at every run, so the two can't disagree.
//! It needs Python's standard library alone, and runs in no folder of the project.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use pipulate_apps::Description;
use pipulate_apps::plan::{self, Facts, Plan, PlanError, Wish};
use pipulate_apps::{RUNNER, notebook_of};
use pipulate_core::config::Config;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_process::command::{Command, CommandError};
use pipulate_store::error::StoreError;
use pipulate_store::files;

use crate::python::{self, PythonError};
use crate::surroundings::Surroundings;
use crate::venv::existing_python;

/// The largest notebook that is read, in bytes. Most of that are plots.
const MAX_NOTEBOOK: u64 = 256 << 20;

/// A longer description is considered hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// Appended to the runner's text: describes the notebook on stdin.
const DESCRIBE: &str = "
notebook = json.load(sys.stdin.buffer)
if not is_notebook(notebook):
    sys.exit('old' if isinstance(notebook, dict) and 'worksheets' in notebook else 'none')
print(json.dumps(describe(notebook, sys.argv[1], *sys.argv[2:])))
";

/// A request for an app.
pub struct Request<'a> {
    pub layout: &'a Layout,
    pub config: &'a Config,
    pub around: &'a Surroundings,
    /// Absolute.
    pub notebook: &'a Path,
    /// The program's file, absolute.
    pub output: Option<&'a Path>,
    pub name: Option<&'a ServiceName>,
    /// Does not use the web server's place, even if it has no program.
    pub beside_server: bool,
    /// An app of the notebook that lacks the current runner gets that, rather than another app.
    pub completes: bool,
}

/// The reason why no app was made.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("there is no notebook {}", .0.display())]
    NoFile(PathBuf),
    #[error("{} is not a notebook", .0.display())]
    NotANotebook(PathBuf),
    #[error("{} has an old notebook format", .0.display())]
    OldFormat(PathBuf),
    #[error("could not read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not in the project's folder", .0.display())]
    Outside(PathBuf),
    #[error(transparent)]
    Python(#[from] PythonError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("Python could not describe {}: {words}", .path.display())]
    Undescribed { path: PathBuf, words: String },
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{} already exists and is not overwritten", .0.display())]
    FileExists(PathBuf),
}

/// Plans the files.
///
/// # Errors
/// The file is not a notebook, or can't become an app.
pub fn plan(request: &Request<'_>) -> Result<Plan, AppError> {
    let root = request.layout.root();
    let notebook = inside(root.as_ref(), request.notebook)?;
    let output = request.output.map(|output| inside(root.as_ref(), output)).transpose()?;
    let mut description = describe(request)?;
    let is_python = description.language == "python";
    let kernels = if is_python && description.missing.is_empty() { Vec::new() } else { kernels(request) };
    // A kernel of another Python has modules of its own.
    if description.kernel.as_ref().is_some_and(|kernel| kernel != "python3" && kernels.contains(kernel)) {
        description.missing.clear();
    }
    let app = if request.completes { app_of(request.layout, request.config, &notebook) } else { None };
    let config_text = match files::read_foreign_text(request.layout.config().as_ref()) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            let path = request.layout.config().to_path_buf();
            return Err(AppError::Unreadable { path, source });
        }
    };
    let facts = Facts {
        notebook: &notebook,
        description: &description,
        config: request.config,
        config_text: &config_text,
        kernels: &kernels,
        app,
        exists: &|path| fs::symlink_metadata(root.join(path)).is_ok(),
        text: &|path| files::read_foreign_text(&root.join(path)).ok(),
        is_free: &|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok(),
    };
    let wish = Wish { output, name: request.name.cloned(), beside_server: request.beside_server };
    Ok(plan::plan(&facts, &wish)?)
}

/// The app of this notebook, whose path is relative to the project: its service and its program.
pub fn app_of(layout: &Layout, config: &Config, notebook: &str) -> Option<(ServiceName, String)> {
    config.services.iter().find_map(|service| {
        let program = match &service.command {
            Some(command) => command.iter().find(|part| part.ends_with(".py")).map(String::as_str),
            None if service.name.as_str() == ServiceName::SERVER => Some(plan::SERVER_FILE),
            None => None,
        }?;
        let text = files::read_foreign_text(&layout.root().join(program)).ok()?;
        let is_app = notebook_of(&text).as_deref() == Some(notebook);
        is_app.then(|| (service.name.clone(), program.to_owned()))
    })
}

/// Writes the files of a plan. None that is there is overwritten, unless the plan replaces just that text, and of
/// a plan that can't be carried out no new file is left.
///
/// # Errors
/// A file can't be written.
pub fn write(layout: &Layout, plan: &Plan) -> Result<(), AppError> {
    let mut written = Vec::new();
    let done = plan.files.iter().try_for_each(|file| {
        let path = layout.root().join(&file.path);
        if let Some(old) = &file.replaces {
            if files::read_foreign_text(&path).ok().as_ref() != Some(old) {
                return Err(AppError::FileExists(path));
            }
            return replace(&path, &file.text).map_err(|error| StoreError::io("write", &path)(error).into());
        }
        create(&path, &file.text)?;
        written.push(path);
        Ok(())
    });
    let done = done.and_then(|()| match &plan.config {
        Some(text) => replace(layout.config().as_ref(), text)
            .map_err(StoreError::io("write", layout.config().as_ref()))
            .map_err(AppError::from),
        None => Ok(()),
    });
    if done.is_err() {
        for path in written {
            // The first error is reported.
            let _removed = fs::remove_file(path);
        }
    }
    done
}

/// A path relative to the project, with `/` between its parts.
fn inside(root: &Path, path: &Path) -> Result<String, AppError> {
    let outside = || AppError::Outside(path.to_owned());
    let relative = path.strip_prefix(root).map_err(|_| outside())?;
    let parts = relative.components().map(|part| match part {
        Component::Normal(part) => part.to_str(),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    });
    parts.collect::<Option<Vec<_>>>().map(|parts| parts.join("/")).ok_or_else(outside)
}

/// The contents of the notebook.
fn describe(request: &Request<'_>) -> Result<Description, AppError> {
    let path = request.notebook.to_owned();
    let text = files::read_foreign_within(&path, MAX_NOTEBOOK).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => AppError::NoFile(path.clone()),
        _ => AppError::Unreadable { path: path.clone(), source },
    })?;
    let root = request.layout.root().to_path_buf();
    // The home's own Python, if there is one, also shows which modules are missing.
    let (python, folder) = match existing_python(request.layout, &request.config.python) {
        Some(python) => (python, path.parent()),
        None => (python::discover(request.around, &root, true, None)?.program, None),
    };
    let name = path.file_name().unwrap_or_default();
    // Isolated: nothing from the folder is imported. UTF-8 in every locale.
    let command = Command::new(python)
        .args(["-I", "-X", "utf8", "-c"])
        .arg(format!("{RUNNER}{DESCRIBE}"))
        .arg(name)
        .args(folder)
        .directory(root)
        .stdin(text);
    let output = command.output(PATIENCE)?;
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().last().unwrap_or_default().trim().to_owned();
    if !output.end.success() {
        return Err(match last.as_str() {
            "old" => AppError::OldFormat(path),
            _ if last == "none"
                || last.contains("JSONDecodeError")
                || last.contains("UnicodeDecodeError") =>
            {
                AppError::NotANotebook(path)
            }
            _ => AppError::Undescribed {
                path,
                words: if last.is_empty() { output.end.to_string() } else { last },
            },
        });
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| AppError::Undescribed { path, words: error.to_string() })
}

/// The names of the installed kernels, from Jupyter's folders.
fn kernels(request: &Request<'_>) -> Vec<String> {
    let around = request.around;
    let python = existing_python(request.layout, &request.config.python);
    let prefix = python.as_deref().and_then(|python| Some(python.parent()?.parent()?.join("share/jupyter")));
    let listed = around.variable("JUPYTER_PATH").map(|list| std::env::split_paths(list).collect::<Vec<_>>());
    let own = match around.variable("JUPYTER_DATA_DIR") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => around.home().map(|home| home.join(".local/share/jupyter")),
    };
    let shared = ["/usr/local/share/jupyter", "/usr/share/jupyter"].map(PathBuf::from);
    let folders = listed.into_iter().flatten().chain(prefix).chain(own).chain(shared);
    let specs = folders.filter_map(|folder| fs::read_dir(folder.join("kernels")).ok()).flatten().flatten();
    let specs = specs.filter(|spec| spec.path().join("kernel.json").is_file());
    specs.filter_map(|spec| spec.file_name().into_string().ok()).collect()
}

/// Writes a new file. A link with that name counts as existing.
fn create(path: &Path, text: &str) -> Result<(), AppError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(StoreError::io("create the folder", folder))?;
    }
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => AppError::FileExists(path.to_owned()),
        _ => StoreError::io("write", path)(error).into(),
    })
}

/// Writes a file that is there whole, with the permissions that it has, to where a link leads.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::Builder::new().prefix(".pipulate.").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    let permissions = match fs::metadata(&path) {
        Ok(old) => old.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    new.as_file().set_permissions(permissions)?;
    new.persist(path).map(drop).map_err(|error| error.error)
}

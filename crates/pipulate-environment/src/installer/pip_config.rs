//! Whether pip is configured in a way that uv would not see.
//!
//! Then pip installs: a private index that uv doesn't know is not only a failure, but a chance for
//! somebody else's package of the same name.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::surroundings::Surroundings;

/// Why only pip will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PipOnly {
    Variable(&'static str),
    File { path: PathBuf, key: String },
}

impl fmt::Display for PipOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "{name} is set and uv has no such setting"),
            Self::File { path, key } => write!(f, "{} sets {key} and uv has no such setting", path.display()),
        }
    }
}

const VARIABLES: [&str; 4] = ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_PROXY"];
const KEYS: [&str; 4] = ["index-url", "extra-index-url", "no-index", "proxy"];

/// uv's own, any of which says that somebody thought of uv too.
const UV_VARIABLES: [&str; 8] = [
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_NO_INDEX",
    "UV_FIND_LINKS",
    "UV_OFFLINE",
    "UV_CONFIG_FILE",
];

/// Why pip must install, if it must. `venv` may have a pip.conf too.
pub(crate) fn pip_only(around: &Surroundings, project: &Path, venv: &Path) -> Option<PipOnly> {
    let only = VARIABLES
        .into_iter()
        .find(|name| around.text(name).is_some_and(is_own))
        .map(PipOnly::Variable)
        .or_else(|| pip_files(around, venv).find_map(|path| configured_in(&path)))?;
    (!uv_is_configured(around, project)).then_some(only)
}

fn configured_in(path: &Path) -> Option<PipOnly> {
    let text = fs::read_to_string(path).ok()?;
    let key = set_key(&text)?;
    Some(PipOnly::File { path: path.to_owned(), key })
}

/// The first setting in a pip.conf that uv would not see.
fn set_key(text: &str) -> Option<String> {
    let mut ours = false;
    let mut pending: Option<String> = None;
    for line in text.lines() {
        let continues = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if continues {
            // The value of the key above, on lines of its own.
            if let Some(key) = pending.take_if(|_| is_own(line)) {
                return Some(key);
            }
            continue;
        }
        pending = None;
        if let Some(section) = line.strip_prefix('[') {
            ours = matches!(section.trim_end_matches(']').trim(), "global" | "install");
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']).filter(|_| ours) else { continue };
        let key = key.trim().to_ascii_lowercase().replace('_', "-");
        if !KEYS.contains(&key.as_str()) {
            continue;
        }
        if is_own(value) {
            return Some(key);
        }
        pending = Some(key);
    }
    None
}

/// Whether a value says anything but what is so anyway.
fn is_own(value: &str) -> bool {
    let public = |address: &str| {
        let address = address.trim_end_matches('/');
        address == "https://pypi.org/simple" || address == "https://pypi.python.org/simple"
    };
    let off = ["0", "false", "no", "off"];
    let value = value.trim();
    !off.contains(&value.to_ascii_lowercase().as_str())
        && value.split_whitespace().any(|address| !public(address))
}

fn pip_files<'a>(around: &'a Surroundings, venv: &Path) -> impl Iterator<Item = PathBuf> + 'a {
    let named = around.variable("PIP_CONFIG_FILE").map(PathBuf::from);
    let system = around.text("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg");
    let system = system.split(':').map(|folder| Path::new(folder).join("pip/pip.conf"));
    let user = around.variable("XDG_CONFIG_HOME").map(|folder| Path::new(folder).join("pip/pip.conf"));
    let home = around.home().into_iter().flat_map(|home| {
        [".config/pip/pip.conf", ".pip/pip.conf", "Library/Application Support/pip/pip.conf"]
            .map(|name| home.join(name))
    });
    // `PIP_CONFIG_FILE=/dev/null` switches all of them off.
    let switched_off = named.as_deref() == Some(Path::new("/dev/null"));
    let files =
        named.into_iter().chain(system).chain([PathBuf::from("/etc/pip.conf")]).chain(user).chain(home);
    files.chain([venv.join("pip.conf")]).filter(move |_| !switched_off)
}

fn uv_is_configured(around: &Surroundings, project: &Path) -> bool {
    if UV_VARIABLES.iter().any(|name| around.variable(name).is_some()) {
        return true;
    }
    let user = around
        .variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| around.home().map(|home| home.join(".config")))
        .map(|folder| folder.join("uv/uv.toml"));
    let files = [project.join("uv.toml"), project.join("pyproject.toml"), PathBuf::from("/etc/uv/uv.toml")];
    files.into_iter().chain(user).any(|file| fs::read_to_string(file).is_ok_and(|text| names_an_index(&text)))
}

fn names_an_index(text: &str) -> bool {
    // `[[tool.uv.index]]`, `[[index]]`, `index-url = …`, `index = [{…}]`, `find-links = …`
    text.lines().map(str::trim).any(|line| {
        matches!(line, "[[tool.uv.index]]" | "[[index]]")
            || line.split_once('=').is_some_and(|(key, _)| {
                matches!(key.trim(), "index" | "index-url" | "extra-index-url" | "no-index" | "find-links")
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Surroundings {
        Surroundings::default().with("XDG_CONFIG_DIRS", "/nowhere")
    }

    #[test]
    fn a_variable_for_pip_alone_means_pip() {
        let here = Path::new("/nowhere");
        assert_eq!(pip_only(&nobody(), here, here), None);
        let private = nobody().with("PIP_EXTRA_INDEX_URL", "https://pypi.corp/simple");
        assert_eq!(pip_only(&private, here, here), Some(PipOnly::Variable("PIP_EXTRA_INDEX_URL")));
        assert_eq!(pip_only(&private.with("UV_INDEX", "https://pypi.corp/simple"), here, here), None);
        assert_eq!(pip_only(&nobody().with("PIP_INDEX_URL", "https://pypi.org/simple/"), here, here), None);
        assert_eq!(pip_only(&nobody().with("PIP_NO_INDEX", "0"), here, here), None);
    }

    #[test]
    fn a_file_for_pip_alone_means_pip() {
        for (text, wanted) in [
            ("[global]\nindex-url = https://pypi.corp/simple\n", Some("index-url")),
            ("[install]\nextra_index_url=https://a\n", Some("extra-index-url")),
            (
                "[global]\nextra-index-url =\n    https://pypi.org/simple\n    https://a\n",
                Some("extra-index-url"),
            ),
            ("[global]\nproxy: http://proxy:3128\n", Some("proxy")),
            ("[global]\ncert = /etc/ssl/x\n", None),
            ("[global]\n# index-url = https://a\n", None),
            ("[freeze]\nindex-url = https://a\n", None),
            ("[global]\nindex-url = https://pypi.org/simple\n", None),
            ("", None),
        ] {
            assert_eq!(set_key(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn the_users_files_are_found_and_uvs_own_outweigh_them() {
        let home = tempfile::tempdir().unwrap();
        let project = tempfile::tempdir().unwrap();
        let around = nobody().with_home(home.path());
        fs::create_dir_all(home.path().join(".config/pip")).unwrap();
        fs::write(home.path().join(".config/pip/pip.conf"), "[global]\nindex-url = https://a/\n").unwrap();
        let only = pip_only(&around, project.path(), project.path());
        assert!(matches!(&only, Some(PipOnly::File { key, .. }) if key == "index-url"), "{only:?}");
        let off = around.clone().with("PIP_CONFIG_FILE", "/dev/null");
        assert_eq!(pip_only(&off, project.path(), project.path()), None);
        fs::write(project.path().join("uv.toml"), "[[index]]\nurl = \"https://a/\"\n").unwrap();
        assert_eq!(pip_only(&around, project.path(), project.path()), None);
    }
}

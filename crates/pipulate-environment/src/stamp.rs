//! The stamp of a set-up, `.pipulate/setup.json`: the environment, its Python, and the requirements.
//!
//! It is read instead of starting Python. `making` is written before a venv is begun, so that an interrupted
//! set-up can continue; the requirements are written last.

use std::path::{Path, PathBuf};

use pipulate_core::layout::Layout;
use pipulate_store::error::StoreError;
use pipulate_store::{files, known};
use serde::{Deserialize, Serialize};

use crate::installer_kind::InstallerKind;
use crate::requirements::Fingerprint;
use crate::venv::VenvIdentity;
use crate::version::Version;

/// The recorded work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stamp {
    /// A venv was begun in an empty place.
    Making { venv: PathBuf },
    /// A venv is there.
    Made(Made),
}

/// A venv that was made or taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub origin: Origin,
    pub venv: PathBuf,
    pub identity: VenvIdentity,
    /// The interpreter at the end of its links.
    pub real_python: PathBuf,
    pub version: Version,
    /// `None`: the packages are still to be installed.
    pub installed: Option<Installed>,
}

/// The installed requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub installer: InstallerKind,
    pub requirements: Fingerprint,
    /// A digest of the packages; `None` in older stamps.
    pub listing: Option<String>,
}

/// The origin of a venv.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// We made it: we may replace it.
    Made,
    /// It existed, and an explicit set-up installed into it: we may install, but not replace it.
    Adopted,
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    #[serde(flatten)]
    state: State,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum State {
    Making {
        venv: String,
    },
    Made {
        origin: Origin,
        venv: String,
        /// `pyvenv.cfg`'s time in nanoseconds, which exceeds JSON numbers.
        venv_made: String,
        /// The creation time of its `bin`, in nanoseconds; missing in older stamps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bin_made: Option<String>,
        python: String,
        python_version: String,
        installed: Option<InstalledFile>,
    },
}

#[derive(Serialize, Deserialize)]
struct InstalledFile {
    installer: InstallerKind,
    requirements: String,
    #[serde(default)]
    listing: Option<String>,
}

impl Stamp {
    /// Reads the stamp. `None` if there is none that this version understands: then we may not change the
    /// environment. A stamp that was not written here doesn't count: it came with the folder.
    pub fn read(layout: &Layout) -> Option<Self> {
        let bytes = files::read_private(&layout.setup_stamp()).ok()??;
        Self::parse(&bytes).filter(|_| known::is_stamp(layout, &bytes))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let file: File = serde_json::from_slice(bytes).ok()?;
        (file.version == VERSION).then(|| Self::from_state(file.state)).flatten()
    }

    /// Writes the stamp atomically, readable only by this user.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn write(&self, layout: &Layout) -> Result<(), StoreError> {
        let path = &layout.setup_stamp();
        let mut text = serde_json::to_string_pretty(&File { version: VERSION, state: self.to_state() })
            .map_err(|error| StoreError::io("write", path)(error.into()))?;
        text.push('\n');
        files::write_private(path, text.as_bytes())?;
        // If it can't be remembered, the environment counts as foreign the next time.
        let _unless_it_failed = known::remember_stamp(layout, text.as_bytes());
        Ok(())
    }

    fn from_state(state: State) -> Option<Self> {
        Some(match state {
            State::Making { venv } => Self::Making { venv: venv.into() },
            State::Made { origin, venv, venv_made, bin_made, python, python_version, installed } => {
                Self::Made(Made {
                    origin,
                    venv: venv.into(),
                    identity: VenvIdentity {
                        written: venv_made.parse().ok()?,
                        made: bin_made.and_then(|made| made.parse().ok()),
                    },
                    real_python: python.into(),
                    version: Version::parse(&python_version)?,
                    installed: installed.map(|file| Installed {
                        installer: file.installer,
                        requirements: Fingerprint(file.requirements),
                        listing: file.listing,
                    }),
                })
            }
        })
    }

    fn to_state(&self) -> State {
        match self {
            Self::Making { venv } => State::Making { venv: as_text(venv) },
            Self::Made(made) => State::Made {
                origin: made.origin,
                venv: as_text(&made.venv),
                venv_made: made.identity.written.to_string(),
                bin_made: made.identity.made.map(|made| made.to_string()),
                python: as_text(&made.real_python),
                python_version: made.version.to_string(),
                installed: made.installed.as_ref().map(|installed| InstalledFile {
                    installer: installed.installer,
                    requirements: installed.requirements.0.clone(),
                    listing: installed.listing.clone(),
                }),
            },
        }
    }
}

/// JSON is text. A path that isn't reads back as another one, and then counts as foreign.
fn as_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use pipulate_core::layout::UserDirs;
    use pipulate_core::project::AbsPath;

    use super::*;

    fn made(listing: Option<&str>) -> Stamp {
        Stamp::Made(Made {
            origin: Origin::Made,
            venv: "/p/.venv".into(),
            identity: VenvIdentity { written: 1_795_000_000_123_456_789, made: None },
            real_python: "/usr/bin/python3.11".into(),
            version: Version::parse("3.11.7").unwrap(),
            installed: Some(Installed {
                installer: InstallerKind::Uv,
                requirements: Fingerprint("ab".to_owned()),
                listing: listing.map(str::to_owned),
            }),
        })
    }

    fn home() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let root = AbsPath::new(folder.path()).unwrap();
        let user = UserDirs { state: root.at("state"), runtime: None };
        let layout = Layout::new(root).of_user(Some(user));
        fs::create_dir(layout.state()).unwrap();
        (folder, layout)
    }

    #[test]
    fn what_was_written_is_read() {
        let (_folder, layout) = home();
        let path = layout.setup_stamp();
        for stamp in [Stamp::Making { venv: "/p/.venv".into() }, made(None), made(Some("cd"))] {
            stamp.write(&layout).unwrap();
            assert_eq!(Stamp::read(&layout), Some(stamp));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(layout.state()).unwrap().count(), 1);
        let copied = fs::read(&path).unwrap();
        let (_folder, other) = home();
        fs::write(other.setup_stamp(), copied).unwrap();
        assert_eq!(Stamp::read(&other), None, "it was not written there");
    }

    #[test]
    fn version_1_is_read_for_ever() {
        let frozen = r#"{"version":1,"state":"made","origin":"made","venv":"/p/.venv",
            "venv_made":"1795000000123456789","python":"/usr/bin/python3.11","python_version":"3.11.7",
            "installed":{"installer":"uv","requirements":"ab"}}"#;
        assert_eq!(Stamp::parse(frozen.as_bytes()), Some(made(None)));
    }

    #[test]
    fn what_is_not_understood_is_no_stamp() {
        let (_folder, layout) = home();
        assert_eq!(Stamp::read(&layout), None);
        for text in
            ["", "{", "{}", r#"{"version":2,"state":"making","venv":"/p"}"#, r#"{"version":1,"state":"new"}"#]
        {
            assert_eq!(Stamp::parse(text.as_bytes()), None, "{text}");
        }
    }
}

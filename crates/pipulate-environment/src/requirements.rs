//! What should be installed: `requirements.txt` with the files it includes, else the dependencies of
//! `pyproject.toml`, else the default four.
//!
//! The installers read requirements files themselves. We read them to notice that they changed, and
//! whether they list JupyterLab.

mod pyproject;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pipulate_core::config::PythonConfig;
use pipulate_core::layout::Layout;
use pipulate_store::files;
use sha2::{Digest, Sha256};

/// Installed where a project lists nothing itself.
pub(crate) const DEFAULT_PACKAGES: [&str; 4] = ["jupyterlab", "numpy", "python-fasthtml", "python-dotenv"];

/// The most files that may include each other, and how large they may be together, in bytes.
const MOST_FILES: usize = 100;
const LARGEST: u64 = 16 << 20;

const JUPYTERLAB: &str = "jupyterlab";

/// What a project wants installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirements {
    pub source: Source,
    /// The names of the packages asked for, normalized, those of included files too.
    pub names: BTreeSet<String>,
    pub fingerprint: Fingerprint,
    /// JupyterLab is wanted and the file doesn't list it.
    add_jupyterlab: bool,
    /// The file pins hashes, so nothing without one can be installed beside it.
    pub hashed: bool,
}

/// Where they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file that installers read.
    File(PathBuf),
    /// `[project] dependencies` of a `pyproject.toml`, in its order.
    Project { file: PathBuf, dependencies: Vec<String> },
    /// Nowhere: [`DEFAULT_PACKAGES`].
    Default,
}

/// A digest of all that was asked for, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(pub String);

/// A requirements file that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not read the requirements in {}: {reason}", .path.display())]
pub struct RequirementsError {
    pub path: PathBuf,
    pub reason: String,
}

impl Requirements {
    /// Reads what the project asks for. With `jupyter`, JupyterLab is added if it isn't listed.
    ///
    /// # Errors
    /// The file, or one that it includes, can't be read; or pipulate.toml names one that isn't there.
    pub(crate) fn read(
        layout: &Layout,
        config: &PythonConfig,
        jupyter: bool,
    ) -> Result<Self, RequirementsError> {
        let source = Self::source(layout, config)?;
        let mut reader = Reader::default();
        match &source {
            Source::File(path) => reader.read(path, Role::Requirements)?,
            Source::Project { dependencies, .. } => reader.take(dependencies),
            Source::Default => reader.names.extend(DEFAULT_PACKAGES.map(str::to_owned)),
        }
        let is_default = source == Source::Default;
        let add_jupyterlab = !is_default && jupyter && !reader.names.contains(JUPYTERLAB) && !reader.hashed;
        if add_jupyterlab {
            reader.names.insert(JUPYTERLAB.to_owned());
        }
        reader.digest.update(if add_jupyterlab { b"+".as_slice() } else { b"=" });
        let names = reader.names.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        reader.digest.update(names);
        let fingerprint = Fingerprint(hex(&reader.digest.finalize()));
        Ok(Self { source, names: reader.names, fingerprint, add_jupyterlab, hashed: reader.hashed })
    }

    fn source(layout: &Layout, config: &PythonConfig) -> Result<Source, RequirementsError> {
        let path = layout.inside(&config.requirements).to_path_buf();
        if config.requirements_named || path.exists() {
            return Ok(Source::File(path));
        }
        let file = layout.inside("pyproject.toml").to_path_buf();
        let dependencies = pyproject::dependencies(&file)?;
        Ok(dependencies.map_or(Source::Default, |dependencies| Source::Project { file, dependencies }))
    }

    /// The arguments that ask an installer for them; uv and pip agree on these.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = match &self.source {
            Source::File(file) => vec!["-r".into(), file.into()],
            Source::Project { dependencies, .. } => dependencies.iter().map(OsString::from).collect(),
            Source::Default => DEFAULT_PACKAGES.map(OsString::from).into(),
        };
        if self.add_jupyterlab {
            arguments.push(JUPYTERLAB.into());
        }
        arguments
    }

    /// How many packages are asked for by name, those they need in turn not counted.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }
}

/// What a file says by being included.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Install these.
    Requirements,
    /// If you install these, then in this version.
    Constraints,
}

#[derive(Default)]
struct Reader {
    names: BTreeSet<String>,
    hashed: bool,
    digest: Sha256,
    seen: BTreeSet<PathBuf>,
    /// Of all files, in bytes.
    size: u64,
}

impl Reader {
    fn read(&mut self, path: &Path, role: Role) -> Result<(), RequirementsError> {
        if !self.seen.insert(path.to_owned()) {
            return Ok(());
        }
        let refused = |reason: String| RequirementsError { path: path.to_owned(), reason };
        if self.seen.len() > MOST_FILES {
            return Err(refused(format!("more than {MOST_FILES} files are included")));
        }
        let bytes = files::read_foreign_within(path, LARGEST - self.size).map_err(|error| {
            refused(match error.kind() {
                ErrorKind::FileTooLarge => {
                    format!("it is larger than {} MiB, with what it includes", LARGEST >> 20)
                }
                _ => error.to_string(),
            })
        })?;
        self.size += bytes.len() as u64;
        self.digest.update(bytes.len().to_le_bytes());
        self.digest.update(&bytes);
        let text = String::from_utf8_lossy(&bytes).replace("\\\r\n", " ").replace("\\\n", " ");
        for line in text.trim_start_matches('\u{feff}').lines() {
            self.line(line, path, role)?;
        }
        Ok(())
    }

    fn take(&mut self, dependencies: &[String]) {
        for dependency in dependencies {
            self.digest.update(dependency.len().to_le_bytes());
            self.digest.update(dependency);
            self.names.extend(required_name(dependency.trim()));
        }
    }

    fn line(&mut self, line: &str, file: &Path, role: Role) -> Result<(), RequirementsError> {
        let line = without_comment(line).trim();
        self.hashed |= line.contains("--hash=") || line == "--require-hashes";
        if let Some((included, role)) = included(line, role) {
            // A file at an address is the installer's business.
            if included.contains("://") {
                return Ok(());
            }
            let folder = file.parent().unwrap_or(Path::new("/"));
            return self.read(&folder.join(included), role);
        }
        if role == Role::Requirements {
            self.names.extend(required_name(line));
        }
        Ok(())
    }
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.find(" #").or_else(|| line.find("\t#")).map_or(line, |at| &line[..at])
}

/// The file that a line includes, and as what.
fn included(line: &str, role: Role) -> Option<(&str, Role)> {
    let options = [
        ("--requirement", role),
        ("-r", role),
        ("--constraint", Role::Constraints),
        ("-c", Role::Constraints),
    ];
    options.into_iter().find_map(|(option, role)| {
        let rest = line.strip_prefix(option)?;
        // `--requirement=x` and `--requirement x`, but not `--requirements-x`; `-rx` is fine.
        let separated = rest.starts_with([' ', '\t', '=']) || !option.starts_with("--");
        let name = rest.trim_start_matches([' ', '\t', '=']).trim_matches(['"', '\'']);
        (separated && !name.is_empty()).then_some((name, role))
    })
}

/// The package that a line asks for; paths, addresses and options ask for none by name.
fn required_name(line: &str) -> Option<String> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let follows = rest.trim_start().chars().next();
    let named = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && follows.is_none_or(|c| "[=<>!~;@(-".contains(c));
    named.then(|| normalized_name(name))
}

/// `Python_DotEnv` and `python-dotenv` are one package.
pub(crate) fn normalized_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    normal
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pipulate_core::config::Config;
    use pipulate_core::project::AbsPath;

    use super::*;

    fn read(files: &[(&str, &str)], toml: &str, jupyter: bool) -> Result<Requirements, RequirementsError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let layout = Layout::new(AbsPath::new(folder.path()).unwrap());
        Requirements::read(&layout, &Config::parse(toml).unwrap().python, jupyter)
    }

    fn names(text: &str) -> Vec<String> {
        read(&[("requirements.txt", text)], "", false).unwrap().names.into_iter().collect()
    }

    #[test]
    fn names_are_read_from_every_way_of_writing_them() {
        for (line, wanted) in [
            ("numpy", "numpy"),
            ("Python_DotEnv>=1 # why", "python-dotenv"),
            ("uvicorn[standard] ~= 0.30 ; python_version > '3.9'", "uvicorn"),
            ("pkg @ https://host/pkg.whl", "pkg"),
            ("ruamel.yaml==0.18 \\\n  --hash=sha256:00", "ruamel-yaml"),
            ("\u{feff}six", "six"),
        ] {
            assert_eq!(names(line), [wanted], "{line}");
        }
        for line in
            ["# numpy", "", "-e .", "./here", "https://h/x.whl", "git+https://h/x", "--pre", "-i https://h"]
        {
            assert!(names(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn included_files_count_and_constraints_do_not_ask_for_anything() {
        let files = [
            ("requirements.txt", "-r more.txt\n-c limits.txt\nsix\n"),
            ("more.txt", "--requirement=requirements.txt\njupyterlab\n"),
            ("limits.txt", "numpy<2\n"),
        ];
        let read = read(&files, "", true).unwrap();
        assert_eq!(read.names.iter().collect::<Vec<_>>(), ["jupyterlab", "six"]);
        assert!(!read.arguments().contains(&"jupyterlab".into()));
    }

    #[test]
    fn files_that_include_each_other_are_bounded_in_number_and_size() {
        // Each level names itself twice, by ways that are not the same: 2^n files.
        let twice = "-r a/../requirements.txt\n-r b/../requirements.txt\n";
        let folders = [("a/x", ""), ("b/x", "")];
        let error = read(&[&[("requirements.txt", twice)][..], &folders].concat(), "", true).unwrap_err();
        assert_eq!(error.reason, "more than 100 files are included");
        let comment = format!("#{}\n", "x".repeat(9 << 20));
        let two = [("requirements.txt", &*format!("{comment}-r more.txt")), ("more.txt", &*comment)];
        assert_eq!(
            read(&two, "", true).unwrap_err().reason,
            "it is larger than 16 MiB, with what it includes"
        );
    }

    #[test]
    fn a_change_in_any_of_the_files_is_noticed_and_nothing_else_is() {
        let of = |more: &str| {
            read(&[("requirements.txt", "-r more.txt"), ("more.txt", more)], "", true).unwrap().fingerprint
        };
        assert_eq!(of("six"), of("six"));
        assert_ne!(of("six"), of("six==1.17"));
    }

    #[test]
    fn jupyterlab_is_added_where_it_is_wanted_and_missing() {
        let one = [("requirements.txt", "six\n")];
        assert_eq!(read(&one, "", true).unwrap().arguments().last().unwrap(), "jupyterlab");
        assert_eq!(read(&one, "", false).unwrap().arguments().len(), 2);
        let hashed = read(&[("requirements.txt", "six==1 --hash=sha256:00\n")], "", true).unwrap();
        assert_eq!((hashed.hashed, hashed.arguments().len()), (true, 2));
    }

    #[test]
    fn without_a_file_the_default_four_are_wanted() {
        assert_eq!(read(&[], "", true).unwrap().arguments(), DEFAULT_PACKAGES);
    }

    #[test]
    fn the_dependencies_of_a_pyproject_are_wanted_where_there_is_no_requirements_file() {
        let toml = "[project]\nname = \"demo\"\ndependencies = [\"Six>=1.16\", \"polars[all]; python_version > '3.9'\"]\n";
        let project = [("pyproject.toml", toml)];
        let wanted = read(&project, "", true).unwrap();
        assert_eq!(wanted.arguments(), ["Six>=1.16", "polars[all]; python_version > '3.9'", "jupyterlab"]);
        assert_eq!(wanted.names.iter().collect::<Vec<_>>(), ["jupyterlab", "polars", "six"]);
        let changed = [("pyproject.toml", toml.replace("1.16", "1.17"))];
        let changed = changed.each_ref().map(|(name, text)| (*name, text.as_str()));
        assert_ne!(read(&changed, "", true).unwrap().fingerprint, wanted.fingerprint);
        let both = [("pyproject.toml", toml), ("requirements.txt", "six\n")];
        assert_eq!(read(&both, "", false).unwrap().arguments()[0], "-r");
    }

    #[test]
    fn a_pyproject_without_dependencies_says_nothing_and_a_broken_one_is_an_error() {
        for text in
            ["[tool.ruff]\nline-length = 100\n", "[project]\nname = \"x\"\ndynamic = [\"dependencies\"]\n"]
        {
            assert_eq!(
                read(&[("pyproject.toml", text)], "", true).unwrap().source,
                Source::Default,
                "{text}"
            );
        }
        for text in
            ["[project", "[project]\ndependencies = [1]\n", "[project]\ndependencies = [\"--index-url=x\"]\n"]
        {
            let error = read(&[("pyproject.toml", text)], "", true).unwrap_err();
            assert!(error.path.ends_with("pyproject.toml"), "{error}");
        }
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let error = read(&[], "[python]\nrequirements = \"other.txt\"\n", true).unwrap_err();
        assert!(error.path.ends_with("other.txt"), "{error}");
    }
}

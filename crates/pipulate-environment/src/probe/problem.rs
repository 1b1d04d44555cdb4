//! The reason why a module doesn't import, from Python's output, and the remedy.

use std::fmt;
use std::path::Path;

use pipulate_core::finding::Fix;
use pipulate_core::missing_module::MissingModule;

/// The reason why a module doesn't import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeProblem {
    /// A shared library of the system is missing.
    MissingLibrary {
        library: String,
    },
    /// The module, or another one that it imports, is not installed.
    MissingModule {
        module: String,
    },
    /// It was built for another kind of processor.
    WrongArchitecture,
    /// The C library is too old for the module, or for a library that takes precedence over the system's.
    WrongLibc {
        version: String,
    },
    /// NixOS can't start a Python that was built for other systems.
    ForeignBinary,
    Crashes {
        signal: i32,
    },
    Hangs {
        seconds: u64,
    },
    /// Python itself ends before the import.
    DoesNotStart {
        last_line: String,
    },
    Other {
        last_line: String,
    },
}

impl fmt::Display for ProbeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingLibrary { library } => write!(f, "the library {library} is missing on this system"),
            Self::MissingModule { module } => write!(f, "the module {module} is not installed"),
            Self::WrongArchitecture => f.write_str("it was built for another kind of processor"),
            Self::WrongLibc { version } => write!(f, "it needs a C library with {version}"),
            Self::ForeignBinary => {
                f.write_str("NixOS can't start this Python: it was built for other systems")
            }
            Self::Crashes { signal } => write!(f, "importing it crashes Python (signal {signal})"),
            Self::Hangs { seconds } => write!(f, "importing it takes longer than {seconds} s"),
            Self::DoesNotStart { last_line } => write!(f, "Python does not start: {last_line}"),
            Self::Other { last_line } => f.write_str(last_line),
        }
    }
}

/// The kind of system, as far as the advice depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    NixOs,
    Debian,
    Other,
}

impl System {
    /// This system.
    pub fn here() -> Self {
        Self::at(Path::new("/"))
    }

    /// The system with its files below a folder.
    pub fn at(root: &Path) -> Self {
        if root.join("etc/NIXOS").exists() {
            Self::NixOs
        } else if root.join("etc/debian_version").exists() {
            Self::Debian
        } else {
            Self::Other
        }
    }
}

/// Debian's packages of the libraries that wheels leave to the system.
const PACKAGES: [(&str, &str); 12] = [
    ("libstdc++.so.6", "libstdc++6"),
    ("libgcc_s.so.1", "libgcc-s1"),
    ("libz.so.1", "zlib1g"),
    ("libgomp.so.1", "libgomp1"),
    ("libgfortran.so.5", "libgfortran5"),
    ("libopenblas.so.0", "libopenblas0"),
    ("libGL.so.1", "libgl1"),
    ("libglib-2.0.so.0", "libglib2.0-0"),
    ("libffi.so.8", "libffi8"),
    ("libssl.so.3", "libssl3"),
    ("libsqlite3.so.0", "libsqlite3-0"),
    ("libexpat.so.1", "libexpat1"),
];

impl ProbeProblem {
    /// The most likely remedy.
    pub fn fix(&self, system: System) -> Fix {
        match self {
            Self::MissingLibrary { library } => library_fix(library, system),
            Self::MissingModule { module } => match MissingModule::of(module) {
                Some(MissingModule { package, .. }) => {
                    let add = ["pipulate", "add", package.as_str()];
                    Fix::command(format!("add it to the project with: {}", add.join(" ")), add)
                }
                None => Fix::advice(format!(
                    "install the part of Python that has {module} with the package manager of this system"
                )),
            },
            Self::WrongArchitecture | Self::Crashes { .. } => {
                Fix::command("make a new environment", ["pipulate", "setup", "--recreate"])
            }
            Self::WrongLibc { .. } => Fix::advice(
                "take LD_LIBRARY_PATH out of the environment (`unset LD_LIBRARY_PATH`), or update the system",
            ),
            Self::ForeignBinary => {
                Fix::advice("work inside `nix develop`, then run `pipulate setup --recreate`")
            }
            Self::Hangs { .. } => {
                Fix::advice("start pipulate again; the first import of a package on a slow disk takes long")
            }
            Self::DoesNotStart { .. } => Fix::command(
                "take what it names out of PIPULATE_LIBRARY_PATH or LD_LIBRARY_PATH, if it is from there; else make a new environment",
                ["pipulate", "setup", "--recreate"],
            ),
            Self::Other { .. } => {
                Fix::command("install the packages again", ["pipulate", "setup", "--recreate"])
            }
        }
    }
}

fn library_fix(library: &str, system: System) -> Fix {
    if library.starts_with("libcuda.so") || library.starts_with("libnvidia") {
        return Fix::advice("install the NVIDIA driver of this system".to_owned());
    }
    let package = PACKAGES.iter().find(|(name, _)| *name == library).map(|(_, package)| *package);
    match (system, package) {
        (System::NixOs, _) => Fix::advice(format!("work inside `nix develop`: its flake provides {library}")),
        (System::Debian, Some(package)) => {
            Fix::command(format!("install {package}"), ["sudo", "apt", "install", package])
        }
        (System::Debian, None) => {
            Fix::advice(format!("install the package that has {library} (`apt-file search {library}`)"))
        }
        (System::Other, _) => Fix::advice(format!(
            "install {library} with the package manager of this system, or work inside `nix develop`"
        )),
    }
}

/// Finds the reason in a traceback. numpy wraps the relevant error in a page of advice.
pub(crate) fn classify(said: &str) -> ProbeProblem {
    if said.contains("NixOS cannot run dynamically linked executables")
        || said.contains("Could not start dynamically linked executable")
    {
        return ProbeProblem::ForeignBinary;
    }
    let original = said.rsplit_once("Original error was:").map_or("", |(_, rest)| rest);
    let missing = missing_library(original).or_else(|| missing_library(said));
    if let Some(library) = missing {
        return ProbeProblem::MissingLibrary { library };
    }
    let architecture = [
        "wrong ELF class",
        "incompatible architecture",
        "invalid ELF header",
        "Exec format error",
        "wrong architecture",
    ];
    if architecture.iter().any(|words| said.contains(words)) {
        return ProbeProblem::WrongArchitecture;
    }
    if let Some(version) = between(said, "version `", "' not found") {
        return ProbeProblem::WrongLibc { version };
    }
    if let Some(module) = between(said, "No module named '", "'") {
        return ProbeProblem::MissingModule { module };
    }
    let last_line = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    ProbeProblem::Other { last_line: last_line.unwrap_or("it ended without output").to_owned() }
}

/// `libz.so.1` of `…: libz.so.1: cannot open shared object file: …`.
fn missing_library(said: &str) -> Option<String> {
    let (before, _) = said.split_once(": cannot open shared object file")?;
    let start = before.rfind(|c: char| !(c.is_alphanumeric() || "._+-".contains(c))).map_or(0, |at| at + 1);
    let library = before.get(start..)?;
    library.contains(".so").then(|| library.to_owned())
}

/// The last match: Python prints the final error at the end.
fn between(said: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = said.rsplit_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_says_is_understood() {
        let library = |name: &str| ProbeProblem::MissingLibrary { library: name.to_owned() };
        let table = [
            (
                "ImportError: libstdc++.so.6: cannot open shared object file: No such file or directory\n",
                library("libstdc++.so.6"),
            ),
            (
                "ImportError: libopenblas.so.0: cannot open shared object file: …\n\nDuring handling of the above \
                 exception, another exception occurred:\n\nIMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS \
                 ISSUE!\n\nImporting the numpy C-extensions failed.\n\nOriginal error was: libz.so.1: cannot open shared \
                 object file: No such file or directory\n\n",
                library("libz.so.1"),
            ),
            (
                "OSError: /usr/lib/libGL.so.1: cannot open shared object file: No such file or directory",
                library("libGL.so.1"),
            ),
            (
                "Traceback (most recent call last):\nModuleNotFoundError: No module named 'numpy'",
                ProbeProblem::MissingModule { module: "numpy".to_owned() },
            ),
            ("ImportError: /v/x.so: wrong ELF class: ELFCLASS32", ProbeProblem::WrongArchitecture),
            (
                "ImportError: dlopen(x.so, 2): (mach-o file, but is an incompatible architecture (have 'x86_64', need \
                 'arm64'))",
                ProbeProblem::WrongArchitecture,
            ),
            (
                "ImportError: /lib/libc.so.6: version `GLIBC_2.38' not found (required by /nix/store/x/libstdc++.so.6)",
                ProbeProblem::WrongLibc { version: "GLIBC_2.38".to_owned() },
            ),
            (
                "Could not start dynamically linked executable: /p/.venv/bin/python\nNixOS cannot run dynamically \
                 linked executables intended for generic\nlinux environments out of the box.",
                ProbeProblem::ForeignBinary,
            ),
            (
                "Traceback …\nValueError: odd\n\n",
                ProbeProblem::Other { last_line: "ValueError: odd".to_owned() },
            ),
            ("", ProbeProblem::Other { last_line: "it ended without output".to_owned() }),
        ];
        for (said, wanted) in table {
            assert_eq!(classify(said), wanted, "{said}");
        }
    }

    #[test]
    fn the_fix_fits_the_system() {
        let problem = ProbeProblem::MissingLibrary { library: "libstdc++.so.6".to_owned() };
        assert_eq!(problem.fix(System::Debian).command, ["sudo", "apt", "install", "libstdc++6"]);
        assert!(problem.fix(System::NixOs).text.contains("nix develop"));
        let driver = ProbeProblem::MissingLibrary { library: "libcuda.so.1".to_owned() };
        assert!(driver.fix(System::Debian).text.contains("NVIDIA"));
    }

    #[test]
    fn a_missing_module_is_added_by_the_name_of_its_package() {
        let command = |module: &str| {
            ProbeProblem::MissingModule { module: module.to_owned() }.fix(System::Other).command.join(" ")
        };
        assert_eq!(command("numpy"), "pipulate add numpy");
        assert_eq!(command("sklearn"), "pipulate add scikit-learn");
        assert_eq!(command("tkinter"), "");
    }
}

//! Parses an installer's progress from its output.

use crate::installer_kind::InstallerKind;

/// One step of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallProgress {
    /// The number of packages is known.
    Resolved { total: usize },
    /// A package is being downloaded; pip knows the total only at the end.
    Fetching { name: String, done: usize, total: Option<usize> },
    /// A package is being built from its source, which takes time.
    Building { name: String },
    /// That many packages were downloaded and unpacked.
    Prepared { count: usize },
    /// That many packages are being written to the environment.
    Writing { total: usize },
    /// That many packages were written to the environment. If uv is to compile them, it does so now, which takes longer
    /// than everything else.
    Installed { count: usize },
    /// That many files were compiled.
    Compiled { files: usize },
    /// A requested package was already there.
    Present { name: String },
}

/// Parses one installer's lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProgressReader {
    installer: InstallerKind,
    fetched: usize,
    total: Option<usize>,
}

impl ProgressReader {
    /// A parser of that installer's lines.
    pub(crate) fn new(installer: InstallerKind) -> Self {
        Self { installer, fetched: 0, total: None }
    }

    /// The progress in a line, if there is any.
    pub(crate) fn line(&mut self, line: &str) -> Option<InstallProgress> {
        match self.installer {
            InstallerKind::Uv => self.uv_line(line.trim()),
            InstallerKind::Pip => self.pip_line(line.trim()),
        }
    }

    fn uv_line(&mut self, line: &str) -> Option<InstallProgress> {
        let (verb, rest) = line.split_once(' ')?;
        let first = rest.split_whitespace().next()?;
        let count = || first.parse::<usize>().ok();
        match verb {
            "Resolved" => {
                self.total = count();
                self.total.map(|total| InstallProgress::Resolved { total })
            }
            "Downloading" => Some(self.fetching(first)),
            "Building" => Some(InstallProgress::Building { name: first.to_owned() }),
            "Prepared" => count().map(|count| InstallProgress::Prepared { count }),
            "Installed" => count().map(|count| InstallProgress::Installed { count }),
            "Bytecode" => {
                let files = rest.strip_prefix("compiled ")?.split_whitespace().next()?.parse().ok()?;
                Some(InstallProgress::Compiled { files })
            }
            _ => None,
        }
    }

    fn pip_line(&mut self, line: &str) -> Option<InstallProgress> {
        if let Some(names) = line.strip_prefix("Installing collected packages: ") {
            return Some(InstallProgress::Writing { total: names.split(',').count() });
        }
        if let Some(names) = line.strip_prefix("Successfully installed ") {
            return Some(InstallProgress::Installed { count: names.split_whitespace().count() });
        }
        if let Some(rest) = line.strip_prefix("Collecting ") {
            return rest.split_whitespace().next().map(|name| self.fetching(bare_name(name)));
        }
        if let Some(rest) = line.strip_prefix("Requirement already satisfied: ") {
            return Some(InstallProgress::Present { name: bare_name(rest).to_owned() });
        }
        let name = line.strip_prefix("Building wheel for ")?.strip_suffix(": started")?;
        Some(InstallProgress::Building { name: bare_name(name).to_owned() })
    }

    fn fetching(&mut self, name: &str) -> InstallProgress {
        self.fetched += 1;
        InstallProgress::Fetching { name: name.to_owned(), done: self.fetched, total: self.total }
    }
}

fn bare_name(requirement: &str) -> &str {
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
    &requirement[..end.unwrap_or(requirement.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(installer: InstallerKind, output: &str) -> Vec<InstallProgress> {
        let mut reader = ProgressReader::new(installer);
        output.lines().filter_map(|line| reader.line(line)).collect()
    }

    #[test]
    fn uv_tells_how_many_of_how_many() {
        let output = "Using Python 3.11.7 environment at: pv\nResolved 7 packages in 197ms\nDownloading networkx \
                      (2.0MiB)\n Downloaded networkx\n   Building zz @ file:///x\nPrepared 7 packages in 12ms\n\
                      Installed 1 package in 2ms\nBytecode compiled 91 files in 83ms\n + six==1.17.0\n";
        assert_eq!(
            read(InstallerKind::Uv, output),
            [
                InstallProgress::Resolved { total: 7 },
                InstallProgress::Fetching { name: "networkx".to_owned(), done: 1, total: Some(7) },
                InstallProgress::Building { name: "zz".to_owned() },
                InstallProgress::Prepared { count: 7 },
                InstallProgress::Installed { count: 1 },
                InstallProgress::Compiled { files: 91 },
            ]
        );
    }

    #[test]
    fn pip_tells_what_it_knows() {
        let output = "Collecting six>=1 (from -r requirements.txt (line 1))\n  Downloading six-1.17.0.whl (11 kB)\n\
                      Requirement already satisfied: idna==3 in ./x (3)\n  Building wheel for zz (pyproject.toml): started\n\
                      Installing collected packages: six, zz\nSuccessfully installed six-1.17.0 zz-1\n";
        assert_eq!(
            read(InstallerKind::Pip, output),
            [
                InstallProgress::Fetching { name: "six".to_owned(), done: 1, total: None },
                InstallProgress::Present { name: "idna".to_owned() },
                InstallProgress::Building { name: "zz".to_owned() },
                InstallProgress::Writing { total: 2 },
                InstallProgress::Installed { count: 2 },
            ]
        );
    }
}

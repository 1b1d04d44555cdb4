//! The source to pack: git's files, with a README whose links work outside of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run;

/// The licenses of third-party code in the program.
pub(super) const LICENSES: &str = "THIRD-PARTY-LICENSES.txt";

/// A copy of the source, ready to be packed.
pub(super) struct Source {
    folder: PathBuf,
    version: String,
    /// The time of the last commit, in seconds since 1970.
    time: String,
}

impl Source {
    /// Copies git's files into `folder`, and `licenses` beside it.
    ///
    /// # Errors
    /// Git or a file can't be read, or `folder` can't be written.
    pub(super) fn stage(folder: &Path, licenses: &Path) -> Result<Self> {
        let _none_yet = fs::remove_dir_all(folder);
        let git = |args: &[&str]| -> Result<String> {
            let said = run::output(run::program("git").args(args))?.stdout;
            String::from_utf8(said).context("git said what is no text")
        };
        let manifest =
            fs::read_to_string(run::root().join("Cargo.toml")).context("could not read Cargo.toml")?;
        let manifest: toml::Table = manifest.parse().context("could not read Cargo.toml")?;
        let version = manifest["workspace"]["package"]["version"].as_str().context("there is no version")?;
        for name in git(&["ls-files", "-z"])?.split_terminator('\0') {
            let (from, to) = (run::root().join(name), folder.join(name));
            // Skips files that were deleted but not committed yet.
            if from.is_file() {
                fs::create_dir_all(to.parent().unwrap_or(folder)).context("could not make a folder")?;
                fs::copy(&from, &to).with_context(|| format!("could not copy {}", from.display()))?;
            }
        }
        let repository = repository();
        let edit = |name: &str, edited: &dyn Fn(&str) -> String| -> Result<()> {
            let path = folder.join(name);
            let text =
                fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
            fs::write(&path, edited(&text)).with_context(|| format!("could not write {}", path.display()))
        };
        edit("README.md", &|text| with_links(text, repository.as_deref(), version))?;
        edit("pyproject.toml", &|text| with_files(text, repository.as_deref()))?;
        // An sdist has no tasks, and its lock file no packages that only they need.
        fs::remove_dir_all(folder.join("xtask")).context("could not leave out the tasks")?;
        edit("Cargo.toml", &|text| {
            text.replace("members = [\"crates/*\", \"xtask\"]", "members = [\"crates/*\"]")
        })?;
        let lock = ["update", "--workspace", "--offline"];
        run::output(run::cargo().args(lock).current_dir(folder))?;
        fs::copy(licenses, folder.join(LICENSES)).context("could not copy the licenses")?;
        let time = git(&["log", "-1", "--format=%ct"])?.trim().to_owned();
        Ok(Self { folder: folder.to_owned(), version: version.to_owned(), time })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn time(&self) -> &str {
        &self.time
    }
}

/// The repository's address, which only a release workflow sets.
fn repository() -> Option<String> {
    let [server, name] = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY"].map(|name| std::env::var(name).ok());
    Some(format!("{}/{}", server?, name?))
}

/// Adds a package's own files to its metadata.
fn with_files(text: &str, repository: Option<&str>) -> String {
    let text = text
        .replace("license-files = [\"LICENSE\"]", &format!("license-files = [\"LICENSE\", \"{LICENSES}\"]"));
    match repository {
        Some(repository) => text.replace(
            "[project.urls]\n",
            &format!("[project.urls]\nRepository = \"{repository}\"\nChangelog = \"{repository}/blob/main/CHANGELOG.md\"\n"),
        ),
        None => text,
    }
}

/// Makes relative Markdown links absolute, into the repository at this version. Without a repository, links
/// become text and pictures are removed.
fn with_links(text: &str, repository: Option<&str>, version: &str) -> String {
    let mut edited = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let Some((target, after)) = after.split_once(')') else { break };
        let is_outside = target.contains("://") || target.starts_with('#');
        let begin = before.rfind('[').unwrap_or(0);
        let is_picture = before[..begin].ends_with('!');
        match repository {
            _ if is_outside => edited += &format!("{before}]({target})"),
            Some(repository) => {
                let kind = if is_picture { "raw" } else { "blob" };
                edited += &format!("{before}]({repository}/{kind}/v{version}/{target})");
            }
            None if is_picture => edited += &before[..begin - 1],
            None => edited += &format!("{}{}", &before[..begin], &before[begin + 1..]),
        }
        rest = after;
    }
    edited + rest
}

#[cfg(test)]
mod tests {
    use super::with_links;

    const TEXT: &str = "See [Rust](https://rustup.rs), [how](docs/A.md) and [below](#limits).\n\n![A page](docs/home.png)\n\nMIT: [LICENSE](LICENSE).\n";

    #[test]
    fn relative_links_lead_into_the_repository() {
        assert_eq!(
            with_links(TEXT, Some("https://example.com/us/it"), "1.2"),
            "See [Rust](https://rustup.rs), [how](https://example.com/us/it/blob/v1.2/docs/A.md) and \
             [below](#limits).\n\n![A page](https://example.com/us/it/raw/v1.2/docs/home.png)\n\n\
             MIT: [LICENSE](https://example.com/us/it/blob/v1.2/LICENSE).\n"
        );
    }

    #[test]
    fn without_a_repository_words_stay_and_pictures_go() {
        assert_eq!(
            with_links(TEXT, None, "1.2"),
            "See [Rust](https://rustup.rs), how and [below](#limits).\n\n\n\nMIT: LICENSE.\n"
        );
    }
}

//! The secrets of a home for a view that stays open while they change.

use std::fs;
use std::time::{Duration, SystemTime};

use pipulate_core::config::{Config, SecretSources};
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;

use super::{env_files, read};
use crate::dotenv::SecretValue;
use crate::files::{self, FileState};
use crate::log::mask::Masker;

/// A file that changed more recently may change again without different metadata: some file systems have
/// timestamps of two seconds.
const STABLE_AFTER: Duration = Duration::from_secs(2);

/// The current secrets of a home, and all earlier ones since this was made: lines printed before a change
/// contain the old ones.
#[derive(Debug)]
pub struct LiveSecrets {
    layout: Layout,
    sources: SecretSources,
    /// The files that contain secrets, and their metadata before they were read.
    files: Vec<(AbsPath, Option<FileState>)>,
    /// None of the files may have changed undetected.
    is_stable: bool,
    known: Vec<SecretValue>,
    masker: Masker,
    problems: Vec<String>,
    untold: Vec<String>,
}

/// Returns a file's state and its last write; `None` if it does not exist.
fn look_at(path: &AbsPath) -> Option<(FileState, SystemTime)> {
    let meta = fs::metadata(path).ok()?;
    Some((FileState::of(&meta), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
}

impl LiveSecrets {
    /// Reads the secrets of a home.
    pub fn of(layout: &Layout) -> Self {
        let mut secrets = Self {
            layout: layout.clone(),
            sources: SecretSources::default(),
            files: Vec::new(),
            is_stable: false,
            known: Vec::new(),
            masker: Masker::new([""; 0]),
            problems: Vec::new(),
            untold: Vec::new(),
        };
        secrets.refresh();
        secrets
    }

    /// Reads changed files again; returns true if the masked secrets changed. Call it after reading the lines
    /// to mask: their secrets existed by then.
    pub fn refresh(&mut self) -> bool {
        let is_unchanged =
            self.files.iter().all(|(path, before)| look_at(path).map(|(now, _)| now) == *before);
        if is_unchanged && self.is_stable && !self.files.is_empty() {
            return false;
        }
        self.read_config();
        self.note_files();
        let (secrets, problems) = read(&self.layout, &self.sources);
        self.untold.extend(problems.iter().filter(|problem| !self.problems.contains(problem)).cloned());
        self.problems = problems;
        let before = self.known.len();
        for secret in secrets {
            if !self.known.contains(&secret) {
                self.known.push(secret);
            }
        }
        let has_changed = self.known.len() != before;
        if has_changed {
            self.masker = Masker::new(self.known.iter().map(SecretValue::expose));
        }
        has_changed
    }

    /// Returns the masker.
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Returns which could not be read, each once: sentences.
    pub fn take_problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.untold)
    }

    /// Reads the configuration. One that is unusable, or being replaced, removes no secret.
    fn read_config(&mut self) {
        let Ok(text) = files::read_foreign_text(self.layout.config().as_ref()) else { return };
        match Config::parse(&text) {
            Ok(config) => self.sources = SecretSources::of(&config),
            Err(_) => self.sources.extend(SecretSources::salvaged(&text)),
        }
    }

    fn note_files(&mut self) {
        let layout = &self.layout;
        let files =
            [layout.config(), layout.token(), layout.jupyter_token(), layout.jupyter_runtime()].into_iter();
        let files = files.chain(env_files(layout, &self.sources));
        let now = SystemTime::now();
        self.is_stable = true;
        self.files = files
            .map(|path| {
                let found = look_at(&path);
                let age = |modified: SystemTime| {
                    now.duration_since(modified).unwrap_or_else(|ahead| ahead.duration())
                };
                self.is_stable &= found.is_none_or(|(_, modified)| age(modified) > STABLE_AFTER);
                (path, found.map(|(state, _)| state))
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
        fs::create_dir_all(layout.run()).unwrap();
        (directory, layout)
    }

    #[test]
    fn a_change_of_any_source_is_seen_and_old_values_stay_masked() {
        let (_directory, layout) = home();
        let mut secrets = LiveSecrets::of(&layout);
        let mut seen = |line: &str| {
            secrets.refresh();
            secrets.masker().mask(line).into_owned()
        };
        assert_eq!(seen("first-value"), "first-value");
        fs::write(layout.dotenv(), "A_KEY=first-value\nDATABASE=postgres\n").unwrap();
        assert_eq!(seen("first-value postgres"), "**** postgres");
        // The length, file and timestamp are unchanged.
        fs::write(layout.dotenv(), "A_KEY=other-value\nDATABASE=postgres\n").unwrap();
        assert_eq!(seen("first-value other-value"), "**** ****");
        fs::write(layout.config(), "[secrets]\nrequired = [\"DATABASE\"]\n").unwrap();
        assert_eq!(seen("postgres"), "****");
        fs::write(layout.inside("more.env"), "MY_PASSWORD=in-another\n").unwrap();
        fs::write(
            layout.config(),
            "[services.server]\nenv_file = \"more.env\"\nenv = { MY_TOKEN = \"in-config\" }\n",
        )
        .unwrap();
        assert_eq!(seen("in-another in-config"), "**** ****");
        fs::write(layout.inside("more.env"), "MY_PASSWORD=and-changed\n").unwrap();
        assert_eq!(seen("in-another and-changed"), "**** ****");
        // A temporarily broken file removes no secret.
        fs::write(layout.config(), "[services.server").unwrap();
        fs::write(layout.inside("more.env"), "MY_PASSWORD=twice-changed\n").unwrap();
        assert_eq!(seen("twice-changed postgres in-config"), "**** **** ****");
        let token = crate::token::ensure(&layout, &layout.token()).unwrap();
        assert_eq!(seen(&token), "****");
        fs::remove_file(layout.dotenv()).unwrap();
        assert_eq!(seen("other-value"), "****");
    }

    #[test]
    fn what_did_not_change_is_not_read_again() {
        let (_directory, layout) = home();
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let age = |text: &str| {
            fs::write(layout.dotenv(), text).unwrap();
            fs::File::options().append(true).open(layout.dotenv()).unwrap().set_modified(long_ago).unwrap();
        };
        age("A_KEY=first-value\n");
        let mut secrets = LiveSecrets::of(&layout);
        assert!(secrets.is_stable && !secrets.refresh());
        age("A_KEY=other-value\n");
        assert!(secrets.refresh(), "the time of its change can't be set back");
        assert!(!secrets.refresh());
    }

    #[test]
    fn what_cannot_be_read_is_told_once_each_time() {
        let (_directory, layout) = home();
        fs::write(layout.dotenv(), b"KEY=\xff\xff\xff").unwrap();
        let mut secrets = LiveSecrets::of(&layout);
        assert!(secrets.take_problems()[0].contains(".env"));
        secrets.refresh();
        assert_eq!(secrets.take_problems(), [""; 0]);
        fs::write(layout.dotenv(), "KEY=readable\n").unwrap();
        assert!(secrets.refresh());
        fs::write(layout.dotenv(), b"KEY=\xff\xff\xff").unwrap();
        secrets.refresh();
        assert_eq!(secrets.take_problems().len(), 1);
    }
}

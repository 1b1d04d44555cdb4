//! `.env` files on a real disk, and the values that other programs read in them.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod disk;
mod readers;

use pipulate_core::project::AbsPath;
use pipulate_core::secret::EnvKey;
use pipulate_store::dotenv::{EnvFile, SecretValue};

/// A folder with or without a `.env`.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn with(text: &str) -> Self {
        let home = Self::new();
        std::fs::write(home.path(), text).unwrap();
        home
    }

    fn path(&self) -> AbsPath {
        AbsPath::new(self.dir.path().join(".env")).unwrap()
    }

    fn env_file(&self) -> EnvFile {
        EnvFile::new(self.path(), AbsPath::new(self.dir.path().join("lock")).unwrap())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }
}

fn key(name: &str) -> EnvKey {
    EnvKey::parse(name).unwrap()
}

fn secret(value: &str) -> SecretValue {
    SecretValue::new(value)
}

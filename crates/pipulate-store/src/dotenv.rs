//! A project's `.env`: secrets, in the format that python-dotenv defines.
//!
//! The file belongs to its user. An edit changes the lines of its key and nothing else: comments, order,
//! blank lines and invalid lines stay as they are. A value never gets into an error, a `Debug` output or our
//! own environment.
//!
//! Reading order: [`EnvFile`], [`document`], `grammar`, `quoting`, `disk`.

mod disk;
pub mod document;
mod grammar;
mod interpolation;
mod quoting;
mod value;

use pipulate_core::env_error::EnvError;
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::secret::EnvKey;

use document::Document;
pub use quoting::Warning;
pub use value::SecretValue;

/// Names with their values, in the order of a file.
pub type Variables = Vec<(String, SecretValue)>;

/// A `.env` file on disk, and the lock that serializes its edits.
///
/// The lock is a separate file, given by the caller so that nothing of ours is in the user's folder
/// (`.pipulate/run/` is its place); it is made when needed and never deleted. It is an advisory `flock`, so
/// it serializes threads of one program as well as programs. A change by a program without the lock, such as
/// the user's own `set_key`, is detected in the file, and the edit is made again on top of it.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = |name: &str| pipulate_core::project::AbsPath::new(folder.path().join(name)).unwrap();
/// use pipulate_core::secret::EnvKey;
/// use pipulate_store::dotenv::{EnvFile, SecretValue};
///
/// let file = EnvFile::new(path(".env"), path("lock"));
/// let key = EnvKey::parse("API_KEY").unwrap();
/// file.set(&key, &SecretValue::new("sk-1234"))?;
/// assert_eq!(file.get("API_KEY")?.unwrap().expose(), "sk-1234");
/// # Ok::<(), pipulate_core::env_error::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    path: AbsPath,
    lock: AbsPath,
}

/// The result of writing a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Set if some programs will read back another value.
    pub warning: Option<Warning>,
}

/// The result of setting a value that may be set only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOnce {
    Saved(Written),
    /// There is a value already; it was not changed.
    AlreadySet,
}

/// The result of removing a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    Removed,
    WasNotThere,
}

impl EnvFile {
    /// The file at `path`, whose edits are serialized by `lock`. Touches neither.
    pub fn new(path: AbsPath, lock: AbsPath) -> Self {
        Self { path, lock }
    }

    /// The `.env` of a project.
    pub fn of(layout: &Layout) -> Self {
        Self::new(layout.dotenv(), layout.dotenv_lock())
    }

    /// The file's path.
    pub fn path(&self) -> &AbsPath {
        &self.path
    }

    /// Reads the file; a missing file is an empty document.
    ///
    /// # Errors
    /// It can't be read, or is not a UTF-8 text file.
    pub fn read(&self) -> Result<Document, EnvError> {
        disk::read(&self.path)
    }

    /// Returns the names in the file, each once, in order.
    ///
    /// # Errors
    /// It can't be read, or is not a UTF-8 text file.
    pub fn keys(&self) -> Result<Vec<String>, EnvError> {
        Ok(self.read()?.keys().into_iter().map(str::to_owned).collect())
    }

    /// Returns the names of the secrets in the file: those that have a value and are valid variable names. A
    /// line without `=` may be a value that lost its name.
    ///
    /// # Errors
    /// It can't be read, or is not a UTF-8 text file.
    pub fn names(&self) -> Result<Vec<String>, EnvError> {
        let values = self.read()?.resolve(&|_| None).values.into_iter();
        let is_name =
            |(name, value): &(String, Option<SecretValue>)| value.is_some() && EnvKey::parse(name).is_ok();
        Ok(values.filter(is_name).map(|(name, _)| name).collect())
    }

    /// Returns the value that a Python program gets from the file, `${…}` filled in from our environment.
    /// `None` if the name is missing, or has no `=`.
    ///
    /// # Errors
    /// It can't be read, or is not a UTF-8 text file.
    pub fn get(&self, key: &str) -> Result<Option<SecretValue>, EnvError> {
        Ok(self.read()?.get(key, &process_environment))
    }

    /// Returns each name with the value that a Python program gets from the file. Names without `=` have
    /// none.
    ///
    /// # Errors
    /// It can't be read, is not a UTF-8 text file, or a value becomes too long.
    pub fn values(&self) -> Result<Variables, EnvError> {
        let (values, problem) = self.known_values()?;
        problem.map_or(Ok(values), Err)
    }

    /// Like [`EnvFile::values`]; values that would become too long are returned as written, and the error
    /// names the line of the first.
    ///
    /// # Errors
    /// It can't be read, or is not a UTF-8 text file.
    pub fn known_values(&self) -> Result<(Variables, Option<EnvError>), EnvError> {
        Ok(self.values_of(&self.read()?))
    }

    /// Returns [`EnvFile::values`] for a program's environment.
    ///
    /// # Errors
    /// As for [`EnvFile::values`]; or a line sets a name or value that an environment can't hold.
    pub fn variables(&self) -> Result<Variables, EnvError> {
        let document = self.read()?;
        if let Some(line) = document.line_of_no_variable() {
            return Err(EnvError::NoVariable { path: self.path.clone(), line });
        }
        let (values, problem) = self.values_of(&document);
        problem.map_or(Ok(values), Err)
    }

    fn values_of(&self, document: &Document) -> (Variables, Option<EnvError>) {
        let resolved = document.resolve(&process_environment);
        let values = resolved.values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        (values, resolved.too_long.map(|line| EnvError::TooLong { path: self.path.clone(), line }))
    }

    /// Sets a value, on every line that has the key, or on a new one at the end.
    ///
    /// # Errors
    /// The file is not ours to change, the value can't be held, or the file can't be written.
    pub fn set(&self, key: &EnvKey, value: &SecretValue) -> Result<Written, EnvError> {
        self.edit(|document| self.with_value(document, key, value))
    }

    /// Sets a value unless a non-empty one exists. Of two concurrent calls, one saves its value.
    ///
    /// # Errors
    /// As for [`EnvFile::set`].
    pub fn set_once(&self, key: &EnvKey, value: &SecretValue) -> Result<SetOnce, EnvError> {
        self.edit(|document| {
            let present = document.get(key.as_str(), &process_environment);
            if present.is_some_and(|present| !present.expose().is_empty()) {
                return Ok((None, SetOnce::AlreadySet));
            }
            let (text, written) = self.with_value(document, key, value)?;
            Ok((text, SetOnce::Saved(written)))
        })
    }

    /// Removes every line of a key.
    ///
    /// # Errors
    /// The file is not ours to change, or can't be written.
    pub fn unset(&self, key: &str) -> Result<Unset, EnvError> {
        self.edit(|document| {
            let without = document.without(key).map_err(|refusal| self.refused(refusal))?;
            Ok(without.map_or((None, Unset::WasNotThere), |text| (Some(text), Unset::Removed)))
        })
    }

    fn with_value(
        &self,
        document: &Document,
        key: &EnvKey,
        value: &SecretValue,
    ) -> Result<(Option<String>, Written), EnvError> {
        let (text, warning) = document.with(key, value).map_err(|refusal| self.refused(refusal))?;
        Ok((Some(text), Written { warning }))
    }

    fn refused(&self, refusal: document::Refusal) -> EnvError {
        let path = self.path.clone();
        match refusal {
            document::Refusal::Unwritable(reason) => EnvError::Unwritable { path, reason },
            document::Refusal::OpenQuote { line } => EnvError::OpenQuote { path, line },
        }
    }

    /// Reads, changes and replaces the file while no other edit can; `None` leaves it unchanged.
    fn edit<T>(
        &self,
        change: impl Fn(&Document) -> Result<(Option<String>, T), EnvError>,
    ) -> Result<T, EnvError> {
        let _held = disk::lock(&self.lock)?;
        loop {
            let (document, state) = disk::read_to_change(&self.path)?;
            let (text, outcome) = change(&document)?;
            let Some(text) = text else { return Ok(outcome) };
            match disk::replace(&self.path, &text, state)? {
                disk::Replaced::Yes => return Ok(outcome),
                disk::Replaced::ChangedMeanwhile => {}
            }
        }
    }
}

/// A value in our environment that is not UTF-8 can't be in the file either.
fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

//! File watch: restarts the service when its files are saved.
//!
//! A save counts even if it changes nothing. A Python file with a syntax error does not end a working
//! service: it goes on until the error is corrected. The project's own Python compiles such files without
//! running them.

pub(crate) mod check;

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use pipulate_core::identity::Host;
use pipulate_core::layout::Layout;
use pipulate_core::reason::{Reason, WatchProblem};
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_core::text::printable;
use pipulate_core::watch::WatchSpec;
use pipulate_process::poll::Interest;
use pipulate_process::spawn;
use pipulate_process::watch::{Filter, TreeWatch, WatchError};
use pipulate_store::own_log::SAVED;

use crate::machine::{ChangeDebouncer, Outcome, SelfTrigger};
use crate::startable;
use check::Check;

/// The most folders of one project that are watched: the user's editor needs watches, too.
const MOST_FOLDERS: usize = 8192;
/// The most saved files that are recorded.
const MOST_UNREAD: usize = 100;
/// How many saved files are named.
const SHOWN: usize = 2;
/// Pause before a check that could not start (EAGAIN, EMFILE) is tried again.
const CHECK_AGAIN: Duration = Duration::from_secs(1);

/// The state of a service's files.
pub(crate) struct FileWatch<P = Check> {
    /// `None` if nothing is watched.
    tree: Option<TreeWatch>,
    changes: ChangeDebouncer,
    self_trigger: SelfTrigger,
    check: Option<P>,
    /// The error that keeps saved files from being loaded.
    mistake: Option<Reason>,
    /// Why some saves may be missed.
    trouble: Option<Reason>,
}

/// A running check of saved files.
pub(crate) trait Pending: AsFd {
    /// Returns its timeout.
    fn deadline(&self) -> Instant;
    /// Returns its result; `None` while it runs.
    fn verdict(&mut self, now: Instant) -> Option<Verdict>;
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Sound,
    /// A syntax error and its place.
    Mistake(Reason),
    /// Python gave no result.
    Unknown(String),
}

/// Checks that must pass before a service is ended for saved files.
pub(crate) trait Checks {
    type Pending: Pending;

    /// Begins to check Python files.
    ///
    /// # Errors
    /// Python can't be started.
    fn begin(&self, files: &[PathBuf]) -> io::Result<Self::Pending>;

    /// Checks whether a new instance could be started.
    ///
    /// # Errors
    /// It could not.
    fn could_start(&self) -> Result<(), Reason>;
}

/// The project's own Python, and the service's own program.
pub(crate) struct PythonChecks<'a> {
    pub(crate) watch: &'a WatchSpec,
    pub(crate) spec: &'a ServiceSpec,
    pub(crate) host: &'a Host,
}

impl Checks for PythonChecks<'_> {
    type Pending = Check;

    fn begin(&self, files: &[PathBuf]) -> io::Result<Check> {
        Check::begin(&self.watch.python, files, self.spec, self.host)
    }

    fn could_start(&self) -> Result<(), Reason> {
        startable::try_out_program(self.spec, std::env::vars_os().collect())
    }
}

/// The service's state while its files are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Running {
    /// Its main process runs.
    Yes,
    No,
    /// It should not run: saves are ignored.
    Unwanted,
}

impl<P: Pending> FileWatch<P> {
    /// Watches the files that `watch` names. `unread`: saves that the previous supervisor noticed but did not
    /// act on.
    pub(crate) fn new(
        layout: &Layout,
        watch: Option<&WatchSpec>,
        unread: Vec<PathBuf>,
        now: Instant,
    ) -> Self {
        let mut watching = Self {
            tree: None,
            changes: ChangeDebouncer::default(),
            self_trigger: SelfTrigger::default(),
            check: None,
            mistake: None,
            trouble: None,
        };
        let Some(watch) = watch else { return watching };
        let (folders, home) = (watch.clone(), layout.clone());
        let enters = move |folder: &Path| folders.wants_folder(folder) && !is_environment(&home, folder);
        let files = watch.clone();
        let wants = move |file: &Path| files.wants_file(file);
        let filter = Filter { folder: Box::new(enters), file: Box::new(wants) };
        match TreeWatch::new(layout.root(), MOST_FOLDERS, filter) {
            Ok(tree) => {
                watching.tree = Some(tree);
                // Any failure to watch is known from here on.
                let _nothing_saved_yet = watching.hear(layout);
                if !unread.is_empty() {
                    watching.changes.add(unread, now);
                }
            }
            Err(error) => watching.note_trouble(&error),
        }
        watching
    }

    /// Descriptors that are ready after a save or progress of a check.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Interest)> {
        let saved = self.tree.as_ref().map(TreeWatch::descriptor);
        let checked = self.check.as_ref().map(|check| check.as_fd());
        saved.into_iter().chain(checked).map(|fd| (fd, Interest::Read))
    }

    /// Returns when to look again although nothing happens.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        [self.changes.due(), self.check.as_ref().map(Pending::deadline)].into_iter().flatten().min()
    }

    /// Returns files that the running instance has not loaded, for its next supervisor. Only some of very
    /// many: each is a reason to restart it.
    pub(crate) fn unread(&self) -> Vec<PathBuf> {
        let files = self.changes.so_far().filter(|_| self.is_possible());
        files.into_iter().flat_map(|(files, _)| files).take(MOST_UNREAD).cloned().collect()
    }

    /// Returns why some saves may be missed.
    pub(crate) fn trouble(&self) -> Option<&Reason> {
        self.trouble.as_ref()
    }

    /// Returns true if a save can restart a service that has ended.
    pub(crate) fn is_possible(&self) -> bool {
        self.tree.is_some()
    }

    /// Returns notes for the user in addition to the service's state.
    pub(crate) fn remarks(&self, outcome: Option<&Outcome>) -> Vec<Reason> {
        let (is_running, comes_back) = match outcome {
            None => (true, true),
            Some(Outcome::Exited | Outcome::Crashed { .. }) => (false, self.is_possible()),
            Some(Outcome::Stopped) => return Vec::new(),
        };
        match (&self.mistake, &self.trouble) {
            (Some(mistake), _) if comes_back => vec![mistake.clone(), Reason::AwaitsFix { is_running }],
            (_, Some(trouble)) => vec![trouble.clone()],
            (_, None) if comes_back && !is_running => vec![Reason::AwaitsSave],
            (_, None) => Vec::new(),
        }
    }

    /// Resets at the start of a new instance, which loads the current files.
    pub(crate) fn begin(&mut self, layout: &Layout, now: Instant) {
        let _found_by_it = self.hear(layout);
        self.changes.forget();
        self.self_trigger.begin(now);
        (self.check, self.mistake) = (None, None);
    }

    /// Returns true if the service should be restarted: a burst of saves is over, and its files compile.
    pub(crate) fn look(
        &mut self,
        layout: &Layout,
        service: &ServiceName,
        checks: &impl Checks<Pending = P>,
        running: Running,
        now: Instant,
    ) -> bool {
        let saved = self.hear(layout);
        if running == Running::Unwanted {
            self.check = None;
            self.changes.forget();
            return false;
        }
        if !saved.is_empty() {
            self.check = None;
            self.changes.add(saved, now);
        }
        let due = self.changes.take_due(now).map(|files| files.iter().cloned().collect::<Vec<_>>());
        let at_once = due.and_then(|files| self.begin_check(files, layout, service, checks, now));
        let verdict = at_once.or_else(|| self.check.as_mut().and_then(|check| check.verdict(now)));
        let Some(verdict) = verdict else { return false };
        self.check = None;
        self.is_reason(verdict, service, checks, running)
    }

    /// Begins a check; returns the result if it is known at once.
    fn begin_check(
        &mut self,
        files: Vec<PathBuf>,
        layout: &Layout,
        service: &ServiceName,
        checks: &impl Checks<Pending = P>,
        now: Instant,
    ) -> Option<Verdict> {
        let is_python = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "py");
        // Reading a FIFO would never end.
        let is_file = |file: &PathBuf| fs::metadata(layout.inside(file)).is_ok_and(|meta| meta.is_file());
        tracing::info!(%service, "{SAVED}{}", shown(&files));
        let sources: Vec<PathBuf> = files.into_iter().filter(is_python).filter(is_file).collect();
        if sources.is_empty() {
            return Some(Verdict::Sound);
        }
        match checks.begin(&sources) {
            Ok(check) => {
                self.check = Some(check);
                None
            }
            // Not a reason to restart: the file may have a syntax error.
            Err(error) if spawn::is_passing(&error) => {
                tracing::warn!(%service, "the saved files could not be checked yet: {error}");
                self.changes.add([], now + CHECK_AGAIN);
                None
            }
            Err(error) => Some(Verdict::Unknown(error.to_string())),
        }
    }

    /// Returns true if this result is a reason to restart the service.
    fn is_reason(
        &mut self,
        verdict: Verdict,
        service: &ServiceName,
        checks: &impl Checks<Pending = P>,
        running: Running,
    ) -> bool {
        self.mistake = None;
        match verdict {
            Verdict::Sound => {}
            Verdict::Unknown(why) => {
                tracing::warn!(%service, "the saved files could not be checked: {why}");
            }
            Verdict::Mistake(mistake) => {
                tracing::warn!(%service, reason = mistake.code(), "not restarted");
                self.mistake = Some(mistake);
                return false;
            }
        }
        if self.triggers_itself() {
            return false;
        }
        match checks.could_start() {
            // A running service is not ended for an instance that could not be started.
            Err(why) if running == Running::Yes => {
                tracing::warn!(%service, reason = why.code(), "not restarted");
                self.mistake = Some(why);
                false
            }
            Ok(()) | Err(_) => true,
        }
    }

    /// Returns true if the service itself saves the files. Then watching ends.
    fn triggers_itself(&mut self) -> bool {
        let own = self.changes.so_far().and_then(|(files, first)| self.self_trigger.answers(files, first));
        let Some(own) = own else { return false };
        let more = u32::try_from(own.len().saturating_sub(SHOWN)).unwrap_or(u32::MAX);
        let files = own.iter().take(SHOWN).cloned().collect();
        self.trouble = Some(Reason::SavesItself { files, more });
        self.tree = None;
        true
    }

    /// Returns the relevant files saved since the last call.
    fn hear(&mut self, layout: &Layout) -> BTreeSet<PathBuf> {
        let Some(tree) = &mut self.tree else { return BTreeSet::new() };
        let mut changes = tree.take();
        let is_in_environment = |file: &Path| file.ancestors().any(|folder| is_environment(layout, folder));
        changes.files.retain(|file| !is_in_environment(file));
        if let Some(error) = &changes.trouble {
            self.note_trouble(error);
        }
        changes.files
    }

    fn note_trouble(&mut self, error: &WatchError) {
        let problem = match error {
            WatchError::NoWatchesLeft { folder } => WatchProblem::NoWatchesLeft { folder: folder.clone() },
            WatchError::TooManyFolders { most } => {
                WatchProblem::TooManyFolders { most: u32::try_from(*most).unwrap_or(u32::MAX) }
            }
            WatchError::RootIsGone { folder } => {
                self.tree = None;
                WatchProblem::FolderGone { folder: folder.clone() }
            }
            WatchError::LinksSkipped { first, more } => {
                let more = u32::try_from(*more).unwrap_or(u32::MAX);
                WatchProblem::Links { first: first.clone(), more }
            }
            WatchError::System { folder, source } => {
                WatchProblem::System { folder: folder.clone(), error: source.to_string() }
            }
        };
        self.trouble = Some(Reason::WatchIncomplete { problem });
    }
}

/// Returns true if a folder is a Python environment of any name.
fn is_environment(layout: &Layout, folder: &Path) -> bool {
    layout.inside(folder).at("pyvenv.cfg").exists()
}

/// `app.py, views.py and 3 more`.
fn shown(files: &[PathBuf]) -> String {
    let names: Vec<String> =
        files.iter().take(SHOWN).map(|file| printable(&file.to_string_lossy())).collect();
    match files.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;

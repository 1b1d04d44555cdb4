//! Restarting the service when files that it is made of are saved.
//!
//! A save is a request, whether it changes anything or not. A Python file with a mistake in it is no
//! reason to end what works: its service goes on until the mistake is mended. The project's own
//! Python reads such files, and runs nothing of them.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceSpec;
use pipulate_core::state::Wanted;
use pipulate_core::text::printable;
use pipulate_process::poll::Interest;
use pipulate_process::spawn;
use pipulate_process::watch::{Filter, TreeWatch, WatchError};

use super::check::{Check, Verdict};
use super::{Beginning, Driver};
use crate::machine::{Echo, Event, Outcome, Saves};
use crate::startable;

/// So many folders of one project are watched: the user's editor needs watches, too.
const MOST_FOLDERS: usize = 8192;

/// So many saved files are written down.
const MOST_UNREAD: usize = 100;
/// Pause before a check that could not start (EAGAIN, EMFILE) is tried again.
const CHECK_AGAIN: Duration = Duration::from_secs(1);

/// What is known about the files of a service.
pub(super) struct Watching {
    /// `None` where nothing is watched.
    tree: Option<TreeWatch>,
    saves: Saves,
    echo: Echo,
    check: Option<Check>,
    /// The mistake that keeps saved files from being used.
    mistake: Option<String>,
    /// Why not every save is seen.
    trouble: Option<String>,
}

impl Watching {
    /// `unread` is what the supervisor before this one knew to be saved, and did not act on.
    pub(super) fn new(
        layout: &Layout,
        spec: &ServiceSpec,
        beginning: Beginning,
        unread: Vec<PathBuf>,
    ) -> Self {
        let mut watching = Self {
            tree: None,
            saves: Saves::default(),
            echo: Echo::default(),
            check: None,
            mistake: None,
            trouble: None,
        };
        let Some(watch) = spec.watch.as_ref().filter(|_| beginning != Beginning::Stop) else {
            return watching;
        };
        let (folders, home) = (watch.clone(), layout.clone());
        let enters = move |folder: &Path| folders.wants_folder(folder) && !is_environment(&home, folder);
        let files = watch.clone();
        let wants = move |file: &Path| files.wants_file(file);
        let filter = Filter { folder: Box::new(enters), file: Box::new(wants) };
        match TreeWatch::new(layout.root(), MOST_FOLDERS, filter) {
            Ok(tree) => {
                watching.tree = Some(tree);
                // What could not be watched is known from here on.
                let _nothing_saved_yet = watching.hear(layout);
                if !unread.is_empty() {
                    watching.saves.add(unread, Instant::now());
                }
            }
            Err(error) => watching.suffer(&error),
        }
        watching
    }

    /// What to wait for.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Interest)> {
        let saved = self.tree.as_ref().map(TreeWatch::descriptor);
        let checked = self.check.as_ref().map(|check| check.as_fd());
        saved.into_iter().chain(checked).map(|fd| (fd, Interest::Read))
    }

    /// When to look again although nothing happens.
    pub(super) fn next_look(&self) -> Option<Instant> {
        [self.saves.due(), self.check.as_ref().map(Check::deadline)].into_iter().flatten().min()
    }

    /// The files that the running instance does not know yet, for whoever supervises it next. Of a flood
    /// of them some will do: each is a reason to restart it.
    pub(super) fn unread(&self) -> Vec<PathBuf> {
        let files = self.saves.so_far().filter(|_| self.is_possible());
        files.into_iter().flat_map(|(files, _)| files).take(MOST_UNREAD).cloned().collect()
    }

    /// Why not every save is seen, and what to do about it.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Whether a save can bring back a service that has ended.
    pub(super) fn is_possible(&self) -> bool {
        self.tree.is_some()
    }

    /// What a person should know beside the service's state.
    pub(super) fn remark(&self, outcome: Option<&Outcome>) -> Option<String> {
        let again = match outcome {
            None => Some("restarted"),
            Some(Outcome::Exited | Outcome::Crashed { .. }) => self.is_possible().then_some("started again"),
            Some(Outcome::Stopped) => return None,
        };
        let mistake = self.mistake.as_ref().zip(again);
        let mistake = mistake.map(|(mistake, again)| format!("{mistake}; it is {again} once that is mended"));
        let idle = outcome.and(again).map(|again| format!("it is {again} when a file is saved"));
        mistake.or_else(|| self.trouble.clone()).or(idle)
    }

    /// An instance is started now: it finds the files as they are.
    pub(super) fn begin(&mut self, layout: &Layout) {
        let _found_by_it = self.hear(layout);
        self.saves.forget();
        self.echo.begin(Instant::now());
        (self.check, self.mistake) = (None, None);
    }

    /// Whether it is the service that saves: then it is let be from now on.
    fn has_had_enough(&mut self) -> bool {
        let own = self.saves.so_far().and_then(|(files, first)| self.echo.answers(files, first));
        let Some(own) = own else { return false };
        let own = shown(&own.iter().cloned().collect::<Vec<_>>());
        self.trouble = Some(format!(
            "saves restart it no more: it seems to save {own} itself, whenever it has begun; \
             leave that out of watch, and restart it"
        ));
        self.tree = None;
        true
    }

    /// The files saved since the last time that count.
    fn hear(&mut self, layout: &Layout) -> BTreeSet<PathBuf> {
        let Some(tree) = &mut self.tree else { return BTreeSet::new() };
        let mut changes = tree.take();
        let is_in_environment = |file: &Path| file.ancestors().any(|folder| is_environment(layout, folder));
        changes.files.retain(|file| !is_in_environment(file));
        if let Some(error) = &changes.trouble {
            self.suffer(error);
        }
        changes.files
    }

    fn suffer(&mut self, error: &WatchError) {
        let advice = match error {
            WatchError::NoWatchesLeft { .. } => {
                "; raise fs.inotify.max_user_watches and fs.inotify.max_user_instances, or watch fewer folders, and restart it"
            }
            WatchError::TooManyFolders { .. } => {
                "; name the folders in watch, such as \"app/*.py\", and restart it"
            }
            WatchError::RootIsGone { .. } => {
                self.tree = None;
                ""
            }
            WatchError::System { .. } => "; restart it by hand",
        };
        self.trouble = Some(format!("not every save restarts it: {error}{advice}"));
    }
}

impl Driver {
    /// Acts on what was saved, once a burst of saves is over and what is in it can be read.
    pub(super) fn look_at_saves(&mut self) {
        if self.spec.watch.is_none() {
            return;
        }
        let saved = self.watching.hear(&self.layout);
        self.warn_of_blindness();
        if self.machine.phase().wanted() == Wanted::Stopped {
            self.watching.check = None;
            self.watching.saves.forget();
            return;
        }
        let now = Instant::now();
        if !saved.is_empty() {
            self.watching.check = None;
            self.watching.saves.add(saved, now);
        }
        if let Some(files) = self.watching.saves.take_due(now) {
            let files: Vec<PathBuf> = files.iter().cloned().collect();
            self.begin_check(files);
        }
        let verdict = self.watching.check.as_mut().and_then(|check| check.verdict(now));
        if let Some(verdict) = verdict {
            self.watching.check = None;
            self.on_verdict(verdict);
        }
    }

    /// Says, once, that not every save is seen.
    pub(super) fn warn_of_blindness(&mut self) {
        if let Some(trouble) = self.watching.trouble() {
            self.journal.note(format!("{}: {trouble}", self.spec.name));
        }
    }

    fn begin_check(&mut self, files: Vec<PathBuf>) {
        let Some(python) = self.spec.watch.as_ref().map(|watch| watch.python.clone()) else { return };
        let is_python = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "py");
        // A FIFO would be read for ever.
        let is_file =
            |file: &PathBuf| fs::metadata(self.layout.inside(file)).is_ok_and(|meta| meta.is_file());
        let shown = shown(&files);
        let sources: Vec<PathBuf> = files.into_iter().filter(is_python).filter(is_file).collect();
        self.journal.note_in_log(&format!("saved: {shown}"));
        if sources.is_empty() {
            return self.on_verdict(Verdict::Sound);
        }
        match Check::begin(&python, &sources, &self.spec, &self.host) {
            Ok(check) => self.watching.check = Some(check),
            // Not a reason to restart: the file may hold a mistake.
            Err(error) if spawn::is_passing(&error) => {
                self.journal.complain(&format!("what was saved could not be checked yet: {error}"));
                self.watching.saves.add([], Instant::now() + CHECK_AGAIN);
            }
            Err(error) => self.on_verdict(Verdict::Unknown(error.to_string())),
        }
    }

    fn on_verdict(&mut self, verdict: Verdict) {
        self.watching.mistake = None;
        match verdict {
            Verdict::Sound => self.restart_for_saves(),
            Verdict::Unknown(why) => {
                self.journal.complain(&format!("what was saved could not be checked: {why}"));
                self.restart_for_saves();
            }
            Verdict::Mistake(mistake) => {
                self.journal.complain(&format!("{mistake}; it is left as it is"));
                self.watching.mistake = Some(mistake);
            }
        }
    }

    fn restart_for_saves(&mut self) {
        if self.watching.has_had_enough() {
            return self.warn_of_blindness();
        }
        // What runs is not ended for what could not be started.
        let runs = self.main.as_ref().is_some_and(|main| main.ended.is_none());
        let own = std::env::vars_os().collect();
        match startable::try_out_program(&self.spec, own) {
            Err(why) if runs => {
                self.journal.complain(&format!("{why}; it is left as it is"));
                self.watching.mistake = Some(why);
            }
            Ok(()) | Err(_) => self.tell(Event::Saved),
        }
    }
}

/// Whatever its name is, a Python environment is nobody's own files.
fn is_environment(layout: &Layout, folder: &Path) -> bool {
    layout.inside(folder).at("pyvenv.cfg").exists()
}

/// `app.py, views.py and 3 more`.
fn shown(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().take(2).map(|file| printable(&file.to_string_lossy())).collect();
    match files.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

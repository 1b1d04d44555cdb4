//! Installs the packages into a venv, and stamps it.

use std::path::Path;

use crate::bare_words;
use crate::failure::{Cause, InstallFailure};
use crate::installer::{Choice, Installer, Job, choose, missing};
use crate::installer_kind::InstallerKind;
use crate::plan::Drift;
use crate::progress::InstallProgress;
use crate::requirements::Requirements;
use crate::stamp::{Installed, Made, Stamp};
use crate::uv::Uv;
use crate::venv::Packages;

use super::seen::Seen;
use super::{SetupError, SetupEvent, SetupReport, SetupWarning, UvSearch, Work};

/// The result of an installation.
struct Done {
    installer: InstallerKind,
    /// True if the environment was changed.
    changed: bool,
}

/// The target of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// A new environment.
    IntoNew,
    /// An existing environment.
    IntoExisting,
    /// An environment whose packages may be loaded: none is replaced.
    OnlyAdding,
}

impl Work<'_, '_> {
    /// Installs, writes the two bare words, and writes the resulting stamp.
    pub(super) fn install(mut self, seen: &Seen, made: Made, how: How) -> Result<SetupReport, SetupError> {
        let python = seen.root.join("bin/python");
        let installed = match &seen.wanted {
            Err(error) => Err(SetupWarning::Requirements(error.clone())),
            Ok(wanted) => {
                let job = Job {
                    around: self.request.around,
                    project: self.request.layout.root(),
                    venv: &seen.root,
                    python: &python,
                    version: made.version,
                    requirements: wanted,
                    compile: self.compiles(),
                };
                self.install_all(&job, how)
            }
        };
        let words = bare_words::write_all(&seen.root, self.request.layout.root(), self.request.programs);
        self.notes.extend(words);
        let done = installed.as_ref().ok();
        let packages = Packages::below(&seen.root);
        let before = made.installed.clone();
        let is_refused = matches!(installed, Err(SetupWarning::Replaces(_)));
        let stamped = Made {
            installed: if is_refused {
                before
            } else {
                done.zip(seen.wanted.as_ref().ok()).map(|(done, wanted)| Installed {
                    installer: done.installer,
                    requirements: wanted.fingerprint.clone(),
                    listing: Some(packages.digest()),
                })
            },
            ..made
        };
        let version = stamped.version;
        Stamp::Made(stamped).write(self.request.layout)?;
        let packages = packages.names();
        let before = self.kept.as_deref().map(|kept| Packages::below(kept).names()).unwrap_or_default();
        let is_new = how == How::IntoNew;
        let is_ours = seen.wanted.as_ref().is_ok_and(Requirements::is_locked);
        let managed = seen.manager.filter(|_| is_new && !is_ours).map(Drift::ManagedBy);
        let drift: Vec<Drift> = managed.into_iter().chain(seen.lacks_jupyterlab(self.request)).collect();
        Ok(SetupReport {
            python,
            version: Some(version),
            packages: packages.len(),
            changed: is_new || done.is_some_and(|done| done.changed),
            installer: done.map(|done| done.installer),
            drift,
            takes_a_yes: false,
            gone: before.difference(&packages).cloned().collect(),
            notes: self.notes,
            warning: installed.err(),
        })
    }

    /// Installs these packages without replacing any, and without the rest of the project's list; returns
    /// true on success.
    pub(super) fn install_beside(&mut self, seen: &Seen, packages: &[String]) -> bool {
        let Some((wanted, made)) = seen.wanted.as_ref().ok().zip(seen.stamped()) else { return false };
        let job = Job {
            around: self.request.around,
            project: self.request.layout.root(),
            venv: &seen.root,
            python: &seen.root.join("bin/python"),
            version: made.version,
            requirements: &wanted.only(packages),
            compile: self.compiles(),
        };
        self.install_packages(&job, How::OnlyAdding).is_ok()
    }

    /// Where Python was told not to keep what it compiles, every start would compile everything.
    fn compiles(&self) -> bool {
        self.request.compile || self.request.around.variable("PYTHONDONTWRITEBYTECODE").is_some()
    }

    fn install_all(&mut self, job: &Job<'_>, how: How) -> Result<Done, SetupWarning> {
        let mut done = self.install_packages(job, how)?;
        if let Some(jupyterlab) = job.requirements.jupyterlab_beside() {
            let beside = Job { requirements: &jupyterlab, ..*job };
            if !missing(&jupyterlab, job.venv, None).is_empty() {
                // The packages of the lock file are not replaced for it.
                done.changed |= self.install_packages(&beside, How::OnlyAdding)?.changed;
                self.note(
                    "jupyterlab is not in uv.lock and was installed beside it; to have it there, run `uv add \
                     --dev jupyterlab`"
                        .to_owned(),
                );
            }
        }
        Ok(done)
    }

    /// With uv if available; with pip if uv would ignore a rule, or if uv failed and no rule forbids it.
    fn install_packages(&mut self, job: &Job<'_>, how: How) -> Result<Done, SetupWarning> {
        let refused =
            |installer, cause| Err(InstallFailure { installer, cause, last_words: Vec::new() }.into());
        if job.requirements.is_locked() {
            let no_uv = Cause::NoUv { rule: "uv.lock pins the packages".to_owned() };
            return match self.some_uv(job.python) {
                Some(uv) => self.attempt(&Installer::Uv(uv), job, how),
                None => refused(InstallerKind::Uv, no_uv),
            };
        }
        match choose(job.around, job.project, job.venv) {
            Choice::Neither { pip, uv } => {
                let cause = Cause::RulesOfBoth { pip: pip.to_string(), uv: uv.to_string() };
                refused(InstallerKind::Pip, cause)
            }
            Choice::Pip { because } => {
                self.note(format!("pip installs the packages, because uv would ignore that {because}"));
                self.attempt(&Installer::Pip, job, how)
            }
            Choice::Uv { because, instead } => {
                if let Some(instead) = instead {
                    self.note(format!(
                        "uv installs the packages, because {because}; it ignores that {instead}"
                    ));
                }
                let Some(uv) = self.some_uv(job.python) else {
                    return refused(InstallerKind::Uv, Cause::NoUv { rule: because.to_string() });
                };
                self.attempt(&Installer::Uv(uv), job, how).inspect_err(|_| {
                    self.note(format!("pip was not tried, because it would ignore that {because}"));
                })
            }
            Choice::Either => {
                let Some(uv) = self.some_uv(job.python) else {
                    self.note("pip installs the packages, which takes longer".to_owned());
                    return self.attempt(&Installer::Pip, job, how);
                };
                match self.attempt(&Installer::Uv(uv), job, how) {
                    Err(SetupWarning::Install(failure)) if failure.cause.may_depend_on_the_installer() => {
                        self.note(format!("{failure}; trying with pip"));
                        self.attempt(&Installer::Pip, job, how)
                    }
                    result => result,
                }
            }
        }
    }

    fn some_uv(&mut self, python: &Path) -> Option<Uv> {
        if matches!(self.uv, UvSearch::Open) {
            self.uv = UvSearch::at_hand(self.request.around);
        }
        self.fetch_uv(python);
        self.uv.found().cloned()
    }

    fn attempt(&mut self, installer: &Installer, job: &Job<'_>, how: How) -> Result<Done, SetupWarning> {
        if how == How::OnlyAdding {
            let replaced = installer.replaced(job)?;
            if !replaced.is_empty() {
                return Err(SetupWarning::Replaces(replaced));
            }
        }
        let packages = job.requirements.count();
        (self.on_event)(SetupEvent::Installing { installer: installer.kind(), packages });
        let mut changed = false;
        installer.install(job, &mut |progress| {
            changed |= matches!(&progress, InstallProgress::Installed { count } if *count > 0);
            (self.on_event)(SetupEvent::Progress(progress));
        })?;
        Ok(Done { installer: installer.kind(), changed })
    }
}

//! Installing the packages into a venv, and stamping it.

use std::path::Path;

use crate::bare_words;
use crate::failure::{Cause, InstallFailure};
use crate::installer::{Choice, Installer, Job, choose};
use crate::installer_kind::InstallerKind;
use crate::plan::Drift;
use crate::progress::InstallProgress;
use crate::requirements::Requirements;
use crate::stamp::{Installed, Made, Stamp};
use crate::uv::Uv;
use crate::venv::Packages;

use super::seen::Seen;
use super::{SetupError, SetupEvent, SetupReport, SetupWarning, UvSearch, Work};

/// What an installation came to.
struct Done {
    installer: InstallerKind,
    /// Whether anything was put into the environment.
    changed: bool,
}

impl Work<'_, '_> {
    /// Installs, writes the two bare words, and stamps what is true then.
    pub(super) fn install(
        mut self,
        seen: &Seen,
        made: Made,
        is_new: bool,
    ) -> Result<SetupReport, SetupError> {
        let python = seen.root.join("bin/python");
        let installed = match &seen.wanted {
            Err(error) => Err(SetupWarning::Requirements(error.clone())),
            Ok(wanted) => {
                if wanted.hashed && !wanted.names.contains("jupyterlab") && self.request.jupyter {
                    self.note("the requirements pin hashes, so jupyterlab was not added to them".to_owned());
                }
                self.install_packages(&seen.root, &python, wanted).map_err(SetupWarning::Install)
            }
        };
        let words = bare_words::write_all(&seen.root, self.request.layout.root(), self.request.program);
        self.notes.extend(words);
        let done = installed.as_ref().ok();
        let packages = Packages::below(&seen.root);
        let stamped = Made {
            installed: done.zip(seen.wanted.as_ref().ok()).map(|(done, wanted)| Installed {
                installer: done.installer,
                requirements: wanted.fingerprint.clone(),
                listing: Some(packages.digest()),
            }),
            ..made
        };
        let version = stamped.version;
        Stamp::Made(stamped).write(self.request.layout)?;
        let packages = packages.names();
        let before = self.kept.as_deref().map(|kept| Packages::below(kept).names()).unwrap_or_default();
        let drift = if is_new { seen.manager.map(|file| Drift::ManagedBy { file }) } else { None };
        Ok(SetupReport {
            python,
            version: Some(version),
            packages: packages.len(),
            changed: is_new || done.is_some_and(|done| done.changed),
            installer: done.map(|done| done.installer),
            drift: drift.into_iter().collect(),
            takes_a_yes: false,
            gone: before.difference(&packages).cloned().collect(),
            notes: self.notes,
            warning: installed.err(),
        })
    }

    /// With uv if available; with pip where uv would ignore a rule, or could not and no rule forbids it.
    fn install_packages(
        &mut self,
        venv: &Path,
        python: &Path,
        requirements: &Requirements,
    ) -> Result<Done, InstallFailure> {
        let (around, project) = (self.request.around, self.request.layout.root());
        let job = Job { around, project, venv, python, requirements };
        let refused = |installer, cause| InstallFailure { installer, cause, last_words: Vec::new() };
        match choose(around, project, venv) {
            Choice::Neither { pip, uv } => {
                let cause = Cause::RulesOfBoth { pip: pip.to_string(), uv: uv.to_string() };
                Err(refused(InstallerKind::Pip, cause))
            }
            Choice::Pip { because } => {
                self.note(format!("pip installs the packages, because uv would ignore that {because}"));
                self.attempt(&Installer::Pip, &job)
            }
            Choice::Uv { because, instead } => {
                if let Some(instead) = instead {
                    self.note(format!(
                        "uv installs the packages, because {because}; it ignores that {instead}"
                    ));
                }
                let no_uv = Cause::NoUv { rule: because.to_string() };
                let uv = self.some_uv(python).ok_or_else(|| refused(InstallerKind::Uv, no_uv))?;
                self.attempt(&Installer::Uv(uv), &job).inspect_err(|_| {
                    self.note(format!("pip was not tried, because it would ignore that {because}"));
                })
            }
            Choice::Either => {
                let Some(uv) = self.some_uv(python) else {
                    self.note("pip installs the packages, which takes longer".to_owned());
                    return self.attempt(&Installer::Pip, &job);
                };
                match self.attempt(&Installer::Uv(uv), &job) {
                    Err(failure) if failure.cause.may_depend_on_the_installer() => {
                        self.note(format!("{failure}; trying with pip"));
                        self.attempt(&Installer::Pip, &job)
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

    fn attempt(&mut self, installer: &Installer, job: &Job<'_>) -> Result<Done, InstallFailure> {
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

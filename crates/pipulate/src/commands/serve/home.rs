//! The project for the page: answers the app's queries with the commands' code.
//!
//! Invariant: the configuration is read again for every query, because a page may be open for days.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::answer::Alert;
use pipulate_core::env_error::EnvError;
use pipulate_core::resources::Resources;
use pipulate_core::secret::EnvKey;
use pipulate_core::service::ServiceName;
use pipulate_core::status::{KernelActivity, ProjectStatus};
use pipulate_core::work::Loss;
use pipulate_engine::kept::Kept;
use pipulate_engine::work::{self, AtStake};
use pipulate_engine::{jupyter, project as engine};
use pipulate_environment::resources;
use pipulate_store::dotenv::{EnvFile, SecretValue, SetOnce, Unset, Written};
use pipulate_store::error::StoreError;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::merge::{Merged, Stretch};
use pipulate_store::log::secrets::LiveSecrets;
use pipulate_store::notebooks;
use pipulate_store::own_log::{History, ServiceEvent};
use pipulate_web::world::{
    Consent, Control, ControlError, Logs, News, Probes, Reply, Secrets, SignedIn, StatusSource, Target, Verb,
    Watching,
};

use super::watch::{LogWatch, RecordWatch};
use super::{actions, told};
use crate::commands::logs::{self, Scope};
use crate::commands::{drift, status};
use crate::context::Context;
use crate::style::Style;
use crate::{jupyter_login, links};

/// The time that a page waits for its request, which then continues in the background.
/// Browsers give up after a minute.
const PATIENCE: Duration = Duration::from_secs(45);
/// The timeout of JupyterLab's answer about its kernels.
const JUPYTER_TIMEOUT: Duration = Duration::from_millis(300);

/// One project, and the program that serves its page.
pub(super) struct Home {
    pub(super) context: Context,
    own: Option<ServiceName>,
    /// The result of a request that the page stopped waiting for.
    late: Arc<Mutex<Option<News>>>,
    /// The version of the program's file at the start.
    program: Option<FileVersion>,
    /// `None` until lines are shown.
    secrets: Mutex<Option<LiveSecrets>>,
    history: Mutex<History>,
}

/// Changes when a file is replaced or written to.
type FileVersion = (u64, u64, i64, i64);

fn version(path: &std::path::Path) -> Option<FileVersion> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.mtime(), file.mtime_nsec()))
}

impl Home {
    /// `own` is the service of this process.
    pub(super) fn new(context: Context, own: Option<ServiceName>) -> Self {
        let program = version(&context.project.exe);
        Self {
            context,
            own,
            late: Arc::default(),
            program,
            secrets: Mutex::new(None),
            history: Mutex::default(),
        }
    }

    fn env_file(&self) -> EnvFile {
        EnvFile::of(&self.context.project.layout)
    }

    /// Returns true if this service serves the page.
    pub(super) fn is_served_by(&self, service: &ServiceName) -> bool {
        self.own.as_ref() == Some(service)
    }

    /// Returns true if the target includes the service that serves the page.
    fn is_own(&self, target: &Target) -> bool {
        match target {
            Target::All => self.own.is_some(),
            Target::One(service) => self.is_served_by(service),
        }
    }

    /// The less obvious losses from a stop or restart.
    fn ends(&self, target: &Target, verb: Verb) -> Vec<Loss> {
        let stops_all = *target == Target::All && verb == Verb::Stop;
        if let (Target::One(service), Verb::Stop, true) = (target, verb, self.is_own(target)) {
            return vec![Loss::Page { service: service.clone() }];
        }
        let is_jupyter = matches!(target, Target::One(service) if service.as_str() == ServiceName::JUPYTER);
        if verb == Verb::Start || !(stops_all || is_jupyter) {
            return Vec::new();
        }
        let layout = &self.context.project.layout;
        let AtStake { work, idle } = work::at_stake(layout);
        let all = stops_all.then_some(Loss::EveryService);
        let idle = idle.into_iter().map(|notebook| Loss::IdleKernel { notebook });
        all.into_iter().chain(work.into_iter().map(Loss::Work)).chain(idle).collect()
    }
}

impl StatusSource for Home {
    fn status(&self, probes: Probes) -> ProjectStatus {
        let context = self.context.reread();
        match probes {
            Probes::Skip => status::glance(&context),
            Probes::Run => status::project_status(&context),
        }
    }

    fn kernels(&self) -> Vec<KernelActivity> {
        jupyter::kernel_activity(&self.context.project.layout, JUPYTER_TIMEOUT).unwrap_or_default()
    }

    fn resources(&self) -> Resources {
        resources::read(self.context.project.layout.root().as_ref())
    }

    fn alerts(&self) -> Vec<Alert> {
        let context = self.context.reread();
        // A briefly missing file is being replaced.
        let now = version(&self.context.project.exe);
        let is_outdated = now.is_some() && self.program.is_some() && now != self.program;
        let (unusable, drift) = match context.config_as_read() {
            Ok(config) => (None, drift::alerts(&context, config)),
            Err(error) => {
                let file = context.project.layout.config();
                (Some(Alert::ConfigUnusable { file, error: error.clone() }), Vec::new())
            }
        };
        unusable.into_iter().chain(is_outdated.then_some(Alert::NewerInstalled)).chain(drift).collect()
    }

    fn watch(&self) -> Box<dyn Watching> {
        Box::new(RecordWatch::new(&self.context.project.layout))
    }
}

impl Control for Home {
    fn act(&self, target: &Target, verb: Verb, consent: Consent) -> Result<Reply, ControlError> {
        if consent == Consent::NotAsked {
            let ends = self.ends(target, verb);
            if !ends.is_empty() {
                return Err(ControlError::NeedsConsent(ends));
            }
        }
        let context = self.context.reread();
        let project = context.project.clone();
        let request = actions::request(&project, target, verb, consent);
        if verb != Verb::Start && self.is_own(target) {
            actions::hand_over(&context, &request)
                .map_err(|error| ControlError::Failed(error.to_string()))?;
            return Ok(Reply::Asked { is_slow: false });
        }
        let before = project.status(engine::Probes::Skip);
        let (late, asked, there) = (Arc::clone(&self.late), request.clone(), context.clone());
        let is_late = move |(notes, result): actions::Told| {
            let told = told::of_result(&there, &asked, None, &notes, result);
            *late.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
        };
        match actions::carry_out(project, request.clone(), PATIENCE, is_late) {
            Some((notes, result)) => {
                told::of_result(&context, &request, Some(&before), &notes, result).map(Reply::Done)
            }
            None => Ok(Reply::Asked { is_slow: true }),
        }
    }

    fn news(&self) -> Option<News> {
        if let Some(told) = self.late.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Some(told);
        }
        let Kept { request, notes, result } = actions::left(&self.context)?;
        Some(told::of_result(&self.context, &request, None, &notes, result))
    }

    fn signed_address(&self, service: &ServiceName) -> Result<Option<String>, ControlError> {
        let link = links::link(&self.context.reread(), service)
            .map_err(|failure| ControlError::Failed(failure.render(Style::plain())))?;
        Ok(link.map(|link| link.for_people().to_owned()))
    }

    fn sign_in(&self, service: &ServiceName) -> Option<SignedIn> {
        let is_jupyter = service.as_str() == ServiceName::JUPYTER;
        let address = self.signed_address(service).ok().flatten().filter(|_| is_jupyter)?;
        jupyter_login::sign_in(&address)
    }
}

impl Logs for Home {
    fn services(&self) -> Result<Vec<ServiceName>, StoreError> {
        logs::services(&self.context.reread(), Scope::Expected)
    }

    fn open(&self, stretches: &[Stretch]) -> Result<Merged, StoreError> {
        Merged::open_stretches(&self.context.project.layout, stretches)
    }

    fn masker(&self) -> Masker {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = secrets.get_or_insert_with(|| LiveSecrets::of(&self.context.project.layout));
        secrets.refresh();
        secrets.masker().clone()
    }

    fn file(&self, named: &str) -> Option<String> {
        notebooks::file(self.context.project.layout.root(), named)
    }

    fn events(&self, since: Timestamp) -> Vec<ServiceEvent> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.refresh(&self.context.project.layout);
        let mut events: Vec<_> =
            history.events().rev().take_while(|event| event.at >= since).cloned().collect();
        events.reverse();
        events
    }

    fn watch(&self) -> Box<dyn Watching> {
        Box::new(LogWatch::new(&self.context))
    }
}

impl Secrets for Home {
    fn required(&self) -> Vec<String> {
        let context = self.context.reread();
        let config = context.config_as_read();
        config.iter().flat_map(|config| &config.secrets).map(EnvKey::to_string).collect()
    }

    fn names(&self) -> Result<Vec<String>, EnvError> {
        Secrets::names(&self.env_file())
    }

    fn filled(&self) -> Result<BTreeSet<String>, EnvError> {
        Secrets::filled(&self.env_file())
    }

    fn save_once(&self, key: &EnvKey, value: &SecretValue) -> Result<SetOnce, EnvError> {
        Secrets::save_once(&self.env_file(), key, value)
    }

    fn save(&self, key: &EnvKey, value: &SecretValue) -> Result<Written, EnvError> {
        Secrets::save(&self.env_file(), key, value)
    }

    fn forget(&self, key: &str) -> Result<Unset, EnvError> {
        Secrets::forget(&self.env_file(), key)
    }
}

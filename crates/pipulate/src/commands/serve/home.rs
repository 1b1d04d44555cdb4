//! The project as the page sees it: the app's questions answered with what the commands know.
//!
//! Invariant: the configuration is read again for every question, for a page may be open for days.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pipulate_core::resources::Resources;
use pipulate_core::secret::EnvKey;
use pipulate_core::service::ServiceName;
use pipulate_core::status::{KernelActivity, ProjectStatus};
use pipulate_engine::{jupyter, work};
use pipulate_environment::resources;
use pipulate_process::command::{Command, CommandError, End};
use pipulate_store::dotenv::{EnvFile, SecretValue, SetOnce, Unset, Written};
use pipulate_store::error::StoreError;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::merge::{Merged, Stretch};
use pipulate_store::log::secrets::LiveSecrets;
use pipulate_web::world::{
    Consent, Control, ControlError, Logs, Probes, Secrets, SecretsError, SignedIn, StatusSource, Target,
    Verb, Watching,
};

use super::receipt;
use super::watch::{LogWatch, RecordWatch};
use crate::commands::logs::{self, Scope};
use crate::commands::status;
use crate::context::Context;
use crate::ui::style::Style;
use crate::{jupyter_login, links};

/// How long a page waits for what it asked for; then that goes on by itself. A browser gives up after
/// a minute.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long a page waits for what it starts; after that the service's card tells how it goes.
const START: &str = "30s";
/// How long a page waits for what JupyterLab says about its kernels.
const JUPYTER_TIMEOUT: Duration = Duration::from_millis(300);

/// One project, and the program that serves its page.
pub(super) struct Home {
    pub(super) context: Context,
    own: Option<ServiceName>,
    patience: Duration,
    /// The program's file when it was started.
    program: Option<Version>,
    /// `None` until lines are shown.
    secrets: Mutex<Option<LiveSecrets>>,
}

/// What changes when a file is replaced or written to.
type Version = (u64, u64, i64, i64);

fn version(path: &std::path::Path) -> Option<Version> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.mtime(), file.mtime_nsec()))
}

impl Home {
    /// `own` is the service that this process is.
    pub(super) fn new(context: Context, own: Option<ServiceName>) -> Self {
        let program = version(&context.exe);
        Self { context, own, patience: PATIENCE, program, secrets: Mutex::new(None) }
    }

    fn env_file(&self) -> EnvFile {
        EnvFile::of(&self.context.layout)
    }

    /// The command that a person would type.
    fn command(&self, target: &Target, verb: Verb, consent: Consent) -> Command {
        let command = Command::new(self.context.own_program())
            .arg("-C")
            .arg(self.context.layout.root().as_os_str())
            .arg(verb.word());
        let command = match target {
            Target::One(service) => command.arg(service.as_str()),
            Target::All => command,
        };
        match (verb, consent) {
            (Verb::Start, _) => command.args(["--no-browser", "--no-setup", "--wait-timeout", START]),
            (Verb::Stop | Verb::Restart, Consent::Given) => command.arg("--yes"),
            (Verb::Stop | Verb::Restart, Consent::NotAsked) => command,
        }
    }

    /// Whether the service that serves the page is meant, too.
    fn is_own(&self, target: &Target) -> bool {
        match target {
            Target::All => self.own.is_some(),
            Target::One(service) => self.own.as_ref() == Some(service),
        }
    }

    /// What would end with a stop or restart that a person may not think of.
    fn ends(&self, target: &Target, verb: Verb) -> Vec<String> {
        let stops_all = *target == Target::All && verb == Verb::Stop;
        if let (Target::One(service), Verb::Stop, true) = (target, verb, self.is_own(target)) {
            return vec![format!(
                "This page; to have it back, run \"pipulate open {service}\" in a terminal"
            )];
        }
        let is_jupyter = matches!(target, Target::One(service) if service.as_str() == ServiceName::JUPYTER);
        if verb == Verb::Start || !(stops_all || is_jupyter) {
            return Vec::new();
        }
        let layout = &self.context.layout;
        let all = stops_all.then(|| "Every service of this project, this page with them".to_owned());
        let work = work::in_progress(layout).into_iter().map(|work| work.to_string());
        let idle = jupyter::kernel_activity(layout, JUPYTER_TIMEOUT).unwrap_or_default().into_iter();
        let idle = idle.filter(|kernel| !kernel.is_busy);
        all.into_iter()
            .chain(work)
            .chain(idle.map(|kernel| format!("{}, with its variables", kernel.name)))
            .collect()
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
        jupyter::kernel_activity(&self.context.layout, JUPYTER_TIMEOUT).unwrap_or_default()
    }

    fn resources(&self) -> Resources {
        resources::read(self.context.layout.root().as_ref())
    }

    fn alerts(&self) -> Vec<String> {
        let context = self.context.reread();
        let unusable = context.config_as_read().as_ref().err().map(|error| {
            let file = context.layout.config();
            format!("{file} can't be used, so services that don't run are missing here: {error}")
        });
        // A file that is missing for a moment is being replaced.
        let now = version(&self.context.exe);
        let is_outdated = now.is_some() && self.program.is_some() && now != self.program;
        let outdated =
            "a newer Pipulate is installed than the one that runs this page; restart this app to use it";
        unusable.into_iter().chain(is_outdated.then(|| outdated.to_owned())).collect()
    }

    fn watch(&self) -> Box<dyn Watching> {
        Box::new(RecordWatch::new(&self.context.layout))
    }
}

impl Control for Home {
    /// Runs this very program, so that the page and the terminal do the same.
    fn act(&self, target: &Target, verb: Verb, consent: Consent) -> Result<String, ControlError> {
        if consent == Consent::NotAsked {
            let ends = self.ends(target, verb);
            if !ends.is_empty() {
                return Err(ControlError::NeedsConsent(ends));
            }
        }
        let command = self.command(target, verb, consent);
        let failed = |error: CommandError| ControlError::Failed(error.to_string());
        if verb != Verb::Start && self.is_own(target) {
            command.detached().map_err(failed)?;
            return Ok(receipt::of_request(target, verb));
        }
        let before = self.status(Probes::Skip);
        let Some(output) = command.output_unless_slow(self.patience).map_err(failed)? else {
            let request = receipt::of_request(target, verb);
            return Ok(format!("{request}; that takes long, and goes on"));
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        match (output.end, verb) {
            (End::Code(0), Verb::Start) => Ok(receipt::of_start(&before, &stdout, &stderr)),
            (End::Code(0), Verb::Stop | Verb::Restart) => Ok(receipt::with_warnings(stdout, &stderr)),
            (End::Code(_), _) => Err(ControlError::Refused(receipt::of_failure(&stderr))),
            (End::Signal(_) | End::TimedOut | End::Unknown, _) => Err(ControlError::Failed(format!(
                "the command that should {} {target} {}",
                verb.word(),
                output.end
            ))),
        }
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
        Merged::open_stretches(&self.context.layout, stretches)
    }

    fn masker(&self) -> Masker {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = secrets.get_or_insert_with(|| LiveSecrets::of(&self.context.layout));
        secrets.refresh();
        secrets.masker().clone()
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

    fn names(&self) -> Result<Vec<String>, SecretsError> {
        Secrets::names(&self.env_file())
    }

    fn filled(&self) -> Result<BTreeSet<String>, SecretsError> {
        Secrets::filled(&self.env_file())
    }

    fn save_once(&self, key: &EnvKey, value: &SecretValue) -> Result<SetOnce, SecretsError> {
        Secrets::save_once(&self.env_file(), key, value)
    }

    fn save(&self, key: &EnvKey, value: &SecretValue) -> Result<Written, SecretsError> {
        Secrets::save(&self.env_file(), key, value)
    }

    fn forget(&self, key: &str) -> Result<Unset, SecretsError> {
        Secrets::forget(&self.env_file(), key)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::context::samples;

    #[test]
    fn what_takes_long_goes_on_when_the_page_no_longer_waits_for_it() {
        let mut project = samples::project("");
        let root = project.context.layout.root().clone();
        let script =
            "#!/bin/sh\ncd \"$2\"\nuntil [ -e go ]; do sleep 0.02; done\nseq 100000\necho \"$3 $4\" > done\n";
        fs::write(root.join("program"), script).unwrap();
        fs::set_permissions(root.join("program"), fs::Permissions::from_mode(0o755)).unwrap();
        project.context.exe = root.join("program");
        let worker = Target::One(ServiceName::parse("worker").unwrap());
        let mut home = Home::new(project.context.clone(), None);
        home.patience = Duration::from_millis(50);
        let told = home.act(&worker, Verb::Restart, Consent::NotAsked).unwrap();
        assert_eq!(told, "worker was asked to restart; that takes long, and goes on");
        assert!(!root.join("done").exists());
        fs::write(root.join("go"), "").unwrap();
        let begun = std::time::Instant::now();
        while !fs::read_to_string(root.join("done")).is_ok_and(|said| said == "restart worker\n") {
            assert!(begun.elapsed() < Duration::from_secs(60), "it did not go on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_yes_on_the_page_is_a_gentle_one() {
        let home = Home::new(samples::project("").context.clone(), None);
        for (verb, consent, option) in [
            (Verb::Stop, Consent::Given, Some("--yes")),
            (Verb::Restart, Consent::Given, Some("--yes")),
            (Verb::Stop, Consent::NotAsked, None),
        ] {
            let line = home.command(&Target::All, verb, consent).display();
            assert_eq!(line.split(' ').find(|word| word.starts_with("--")), option, "{line}");
        }
    }
}

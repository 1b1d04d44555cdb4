//! The project's secrets: who else can read them, whether git would publish them, whether they are there.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;

use pipulate_core::finding::{Finding, Fix};
use pipulate_core::secret::EnvKey;
use pipulate_store::dotenv::{EnvFile, SecretValue};

use super::catalog::{Check, Group};
use super::git::Checkout;
use super::{Examination, failure, skipped, warning};

/// The id that [`super::fix`] knows how to mend itself.
pub(super) const PERMISSIONS: &str = "secrets.permissions";
const REQUIRED: &str = "secrets.required";
const IGNORED: &str = "secrets.ignored";

pub(super) const FILE: Group = Group {
    checks: &[
        Check::new(PERMISSIONS, "whether other users can read `.env`")
            .mended_by("closes `.env` to others (mode 0600)"),
        Check::new(
            REQUIRED,
            "whether what `[secrets] required` lists has a value in `.env` or in the environment",
        ),
    ],
    examine: |examination| vec![permissions(examination), required(examination)],
};

pub(super) const GIT: Group = Group {
    checks: &[Check::new(
        IGNORED,
        "`git ls-files` and `git check-ignore`: whether git has, or would take, `.env`",
    )],
    examine: |examination| vec![ignored(examination)],
};

fn permissions(examination: &Examination) -> Finding {
    let path = examination.layout.dotenv();
    let file = match path.symlink_metadata() {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return skipped(PERMISSIONS, "There is no .env");
        }
        Err(error) => {
            return skipped(PERMISSIONS, ".env can't be looked at").detail(format!("{path}: {error}"));
        }
    };
    if !file.is_file() {
        warning(PERMISSIONS, ".env is not a plain file")
            .detail(format!("{path} is a link, a folder or a device; Pipulate does not write through those"))
            .advice("put the file itself there")
    } else if file.mode() & 0o077 != 0 {
        warning(PERMISSIONS, "Other users of this machine can read your secrets")
            .detail(format!("{path} has mode {:04o}", file.mode() & 0o7777))
            .fix(
                Fix::command("make it readable for you alone", ["chmod", "600", &path.display().to_string()])
                    .automatic(),
            )
    } else {
        Finding::ok(PERMISSIONS, ".env is readable for you alone")
    }
}

fn required(examination: &Examination) -> Finding {
    let config = match examination.config() {
        Ok(config) => config,
        Err(reason) => return skipped(REQUIRED, reason),
    };
    if config.secrets.is_empty() {
        return skipped(REQUIRED, "pipulate.toml requires no secret");
    }
    let document = match EnvFile::of(&examination.layout).read() {
        Ok(document) => document,
        Err(error) => return failure(REQUIRED, ".env can't be read").detail(error.to_string()),
    };
    let outside = |name: &str| examination.variable(name).map(str::to_owned);
    let inside: HashMap<String, SecretValue> = document
        .resolve(&outside)
        .values
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    let has =
        |key: &str| outside(key).is_some() || inside.get(key).is_some_and(|value| !value.expose().is_empty());
    let missing: Vec<&str> = config.secrets.iter().map(EnvKey::as_str).filter(|key| !has(key)).collect();
    match missing.first() {
        None => Finding::ok(REQUIRED, "The secrets that pipulate.toml requires are there"),
        Some(first) => warning(
            REQUIRED,
            format!("Secrets that pipulate.toml requires are missing: {}", missing.join(", ")),
        )
        .detail(format!("read: {}, and the environment", examination.layout.dotenv()))
        .command("give it; what you type is not shown", examination.pipulate(&["secret", "set", first])),
    }
}

fn ignored(examination: &Examination) -> Finding {
    let layout = &examination.layout;
    if !layout.dotenv().exists() {
        return skipped(IGNORED, "There is no .env");
    }
    let Some(git) = examination.program("git") else { return skipped(IGNORED, "git is not installed") };
    let Some(checkout) = Checkout::around(examination, git) else {
        return skipped(IGNORED, "This folder is no git checkout");
    };
    let tracked = checkout.ask(&["ls-files", "--error-unmatch", ".env"]);
    if tracked.is_well() {
        return failure(IGNORED, "git has your secrets: .env is one of its files")
            .detail(tracked.evidence())
            .command(
                "take it out of git, then change the secrets: who has a copy has them",
                ["git", "-C", &layout.root().to_string_lossy(), "rm", "--cached", ".env"],
            );
    }
    let ignored = checkout.ask(&["check-ignore", "--verbose", ".env"]);
    match ignored.is_well() {
        true => Finding::ok(IGNORED, "git leaves .env alone").detail(ignored.evidence()),
        false => warning(IGNORED, "git would take .env: the next `git add .` publishes your secrets")
            .detail(ignored.evidence())
            .advice("add the line .env to .gitignore"),
    }
}

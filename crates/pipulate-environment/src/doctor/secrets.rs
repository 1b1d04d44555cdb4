//! The project's `.env`: who else can read it, whether git would add it, whether the required secrets are
//! there, and whether other programs read it as Python does. Only names are reported, never values: a
//! reader's error is not shown, because it may contain one.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;

use pipulate_core::finding::{Finding, Fix};
use pipulate_core::layout::Layout;
use pipulate_core::secret::EnvKey;
use pipulate_store::dotenv::{EnvFile, SecretValue};

use super::check::{Check, Group};
use super::git::Checkout;
use super::{Examination, failure, skipped, warning};
use crate::surroundings::Surroundings;

/// The id of a finding that [`super::fix`] handles itself.
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
        "`git ls-files` and `git check-ignore`: whether git tracks `.env`, or would",
    )],
    examine: |examination| vec![ignored(examination)],
};

/// The longest value that dotenvy may produce, in bytes.
const LONGEST: usize = 64 << 20;

const READERS: &str = "env.portable";

pub(super) const PORTABLE: Group = Group {
    checks: &[Check::new(
        READERS,
        "whether `.env` means the same to python-dotenv and to a second reader (dotenvy), line by line",
    )],
    examine: |examination| vec![portable(examination)],
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
        None => Finding::ok(REQUIRED, "The secrets that pipulate.toml requires are set"),
        Some(first) => warning(
            REQUIRED,
            format!("Secrets that pipulate.toml requires are missing: {}", missing.join(", ")),
        )
        .detail(format!("read: {}, and the environment", examination.layout.dotenv()))
        .command("set it; what you type is not shown", examination.pipulate(&["secret", "set", first])),
    }
}

/// Returns true if the next `git add .` would add the project's `.env`; false without git or a checkout.
pub(super) fn would_be_published(layout: &Layout, around: &Surroundings) -> bool {
    let git = around.programs("git").next();
    let checkout = git.and_then(|git| Checkout::around(layout.root(), git));
    checkout.is_some_and(|checkout| !checkout.ask(&["check-ignore", ".env"]).is_well())
}

fn ignored(examination: &Examination) -> Finding {
    let layout = &examination.layout;
    if !layout.dotenv().exists() {
        return skipped(IGNORED, "There is no .env");
    }
    let Some(git) = examination.program("git") else { return skipped(IGNORED, "git is not installed") };
    let Some(checkout) = Checkout::around(layout.root(), git) else {
        return skipped(IGNORED, "This folder is not a git repository");
    };
    let tracked = checkout.ask(&["ls-files", "--error-unmatch", ".env"]);
    if tracked.is_well() {
        return failure(IGNORED, "git tracks .env: your secrets are in the repository")
            .detail(tracked.evidence())
            .command(
                "remove it from git, then change the secrets: every copy of the repository has them",
                ["git", "-C", &layout.root().to_string_lossy(), "rm", "--cached", ".env"],
            );
    }
    let ignored = checkout.ask(&["check-ignore", "--verbose", ".env"]);
    match ignored.is_well() {
        true => Finding::ok(IGNORED, "git ignores .env").detail(ignored.evidence()),
        false => warning(IGNORED, "git does not ignore .env: the next `git add .` adds your secrets")
            .detail(ignored.evidence())
            .advice("add the line .env to .gitignore"),
    }
}

fn portable(examination: &Examination) -> Finding {
    let path = examination.layout.dotenv();
    if !path.is_file() {
        return skipped(READERS, "There is no .env");
    }
    let document = match EnvFile::of(&examination.layout).read() {
        Ok(document) => document,
        // Notepad and PowerShell write UTF-16, which no reader of .env supports.
        Err(error) => {
            return warning(READERS, "No program can read .env")
                .detail(error.to_string())
                .advice("save it as UTF-8 in an editor");
        }
    };
    let broken: Vec<String> = document.broken_lines().map(|line| line.to_string()).collect();
    let outside = |name: &str| examination.variable(name).map(str::to_owned);
    let resolved = document.resolve(&outside);
    if resolved.too_long.is_some() || may_grow(document.expose()) {
        return skipped(
            READERS,
            "Not checked: .env has so many variables in its values that it may grow too long",
        );
    }
    let others = second_opinion(document.expose());
    let differs = |(key, python): &(String, Option<SecretValue>)| {
        others.get(key).map(String::as_str) != python.as_ref().map(|value| value.expose())
    };
    let different: Vec<String> = resolved.values.into_iter().filter(differs).map(|(key, _)| key).collect();
    if different.is_empty() && broken.is_empty() {
        return Finding::ok(READERS, "All programs read .env alike");
    }
    let read =
        |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let problems = [read("read differently:", &different), read("no reader understands line", &broken)];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    warning(READERS, "Not every program reads .env as Python does")
        .detail(format!("{path}: {}", problems.join("; ")))
        .advice("write those lines as NAME='value'; `pipulate secret set NAME` chooses the form that all readers share")
}

/// Returns true if dotenvy may need more than [`LONGEST`] for a value. It expands `$NAME` too and has no
/// limit: `d` references, each expanded with the earlier results, make a text at most 3^(d/3) times as long.
fn may_grow(text: &str) -> bool {
    let variables = text.matches('$').count().div_ceil(3);
    let longest = std::env::vars_os().map(|(_, value)| value.len()).max().unwrap_or(0).max(text.len());
    let factor = u32::try_from(variables).ok().and_then(|variables| 3_usize.checked_pow(variables));
    factor.and_then(|factor| factor.checked_mul(longest)).is_none_or(|length| length > LONGEST)
}

/// The values that dotenvy reads, up to the first line that it can't parse.
fn second_opinion(text: &str) -> BTreeMap<String, String> {
    dotenvy::from_read_iter(text.as_bytes()).map_while(Result::ok).collect()
}

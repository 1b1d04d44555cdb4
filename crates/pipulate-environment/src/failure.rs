//! The cause of an installer's failure, from its output, and the remedy.

use std::fmt;

use pipulate_core::finding::Fix;

use crate::installer_kind::InstallerKind;
use crate::surroundings::Surroundings;

/// A failed installation. `start` can continue after it; `setup` has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{installer} could not install the packages: {cause}")]
pub struct InstallFailure {
    pub installer: InstallerKind,
    pub cause: Cause,
    /// The end of its output, without secrets.
    pub last_words: Vec<String>,
}

/// The cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    NoNetwork,
    /// The index can't be reached through the proxy in this variable.
    Proxy {
        variable: String,
    },
    /// This variable names a SOCKS proxy, which pip doesn't support without an extra package.
    SocksProxy {
        variable: Option<String>,
    },
    Certificate,
    NoSuchPackage {
        requirement: Option<String>,
    },
    Conflict,
    /// Another index might have it, but uv does not query a second one for a package that the first one has.
    SecondIndex,
    /// A package has no hash, or a wrong one.
    Hashes,
    /// Each installer would ignore one of the other's rules.
    RulesOfBoth {
        pip: String,
        uv: String,
    },
    /// Only uv may install, because of this rule, and it is missing.
    NoUv {
        rule: String,
    },
    /// uv refuses pre-releases and addresses that only another package requires; pip accepts them.
    StricterUv,
    /// The installer succeeded, but these packages are not in the environment.
    Elsewhere {
        missing: Vec<String>,
        rule: Option<String>,
    },
    /// The package needs another Python.
    WrongPython,
    NoCompiler,
    BuildFailed,
    DiskFull,
    NotPermitted,
    /// The environment was made without pip.
    NoPip,
    /// The installer itself can't be started.
    NotStarted,
    Unknown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNetwork => "the package index can't be reached",
            Self::Proxy { variable } => {
                return write!(
                    f,
                    "the package index can't be reached through the proxy that {variable} names"
                );
            }
            Self::SocksProxy { variable: Some(variable) } => {
                return write!(f, "{variable} names a SOCKS proxy, which pip can't use");
            }
            Self::SocksProxy { variable: None } => "pip can't use a SOCKS proxy",
            Self::StricterUv => {
                "a package asks for a pre-release or an address, which uv accepts only if you list it yourself"
            }
            Self::Elsewhere { missing, rule } => {
                let rule = rule.as_ref().map(|rule| format!(": {rule}")).unwrap_or_default();
                let missing = missing.join(", ");
                return write!(f, "it did not install into this environment{rule}; missing are {missing}");
            }
            Self::Certificate => "the package index's certificate is not trusted",
            Self::NoSuchPackage { requirement: Some(requirement) } => {
                return write!(f, "there is no package {requirement}");
            }
            Self::NoSuchPackage { requirement: None } => "there is no such package",
            Self::Conflict => "the requirements contradict each other",
            Self::SecondIndex => "the first index that has a package does not have a matching version of it",
            Self::Hashes => "a package is not pinned with its hash, or has another hash",
            Self::RulesOfBoth { pip, uv } => {
                return write!(f, "{pip}, and {uv}; each installer would ignore the other's setting");
            }
            Self::NoUv { rule } => return write!(f, "uv is not available, and pip would ignore that {rule}"),
            Self::WrongPython => "a package needs another version of Python",
            Self::NoCompiler => "a package must be compiled, and there is no compiler",
            Self::BuildFailed => "a package could not be built",
            Self::DiskFull => "the disk is full",
            Self::NotPermitted => "it has no permission to write there",
            Self::NoPip => "the environment has no pip",
            Self::NotStarted => "it could not be started",
            Self::Unknown => "it ended with an error",
        })
    }
}

impl Cause {
    /// The most likely remedy.
    pub fn fix(&self) -> Fix {
        let text = match self {
            Self::NoNetwork => {
                "connect to the network (behind a proxy: set HTTPS_PROXY), then run `pipulate setup`"
            }
            Self::Proxy { variable } => {
                return Fix::advice(format!(
                    "check the address in {variable}, or unset it (`unset {variable}`), then run \
                     `pipulate setup`"
                ));
            }
            Self::SocksProxy { .. } => {
                "install uv, which can (https://docs.astral.sh/uv), or name an HTTP proxy with \
                 HTTPS_PROXY=http://HOST:PORT, then run `pipulate setup`"
            }
            Self::StricterUv => {
                "list that pre-release or address in requirements.txt itself, then run `pipulate setup`"
            }
            Self::Elsewhere { .. } => {
                "remove the setting that sends packages elsewhere (PIP_TARGET, or target, prefix or root in \
                 pip.conf), then run `pipulate setup`"
            }
            Self::Certificate => {
                "set SSL_CERT_FILE to your organization's certificate file, then run `pipulate setup`"
            }
            Self::NoSuchPackage { .. } => {
                "check the name and version in requirements.txt, then run `pipulate setup`"
            }
            Self::Conflict => "loosen the versions in requirements.txt, then run `pipulate setup`",
            Self::SecondIndex => {
                "make the index that has the package the first one, or allow all of them with \
                 UV_INDEX_STRATEGY=unsafe-best-match if you trust them equally, then run `pipulate setup`"
            }
            Self::Hashes => {
                "pin each package with its hash in requirements.txt (`uv pip compile --generate-hashes`), or \
                 remove require-hashes, then run `pipulate setup`"
            }
            Self::RulesOfBoth { .. } => {
                "use the same setting for both installers, or remove one, then run `pipulate setup`"
            }
            Self::NoUv { .. } => "install uv (https://docs.astral.sh/uv), then run `pipulate setup`",
            Self::WrongPython => {
                "set PIPULATE_PYTHON to a Python that the package supports, then run `pipulate setup --recreate`"
            }
            Self::NoCompiler => {
                "install a compiler (Debian, Ubuntu: sudo apt install build-essential python3-dev; macOS: \
                 xcode-select --install; Nix: nix develop), or choose a version that has a wheel"
            }
            Self::BuildFailed => "choose a version that has a wheel, or install what its build asks for",
            Self::DiskFull => "free some disk space, then run `pipulate setup`",
            Self::NotPermitted => "make the project's folder yours (see `ls -ld`), then run `pipulate setup`",
            Self::NoPip => "run `.venv/bin/python -m ensurepip`, then `pipulate setup`",
            Self::NotStarted => "run `pipulate setup --recreate`",
            Self::Unknown => "read the last lines from the installer, then run `pipulate setup`",
        };
        Fix::advice(text)
    }

    /// Returns true if it could not happen without an index.
    pub(crate) fn is_about_an_index(&self) -> bool {
        matches!(
            self,
            Self::NoNetwork
                | Self::Proxy { .. }
                | Self::SocksProxy { .. }
                | Self::NoSuchPackage { .. }
                | Self::Conflict
                | Self::WrongPython
                | Self::SecondIndex
                | Self::Hashes
        )
    }

    /// Returns true if another installer might succeed. Both use the same index if neither is configured: a
    /// package that it lacks, no installer finds.
    pub(crate) fn may_depend_on_the_installer(&self) -> bool {
        match self {
            Self::NoNetwork
            | Self::Proxy { .. }
            | Self::SocksProxy { .. }
            | Self::NoSuchPackage { .. }
            | Self::Conflict
            | Self::WrongPython
            | Self::Elsewhere { .. }
            | Self::NoCompiler
            | Self::BuildFailed
            | Self::DiskFull
            | Self::NotPermitted
            | Self::SecondIndex
            | Self::Hashes
            | Self::RulesOfBoth { .. }
            | Self::NoUv { .. } => false,
            Self::Certificate | Self::StricterUv | Self::NoPip | Self::NotStarted | Self::Unknown => true,
        }
    }
}

impl Cause {
    /// The cause, given that the network is reached through a proxy.
    pub(crate) fn behind(self, around: &Surroundings) -> Self {
        let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];
        let named = |is_meant: fn(&str) -> bool| {
            let mut set = names.into_iter().filter(|name| around.text(name).is_some_and(is_meant));
            set.next().map(str::to_owned)
        };
        match (self, named(|_| true)) {
            (Self::NoNetwork, Some(variable)) => Self::Proxy { variable },
            (Self::SocksProxy { .. }, _) => {
                Self::SocksProxy { variable: named(|value| value.starts_with("socks")) }
            }
            (cause, _) => cause,
        }
    }
}

/// Finds the cause in an installer's output. The order matters: a full disk also breaks builds, and an
/// unreachable index also has no packages.
pub(crate) fn classify(output: &str) -> Cause {
    let has = |needles: &[&str]| needles.iter().any(|needle| output.contains(needle));
    if has(&["No space left on device", "Disk quota exceeded", "os error 28", "os error 122"]) {
        Cause::DiskFull
    } else if has(&[
        "CERTIFICATE_VERIFY_FAILED",
        "invalid peer certificate",
        "UnknownIssuer",
        "SSLCertVerification",
    ]) {
        Cause::Certificate
    } else if has(&["Missing dependencies for SOCKS support"]) {
        Cause::SocksProxy { variable: None }
    } else if has(&NETWORK) {
        Cause::NoNetwork
    } else if has(&HASHES) {
        Cause::Hashes
    } else if has(&["to avoid dependency confusion attacks"]) {
        Cause::SecondIndex
    } else if has(&["Permission denied", "os error 13", "Read-only file system", "os error 30"]) {
        Cause::NotPermitted
    } else if has(&["No module named pip"]) {
        Cause::NoPip
    } else if has(&STRICTER) {
        Cause::StricterUv
    } else if wants_another_python(output) {
        Cause::WrongPython
    } else if has(&COMPILER) || (has(&BUILD) && has(&["No such file or directory: '"])) {
        Cause::NoCompiler
    } else if has(&BUILD) {
        Cause::BuildFailed
    } else if let Some(requirement) = missing_package(output) {
        Cause::NoSuchPackage { requirement: Some(requirement) }
    } else if has(&["not found in the package registry", "No matching distribution found"]) {
        Cause::NoSuchPackage { requirement: None }
    } else if has(&["No solution found", "ResolutionImpossible", "conflicting dependencies"]) {
        Cause::Conflict
    } else {
        Cause::Unknown
    }
}

const NETWORK: [&str; 13] = [
    "dns error",
    "failed to lookup address",
    "Name or service not known",
    "Temporary failure in name resolution",
    "nodename nor servname",
    "Network is unreachable",
    "No route to host",
    "Connection refused",
    "tcp connect error",
    "Failed to establish a new connection",
    "operation timed out",
    "Cannot connect to proxy",
    "unsuccessful tunnel",
];

/// uv's messages about requirements that pip accepts.
const STRICTER: [&str; 2] =
    ["pre-releases weren't enabled", "URL dependencies must be expressed as direct requirements"];

const HASHES: [&str; 4] =
    ["`--require-hashes` mode", "--require-hashes mode", "Hash mismatch for", "DO NOT MATCH THE HASHES"];

const COMPILER: [&str; 7] = [
    "command 'gcc' failed: No such file",
    "unable to execute 'gcc'",
    "Unknown compiler(s)",
    "Microsoft Visual C++",
    "Python.h: No such file",
    "No CMAKE_C_COMPILER",
    "xcrun: error: invalid active developer path",
];

const BUILD: [&str; 5] = [
    "Failed to build",
    "Failed building wheel",
    "subprocess-exited-with-error",
    "build backend returned an error",
    "Could not build wheels",
];

fn wants_another_python(output: &str) -> bool {
    if output.contains("requires a different Python:") {
        return true;
    }
    // uv: "Because the current Python version (3.11.7) does not satisfy Python>=3.12 …"
    if output.contains("does not satisfy Python") || output.contains("not compatible with the current Python")
    {
        return true;
    }
    // pip lists every version that it rejected; only the requested one matters.
    let pinned = output.lines().find_map(|line| {
        line.split_once("No matching distribution found for ")?
            .1
            .split_once("==")
            .map(|(_, version)| version.trim())
    });
    pinned.is_some_and(|version| output.contains(&format!(" {version} Requires-Python")))
}

/// The requirement that no package meets.
fn missing_package(output: &str) -> Option<String> {
    output.lines().find_map(|line| {
        let pip = line.split_once("No matching distribution found for ").map(|(_, rest)| rest);
        let uv_name = || Some(line.split_once("Because ")?.1.split_once(" was not found in")?.0);
        let uv_version = || Some(line.split_once("there is no version of ")?.1.split_once(" and ")?.0);
        let found = pip.or_else(uv_name).or_else(uv_version)?.trim();
        (!found.is_empty() && !found.contains(' ')).then(|| found.to_owned())
    })
}

/// The end of an installer's output, without passwords of index addresses.
pub(crate) fn last_words<S: AsRef<str>>(lines: &[S]) -> Vec<String> {
    const KEPT: usize = 12;
    let telling = |line: &&str| {
        !line.trim().is_empty() && !line.starts_with("[notice]") && !line.starts_with("Using Python ")
    };
    let mut words: Vec<String> = lines
        .iter()
        .map(AsRef::as_ref)
        .filter(telling)
        .map(|line| shortened(&without_passwords(line)))
        .collect();
    words.split_off(words.len().saturating_sub(KEPT))
}

/// Cuts the middle of a long line: the error is at the end, its subject at the beginning.
fn shortened(line: &str) -> String {
    const HALF: usize = 120;
    let characters = line.chars().count();
    if characters <= 2 * HALF {
        return line.to_owned();
    }
    let beginning: String = line.chars().take(HALF).collect();
    let end: String = line.chars().skip(characters - HALF).collect();
    format!("{beginning}…{end}")
}

/// `https://user:secret@host/` becomes `https://host/`.
fn without_passwords(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        safe.push_str(head);
        let end = tail.find(['/', ' ', '\'', '"', ')', ',']).unwrap_or(tail.len());
        rest = tail[..end].rfind('@').map_or(tail, |at| &tail[at + 1..]);
    }
    safe + rest
}

#[cfg(test)]
mod tests;

//! Which installer may install, by the rules that the user gave to pip and to uv.
//!
//! An installer that ignores a rule is a way around it: a package from another index (dependency
//! confusion), without its hash, newer than allowed. So a rule of one installer is never left to the
//! other one, and a refusal that a rule asked for is final.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{pip_config, uv_config};
use crate::surroundings::Surroundings;

/// What a rule is about. pip and uv have settings of their own for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// Where packages come from: indexes, links, or nothing but them.
    Index,
    /// Which versions are fit, if they are installed at all.
    Constraints,
    Hashes,
    /// Wheels or sources.
    Builds,
    /// Nothing newer than a day.
    Age,
    /// How an index is reached: proxies and certificates. It restricts nothing.
    Connection,
    /// Another one of uv's own.
    Other,
}

/// One setting that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(super) subject: Subject,
    pub(super) place: Place,
    /// Its words; may hold passwords.
    pub(super) value: String,
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Variable(String),
    File { path: PathBuf, key: String },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "{name} is set"),
            Self::File { path, key } => write!(f, "{} sets {key}", path.display()),
        }
    }
}

/// The installer that the rules allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// No rules: uv, and pip if uv can't.
    Either,
    /// uv would ignore this.
    Pip { because: Rule },
    /// pip would ignore this. `instead` is a rule of pip's on the same subject that says something else.
    Uv { because: Rule, instead: Option<Rule> },
    /// Each would ignore a rule of the other.
    Neither { pip: Rule, uv: Rule },
}

/// Reads the rules. `venv` may have a pip.conf too.
pub(crate) fn choose(around: &Surroundings, project: &Path, venv: &Path) -> Choice {
    decide(pip_config::rules(around, venv), uv_config::rules(around, project))
}

fn decide(pip: Vec<Rule>, uv: Vec<Rule>) -> Choice {
    let unmet = |rules: &[Rule], others: &[Rule]| {
        let met: BTreeSet<Subject> = others.iter().map(|rule| rule.subject).collect();
        let is_unmet = |rule: &&Rule| rule.subject.restricts() && !met.contains(&rule.subject);
        rules.iter().find(is_unmet).cloned()
    };
    match (unmet(&pip, &uv), unmet(&uv, &pip)) {
        (Some(pip), Some(uv)) => Choice::Neither { pip, uv },
        (Some(because), None) => Choice::Pip { because },
        (None, _) => match (uv.first(), pip.into_iter().next()) {
            (Some(because), instead) => Choice::Uv {
                instead: instead.filter(|rule| rule.subject.restricts() && !is_repeated(rule, &uv)),
                because: because.clone(),
            },
            (None, Some(because)) => Choice::Pip { because },
            (None, None) => Choice::Either,
        },
    }
}

/// Whether uv is told the same words.
fn is_repeated(rule: &Rule, uv: &[Rule]) -> bool {
    let words = |rule: &Rule| -> BTreeSet<String> {
        rule.value.split([' ', '\n', '\t']).map(|word| word.trim_end_matches('/').to_owned()).collect()
    };
    uv.iter().any(|other| other.subject == rule.subject && words(other).is_superset(&words(rule)))
}

impl Subject {
    /// Whether ignoring it lets something in that it keeps out. What only uv knows makes uv's refusal
    /// final, and does not outweigh what pip is told.
    fn restricts(self) -> bool {
        match self {
            Self::Index | Self::Constraints | Self::Hashes | Self::Builds | Self::Age => true,
            Self::Connection | Self::Other => false,
        }
    }
}

/// Whether a setting is switched off, or says what is so anyway.
pub(super) fn says_nothing(value: &str) -> bool {
    let public = |address: &str| {
        let address = address.trim_end_matches('/');
        address == "https://pypi.org/simple" || address == "https://pypi.python.org/simple"
    };
    let value = value.trim();
    let is_off =
        ["0", "false", "no", "off", "f", "n", ":none:"].contains(&value.to_ascii_lowercase().as_str());
    is_off || value.split_whitespace().all(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(subject: Subject, name: &str, value: &str) -> Rule {
        Rule { subject, place: Place::Variable(name.to_owned()), value: value.to_owned() }
    }

    #[test]
    fn a_rule_is_never_left_to_an_installer_that_would_ignore_it() {
        let pip_index = rule(Subject::Index, "PIP_INDEX_URL", "https://a/simple");
        let pip_hashes = rule(Subject::Hashes, "PIP_REQUIRE_HASHES", "1");
        let pip_proxy = rule(Subject::Connection, "PIP_PROXY", "http://proxy");
        let uv_index = rule(Subject::Index, "UV_DEFAULT_INDEX", "https://a/simple/");
        let uv_age = rule(Subject::Age, "UV_EXCLUDE_NEWER", "2026-01-01");
        let uv_other = rule(Subject::Other, "UV_RESOLUTION", "lowest");
        let [none, index] = [vec![], vec![uv_index.clone()]];
        let uv = |because: &Rule| Choice::Uv { because: because.clone(), instead: None };
        let pip = |because: &Rule| Choice::Pip { because: because.clone() };
        let of = |pip: &[&Rule], uv: &[&Rule]| {
            let all = |rules: &[&Rule]| rules.iter().map(|&rule| rule.clone()).collect();
            decide(all(pip), all(uv))
        };
        assert_eq!(decide(none.clone(), none.clone()), Choice::Either);
        assert_eq!(decide(none, index), uv(&uv_index));
        assert_eq!(of(&[&pip_index], &[]), pip(&pip_index));
        assert_eq!(of(&[&pip_proxy], &[]), pip(&pip_proxy));
        assert_eq!(of(&[&pip_proxy], &[&uv_index]), uv(&uv_index));
        assert_eq!(of(&[&pip_index], &[&uv_index]), uv(&uv_index), "they say the same");
        assert_eq!(of(&[&pip_index, &pip_hashes], &[&uv_index]), pip(&pip_hashes));
        assert_eq!(of(&[&pip_index], &[&uv_index, &uv_age]), uv(&uv_index));
        assert_eq!(of(&[&pip_index], &[&uv_age]), Choice::Neither { pip: pip_index.clone(), uv: uv_age });
        assert_eq!(of(&[&pip_index], &[&uv_other]), pip(&pip_index));
        assert_eq!(of(&[], &[&uv_other]), uv(&uv_other));
        let elsewhere = rule(Subject::Index, "PIP_INDEX_URL", "https://b/simple");
        let told = Choice::Uv { because: uv_index.clone(), instead: Some(elsewhere.clone()) };
        assert_eq!(of(&[&elsewhere], &[&uv_index]), told);
    }

    #[test]
    fn what_is_off_or_public_says_nothing() {
        for value in ["", "0", "False", " off ", ":none:", "https://pypi.org/simple/"] {
            assert!(says_nothing(value), "{value}");
        }
        for value in ["1", "https://pypi.org/simple https://a", ":all:", "constraints.txt"] {
            assert!(!says_nothing(value), "{value}");
        }
    }
}

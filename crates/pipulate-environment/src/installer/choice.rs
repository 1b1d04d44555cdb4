//! Chooses the installer by the user's rules for pip and for uv.
//!
//! An installer that ignores a rule circumvents it: a package from another index (dependency confusion),
//! without its hash, newer than allowed. So one installer's rule is never left to the other, and a refusal
//! that a rule requires is final.

use std::collections::BTreeSet;
use std::path::Path;

use super::rules::{Rule, Subject};
use super::{pip_config, uv_config};
use crate::surroundings::Surroundings;

/// The installer that the rules allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// No rules: uv, and pip if uv can't.
    Either,
    /// uv would ignore this rule.
    Pip { because: Rule },
    /// pip would ignore this rule. `instead` is a different rule of pip's on the same subject.
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

/// Returns true if uv has the same rule.
fn is_repeated(rule: &Rule, uv: &[Rule]) -> bool {
    let words = |rule: &Rule| -> BTreeSet<String> {
        rule.value.split([' ', '\n', '\t']).map(|word| word.trim_end_matches('/').to_owned()).collect()
    };
    uv.iter().any(|other| other.subject == rule.subject && words(other).is_superset(&words(rule)))
}

#[cfg(test)]
mod tests {
    use super::super::rules::Place;
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
}

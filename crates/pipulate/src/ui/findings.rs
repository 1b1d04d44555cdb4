//! `doctor`'s findings: one line for all that passed, and each problem with its remedy.

use pipulate_core::finding::{Finding, FindingStatus, Fix};
use pipulate_core::text::{printable, shell_words};
use pipulate_core::units::counted;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::indented;
use crate::style::Style;

/// The findings for people, without a line break at the end; `verbose` lists passed checks, too.
pub(crate) fn text(findings: &[Finding], verbose: bool, style: Style) -> String {
    let mut paragraphs = Vec::new();
    for status in [FindingStatus::Failure, FindingStatus::Warning] {
        paragraphs.extend(with_status(findings, status).map(|finding| paragraph(finding, style)));
    }
    let well: Vec<&Finding> = with_status(findings, FindingStatus::Ok).collect();
    let skipped: Vec<&Finding> = with_status(findings, FindingStatus::Skipped).collect();
    if verbose {
        let listed: Vec<String> =
            well.iter().chain(&skipped).map(|finding| paragraph(finding, style)).collect();
        paragraphs.extend((!listed.is_empty()).then(|| listed.join("\n")));
    } else {
        paragraphs.extend(summary(well.len(), skipped.len(), style));
    }
    paragraphs.push(verdict(findings, style));
    paragraphs.join("\n\n")
}

/// The findings for programs.
pub(crate) fn json(findings: &[Finding]) -> String {
    // serde_json only fails for maps without text keys, and there are none here.
    serde_json::to_string(&document(findings)).unwrap_or_default()
}

/// The findings as an object.
pub(crate) fn document(findings: &[Finding]) -> DocumentJson<'_> {
    DocumentJson {
        schema: 1,
        ok: with_status(findings, FindingStatus::Failure).next().is_none(),
        findings: findings.iter().map(FindingJson::of).collect(),
    }
}

fn with_status(findings: &[Finding], status: FindingStatus) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(move |finding| finding.status == status)
}

fn paragraph(finding: &Finding, style: Style) -> String {
    let mark = match finding.status {
        FindingStatus::Ok => style.good("✔"),
        FindingStatus::Warning => style.warning("!"),
        FindingStatus::Failure => style.bad("✘"),
        FindingStatus::Skipped => style.dim("-"),
    };
    let mut lines =
        vec![format!("{mark} {} {}", printable(&finding.title), style.dim(format!("[{}]", finding.id)))];
    lines.extend(finding.detail.lines().map(|line| format!("    {}", style.dim(line))));
    if let Some(fix) = &finding.fix {
        lines.push(format!("    {} {}", style.hint("what to do:"), indented(&fix.text)));
        if !fix.command.is_empty() {
            lines.push(format!("        {}", style.hint(shell_words(&fix.command))));
        }
        if fix.automatic {
            lines.push(format!("        {}", style.dim("(pipulate doctor --fix does it)")));
        }
    }
    lines.join("\n")
}

/// The number of passed checks in one line.
fn summary(well: usize, skipped: usize, style: Style) -> Option<String> {
    let well = (well > 0).then(|| format!("{} {well} checks passed", style.good("✔")));
    let skipped = (skipped > 0).then(|| format!("{skipped} not applicable"));
    let parts: Vec<String> = well.into_iter().chain(skipped).collect();
    let hint = style.dim("(pipulate -v doctor lists them)");
    (!parts.is_empty()).then(|| format!("{}  {hint}", parts.join(", ")))
}

fn verdict(findings: &[Finding], style: Style) -> String {
    let count = |status| with_status(findings, status).count();
    let failures = counted(count(FindingStatus::Failure), "failure");
    let warnings = counted(count(FindingStatus::Warning), "warning");
    match (count(FindingStatus::Failure), count(FindingStatus::Warning)) {
        (0, 0) => style.good("No problems found"),
        (0, _) => format!("This home works, with {}", style.warning(warnings)),
        (_, 0) => format!("This home has {}", style.bad(failures)),
        (_, _) => format!("This home has {} and {}", style.bad(failures), style.warning(warnings)),
    }
}

/// What was found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Findings")]
pub(crate) struct DocumentJson<'a> {
    schema: u32,
    ok: bool,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
struct FindingJson<'a> {
    id: &'a str,
    status: &'static str,
    title: &'a str,
    detail: &'a str,
    fix: Option<FixJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fix")]
struct FixJson<'a> {
    text: &'a str,
    command: &'a [String],
    automatic: bool,
}

impl<'a> FindingJson<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            id: finding.id,
            status: finding.status.word(),
            title: &finding.title,
            detail: &finding.detail,
            fix: finding.fix.as_ref().map(FixJson::of),
        }
    }
}

impl<'a> FixJson<'a> {
    fn of(fix: &'a Fix) -> Self {
        Self { text: &fix.text, command: &fix.command, automatic: fix.automatic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("python.version", "Python 3.13.2"),
            Finding::ok("disk.space", "120 GiB are free").detail("/home/ann/demo"),
            Finding::new("python.numpy", FindingStatus::Failure, "NumPy can't be imported")
                .detail("ImportError: libstdc++.so.6:\ncannot open shared object file")
                .fix(Fix::command("install it again", ["pipulate", "setup", "--recreate"]).automatic()),
            Finding::new("env.mode", FindingStatus::Warning, ".env can be read by others")
                .command("make it private", ["chmod", "600", "my project/.env"]),
            Finding::new("git.ignored", FindingStatus::Warning, ".env is not ignored by git")
                .advice("add it to .gitignore"),
            Finding::new("gpu", FindingStatus::Skipped, "no GPU"),
        ]
    }

    #[test]
    fn what_is_not_well_comes_first_with_what_to_do() {
        insta::assert_snapshot!(text(&findings(), false, Style::plain()));
    }

    #[test]
    fn the_verbose_see_what_is_well() {
        insta::assert_snapshot!(text(&findings(), true, Style::plain()));
    }

    #[test]
    fn a_home_that_is_well_is_said_to_be() {
        assert_eq!(
            text(&findings()[..2], false, Style::plain()),
            "✔ 2 checks passed  (pipulate -v doctor lists them)\n\nNo problems found"
        );
        let warned = text(&findings()[3..4], false, Style::plain());
        assert!(warned.ends_with("This home works, with 1 warning"), "{warned}");
    }

    #[test]
    fn the_object_is_the_documented_one() {
        let value: serde_json::Value = serde_json::from_str(&json(&findings())).unwrap();
        insta::assert_json_snapshot!(value);
        assert!(json(&findings()[..2]).contains("\"ok\":true"));
    }
}

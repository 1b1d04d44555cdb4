//! Adds packages to the text of a requirements file without changing its other lines.

use std::collections::BTreeSet;

use crate::requirements::{asked, normalized_name, without_comment};

/// Returns the text with the packages, and those that were already listed, in this file or in one that it
/// includes. A package with a version replaces its line.
pub(super) fn with(text: &str, packages: &[String], listed: &BTreeSet<String>) -> (String, Vec<String>) {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let mut listed_before = Vec::new();
    for package in packages {
        let package = package.trim();
        let name = asked(package).map_or_else(|| normalized_name(package), |asked| asked.name);
        let is_bare = normalized_name(package) == name;
        let is_its = |line: &&mut String| {
            let content = line.trim_start_matches('\u{feff}');
            asked(without_comment(content).trim()).is_some_and(|asked| asked.name == name)
        };
        let line = lines.iter_mut().find(is_its);
        match line {
            Some(line) if !is_bare => *line = replaced(line, package),
            None if !listed.contains(&name) || !is_bare => {
                if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
                    last.push_str(newline);
                }
                lines.push(format!("{package}{newline}"));
            }
            Some(_) | None => listed_before.push(package.to_owned()),
        }
    }
    (lines.concat(), listed_before)
}

/// The line with another requirement, its comment and its end.
fn replaced(line: &str, package: &str) -> String {
    let mark = if line.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let rest = &line[without_comment(line).trim_end().len()..];
    format!("{mark}{package}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str, packages: &[&str]) -> (String, Vec<String>) {
        let names = text.lines().filter_map(|line| asked(without_comment(line).trim()));
        let names = names.map(|asked| asked.name).collect();
        with(text, &packages.iter().map(|&package| package.to_owned()).collect::<Vec<_>>(), &names)
    }

    #[test]
    fn what_is_there_stays_byte_for_byte() {
        for (before, packages, after) in [
            ("", vec!["six"], "six\n"),
            ("# mine\nnumpy  # fast", vec!["six"], "# mine\nnumpy  # fast\nsix\n"),
            ("# mine\r\nnumpy\r\n", vec!["six", "idna>=3"], "# mine\r\nnumpy\r\nsix\r\nidna>=3\r\n"),
            ("\u{feff}numpy\n\n", vec!["six"], "\u{feff}numpy\n\nsix\n"),
            ("numpy==1  # why\nsix\n", vec!["numpy>=2"], "numpy>=2  # why\nsix\n"),
            ("Python_DotEnv\n", vec!["python-dotenv"], "Python_DotEnv\n"),
        ] {
            assert_eq!(add(before, &packages).0, after, "{before:?}");
        }
    }

    #[test]
    fn what_is_listed_already_is_told() {
        assert_eq!(add("Six==1.17 # pinned\n", &["six", "idna"]).1, ["six"]);
        let in_another_file = BTreeSet::from(["six".to_owned()]);
        let (text, listed) = with("-r base.txt\n", &["six".to_owned()], &in_another_file);
        assert_eq!((text.as_str(), listed), ("-r base.txt\n", vec!["six".to_owned()]));
    }
}

//! Parses the output of an installer's dry run.

use std::collections::BTreeMap;
use std::fmt;

use crate::requirements::normalized_name;

/// A package that would be replaced by another version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    pub package: String,
    pub has: String,
    /// `None`: it would be removed.
    pub gets: Option<String>,
}

impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, has, gets } = self;
        match gets {
            Some(gets) if gets == has => write!(f, "{package} {has} (again)"),
            Some(gets) => write!(f, "{package} {has} by {gets}"),
            None => write!(f, "{package} {has} by nothing"),
        }
    }
}

/// uv: ` - six==1.16.0` for a removal, ` + six==1.17.0` for an installation, ` ~ six==1.16.0` for a
/// reinstallation.
pub(super) fn of_uv<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> Vec<Replacement> {
    let marked = |mark: &'static str| {
        lines.clone().filter_map(move |line| {
            let (name, version) = line.trim_start().strip_prefix(mark)?.split_once("==")?;
            Some((normalized_name(name), version.split_whitespace().next()?.to_owned()))
        })
    };
    let comes: BTreeMap<String, String> = marked("+ ").collect();
    let goes = marked("- ").map(|(package, has)| {
        let gets = comes.get(&package).cloned();
        Replacement { package, has, gets }
    });
    let again = marked("~ ").map(|(package, has)| Replacement { package, gets: Some(has.clone()), has });
    goes.chain(again).collect()
}

/// pip: `Would install six-1.17.0 idna-3.7`, without the installed versions.
pub(super) fn of_pip<'a>(
    lines: impl Iterator<Item = &'a str>,
    installed: &BTreeMap<String, String>,
) -> Vec<Replacement> {
    let named = lines
        .filter_map(|line| line.trim_start().strip_prefix("Would install "))
        .flat_map(str::split_whitespace);
    let replaced = named.filter_map(|word| {
        let (name, version) = word.rsplit_once('-')?;
        let package = normalized_name(name);
        let has = installed.get(&package)?.clone();
        Some(Replacement { package, has, gets: Some(version.to_owned()) })
    });
    replaced.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(replaced: &[Replacement]) -> Vec<String> {
        replaced.iter().map(Replacement::to_string).collect()
    }

    #[test]
    fn what_uv_would_replace_is_read() {
        let said = "Resolved 2 packages in 5ms\nWould download 1 package\nWould uninstall 2 packages\nWould install 2 packages\n - gone==1.0\n \
                    + new==3.0\n - numpy==2.0.0\n + numpy==2.1.0 (from file:///x)\n ~ again==4\n";
        assert_eq!(
            words(&of_uv(said.lines())),
            ["gone 1.0 by nothing", "numpy 2.0.0 by 2.1.0", "again 4 (again)"]
        );
        assert_eq!(of_uv("Would make no changes\n + new==3.0\n".lines()), []);
    }

    #[test]
    fn what_pip_would_replace_is_read() {
        let installed = BTreeMap::from([("python-dotenv".to_owned(), "1.0".to_owned())]);
        let said = "Collecting six\nWould install python_dotenv-1.2.4 six-1.17.0\n";
        assert_eq!(words(&of_pip(said.lines(), &installed)), ["python-dotenv 1.0 by 1.2.4"]);
        assert_eq!(of_pip("Would install six-1.17.0\n".lines(), &installed), []);
    }
}

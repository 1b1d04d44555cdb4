//! uv's settings, from its variables and its configuration files.

use std::path::{Path, PathBuf};

use pipulate_store::files;
use toml::{Table, Value};

use super::rules::{Place, Rule, Subject, says_nothing};
use crate::surroundings::Surroundings;

/// uv's settings that pip does not read. As a variable, `no-index` is `UV_NO_INDEX`.
const SETTINGS: [(&str, Subject); 24] = [
    ("index", Subject::Index),
    ("default-index", Subject::Index),
    ("index-url", Subject::Index),
    ("extra-index-url", Subject::Index),
    ("no-index", Subject::Index),
    ("find-links", Subject::Index),
    ("index-strategy", Subject::Index),
    ("offline", Subject::Index),
    ("constraint", Subject::Constraints),
    ("constraint-dependencies", Subject::Constraints),
    ("build-constraint", Subject::Constraints),
    ("build-constraint-dependencies", Subject::Constraints),
    ("override", Subject::Constraints),
    ("override-dependencies", Subject::Constraints),
    ("exclude", Subject::Constraints),
    ("exclude-dependencies", Subject::Constraints),
    ("require-hashes", Subject::Hashes),
    ("no-build", Subject::Builds),
    ("no-build-package", Subject::Builds),
    ("no-binary", Subject::Builds),
    ("no-binary-package", Subject::Builds),
    ("only-binary", Subject::Builds),
    ("exclude-newer", Subject::Age),
    ("exclude-newer-package", Subject::Age),
];

/// Prefixes of settings that don't affect which packages are installed. A setting that is neither here nor
/// above is [`Subject::Other`]: uv may have unknown rules.
const HARMLESS: [&str; 56] = [
    "cache",
    "no-cache",
    "link-mode",
    "compile",
    "concurrent",
    "no-progress",
    "python",
    "pypy",
    "system-python",
    "system-certs",
    "native-tls",
    "break-system-packages",
    "managed",
    "no-managed",
    "tool",
    "project",
    "install",
    "http",
    "request-timeout",
    "preview",
    "no-wrap",
    "env-file",
    "no-env-file",
    "run",
    "publish",
    "trusted-publishing",
    "check-url",
    "venv",
    "working-dir",
    "keyring",
    "no-config",
    "config-file",
    "show",
    "log",
    "stack",
    "lock",
    "test",
    "no-modify-path",
    "download-url",
    "github",
    "astral",
    "no-dev",
    "locked",
    "frozen",
    "no-sync",
    "isolated",
    "credentials",
    "allow-insecure-host",
    "trusted-host",
    "insecure-host",
    "https",
    "no-proxy",
    "add-bounds",
    "s3",
    "no-verify",
    "color",
];

/// Sections of a `pyproject.toml` about a project's own package and lock file.
const PROJECTS: [&str; 10] = [
    "package",
    "workspace",
    "dev-dependencies",
    "default-groups",
    "dependency-groups",
    "environments",
    "required-environments",
    "conflicts",
    "build-backend",
    "pip",
];

/// All rules that are set.
pub(super) fn rules(around: &Surroundings, project: &Path) -> Vec<Rule> {
    let mut rules: Vec<Rule> = around.names().filter_map(|name| of_variable(around, name)).collect();
    for path in files(around, project) {
        let Ok(text) = files::read_foreign_text(&path) else { continue };
        let is_pyproject = path.ends_with("pyproject.toml");
        rules.extend(of_file(&text, is_pyproject).into_iter().map(|(key, subject, value)| Rule {
            subject,
            place: Place::File { path: path.clone(), key },
            value,
        }));
    }
    rules
}

fn of_variable(around: &Surroundings, name: &str) -> Option<Rule> {
    let key = name.strip_prefix("UV_")?.to_ascii_lowercase().replace('_', "-");
    // `UV_INDEX_CORP_PASSWORD` is about an index that another setting names.
    let is_login = key.starts_with("index-") && (key.ends_with("-username") || key.ends_with("-password"));
    let subject = subject(&key).filter(|_| !is_login)?;
    let value = around.text(name).filter(|value| !says_nothing(value))?.to_owned();
    Some(Rule { subject, place: Place::Variable(name.to_owned()), value })
}

/// The subject of a setting; `None` if it doesn't affect which packages are installed.
fn subject(key: &str) -> Option<Subject> {
    let known = SETTINGS.iter().find(|(name, _)| *name == key).map(|(_, subject)| *subject);
    let is_harmless = || HARMLESS.iter().any(|beginning| key.starts_with(beginning));
    known.or_else(|| (!is_harmless()).then_some(Subject::Other))
}

/// The settings in a `uv.toml`, or below `[tool.uv]`. uv will refuse an invalid file.
fn of_file(text: &str, is_pyproject: bool) -> Vec<(String, Subject, String)> {
    let Ok(document) = text.parse::<Table>() else { return Vec::new() };
    let table = match is_pyproject {
        true => document.get("tool").and_then(|tool| tool.get("uv")).and_then(Value::as_table),
        false => Some(&document),
    };
    let pip = table.and_then(|table| table.get("pip")).and_then(Value::as_table);
    let entries = table.into_iter().flatten().filter(|(key, _)| !PROJECTS.contains(&key.as_str()));
    let setting = |(key, value): (&String, &Value)| {
        let value = words(value);
        Some((key.clone(), subject(key)?, value)).filter(|(_, _, value)| !says_nothing(value))
    };
    entries.chain(pip.into_iter().flatten()).filter_map(setting).collect()
}

/// The words of a value, including those in its tables.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(" "),
        Value::Table(table) => table.values().map(words).collect::<Vec<_>>().join(" "),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => value.to_string(),
    }
}

/// uv reads the project's file from the nearest folder that has one, the user's and the system's.
fn files(around: &Surroundings, project: &Path) -> Vec<PathBuf> {
    if around.text("UV_NO_CONFIG").is_some_and(|value| !says_nothing(value)) {
        return Vec::new();
    }
    if let Some(named) = around.variable("UV_CONFIG_FILE") {
        return vec![project.join(named)];
    }
    let user = around
        .variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| around.home().map(|home| home.join(".config")));
    let system = around.text("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg").split(':').map(PathBuf::from);
    let folders = user.into_iter().chain(system).map(|folder| folder.join("uv/uv.toml"));
    project_file(project).into_iter().chain(folders).chain([PathBuf::from("/etc/uv/uv.toml")]).collect()
}

fn project_file(project: &Path) -> Option<PathBuf> {
    let has_section = |file: &PathBuf| {
        let document = files::read_foreign_text(file).ok().and_then(|text| text.parse::<Table>().ok());
        document.is_some_and(|document| document.get("tool").is_some_and(|tool| tool.get("uv").is_some()))
    };
    project.ancestors().find_map(|folder| {
        let own = Some(folder.join("uv.toml")).filter(|file| file.is_file());
        own.or_else(|| Some(folder.join("pyproject.toml")).filter(has_section))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn nobody() -> Surroundings {
        Surroundings::default().with("XDG_CONFIG_DIRS", "/nowhere").with("XDG_CONFIG_HOME", "/nowhere")
    }

    #[test]
    fn a_variable_is_a_rule_unless_it_changes_nothing() {
        let subject_of = |name: &str, value: &str| {
            let rules = rules(&nobody().with(name, value), Path::new("/nowhere"));
            rules.first().map(|rule| rule.subject)
        };
        for (name, subject) in [
            ("UV_DEFAULT_INDEX", Subject::Index),
            ("UV_INDEX", Subject::Index),
            ("UV_OFFLINE", Subject::Index),
            ("UV_REQUIRE_HASHES", Subject::Hashes),
            ("UV_CONSTRAINT", Subject::Constraints),
            ("UV_NO_BUILD", Subject::Builds),
            ("UV_EXCLUDE_NEWER", Subject::Age),
            ("UV_RESOLUTION", Subject::Other),
            ("UV_OF_NEXT_YEAR", Subject::Other),
        ] {
            assert_eq!(subject_of(name, "1"), Some(subject), "{name}");
        }
        for name in [
            "UV_CACHE_DIR",
            "UV_HTTP_RETRIES",
            "UV_NO_CACHE",
            "UV_PYTHON",
            "UV_LINK_MODE",
            "UV_INDEX_CORP_PASSWORD",
        ] {
            assert_eq!(subject_of(name, "1"), None, "{name}");
        }
        assert_eq!(subject_of("UV_NO_INDEX", "false"), None);
        assert_eq!(subject_of("UV_DEFAULT_INDEX", "https://pypi.org/simple"), None);
    }

    #[test]
    fn a_line_of_a_file_is_a_rule_unless_it_changes_nothing() {
        for (text, wanted) in [
            ("[pip]\nrequire-hashes = true\n", vec![("require-hashes", Subject::Hashes)]),
            ("[[index]]\nname = \"corp\"\nurl = \"https://a/\"\n", vec![("index", Subject::Index)]),
            ("exclude-newer = \"7 days\"\ncache-dir = \"/c\"\n", vec![("exclude-newer", Subject::Age)]),
            ("no-build = false\nno-build-package = []\nlink-mode = \"copy\"\n", vec![]),
            ("required-version = \">=9\"\n", vec![("required-version", Subject::Other)]),
            ("half = [", vec![]),
        ] {
            let found = of_file(text, false);
            let found: Vec<_> = found.iter().map(|(key, subject, _)| (key.as_str(), *subject)).collect();
            assert_eq!(found, wanted, "{text}");
        }
        let project = "[project]\nname = \"x\"\n[tool.uv]\ndev-dependencies = [\"pytest\"]\npackage = true\n";
        assert_eq!(of_file(project, true), []);
        let sources = format!("{project}sources = {{ y = {{ index = \"corp\" }} }}\n");
        assert_eq!(of_file(&sources, true).len(), 1);
    }

    #[test]
    fn the_nearest_file_above_the_project_counts_and_can_be_switched_off() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("a/b");
        fs::create_dir_all(&project).unwrap();
        fs::write(folder.path().join("uv.toml"), "no-index = true\n").unwrap();
        fs::write(project.join("pyproject.toml"), "[project]\nname = \"x\"\n").unwrap();
        let told = |around: &Surroundings| -> Vec<String> {
            rules(around, &project).iter().map(Rule::to_string).collect()
        };
        assert_eq!(told(&nobody()), [format!("{}/uv.toml sets no-index", folder.path().display())]);
        assert_eq!(told(&nobody().with("UV_NO_CONFIG", "1")), [] as [&str; 0]);
        fs::write(project.join("pyproject.toml"), "[tool.uv]\noffline = true\n").unwrap();
        assert_eq!(told(&nobody()), [format!("{}/pyproject.toml sets offline", project.display())]);
    }
}

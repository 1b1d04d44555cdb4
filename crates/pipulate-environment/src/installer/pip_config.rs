//! pip's settings, from its variables and its configuration files.

use std::path::{Path, PathBuf};

use pipulate_store::files::read_foreign_text;

use super::rules::{Place, Rule, Subject, says_nothing};
use crate::surroundings::Surroundings;

/// pip's settings that uv does not read, except `find-links`, which uv is given. As a variable, `index-url`
/// is `PIP_INDEX_URL`.
const SETTINGS: [(&str, Subject); 13] = [
    ("index-url", Subject::Index),
    ("extra-index-url", Subject::Index),
    ("no-index", Subject::Index),
    ("constraint", Subject::Constraints),
    ("build-constraint", Subject::Constraints),
    ("require-hashes", Subject::Hashes),
    ("only-binary", Subject::Builds),
    ("no-binary", Subject::Builds),
    ("uploaded-prior-to", Subject::Age),
    ("only-final", Subject::Age),
    ("proxy", Subject::Connection),
    ("client-cert", Subject::Connection),
    ("trusted-host", Subject::Connection),
];

/// All rules that are set. `venv` may have a pip.conf too.
pub(super) fn rules(around: &Surroundings, venv: &Path) -> Vec<Rule> {
    let variable = |&(key, subject): &(&str, Subject)| {
        let name = format!("PIP_{}", key.replace('-', "_").to_ascii_uppercase());
        let value = around.text(&name).filter(|value| !says_nothing(value))?.to_owned();
        Some(Rule { subject, place: Place::Variable(name), value })
    };
    let mut rules: Vec<Rule> = SETTINGS.iter().filter_map(variable).collect();
    for path in files(around, venv) {
        let Ok(text) = read_foreign_text(&path) else { continue };
        for (key, value) in settings(&text) {
            let known = SETTINGS.iter().find(|(name, _)| *name == key);
            let place = Place::File { path: path.clone(), key };
            rules.extend(known.map(|&(_, subject)| Rule { subject, place, value }));
        }
    }
    rules
}

/// The setting that installs packages outside of the environment, in words.
pub(super) fn elsewhere(around: &Surroundings, venv: &Path) -> Option<String> {
    let keys = ["target", "prefix", "root"];
    let variables = keys.map(|key| format!("PIP_{}", key.to_ascii_uppercase()));
    let set = variables.into_iter().find(|name| around.text(name).is_some());
    let of_files = || {
        files(around, venv).find_map(|path| {
            let settings = settings(&read_foreign_text(&path).ok()?);
            let (key, _) = settings.into_iter().find(|(key, _)| keys.contains(&key.as_str()))?;
            Some(Place::File { path, key })
        })
    };
    set.map(Place::Variable).or_else(of_files).map(|place| place.to_string())
}

/// pip's additional folders and pages of packages.
pub(super) fn links(around: &Surroundings, project: &Path, venv: &Path) -> Vec<String> {
    let of_files = || {
        let settings = files(around, venv).filter_map(|path| Some(settings(&read_foreign_text(&path).ok()?)));
        settings.flatten().find_map(|(key, value)| (key == "find-links").then_some(value))
    };
    let value = around.text("PIP_FIND_LINKS").map(str::to_owned).or_else(of_files).unwrap_or_default();
    // uv refuses a missing folder, pip does not.
    let is_there = |link: &&str| link.contains("://") || project.join(link).exists();
    value.split_whitespace().filter(is_there).map(str::to_owned).collect()
}

/// The settings in a pip.conf that apply to an installation and have an effect.
fn settings(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut ours = false;
    let mut open = false;
    for line in text.lines() {
        let continues = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if continues {
            // The value of the key above, on lines of its own.
            if let Some((_, value)) = found.last_mut().filter(|_| open) {
                value.push(' ');
                value.push_str(line);
            }
            continue;
        }
        open = false;
        if let Some(section) = line.strip_prefix('[') {
            ours = matches!(section.trim_end_matches(']').trim(), "global" | "install");
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']).filter(|_| ours) else { continue };
        let key = key.trim().to_ascii_lowercase().replace('_', "-");
        found.push((key, value.trim().to_owned()));
        open = true;
    }
    found.retain(|(_, value)| !says_nothing(value));
    found
}

fn files<'a>(around: &'a Surroundings, venv: &Path) -> impl Iterator<Item = PathBuf> + 'a {
    let named = around.variable("PIP_CONFIG_FILE").map(PathBuf::from);
    // With a named file, pip ignores the user's own; `/dev/null` disables all of them.
    let has_users = named.as_ref().is_none_or(|named| !named.exists());
    let switched_off = named.as_deref() == Some(Path::new("/dev/null"));
    let system = around.text("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg");
    let system = system.split(':').map(|folder| Path::new(folder).join("pip/pip.conf"));
    let user = around.variable("XDG_CONFIG_HOME").map(|folder| Path::new(folder).join("pip/pip.conf"));
    let home = around.home().into_iter().flat_map(|home| {
        [".config/pip/pip.conf", ".pip/pip.conf", "Library/Application Support/pip/pip.conf"]
            .map(|name| home.join(name))
    });
    let users = user.into_iter().chain(home).filter(move |_| has_users);
    let files = named.into_iter().chain(system).chain([PathBuf::from("/etc/pip.conf")]).chain(users);
    files.chain([venv.join("pip.conf")]).filter(move |_| !switched_off)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn nobody() -> Surroundings {
        Surroundings::default().with("XDG_CONFIG_DIRS", "/nowhere")
    }

    fn told(around: &Surroundings) -> Vec<String> {
        rules(around, Path::new("/nowhere")).iter().map(Rule::to_string).collect()
    }

    #[test]
    fn a_variable_is_a_rule() {
        assert_eq!(told(&nobody()), [] as [&str; 0]);
        for name in ["PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "PIP_REQUIRE_HASHES", "PIP_ONLY_BINARY"] {
            assert_eq!(told(&nobody().with(name, "something")), [format!("{name} is set")]);
        }
        assert_eq!(told(&nobody().with("PIP_INDEX_URL", "https://pypi.org/simple/")), [] as [&str; 0]);
        assert_eq!(told(&nobody().with("PIP_NO_INDEX", "0").with("PIP_CACHE_DIR", "/c")), [] as [&str; 0]);
    }

    #[test]
    fn a_line_of_a_file_is_a_rule() {
        for (text, wanted) in [
            (
                "[global]\nindex-url = https://pypi.corp/simple\n",
                Some(("index-url", "https://pypi.corp/simple")),
            ),
            ("[install]\nextra_index_url=https://a\n", Some(("extra-index-url", "https://a"))),
            (
                "[global]\nextra-index-url =\n    https://pypi.org/simple\n    https://a\n",
                Some(("extra-index-url", " https://pypi.org/simple https://a")),
            ),
            ("[global]\nproxy: http://proxy:3128\n", Some(("proxy", "http://proxy:3128"))),
            ("[global]\nconstraint = /etc/c.txt\n", Some(("constraint", "/etc/c.txt"))),
            ("[install]\nrequire-hashes = yes\n", Some(("require-hashes", "yes"))),
            ("[install]\nrequire-hashes = no\n", None),
            ("[global]\n# index-url = https://a\n", None),
            ("[freeze]\nindex-url = https://a\n", None),
            ("[global]\nindex-url = https://pypi.org/simple\n", None),
            ("", None),
        ] {
            let found = settings(text);
            let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(found, wanted.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn what_is_told_about_certificates_and_links_is_no_rule() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pip.conf");
        fs::write(&file, "[global]\ncert = /etc/ssl/x\nfind-links =\n  wheels\n  gone\n  https://a/\n")
            .unwrap();
        fs::create_dir(folder.path().join("wheels")).unwrap();
        let around = nobody().with("PIP_CONFIG_FILE", &file);
        assert_eq!(told(&around), [] as [&str; 0]);
        let links = |around: &Surroundings| links(around, folder.path(), Path::new("/nowhere"));
        assert_eq!(links(&around), ["wheels", "https://a/"]);
        assert_eq!(links(&around.with("PIP_FIND_LINKS", "/gone")), [] as [&str; 0]);
    }

    #[test]
    fn the_users_file_is_found_unless_another_one_is_named() {
        let home = tempfile::tempdir().unwrap();
        let around = nobody().with_home(home.path());
        fs::create_dir_all(home.path().join(".config/pip")).unwrap();
        let file = home.path().join(".config/pip/pip.conf");
        fs::write(&file, "[global]\nindex-url = https://a/\n").unwrap();
        assert_eq!(told(&around), [format!("{} sets index-url", file.display())]);
        assert_eq!(told(&around.clone().with("PIP_CONFIG_FILE", "/dev/null")), [] as [&str; 0]);
        let named = home.path().join("named.conf");
        fs::write(&named, "[global]\nconstraint = c\n").unwrap();
        assert_eq!(
            told(&around.with("PIP_CONFIG_FILE", &named)),
            [format!("{} sets constraint", named.display())]
        );
    }
}

//! A web program in the project's folder that no service runs yet: suggested to the user,
//! never run without a request.

use std::collections::BTreeSet;
use std::fs;

use pipulate_core::config::Config;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_core::web_program::{USUAL, WebProgram};
use pipulate_store::files;

/// The number of other programs of the folder that are read.
const MOST: usize = 100;

/// Returns the web program of a folder that has no `server.py`, unless a service runs it or
/// `server` has a command.
pub fn unused(layout: &Layout, config: &Config) -> Option<WebProgram> {
    let has_server = config.service(ServiceName::SERVER).is_some_and(|server| server.command.is_some());
    if has_server || layout.server_py().exists() {
        return None;
    }
    let usual = USUAL.iter().map(|&file| file.to_owned());
    let mut others = usual.chain(others(layout)).filter(|file| !is_run(config, file));
    others.find_map(|file| WebProgram::of(&file, &files::read_foreign_text(&layout.inside(&file)).ok()?))
}

/// The default port of `server`.
const PORT: u16 = 5001;

/// The port to suggest.
pub fn port(config: &Config) -> u16 {
    config.service(ServiceName::SERVER).and_then(|server| server.port).unwrap_or(PORT)
}

/// The other programs of the folder, in the order of their names.
fn others(layout: &Layout) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(layout.root()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let programs: BTreeSet<String> =
        names.filter(|name| name.ends_with(".py") && !USUAL.contains(&name.as_str())).take(MOST).collect();
    programs.into_iter()
}

/// Returns true if a service's command names a file, or its module as in `app:app`.
fn is_run(config: &Config, file: &str) -> bool {
    let stem = file.trim_end_matches(".py");
    let names = |word: &String| word == file || word == stem || word.starts_with(&format!("{stem}:"));
    config.services.iter().filter_map(|service| service.command.as_ref()).flatten().any(names)
}

#[cfg(test)]
mod tests {
    use pipulate_core::project::AbsPath;

    use super::*;

    #[test]
    fn what_nothing_runs_is_found_and_the_usual_names_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path()).unwrap());
        let found =
            |config: &str| unused(&layout, &Config::parse(config).unwrap()).map(|found| found.title());
        assert_eq!(found(""), None);
        fs::write(folder.path().join("a_page.py"), "import flask\n").unwrap();
        assert_eq!(found("").as_deref(), Some("a_page.py (Flask)"));
        fs::write(folder.path().join("app.py"), "import streamlit\n").unwrap();
        assert_eq!(found("").as_deref(), Some("app.py (Streamlit)"));
        let run = "[services.page]\ncommand = [\"streamlit\", \"run\", \"app.py\"]\n";
        assert_eq!(found(run).as_deref(), Some("a_page.py (Flask)"));
        assert_eq!(found("[services.server]\ncommand = [\"python\", \"x.py\"]\n"), None);
        fs::write(folder.path().join("server.py"), "").unwrap();
        assert_eq!(found(""), None);
    }
}

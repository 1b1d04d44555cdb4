//! From a project and this machine to its supervisors' specifications.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use pipulate_core::config::Config;
use pipulate_core::reason::Reason;
use pipulate_core::service::{ServiceName, ServiceSpec, Word};
use pipulate_environment::service::{
    LIBRARY_PATH, is_pythons, library_path, service_environment, without_the_shell,
};
use pipulate_environment::surroundings::Surroundings;
use pipulate_environment::venv::existing_python;
use pipulate_store::dotenv::EnvFile;

use crate::denial::Denial;
use crate::plan::ServiceFacts;
use crate::project::Project;
use crate::{plan, preflight};

/// Returns the specifications for the supervisors of a project's services, one for each existing service.
pub fn specs(project: &Project, config: &Config) -> Vec<ServiceSpec> {
    specs_around(project, config, &project.around, |_| true)
}

/// Returns the specifications of some services in another environment, such as a supervisor's.
fn specs_around(
    project: &Project,
    config: &Config,
    around: &Surroundings,
    is_wanted: impl Fn(&ServiceName) -> bool,
) -> Vec<ServiceSpec> {
    let libraries = library_path(around);
    let facts = service_facts(project, config, around);
    let services = plan::known_services(config, facts.has_server_py).into_iter();
    let services = services.filter(|service| is_wanted(&service.name));
    let specs = services.map(|service| plan::spec(config, service, &project.layout, &facts));
    specs.map(|spec| with_libraries(spec, libraries.as_ref(), &facts.python)).collect()
}

/// Adds the libraries that wheels need beyond the system's, for a service that Python runs. The configuration
/// takes precedence.
fn with_libraries(mut spec: ServiceSpec, libraries: Option<&OsString>, python: &Path) -> ServiceSpec {
    let program = match spec.command.first() {
        Some(Word::Plain(program)) => Path::new(program),
        Some(Word::Port(_) | Word::TerminalMarker { .. }) | None => return spec,
    };
    if let Some(libraries) = libraries.filter(|_| is_pythons(program, python)) {
        spec.env.entry(LIBRARY_PATH.to_owned()).or_insert_with(|| libraries.clone());
    }
    spec
}

/// Adds the variables of the service's `env_file`: its supervisor needs them, too.
///
/// # Errors
/// The file is missing, can't be read, or contains a value that an environment can't hold.
pub fn with_env_file(
    project: &Project,
    config: &Config,
    mut spec: ServiceSpec,
) -> Result<ServiceSpec, Reason> {
    let env_file = config.service(spec.name.as_str()).and_then(|service| service.env_file.as_ref());
    let Some(env_file) = env_file else { return Ok(spec) };
    let path = project.layout.inside(env_file);
    if !path.exists() {
        return Err(Reason::EnvFileMissing { path: path.to_path_buf() });
    }
    let file = EnvFile::new(path, project.layout.dotenv_lock());
    for (key, value) in file.variables().map_err(|error| Reason::EnvFileUnusable { error })? {
        spec.env.entry(key).or_insert_with(|| value.expose().into());
    }
    Ok(spec)
}

/// Checks that these services can be started as configured, before running ones are ended for that.
///
/// # Errors
/// One can't; the failure names it.
pub fn refuse_unusable(project: &Project, config: &Config, services: &[ServiceName]) -> Result<(), Denial> {
    let own = &project.around;
    for spec in specs_around(project, config, own, |name| services.contains(name)) {
        let service = spec.name.clone();
        let there = |variables: &BTreeMap<OsString, OsString>| {
            let there = own.clone().with_variables(variables.clone());
            let specs = specs_around(project, config, &there, |name| *name == service);
            let spec = specs.into_iter().next().unwrap_or_else(|| spec.clone());
            with_env_file(project, config, spec)
        };
        with_env_file(project, config, spec.clone())
            .and_then(|_| preflight::try_out(&project.layout, &service, there))
            .map_err(|why| Denial::NotStartable { service: service.clone(), why: Box::new(why) })?;
    }
    Ok(())
}

/// Returns the specifications for the supervisors of these services. A service with an invalid configuration
/// gets none: its supervisor finds and reports the error.
pub fn for_start(project: &Project, config: &Config, services: &[ServiceName]) -> Vec<ServiceSpec> {
    let wanted = specs(project, config).into_iter().filter(|spec| services.contains(&spec.name));
    wanted.filter_map(|spec| with_env_file(project, config, spec).ok()).collect()
}

/// Returns the facts that a service's specification depends on: the venv's programs if there is one, or else
/// those on `PATH`.
fn service_facts(project: &Project, config: &Config, around: &Surroundings) -> ServiceFacts {
    let found = existing_python(&project.layout, &config.python);
    let mut env = BTreeMap::new();
    let mut env_removed = Vec::new();
    let changes = found.as_deref().map(|python| service_environment(python, around)).unwrap_or_default();
    for (name, value) in changes.0.into_iter().chain(without_the_shell(around).0) {
        let name = name.to_string_lossy().into_owned();
        match value {
            Some(value) => drop(env.insert(name, value)),
            None => env_removed.push(name),
        }
    }
    ServiceFacts {
        exe: project.exe.clone(),
        jupyter_lab: found.as_deref().and_then(jupyter_lab).unwrap_or_else(|| vec!["jupyter-lab".into()]),
        python: found.unwrap_or_else(|| PathBuf::from("python3")),
        env,
        env_removed,
        jupyter_config_path: around.variable("JUPYTER_CONFIG_PATH").map(ToOwned::to_owned),
        has_server_py: project.layout.server_py().is_file(),
        is_root: rustix::process::geteuid().is_root(),
        shell: terminal_shell(around),
    }
}

/// Returns the shell of JupyterLab's terminals, with the library path of the shell that called us.
fn terminal_shell(around: &Surroundings) -> Vec<String> {
    let text = |name: &str| around.text(name).map(str::to_owned);
    let mut words = match (library_path(around), text(LIBRARY_PATH)) {
        (None, _) => Vec::new(),
        (Some(_), None) => ["/usr/bin/env", "-u", LIBRARY_PATH].map(str::to_owned).into(),
        (Some(_), Some(before)) => vec!["/usr/bin/env".to_owned(), format!("{LIBRARY_PATH}={before}")],
    };
    words.push(text("SHELL").unwrap_or_else(|| "/bin/sh".to_owned()));
    words
}

/// Returns the command for the JupyterLab beside a Python. If a path is long or unusual, pip's scripts have
/// `sh` find Python in their first line, which misreads some paths.
fn jupyter_lab(python: &Path) -> Option<Vec<OsString>> {
    let program = python.with_file_name("jupyter-lab");
    let is_misread = program.as_os_str().as_bytes().iter().any(|byte| b"\"$`\\".contains(byte));
    let interpreter = is_misread.then(|| python.into());
    program.is_file().then(|| interpreter.into_iter().chain([program.into()]).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::project::samples;

    #[test]
    fn the_venvs_programs_come_before_those_on_path() {
        let project = samples::project("");
        let around = Surroundings::default().with("SHELL", "/bin/zsh");
        let config = project.project.config().unwrap();
        let bare = service_facts(&project.project, config, &around);
        assert_eq!(
            (bare.python, bare.jupyter_lab, bare.shell),
            ("python3".into(), vec!["jupyter-lab".into()], vec!["/bin/zsh".to_owned()])
        );

        let bin = project.project.layout.inside(".venv/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.at("python"), "").unwrap();
        fs::write(bin.at("jupyter-lab"), "").unwrap();
        let found = service_facts(&project.project, config, &around);
        assert_eq!(
            (found.python, found.jupyter_lab),
            (bin.at("python").to_path_buf(), vec![bin.at("jupyter-lab").as_os_str().to_owned()])
        );
        assert!(found.env["PATH"].to_string_lossy().starts_with(&bin.to_string()));
    }

    #[test]
    fn a_terminal_has_the_library_path_of_the_persons_shell() {
        let around = Surroundings::default().with("PIPULATE_LIBRARY_PATH", "/l");
        assert_eq!(terminal_shell(&around), ["/usr/bin/env", "-u", "LD_LIBRARY_PATH", "/bin/sh"]);
        let mine = around.with("LD_LIBRARY_PATH", "/mine");
        assert_eq!(terminal_shell(&mine), ["/usr/bin/env", "LD_LIBRARY_PATH=/mine", "/bin/sh"]);
    }

    #[test]
    fn jupyterlab_in_a_path_that_sh_misreads_is_given_to_its_python() {
        let folder = tempfile::tempdir().unwrap();
        for (name, is_misread) in [("it's & co", false), ("a $HOME", true), ("a \"quote\"", true)] {
            let bin = folder.path().join(name);
            fs::create_dir(&bin).unwrap();
            assert_eq!(jupyter_lab(&bin.join("python")), None);
            let program = bin.join("jupyter-lab");
            fs::write(&program, "").unwrap();
            let words = jupyter_lab(&bin.join("python")).unwrap();
            let python = is_misread.then(|| bin.join("python").into());
            assert_eq!(words, python.into_iter().chain([program.into()]).collect::<Vec<OsString>>());
        }
    }

    #[test]
    fn an_env_file_that_sets_what_no_environment_can_hold_is_refused_with_its_line() {
        let file = "[services.worker]\ncommand = [\"true\"]\nenv_file = \"more.env\"\nenv = { A = \"own\" }";
        let project = samples::project(file);
        let env_file = project.project.layout.inside("more.env");
        let told = || {
            let config = project.project.config().unwrap();
            let spec = specs(&project.project, config).pop().unwrap();
            with_env_file(&project.project, config, spec)
        };
        fs::write(&env_file, "A=1\nB='2'\nC\n").unwrap();
        let env = told().unwrap().env;
        assert_eq!((&env["A"], &env["B"], env.get("C")), (&"own".into(), &"2".into(), None));
        fs::write(&env_file, "A=1\n'hush=hush'=2\n").unwrap();
        let Reason::EnvFileUnusable { error } = told().unwrap_err() else {
            panic!("it was refused for something else")
        };
        let failure = error;
        let root = project.project.layout.root().to_string();
        insta::assert_snapshot!(failure.to_string().replace(&root, "ROOT"), @r#"line 2 of ROOT/more.env sets what no environment can hold: a name with "=" in it, or a NUL character"#);
    }

    #[test]
    fn every_service_that_exists_has_a_specification() {
        let project =
            samples::project("[services.worker]\ncommand = [\"true\"]\n[services.server]\nenabled = false");
        let specs = specs(&project.project, project.project.config().unwrap());
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(names, ["jupyter", "worker"]);
    }
}

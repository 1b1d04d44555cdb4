//! From a project and this machine to what its supervisors run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use pipulate_core::config::Config;
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_environment::service::service_environment;
use pipulate_environment::surroundings::Surroundings;
use pipulate_environment::venv::existing_python;
use pipulate_store::dotenv::EnvFile;
use pipulate_supervisor::plan;

use crate::context::Context;
use crate::error::Failure;

/// What the supervisors of a project's services have to know, one for each service that exists.
pub(crate) fn specs(context: &Context, config: &Config) -> Vec<ServiceSpec> {
    let around = surroundings(context, config, &Surroundings::of_this_process());
    let services = plan::known_services(config, around.has_server_py);
    services.into_iter().map(|service| plan::spec(config, service, &context.layout, &around)).collect()
}

/// Adds what the service's `env_file` says: its supervisor has to know that, too.
///
/// # Errors
/// The file is not there, or can't be read.
pub(crate) fn with_env_file(
    context: &Context,
    config: &Config,
    mut spec: ServiceSpec,
) -> Result<ServiceSpec, Failure> {
    let env_file = config.service(spec.name.as_str()).and_then(|service| service.env_file.as_ref());
    let Some(env_file) = env_file else { return Ok(spec) };
    let path = context.layout.inside(env_file);
    if !path.exists() {
        return Err(Failure::failed(format!("its env_file is not there: {path}")));
    }
    let file = EnvFile::new(path, context.layout.dotenv_lock());
    for key in file.keys()? {
        if let Some(value) = file.get(&key)? {
            spec.env.entry(key).or_insert_with(|| value.expose().into());
        }
    }
    Ok(spec)
}

/// What the supervisors of these services are told. One whose service has something wrong with it
/// is told nothing: it finds out, and says so.
pub(crate) fn for_start(context: &Context, config: &Config, services: &[ServiceName]) -> Vec<ServiceSpec> {
    let wanted = specs(context, config).into_iter().filter(|spec| services.contains(&spec.name));
    wanted.filter_map(|spec| with_env_file(context, config, spec).ok()).collect()
}

/// The facts that a service's specification depends on: the venv's programs if there is one, else
/// those on `PATH`.
pub(crate) fn surroundings(context: &Context, config: &Config, around: &Surroundings) -> plan::Surroundings {
    let found = existing_python(&context.layout, &config.python);
    let mut env = BTreeMap::new();
    let mut env_removed = Vec::new();
    let changes = found.as_deref().map(|python| service_environment(python, around)).unwrap_or_default();
    for (name, value) in changes.0 {
        let name = name.to_string_lossy().into_owned();
        match value {
            Some(value) => drop(env.insert(name, value)),
            None => env_removed.push(name),
        }
    }
    let beside_python = |name: &str| found.as_ref().map(|python| python.with_file_name(name));
    let jupyter_lab = beside_python("jupyter-lab").filter(|program| program.is_file());
    plan::Surroundings {
        exe: context.exe.clone(),
        jupyter_lab: jupyter_lab.unwrap_or_else(|| PathBuf::from("jupyter-lab")),
        python: found.unwrap_or_else(|| PathBuf::from("python3")),
        env,
        env_removed,
        has_server_py: context.layout.server_py().is_file(),
        is_root: rustix::process::geteuid().is_root(),
        shell: around.variable("SHELL").map_or_else(|| "/bin/sh".to_owned(), shell_name),
    }
}

fn shell_name(shell: &std::ffi::OsStr) -> String {
    OsString::from(shell).into_string().unwrap_or_else(|_| "/bin/sh".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::context::samples;

    #[test]
    fn the_venvs_programs_come_before_those_on_path() {
        let project = samples::project("");
        let around = Surroundings::default().with("SHELL", "/bin/zsh");
        let config = project.context.config().unwrap();
        let bare = surroundings(&project.context, config, &around);
        assert_eq!(
            (bare.python, bare.jupyter_lab, bare.shell.as_str()),
            ("python3".into(), "jupyter-lab".into(), "/bin/zsh")
        );

        let bin = project.context.layout.inside(".venv/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.at("python"), "").unwrap();
        fs::write(bin.at("jupyter-lab"), "").unwrap();
        let found = surroundings(&project.context, config, &around);
        assert_eq!(
            (found.python.as_path(), found.jupyter_lab.as_path()),
            (&*bin.at("python"), &*bin.at("jupyter-lab"))
        );
        assert!(found.env["PATH"].to_string_lossy().starts_with(&bin.to_string()));
    }

    #[test]
    fn every_service_that_exists_has_a_specification() {
        let project =
            samples::project("[services.worker]\ncommand = [\"true\"]\n[services.server]\nenabled = false");
        let specs = specs(&project.context, project.context.config().unwrap());
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(names, ["jupyter", "worker"]);
    }
}

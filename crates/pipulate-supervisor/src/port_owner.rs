//! The owner of a port, for messages: the difference between "it does not start" and "why".

use std::path::{Path, PathBuf};

use pipulate_core::identity::Pid;
use pipulate_core::project::ProjectId;
use pipulate_core::reason::PortHolder;
use pipulate_process::ports::{self, Owner};
use pipulate_process::table;

use crate::marker::marker_of;

/// Returns who listens on `port`, on any address; nothing if the system does not say.
pub fn port_owners(port: u16) -> Vec<PortHolder> {
    let owner = |owner: Owner| match owner {
        Owner::Hidden => PortHolder::Hidden,
        Owner::Process(pid) => process(pid),
    };
    ports::owners(port).unwrap_or_default().into_iter().map(owner).collect()
}

/// Returns the process as the holder of a port, with its project and service.
pub(crate) fn process(pid: Pid) -> PortHolder {
    let marker = marker_of(pid);
    let project = marker.as_ref().and_then(|marker| project_folder(pid, &marker.project));
    let service = marker.map(|marker| marker.service);
    PortHolder::Process { pid, command: short_command(pid), service, project }
}

/// Returns the folder whose id is in the marker: services start there, and seldom leave.
fn project_folder(pid: Pid, id: &ProjectId) -> Option<PathBuf> {
    let directory = table::working_directory(pid)?;
    let is_it = |folder: &&Path| {
        pipulate_core::project::AbsPath::new(*folder).is_some_and(|root| ProjectId::of_root(&root) == *id)
    };
    directory.ancestors().find(is_it).map(Path::to_path_buf)
}

fn short_command(pid: Pid) -> String {
    short(&table::words(pid)).unwrap_or_else(|| table::entry(pid).map(|entry| entry.name).unwrap_or_default())
}

/// `python -m http.server`: at most four words, none with a value that may be secret.
fn short(words: &[String]) -> Option<String> {
    let mut words = words.iter().map(String::as_str).filter(|word| !word.is_empty());
    let program = words.next()?;
    let program = program.rsplit('/').next().unwrap_or(program);
    let harmless = |word: &&str| !word.contains('=') && word.len() < 60;
    Some(std::iter::once(program).chain(words.take_while(harmless).take(3)).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_in_a_few_words_wherever_its_program_is() {
        let told = |words: &[&str]| short(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        for (words, text) in [
            (&["/usr/bin/python3", "-m", "http.server", "8000", "--bind"][..], "python3 -m http.server 8000"),
            (&["/home/it's my/.venv/bin/python", "server.py", ""], "python server.py"),
            (&["nginx: master process", "", ""], "nginx: master process"),
            (&["/bin/app", "--port", "1", "--token=x", "y"], "app --port 1"),
        ] {
            assert_eq!(told(words).unwrap(), text);
        }
        assert_eq!(told(&["", ""]), None);
    }
}

//! Reasons as sentences.

use pipulate_core::reason::{Attempt, Key, NeedState, Obstacle, PortHolder, Reason, WatchProblem};
use pipulate_core::service::ServiceName;
use pipulate_core::text::printable;

use crate::parts::{advice_against, ending, files, holder, probe, processes, remnants};
use crate::refusal::refusal;

/// Returns the reasons of a service as one sentence; `None` if there is none.
pub fn reasons(reasons: &[Reason], service: &ServiceName) -> Option<String> {
    let sentences: Vec<String> = reasons.iter().map(|one| reason(one, service)).collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

/// Returns a reason of `service` as a sentence that stands beside the service's name.
pub fn reason(reason: &Reason, service: &ServiceName) -> String {
    printable(&sentence(reason, service))
}

/// Returns a note of `service` as a sentence that stands alone.
pub fn note(note: &Reason, service: &ServiceName) -> String {
    let text = reason(note, service);
    match note {
        Reason::WatchIncomplete { .. } | Reason::SavesItself { .. } | Reason::ReloadsItself { .. } => {
            format!("{service}: {text}")
        }
        _ => text,
    }
}

#[expect(clippy::too_many_lines, reason = "one match over every reason")]
fn sentence(reason: &Reason, service: &ServiceName) -> String {
    match reason {
        Reason::EndedBeforeReady { end } => format!("it {} before it was ready", ending(end)),
        Reason::Ended { end } => format!("it {}", ending(end)),
        Reason::EndedTooOften { times, within, last } => {
            let within = within.as_secs();
            format!("it ended {times} times within {within} s; the last time it {}", ending(last))
        }
        Reason::EndsRepeatedly { times, last } => format!(
            "it ended {times} times since it was last up for a minute; the last time it {}",
            ending(last)
        ),
        Reason::GroupRemains { end } => {
            format!("it {}, and not every process of its group could be ended", ending(end))
        }
        Reason::PreviousRemains { processes } => {
            format!(
                "the previous one is still running: {}; end it, then start the service again",
                remnants(processes)
            )
        }
        Reason::InBackground { end, left } => format!(
            "its main process {} and left this running in the background: {}; have it stay in the \
             foreground, then run: pipulate restart {service}",
            ending(end),
            processes(left)
        ),
        Reason::WaitingFor { service } => format!("waiting for {service}, which it depends on"),
        Reason::NeedFailed { service, state } => {
            format!("it needs {service}, which {}", need(state, service))
        }
        Reason::TriedAgain => "it is tried again".to_owned(),
        Reason::NoReadyLine { pattern, within } => {
            let seconds = within.as_secs_f64();
            format!("it has not printed a line that matches {pattern:?} within {seconds} s")
        }
        Reason::NotReadyInTime { within, obstacle } => late(within.as_secs_f64(), obstacle.as_ref(), service),
        Reason::NotListening => "it is running but no longer listens on its port".to_owned(),
        Reason::NotResponding => "it is running but not responding".to_owned(),
        Reason::BadAnswer { problem } => format!("it is running, but {}", probe(problem)),
        Reason::LastError { kind, file, line } => {
            format!("{kind} in line {line} of {file}: fix that line and save the file")
        }
        Reason::MissingModule { module, distribution } => {
            format!("the module {module} is not installed; add it with: pipulate add {distribution}")
        }
        Reason::SettingsChanged { keys } => format!(
            "{service} is running with other settings than pipulate.toml has now ({}); to apply them: pipulate \
             restart {service}",
            keys.join(", ")
        ),
        Reason::NothingToStart => format!(
            "pipulate.toml can't be used, so it is not known what to start; correct it, then run: pipulate \
             start {service}"
        ),
        Reason::FileProblem { problem } => match advice_against(problem.kind()) {
            Some(advice) => format!("{problem}; {advice}"),
            None => problem.to_string(),
        },
        Reason::ReloadFailed { problem: Some(problem) } => format!("it could not restart: {problem}"),
        Reason::ReloadFailed { problem: None } => "it did not restart: another request came first".to_owned(),
        Reason::SystemError { attempt, error } => {
            let attempt = match attempt {
                Attempt::OpenOutput => "open the FIFO",
                Attempt::WatchProcess => "watch the new process",
                Attempt::GetRandomNumbers => "get random numbers",
            };
            format!("could not {attempt}: {error}")
        }
        Reason::ProgramNotFound { .. }
        | Reason::InterpreterNotFound { .. }
        | Reason::CommandTooLong { .. }
        | Reason::ProgramNotPermitted { .. }
        | Reason::NotAProgram { .. }
        | Reason::ProgramFailed { .. }
        | Reason::SupervisorNotRunnable { .. } => program(reason),
        Reason::PortHeld { port, holder: by } => match by {
            PortHolder::Own { .. } => {
                format!(
                    "port {port} is held by {}; end that with: pipulate stop {service}",
                    holder(by, service)
                )
            }
            _ => format!(
                "port {port} is held by {}; end that, or set another port in pipulate.toml",
                holder(by, service)
            ),
        },
        Reason::NoFreePort { from } => {
            format!("no port from {from} upward is free; {}", another_port(service))
        }
        Reason::PortLost { port } => format!(
            "each time that it started, another process took its port first, the last time port {port}; {}",
            another_port(service)
        ),
        Reason::MistakeInFile { file, line: Some(line), message } => {
            format!("line {line} of {file} has a mistake: {message}")
        }
        Reason::MistakeInFile { file, line: None, message } => {
            format!("the file {file} has a mistake: {message}")
        }
        Reason::AwaitsFix { is_running: true } => "it will restart once you fix that".to_owned(),
        Reason::AwaitsFix { is_running: false } => "it will start again once you fix that".to_owned(),
        Reason::AwaitsSave => "it is started again when a file is saved".to_owned(),
        Reason::WatchIncomplete { problem } => format!("not every save restarts it: {}", watch(problem)),
        Reason::SavesItself { files: saved, more } => format!(
            "saves no longer restart it: it seems to save {} itself, whenever it has begun; leave that out of \
             watch, and restart it",
            files(saved, *more)
        ),
        Reason::ReloadsItself { times, within, reloader } => {
            let cure = match reloader.as_str() {
                "watchfiles" => ", such as: watchfiles --ignore-paths .pipulate",
                "watchmedo" => ", such as: watchmedo auto-restart --ignore-patterns '*/.pipulate/*'",
                "nodemon" => ", such as: nodemon --ignore .pipulate/",
                _ => "",
            };
            format!(
                "{reloader} restarted it {times} times within {} s: it seems to see the log, or a file that the \
                 service writes; exclude .pipulate and such files{cure}",
                within.as_secs()
            )
        }
        Reason::SupervisorGone => {
            "its supervisor is gone; the next start takes over without restarting it".to_owned()
        }
        Reason::StopIncomplete { processes } => {
            format!("the stop could not end everything: {}", remnants(processes))
        }
        Reason::MachineRestarted => "the machine was restarted".to_owned(),
        Reason::EndedFromOutside => "it and its supervisor were ended from outside".to_owned(),
        Reason::FolderMoved { from } => format!(
            "the folder was {} when it was started; stop and start it to use the new one",
            from.display()
        ),
        Reason::FilesElsewhere { folder } => format!("its files are in: {}", folder.display()),
        Reason::InAnotherContainer => "it is supervised in another container".to_owned(),
        Reason::RunsElsewhere { machine: Some(machine) } => {
            format!("it runs on another machine ({machine}); stop it there")
        }
        Reason::RunsElsewhere { machine: None } => "it runs in another container; stop it there".to_owned(),
        Reason::ProcessUnproved { pid, name, record } => format!(
            "its record names process {pid} ({name}), which is running, but nothing shows that this is \
             {service}; if it is, end it with: kill {pid}; if it is not, delete {}",
            record.display()
        ),
        Reason::ProcessHidden { pid, error: None } => {
            format!("the system does not show what process {pid} is")
        }
        Reason::ProcessHidden { error: Some(error), .. } => error.clone(),
        Reason::RecordUnreadable { problem, pid: Some(pid) } => {
            format!("{problem}, and process {pid} is one of its own (a stop with --force ends it)")
        }
        Reason::RecordsDeleted => "its records were deleted while it ran; a stop still ends it".to_owned(),
        Reason::Doubtful { why } => {
            let why = reasons(why, service).map(|why| format!(": {why}")).unwrap_or_default();
            format!("nothing was started: could not tell whether {service} is running{why}")
        }
        Reason::RunsUnrecorded { .. }
        | Reason::LockHeld { .. }
        | Reason::StartedSince
        | Reason::RecordUnreadable { pid: None, .. }
        | Reason::SupervisorNotSignaled { .. }
        | Reason::SupervisorNotStarted { .. }
        | Reason::SupervisorFailed
        | Reason::SupervisorsKilled
        | Reason::SupervisorRestless
        | Reason::ConfigUnusable { .. }
        | Reason::NotConfigured
        | Reason::EnvFileMissing { .. }
        | Reason::EnvFileUnusable { .. } => refusal(reason, service),
        Reason::ListensPublicly { port, address, file } => {
            let place = match address.is_unspecified() {
                true => "all interfaces".to_owned(),
                false => address.to_string(),
            };
            let advice = match file {
                Some(file) => format!(
                    "in {}, set the host to 127.0.0.1, such as serve(host=\"127.0.0.1\")",
                    file.display()
                ),
                None => "to keep it to this machine, let it listen on 127.0.0.1".to_owned(),
            };
            format!("{service} listens on {place}: other machines can reach port {port}; {advice}")
        }
        Reason::PortMoved { wanted, holder: by, using } => {
            let advice = match by {
                PortHolder::Own { .. } => format!("; end that with: pipulate stop {service}"),
                _ => String::new(),
            };
            format!("port {wanted} is held by {}{advice}; using {using}", holder(by, service))
        }
        Reason::KeysExposed { port } => format!(
            "another user's process had port {port} while {service} was starting; for new keys, run: pipulate \
             restart {service}"
        ),
        Reason::KeysRenewed { port, keys } => format!(
            "another user's process had port {port}, so keys were renewed: {}; sign in again with: pipulate \
             open {service}",
            keys.iter().map(|&one| key(one)).collect::<Vec<_>>().join(", ")
        ),
        Reason::NoToken => "JupyterLab asks for no token: every user of this machine can run code as you. \
                            Its configuration sets an empty token; delete that line (jupyter --paths names \
                            the folders), then run: pipulate restart jupyter"
            .to_owned(),
        Reason::NoSocketFolder => "Other users of this machine can read what kernels print: no folder can \
                                   hold their sockets. Make your home directory writable, then run: pipulate \
                                   restart jupyter"
            .to_owned(),
        Reason::Told { text } => text.clone(),
        Reason::Foreign { code, .. } => {
            format!("{code} (a newer Pipulate wrote this; its `pipulate status` says more)")
        }
    }
}

fn need(state: &NeedState, service: &ServiceName) -> String {
    let because = |why: &[Reason]| reasons(why, service).map(|why| format!(": {why}")).unwrap_or_default();
    match state {
        NeedState::NotRunning => "is not running".to_owned(),
        NeedState::NotRunningAnyMore => "is not running any more".to_owned(),
        NeedState::Stopped => "was stopped".to_owned(),
        NeedState::Crashed { why } => format!("has crashed{}", because(why)),
        NeedState::NotReady { why } => format!("is not ready{}", because(why)),
        NeedState::Unknown { why } => format!("may run where it can't be seen{}", because(why)),
    }
}

fn late(seconds: f64, obstacle: Option<&Obstacle>, service: &ServiceName) -> String {
    let silence = format!("it has not answered within {seconds} s");
    let obstacle = match obstacle {
        None => return silence,
        Some(Obstacle::NoListener) => "it listens on no port".to_owned(),
        Some(Obstacle::PortHeld { port, holder: by }) => {
            format!("port {port} is held by {}", holder(by, service))
        }
        Some(Obstacle::OtherPort { port, wanted }) => {
            format!("it listens on port {port} instead of {wanted}, which it finds in the variable PORT")
        }
        Some(Obstacle::OutOfReach { address }) => {
            format!("it listens on {address}, where it can't be reached; let it listen on 127.0.0.1")
        }
        Some(Obstacle::Probe { problem }) if problem.is_silence() => probe(problem),
        Some(Obstacle::Probe { problem }) => {
            return format!("it is not ready after {seconds} s; {}", probe(problem));
        }
    };
    format!("{silence}; {obstacle}")
}

fn program(reason: &Reason) -> String {
    match reason {
        Reason::ProgramNotFound { program, is_installed_by_setup } => {
            let advice = if *is_installed_by_setup {
                "; `pipulate setup` installs it, or says what keeps it out"
            } else {
                ""
            };
            format!("the program {} was not found{advice}", program.display())
        }
        Reason::InterpreterNotFound { program } => format!(
            "the program {} can't be started: the interpreter that it names was not found",
            program.display()
        ),
        Reason::CommandTooLong { program } => format!(
            "the program {} could not be started: its command and its variables are longer than the system \
             allows; put what is long into a file",
            program.display()
        ),
        Reason::ProgramNotPermitted { program, error } => {
            format!("the program {} may not be run: {error}", program.display())
        }
        Reason::NotAProgram { program } => format!(
            "{} is neither a program nor a script whose first line names one, such as #!/bin/sh; write that \
             line, or put the program before it in command",
            program.display()
        ),
        Reason::ProgramFailed { program, error } => {
            format!("the program {} could not be started: {error}", program.display())
        }
        Reason::SupervisorNotRunnable { program, error } => {
            format!("its supervisor can't be run again: {}: {error}", program.display())
        }
        _ => String::new(),
    }
}

fn watch(problem: &WatchProblem) -> String {
    match problem {
        WatchProblem::NoWatchesLeft { folder } => format!(
            "the system has no watches left for the folder {}; raise fs.inotify.max_user_watches and \
             fs.inotify.max_user_instances, or watch fewer folders, and restart it",
            folder.display()
        ),
        WatchProblem::TooManyFolders { most } => format!(
            "more than {most} folders would have to be watched; name the folders in watch, such as \
             \"app/*.py\", and restart it"
        ),
        WatchProblem::FolderGone { folder } => format!("the folder {} is gone", folder.display()),
        WatchProblem::Links { first, more } => {
            let links = match more {
                0 => format!("{} is a link", first.display()),
                more => format!("{} and {more} more are links", first.display()),
            };
            format!("{links} to what is not watched; move that into the project, or restart it by hand")
        }
        WatchProblem::System { folder, error } => {
            format!("could not watch the folder {}: {error}; restart it by hand", folder.display())
        }
    }
}

fn key(key: Key) -> &'static str {
    match key {
        Key::JupyterToken => "JupyterLab's token",
        Key::JupyterSignIns => "JupyterLab's sign-ins",
        Key::App => "the app's key and its sign-ins",
    }
}

/// Returns advice for a service whose ports are always taken first by other processes.
fn another_port(service: &ServiceName) -> String {
    format!(
        "choose a port between 10000 and 32767 that nothing else uses and write it in pipulate.toml, under \
         [services.{service}], such as port = 23817; then run: pipulate start {service}"
    )
}

#[cfg(test)]
mod tests {
    use pipulate_core::reason::examples;

    use super::*;

    #[test]
    fn every_reason_is_a_sentence() {
        let service = ServiceName::parse("server").unwrap();
        let mut text = String::new();
        for one in examples::all() {
            let sentence = reason(&one, &service);
            assert!(!sentence.is_empty() && !sentence.contains('\n'), "{one:?}");
            text += &format!("{}: {sentence}\n", one.code());
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn several_reasons_are_one_sentence_and_control_characters_do_no_harm() {
        let service = ServiceName::parse("server").unwrap();
        let told = [Reason::NotResponding, Reason::told("a\u{1b}[31m")];
        let said = reasons(&told, &service).unwrap();
        assert!(
            said.starts_with("it is running but not responding; a") && !said.contains('\u{1b}'),
            "{said}"
        );
        assert_eq!(reasons(&[], &service), None);
    }
}

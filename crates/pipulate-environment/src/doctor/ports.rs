//! The ports that the services want, from facts that are passed in.

use pipulate_core::finding::Finding;
use pipulate_core::service::ServiceName;

use super::check::{Check, Group};
use super::{Examination, PortFact, PortState, failure, skipped, warning};

const JUPYTER: &str = "port.jupyter";
const SERVER: &str = "port.server";
const OTHERS: &str = "port.others";

pub(super) const PORTS: Group = Group {
    checks: &[
        Check::new(JUPYTER, "who holds JupyterLab's port, by the system's own table: program, pid, home"),
        Check::new(SERVER, "who holds the web server's port"),
        Check::new(OTHERS, "who holds the ports of the other services"),
    ],
    examine: ports,
};

fn ports(examination: &Examination) -> Vec<Finding> {
    let built_in = [(JUPYTER, ServiceName::JUPYTER), (SERVER, ServiceName::SERVER)];
    let is_pinned = |name: &str| {
        let config = examination.config.as_ref().ok().and_then(|config| config.service(name));
        config.is_some_and(|service| service.port.is_some())
    };
    let port = |(id, name)| {
        let fact = examination.ports.iter().find(|fact| fact.service.as_str() == name);
        match fact {
            Some(fact) => examine(id, fact, is_pinned(name)),
            None => skipped(id, format!("{name} uses no port")),
        }
    };
    let is_other = |fact: &&PortFact| built_in.iter().all(|(_, name)| *name != fact.service.as_str());
    let others: Vec<&PortFact> = examination.ports.iter().filter(is_other).collect();
    let is_held = |fact: &&&PortFact| !matches!(fact.state, PortState::Free | PortState::Ours);
    let other = match others.iter().find(is_held) {
        Some(fact) => examine(OTHERS, fact, is_pinned(fact.service.as_str())),
        None if others.is_empty() => skipped(OTHERS, "No other service uses a port"),
        None => Finding::ok(OTHERS, "The ports of the other services are free, or their own"),
    };
    built_in.into_iter().map(port).chain([other]).collect()
}

/// A port that is not pinned is no obstacle: the next free one is used.
fn examine(id: &'static str, fact: &PortFact, pinned: bool) -> Finding {
    let PortFact { service, port, state } = fact;
    let taken = |holder: String| {
        if pinned {
            let title = format!("Port {port}, which pipulate.toml gives to {service}, is held by {holder}");
            failure(id, title)
        } else {
            let title = format!("Port {port} is held by {holder}; {service} would take the next free one");
            warning(id, title)
        }
    };
    let elsewhere =
        format!("set another port: [services.{service}] port = {}", port.wrapping_add(1).max(1024));
    match state {
        PortState::Free => Finding::ok(id, format!("Port {port} is free for {service}")),
        PortState::Ours => Finding::ok(id, format!("Port {port} is held by {service} itself")),
        // Several homes at once are normal: each finds a free port.
        PortState::Foreign { project: Some(project), .. } if !pinned => Finding::ok(
            id,
            format!(
                "Port {port} is held by another home, {}; {service} takes the next free one",
                project.display()
            ),
        ),
        PortState::Foreign { pid, command, project: Some(project) } => {
            let folder = project.display().to_string();
            taken(format!("another home, {folder} (pid {pid}, {command})")).command(
                format!("stop that one if you no longer need it, or {elsewhere}"),
                ["pipulate", "-C", &folder, "stop"],
            )
        }
        PortState::Foreign { pid, command, project: None } => taken(format!("pid {pid} ({command})"))
            .advice(format!("end that program if it is yours and you no longer need it, or {elsewhere}")),
        PortState::Unknown => {
            taken("a program that you may not see, perhaps another user's".to_owned()).advice(elsewhere)
        }
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::finding::FindingStatus;

    use pipulate_core::identity::Pid;

    use super::*;

    fn examine_state(state: PortState, pinned: bool) -> Finding {
        let service = ServiceName::parse("jupyter").unwrap();
        examine("port.jupyter", &PortFact { service, port: 8888, state }, pinned)
    }

    #[test]
    fn a_held_port_fails_only_where_no_other_will_do() {
        let foreign = || PortState::Foreign {
            pid: Pid::new(4121).unwrap(),
            command: "jupyter-lab".to_owned(),
            project: None,
        };
        for state in [PortState::Free, PortState::Ours] {
            assert_eq!(examine_state(state, true).status, FindingStatus::Ok);
        }
        for state in [foreign(), PortState::Unknown] {
            assert_eq!(examine_state(state.clone(), false).status, FindingStatus::Warning);
            assert_eq!(examine_state(state, true).status, FindingStatus::Failure);
        }
    }

    #[test]
    fn a_holder_is_named_and_never_ended_by_us() {
        let project = Some("/home/anna/other".into());
        let state =
            PortState::Foreign { pid: Pid::new(4121).unwrap(), command: "jupyter-lab".to_owned(), project };
        assert_eq!(examine_state(state.clone(), false).status, FindingStatus::Ok, "another port will do");
        let finding = examine_state(state, true);
        assert!(finding.title.contains("/home/anna/other (pid 4121, jupyter-lab)"), "{}", finding.title);
        let fix = finding.fix.unwrap();
        assert_eq!(fix.command, ["pipulate", "-C", "/home/anna/other", "stop"]);
        assert!(!fix.automatic);
    }
}

//! Decides how, or whether, a page is opened: a pure function, one table row after the other.
//!
//! The user's settings come first, then sessions with the browser on another machine, then
//! this machine's means.

use super::session::{Session, Wsl};

/// The way to open pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// The programs of `$BROWSER` in order of preference; `%s` in one stands for the address.
    BrowserVariable(Vec<String>),
    /// The system's opener.
    System,
    /// Not opened: the addresses are printed.
    Print {
        /// The reason, in one line.
        reason: String,
        /// Another way to reach the pages.
        hint: Option<String>,
    },
}

impl Plan {
    /// Decides for pages on these ports.
    pub fn decide(session: &Session, ports: &[u16]) -> Self {
        let is = |name: &str, value: &str| session.variable(name) == Some(value);
        let has = |name: &str| session.variable(name).is_some();
        if session.surroundings.variable("PIPULATE_NO_BROWSER").is_some() {
            return print("PIPULATE_NO_BROWSER is set", None);
        }
        let programs = programs(session.variable("BROWSER").unwrap_or_default());
        if !programs.is_empty() {
            return Self::BrowserVariable(programs);
        }
        if is("CODESPACES", "true") {
            return print("this is a GitHub codespace", codespace_hint(session, ports));
        }
        if is("REMOTE_CONTAINERS", "true") || session.container {
            let hint = "open the address on your own machine, with the port forwarded from the container";
            return print("this is a container", Some(hint.to_owned()));
        }
        if has("SSH_CONNECTION") || has("SSH_TTY") {
            return print("this is an SSH session", Some(ssh_hint(session, ports)));
        }
        let desktop = session.macos || has("DISPLAY") || has("WAYLAND_DISPLAY");
        match session.wsl {
            Wsl::Interop => Self::System,
            Wsl::No | Wsl::NoInterop if desktop => Self::System,
            Wsl::No => print("there is no desktop here: neither DISPLAY nor WAYLAND_DISPLAY is set", None),
            Wsl::NoInterop => print(
                "WSL can't start Windows programs here: interop is switched off",
                Some("open the address in a browser on Windows".to_owned()),
            ),
        }
    }
}

fn print(reason: &str, hint: Option<String>) -> Plan {
    Plan::Print { reason: reason.to_owned(), hint }
}

fn programs(variable: &str) -> Vec<String> {
    variable.split(':').map(str::trim).filter(|program| !program.is_empty()).map(str::to_owned).collect()
}

fn codespace_hint(session: &Session, ports: &[u16]) -> Option<String> {
    let name = session.variable("CODESPACE_NAME")?;
    let domain = session.variable("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN").unwrap_or("app.github.dev");
    let addresses = ports.iter().map(|port| format!("https://{name}-{port}.{domain}"));
    joined("open ", addresses, " and ")
}

/// `SSH_CONNECTION` is: client address, client port, our address, our port.
fn ssh_hint(session: &Session, ports: &[u16]) -> String {
    let mut connection = session.variable("SSH_CONNECTION").unwrap_or_default().split(' ').skip(2);
    let host = connection.next().or(session.variable("HOSTNAME")).unwrap_or("this-machine");
    let port = connection.next().filter(|port| *port != "22").map(|port| format!("-p {port} "));
    let user = session.variable("USER").map(|user| format!("{user}@")).unwrap_or_default();
    let forwards = ports.iter().map(|port| format!("-L {port}:127.0.0.1:{port}"));
    let forwards = joined("", forwards, " ").unwrap_or_else(|| "-L PORT:127.0.0.1:PORT".to_owned());
    format!("on your own machine run: ssh {forwards} {}{user}{host}", port.unwrap_or_default())
}

fn joined(start: &str, parts: impl Iterator<Item = String>, between: &str) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| format!("{start}{}", parts.join(between)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surroundings::Surroundings;

    fn here(variables: &[(&str, &str)]) -> Session {
        let empty = Surroundings::default();
        let surroundings = variables.iter().fold(empty, |all, (name, value)| all.with(name, value));
        Session { surroundings, ..Session::default() }
    }

    fn decide(session: &Session) -> Plan {
        Plan::decide(session, &[5001, 8888])
    }

    /// The reason and the hint of a plan that prints.
    fn printed(session: &Session) -> (String, String) {
        match decide(session) {
            Plan::Print { reason, hint } => (reason, hint.unwrap_or_default()),
            other @ (Plan::System | Plan::BrowserVariable(_)) => panic!("{other:?}"),
        }
    }

    const DISPLAY: (&str, &str) = ("DISPLAY", ":0");

    #[test]
    fn a_browser_that_is_not_wanted_is_not_opened_whatever_there_is() {
        let everything = here(&[("PIPULATE_NO_BROWSER", "1"), ("BROWSER", "firefox"), ("DISPLAY", ":0")]);
        assert_eq!(printed(&everything).0, "PIPULATE_NO_BROWSER is set");
    }

    #[test]
    fn the_browser_variable_goes_before_every_guess() {
        let programs = Plan::BrowserVariable(vec!["my browser %s".to_owned(), "w3m".to_owned()]);
        for other in
            [("CODESPACES", "true"), ("SSH_TTY", "/dev/pts/0"), ("REMOTE_CONTAINERS", "true"), DISPLAY]
        {
            assert_eq!(decide(&here(&[("BROWSER", ":my browser %s: w3m :"), other])), programs);
        }
    }

    #[test]
    fn a_browser_variable_without_a_program_counts_as_unset() {
        assert_eq!(decide(&here(&[("BROWSER", " : "), ("DISPLAY", ":0")])), Plan::System);
    }

    #[test]
    fn a_codespace_prints_its_forwarded_addresses() {
        let facts = here(&[("CODESPACES", "true"), ("CODESPACE_NAME", "odd-fox"), ("DISPLAY", ":0")]);
        let hint = "open https://odd-fox-5001.app.github.dev and https://odd-fox-8888.app.github.dev";
        assert_eq!(printed(&facts), ("this is a GitHub codespace".to_owned(), hint.to_owned()));
    }

    #[test]
    fn a_container_prints() {
        let by_file = Session { container: true, ..here(&[("DISPLAY", ":0")]) };
        for facts in [by_file, here(&[("REMOTE_CONTAINERS", "true"), ("DISPLAY", ":0")])] {
            assert_eq!(printed(&facts).0, "this is a container");
        }
    }

    #[test]
    fn an_ssh_session_prints_the_command_that_forwards_the_ports() {
        let connection = ("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.5 22");
        let rows = [
            (
                here(&[connection, ("USER", "anna"), ("DISPLAY", "localhost:10.0")]),
                "ssh -L 5001:127.0.0.1:5001 -L 8888:127.0.0.1:8888 anna@10.0.0.5",
            ),
            (
                here(&[("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.5 2222")]),
                "ssh -L 5001:127.0.0.1:5001 -L 8888:127.0.0.1:8888 -p 2222 10.0.0.5",
            ),
            (
                here(&[("SSH_TTY", "/dev/pts/1"), ("HOSTNAME", "box")]),
                "ssh -L 5001:127.0.0.1:5001 -L 8888:127.0.0.1:8888 box",
            ),
        ];
        for (facts, command) in rows {
            assert_eq!(printed(&facts).1, format!("on your own machine run: {command}"));
        }
    }

    #[test]
    fn wsl_opens_where_windows_programs_can_be_started() {
        let wsl = |wsl, variables: &[_]| Session { wsl, ..here(variables) };
        assert_eq!(decide(&wsl(Wsl::Interop, &[])), Plan::System);
        assert_eq!(decide(&wsl(Wsl::NoInterop, &[("WAYLAND_DISPLAY", "wayland-0")])), Plan::System);
        assert!(printed(&wsl(Wsl::NoInterop, &[])).0.contains("interop is switched off"));
    }

    #[test]
    fn a_desktop_opens_and_its_absence_prints() {
        for variable in ["DISPLAY", "WAYLAND_DISPLAY"] {
            assert_eq!(decide(&here(&[(variable, ":0")])), Plan::System);
        }
        assert_eq!(decide(&Session { macos: true, ..here(&[]) }), Plan::System);
        assert!(printed(&here(&[])).0.contains("no desktop"));
    }
}

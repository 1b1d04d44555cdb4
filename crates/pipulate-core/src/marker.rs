//! The marker in a process's environment, which names the service and run that it belongs to.
//!
//! `PIPULATE_SESSION=<project id>/<service>/<run id>[/<part>]`: children inherit it, so that it finds them
//! after their ancestors are gone. It is a hint that another program may copy: it selects candidates, and
//! never replaces an identity.

use std::fmt;

use crate::project::ProjectId;
use crate::service::ServiceName;

/// The environment variable's name.
pub const VARIABLE: &str = "PIPULATE_SESSION";

/// One start of one service: 16 hexadecimal digits, random.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunId(String);

impl RunId {
    /// A run id from 64 random bits.
    pub fn from_random(bits: u64) -> Self {
        Self(format!("{bits:016x}"))
    }

    /// Parses the displayed form.
    pub fn parse(text: &str) -> Option<Self> {
        let whole = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        whole.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The content of a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    pub project: ProjectId,
    pub service: ServiceName,
    pub part: Part,
}

/// The part of a service's processes that a marker names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The supervisor itself: never ended with a service's processes.
    Supervisor,
    /// The service and the programs that it starts.
    Run(RunId),
    /// Programs that the user started in one of its terminals.
    Terminal(RunId),
}

impl Marker {
    /// Reads a marker's value; `None` for anything that we did not write.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('/');
        let project = ProjectId::parse(fields.next()?)?;
        let service = ServiceName::parse(fields.next()?).ok()?;
        let part = match (fields.next()?, fields.next(), fields.next()) {
            ("supervisor", None, None) => Part::Supervisor,
            (run, None, None) => Part::Run(RunId::parse(run)?),
            (run, Some("terminal"), None) => Part::Terminal(RunId::parse(run)?),
            _ => return None,
        };
        Some(Self { project, service, part })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.project, self.service)?;
        match &self.part {
            Part::Supervisor => f.write_str("supervisor"),
            Part::Run(run) => run.fmt(f),
            Part::Terminal(run) => write!(f, "{run}/terminal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back_and_nothing_else_does() {
        let id = "0123456789abcdef";
        for text in
            [format!("{id}/jupyter/supervisor"), format!("{id}/a/{id}"), format!("{id}/a/{id}/terminal")]
        {
            assert_eq!(Marker::parse(&text).unwrap().to_string(), text);
        }
        for text in ["", "x", "//", &format!("{id}/a/b"), &format!("{id}/../{id}"), &format!("{id}/a/{id}/x")]
        {
            assert_eq!(Marker::parse(text), None, "{text}");
        }
    }
}

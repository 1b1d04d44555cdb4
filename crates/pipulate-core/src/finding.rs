//! What `doctor` found.

/// One examined fact about a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable, for scripts: `python.numpy`.
    pub id: &'static str,
    pub status: FindingStatus,
    /// The fact in one line, without a full stop.
    pub title: String,
    /// What was looked at and what it said; may be empty.
    pub detail: String,
    pub fix: Option<Fix>,
}

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingStatus {
    Ok,
    /// Worth a look; nothing is broken.
    Warning,
    Failure,
    /// Optional and absent, or impossible to examine here.
    Skipped,
}

impl FindingStatus {
    /// The word of `doctor --json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
        }
    }
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    pub text: String,
    /// A command that does it, program first; empty when there is none.
    pub command: Vec<String>,
    /// Whether `doctor --fix` may do it.
    pub automatic: bool,
}

impl Finding {
    /// A fact that is as it should be.
    pub fn ok(id: &'static str, title: impl Into<String>) -> Self {
        Self { id, status: FindingStatus::Ok, title: title.into(), detail: String::new(), fix: None }
    }

    /// A fact that is not.
    pub fn new(id: &'static str, status: FindingStatus, title: impl Into<String>) -> Self {
        Self { id, status, title: title.into(), detail: String::new(), fix: None }
    }

    /// Adds the evidence.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds advice that a person carries out.
    pub fn advice(mut self, text: impl Into<String>) -> Self {
        self.fix = Some(Fix { text: text.into(), command: Vec::new(), automatic: false });
        self
    }

    /// Adds advice with the command that carries it out.
    pub fn command(mut self, text: impl Into<String>, command: &[&str], automatic: bool) -> Self {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        self.fix = Some(Fix { text: text.into(), command, automatic });
        self
    }
}

//! The findings of `doctor`.

/// One examined fact about a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable, for scripts: `python.numpy`.
    pub id: &'static str,
    pub status: FindingStatus,
    /// The fact in one line, without a full stop.
    pub title: String,
    /// The evidence: what was checked and the result; may be empty.
    pub detail: String,
    pub fix: Option<Fix>,
}

/// The severity of a finding.
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
    /// Returns the word of `doctor --json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
        }
    }
}

/// Advice on a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    pub text: String,
    /// A command that does it, program first; empty when there is none.
    pub command: Vec<String>,
    /// True if `doctor --fix` may run it.
    pub automatic: bool,
}

impl Fix {
    /// Advice for the user.
    pub fn advice(text: impl Into<String>) -> Self {
        Self { text: text.into(), command: Vec::new(), automatic: false }
    }

    /// Advice with the command that carries it out.
    pub fn command(text: impl Into<String>, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        Self { text: text.into(), command, automatic: false }
    }

    /// Marks the command as one that `doctor --fix` may run.
    pub fn automatic(self) -> Self {
        Self { automatic: true, ..self }
    }
}

impl Finding {
    /// A fact with its severity.
    pub fn new(id: &'static str, status: FindingStatus, title: impl Into<String>) -> Self {
        Self { id, status, title: title.into(), detail: String::new(), fix: None }
    }

    /// A fact without a problem.
    pub fn ok(id: &'static str, title: impl Into<String>) -> Self {
        Self::new(id, FindingStatus::Ok, title)
    }

    /// Adds the evidence.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds a fix.
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// Adds advice for the user.
    pub fn advice(self, text: impl Into<String>) -> Self {
        self.fix(Fix::advice(text))
    }

    /// Adds advice with the command that carries it out.
    pub fn command(
        self,
        text: impl Into<String>,
        command: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.fix(Fix::command(text, command))
    }
}

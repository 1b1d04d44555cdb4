//! A call of the program as it is meant: the verb, and its settings with their final types and values.
//!
//! `cli` makes it of what was typed; `context` finds the project that it is about; `commands` carry it out.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

use pipulate_core::marker::RunId;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;
use pipulate_engine::request::Wait;
use pipulate_environment::shell::Dialect;
use pipulate_store::log::time_index::When;
use pipulate_supervisor::program::Beginning;
use regex::Regex;

use crate::ui::printer::Verbosity;
use crate::ui::terminal::ColorWish;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) global: Global,
    pub(crate) verb: Verb,
}

/// What may be said with every verb.
#[derive(Debug)]
pub(crate) struct Global {
    /// The project's folder, relative to the current one; looked for when not given.
    pub(crate) project: Option<PathBuf>,
    pub(crate) color: ColorWish,
    pub(crate) verbosity: Verbosity,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Verb {
    Start(StartSettings),
    Stop(StopSettings),
    Restart(RestartSettings),
    Status(StatusSettings),
    Logs(LogsSettings),
    Doctor(DoctorSettings),
    Setup(SetupSettings),
    Add(AddSettings),
    App(AppSettings),
    Open(OpenSettings),
    Url(UrlSettings),
    Run(RunSettings),
    Chat(ChatSettings),
    Models(Format),
    Why(WhySettings),
    /// Become the user's shell.
    Shell,
    /// Welcome whoever enters the flake's shell.
    Enter,
    /// Print what a shell of this kind evaluates.
    Activate(Dialect),
    Secret(SecretVerb),
    /// Write the files of a project to begin with.
    Init,
    Serve,
    Config(ConfigVerb),
    /// Print what makes a shell complete our words.
    Completions(Dialect),
    /// Print the manual page, or that of one verb.
    Man(Option<String>),
    Mcp(McpVerb),
    /// Be the supervisor of a service.
    Supervise(SuperviseSettings),
    Act(ReportTo),
    HandOver,
}

/// `start`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartSettings {
    /// Empty: those that the project wants.
    pub(crate) services: Vec<ServiceName>,
    /// Whether the pages are opened.
    pub(crate) browser: bool,
    pub(crate) wait: Wait,
    /// Stay, and stop everything at Ctrl-C.
    pub(crate) foreground: bool,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
    /// Whether the environment is made ready first.
    pub(crate) setup: bool,
}

/// `stop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StopSettings {
    /// Empty: all of them.
    pub(crate) services: Vec<ServiceName>,
    /// Instead of what each service's configuration says.
    pub(crate) timeout: Option<Duration>,
    /// Stop also if work is in progress, without a question.
    pub(crate) yes: bool,
    /// At once. Implies `yes`.
    pub(crate) force: bool,
    pub(crate) projects: Projects,
}

/// Which projects a verb is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Projects {
    This,
    /// Every one of this user.
    All,
}

/// `restart`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestartSettings {
    /// Empty: all of them, with care for kernels.
    pub(crate) services: Vec<ServiceName>,
    /// Restart also if work is in progress, without a question.
    pub(crate) yes: bool,
}

/// `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatusSettings {
    pub(crate) format: Format,
    pub(crate) projects: Projects,
    /// Stay, and show it again when it changes.
    pub(crate) watch: bool,
}

/// For whom the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// `logs`.
#[derive(Debug, Clone)]
pub(crate) struct LogsSettings {
    /// Empty: every service that has a log.
    pub(crate) services: Vec<ServiceName>,
    pub(crate) show: LogsShow,
}

/// What `logs` prints.
#[derive(Debug, Clone)]
pub(crate) enum LogsShow {
    /// Where the files are.
    Paths,
    Lines(LinesSettings),
}

/// Which lines, and how.
#[derive(Debug, Clone)]
pub(crate) struct LinesSettings {
    /// How many of the last ones of those that the rest chooses.
    pub(crate) tail: Tail,
    pub(crate) grep: Option<Regex>,
    pub(crate) since: Option<When>,
    pub(crate) until: Option<When>,
    pub(crate) follow: bool,
    pub(crate) prefix: bool,
    pub(crate) form: LineForm,
}

impl LinesSettings {
    /// Whether they leave out lines.
    pub(crate) fn choose(&self) -> bool {
        self.grep.is_some() || self.since.is_some() || self.until.is_some()
    }
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineForm {
    Plain,
    /// With the time at which it was captured.
    Timed,
    Json,
}

/// How many of the last lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    All,
    Lines(u64),
}

/// `doctor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoctorSettings {
    pub(crate) format: Format,
    /// Do what can safely be done about the findings.
    pub(crate) fix: bool,
}

/// `setup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetupSettings {
    /// Make the venv anew, and keep the old one beside it.
    pub(crate) recreate: bool,
}

/// `add`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddSettings {
    /// Not empty; not checked yet.
    pub(crate) packages: Vec<String>,
}

/// `app`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppSettings {
    /// As it was typed.
    pub(crate) notebook: PathBuf,
    /// The program's file, relative to the current folder.
    pub(crate) output: Option<PathBuf>,
    pub(crate) name: Option<ServiceName>,
    /// Only say what would be written.
    pub(crate) dry_run: bool,
}

/// `open`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenSettings {
    /// `None`: those that the configuration opens.
    pub(crate) service: Option<ServiceName>,
}

/// `url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UrlSettings {
    /// `None`: every service that has one.
    pub(crate) service: Option<ServiceName>,
}

/// `run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunSettings {
    /// Program and arguments; not empty.
    pub(crate) command: Vec<OsString>,
}

/// `chat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChatSettings {
    /// Instead of the configured or chosen one.
    pub(crate) model: Option<String>,
    /// What to ask, once; `None`: whatever stdin says, or a conversation.
    pub(crate) prompt: Option<String>,
}

/// `why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WhySettings {
    /// `None`: the one that is not well.
    pub(crate) service: Option<ServiceName>,
    /// Instead of the configured or chosen one.
    pub(crate) model: Option<String>,
}

/// `secret`. A name is not one yet: what was typed may be a value in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretVerb {
    Set {
        name: OsString,
        /// Whether something that may be a value stood in the arguments.
        is_given: bool,
    },
    List,
    Unset {
        name: OsString,
    },
}

/// `config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigVerb {
    /// The configuration as it is meant.
    Show,
    /// The schema of `pipulate.toml`.
    Schema,
}

/// `mcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum McpVerb {
    /// Serve an assistant.
    Serve,
    /// Print what makes this program start it.
    Config(McpClient),
}

/// A program whose assistant can use this home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum McpClient {
    Claude,
    Cursor,
    VsCode,
    Zed,
}

/// `__act`: where its report goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportTo {
    /// The next instance of the page.
    Page,
    /// The program that started it, on stdout.
    Caller,
}

/// `__supervise`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SuperviseSettings {
    pub(crate) service: ServiceName,
    pub(crate) beginning: Beginning,
    /// The start that it belongs to.
    pub(crate) pending: Option<RunId>,
    /// The descriptor of the lock that was held before an exec.
    pub(crate) lock: Option<RawFd>,
    /// The reading end of the FIFO that was open before an exec.
    pub(crate) fifo: Option<RawFd>,
    /// What the folder was called when its services were started, if it was moved since.
    pub(crate) formerly: Option<AbsPath>,
    /// The state and run folders, where they are not inside the project's folder.
    pub(crate) places: Option<(AbsPath, AbsPath)>,
}

impl Verb {
    /// Whether it is about every project of the user, and so needs none of its own.
    pub(crate) fn is_about_all_projects(&self) -> bool {
        let projects = match self {
            Self::Stop(settings) => settings.projects,
            Self::Status(settings) => settings.projects,
            Self::Start(_)
            | Self::Restart(_)
            | Self::Logs(_)
            | Self::Doctor(_)
            | Self::Setup(_)
            | Self::Add(_)
            | Self::App(_)
            | Self::Open(_)
            | Self::Url(_)
            | Self::Run(_)
            | Self::Chat(_)
            | Self::Models(_)
            | Self::Why(_)
            | Self::Shell
            | Self::Enter
            | Self::Activate(_)
            | Self::Secret(_)
            | Self::Init
            | Self::Serve
            | Self::Config(ConfigVerb::Show)
            | Self::Mcp(_)
            | Self::Act(_)
            | Self::Supervise(_) => Projects::This,
            // These belong to no project.
            Self::HandOver | Self::Config(ConfigVerb::Schema) | Self::Completions(_) | Self::Man(_) => {
                Projects::All
            }
        };
        projects == Projects::All
    }
}

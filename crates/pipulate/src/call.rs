//! A parsed call of the program: the verb, and its settings with their final types and values.
//!
//! `cli` creates it from the command line; `context` finds its project; `commands` carry it out.

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

/// A parsed command line.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) global: Global,
    pub(crate) verb: Verb,
}

/// The options that every verb has.
#[derive(Debug)]
pub(crate) struct Global {
    /// The project's folder, relative to the current one; `None`: search for it.
    pub(crate) project: Option<PathBuf>,
    pub(crate) color: ColorWish,
    pub(crate) verbosity: Verbosity,
}

/// The requested operation.
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
    /// Greet the user of the flake's shell.
    Enter,
    /// Print activation code for this kind of shell.
    Activate(Dialect),
    Secret(SecretVerb),
    /// Write a starter project's files.
    Init,
    Serve,
    Config(ConfigVerb),
    /// Print a completion script.
    Completions(Dialect),
    /// Print the manual page of the program or of one verb.
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
    /// Empty: the services that the project wants.
    pub(crate) services: Vec<ServiceName>,
    /// Opens the pages.
    pub(crate) browser: bool,
    pub(crate) wait: Wait,
    /// Stay, and stop everything at Ctrl-C.
    pub(crate) foreground: bool,
    /// Only print the plan.
    pub(crate) dry_run: bool,
    /// Sets up the environment first.
    pub(crate) setup: bool,
}

/// `stop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StopSettings {
    /// Empty: all of them.
    pub(crate) services: Vec<ServiceName>,
    /// Overrides each service's configured timeout.
    pub(crate) timeout: Option<Duration>,
    /// Stop despite work in progress, without a question.
    pub(crate) yes: bool,
    /// At once. Implies `yes`.
    pub(crate) force: bool,
    pub(crate) projects: Projects,
}

/// The projects that a verb is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Projects {
    This,
    /// All projects of this user.
    All,
}

/// `restart`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestartSettings {
    /// Empty: all of them, except a JupyterLab with kernels.
    pub(crate) services: Vec<ServiceName>,
    /// Restart despite work in progress, without a question.
    pub(crate) yes: bool,
}

/// `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatusSettings {
    pub(crate) format: Format,
    pub(crate) projects: Projects,
    /// Stay, and update the output when it changes.
    pub(crate) watch: bool,
}

/// The reader of the output.
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

/// The output of `logs`.
#[derive(Debug, Clone)]
pub(crate) enum LogsShow {
    /// The paths of the files.
    Paths,
    Lines(LinesSettings),
}

/// The selection and form of the lines.
#[derive(Debug, Clone)]
pub(crate) struct LinesSettings {
    /// The number of last lines among those that match the other settings.
    pub(crate) tail: Tail,
    pub(crate) grep: Option<Regex>,
    pub(crate) since: Option<When>,
    pub(crate) until: Option<When>,
    pub(crate) follow: bool,
    pub(crate) prefix: bool,
    pub(crate) form: LineForm,
}

impl LinesSettings {
    /// Returns true if some lines are left out.
    pub(crate) fn choose(&self) -> bool {
        self.grep.is_some() || self.since.is_some() || self.until.is_some()
    }
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineForm {
    Plain,
    /// With the time at which it was captured.
    Timed,
    Json,
}

/// The number of last lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    All,
    Lines(u64),
}

/// `doctor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoctorSettings {
    pub(crate) format: Format,
    /// Fix the findings that have a safe fix.
    pub(crate) fix: bool,
}

/// `setup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetupSettings {
    /// Create a new venv, and keep the old one beside it.
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
    /// As typed.
    pub(crate) notebook: PathBuf,
    /// The program's file, relative to the current folder.
    pub(crate) output: Option<PathBuf>,
    pub(crate) name: Option<ServiceName>,
    /// Only print the plan.
    pub(crate) dry_run: bool,
}

/// `open`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenSettings {
    /// `None`: the services that the configuration opens.
    pub(crate) service: Option<ServiceName>,
}

/// `url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UrlSettings {
    /// `None`: every service with an address.
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
    /// Overrides the configured or chosen model.
    pub(crate) model: Option<String>,
    /// A single question; `None`: stdin if piped, otherwise a conversation.
    pub(crate) prompt: Option<String>,
}

/// `why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WhySettings {
    /// `None`: the service that is not healthy.
    pub(crate) service: Option<ServiceName>,
    /// Overrides the configured or chosen model.
    pub(crate) model: Option<String>,
}

/// `secret`. The names are unchecked: the argument may be a misplaced value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretVerb {
    Set {
        name: OsString,
        /// The arguments may contain a value.
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
    /// The configuration in effect.
    Show,
    /// The schema of `pipulate.toml`.
    Schema,
}

/// `mcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum McpVerb {
    /// Serve an assistant.
    Serve,
    /// Print the client settings that start it.
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

/// The receiver of the report of `__act`.
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
    /// The pending start that launched it.
    pub(crate) pending: Option<RunId>,
    /// The descriptor of the lock, inherited through exec.
    pub(crate) lock: Option<RawFd>,
    /// The reading end of the FIFO, inherited through exec.
    pub(crate) fifo: Option<RawFd>,
    /// The folder's path when its services were started, if it was moved since.
    pub(crate) formerly: Option<AbsPath>,
    /// The state and run folders, if they are outside of the project's folder.
    pub(crate) places: Option<(AbsPath, AbsPath)>,
}

impl Verb {
    /// Returns true if it is about every project of the user, and so needs none of its own.
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

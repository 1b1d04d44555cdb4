//! The command line as it is typed: all of clap. The comments here are the help.

mod app;
mod logs;
mod mcp;
mod secret;
mod services;
mod shells;
mod short;
mod supervise;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use pipulate_core::service::ServiceName;

use self::app::AppArguments;
use self::logs::LogsArguments;
use self::mcp::{ActArguments, McpArguments};
use self::secret::SecretArguments;
use self::services::{RestartArguments, StartArguments, StatusArguments, StopArguments};
use self::shells::ShellArgument;
pub(super) use self::short::ShortArguments;
use self::supervise::SuperviseArguments;
use super::candidates;
use crate::call::{
    AddSettings, Call, ChatSettings, ConfigVerb, DoctorSettings, Format, Global, OpenSettings, ReportTo,
    RunSettings, SetupSettings, UrlSettings, Verb, WhySettings,
};
use crate::ui::printer::Verbosity;
use crate::ui::terminal::ColorWish;

const ENVIRONMENT_AND_EXIT_CODES: &str = "\
Environment:
  PIPULATE_NO_BROWSER       if it is set, no browser is opened
  PIPULATE_PYTHON           the Python that new environments are made with
  OLLAMA_HOST               where Ollama answers
  NO_COLOR, CLICOLOR_FORCE  no colors, or colors everywhere; --color comes first

Exit codes:
  0    done, or already so
  1    failed, or refused
  2    the command line is wrong, or there is no such service
  124  waited too long
  130  interrupted

`pipulate status` answers with 0, 1, 3 or 4: see its help.";

const STATUS_CODES: &str = "\
Exit codes:
  0  every wanted service is ready, running, or has ended by itself with 0
  1  one crashed, is unstable, degraded, unsupervised or not ready yet
  3  nothing is running
  4  the state can't be determined";

/// A home for your notebooks: JupyterLab and a web server in one command
///
/// `pipulate start` makes the Python environment, starts JupyterLab and your web server in the
/// background, and opens the browser. `pipulate stop` ends exactly that.
#[derive(Debug, Parser)]
#[command(name = "pipulate", version, after_help = ENVIRONMENT_AND_EXIT_CODES, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    global: GlobalArguments,
    #[command(subcommand)]
    verb: VerbArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
struct GlobalArguments {
    /// Work in this project folder instead of the one you are in
    #[arg(short = 'C', long, value_name = "DIR", value_hint = ValueHint::DirPath, global = true)]
    project: Option<PathBuf>,
    /// When to use colors; "auto" is on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true)]
    color: ColorArgument,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more about what is going on
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ColorArgument {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum VerbArguments {
    /// Start the services, set up first if needed, and open the browser
    #[command(visible_alias = "up")]
    Start(StartArguments),
    /// Stop the services and everything they started
    #[command(visible_alias = "down")]
    Stop(StopArguments),
    /// Stop and start services; the others are not touched
    ///
    /// What they depend on is started if it is down. Without a name, JupyterLab is skipped while
    /// kernels run.
    Restart(RestartArguments),
    /// Show the state of the services
    #[command(visible_alias = "ps", after_help = STATUS_CODES)]
    Status(StatusArguments),
    /// Show what the services printed
    Logs(LogsArguments),
    /// Look for problems, and say what to do about them
    Doctor(DoctorArguments),
    /// Make the Python environment and install its packages
    Setup(SetupArguments),
    /// Add packages to the project's list and install them; services keep running
    ///
    /// They are written to requirements.txt (or the file that [python] requirements names), or given to `uv
    /// add` in a project of uv. What running services may have loaded is not replaced.
    Add(AddArguments),
    /// Turn a notebook into a web app: a form, a Run button, and the result
    ///
    /// It writes a program that is yours from then on: server.py if there is none, else NOTEBOOK_app.py and a
    /// service for it in pipulate.toml. The form comes from the cell with the tag "parameters", else from a
    /// first cell that only assigns values. No file is overwritten.
    App(AppArguments),
    /// Open a service in the browser, starting it if needed
    Open(ServiceArgument),
    /// Print the signed-in URL of a service
    Url(ServiceArgument),
    /// Run a command inside the Python environment
    #[command(override_usage = "pipulate run [OPTIONS] -- <CMD>...")]
    Run(RunArguments),
    /// Talk with the local LLM, or ask it one thing
    ///
    /// With a prompt, or with something piped into it, only the answer is printed:
    /// `pipulate logs -n 50 | pipulate chat "What is wrong here?"`
    Chat(ChatArguments),
    /// List the models of the local LLM
    Models(ModelsArguments),
    /// Ask the local LLM why a service stopped
    Why(WhyArguments),
    /// Enter your own shell with the environment active
    Shell,
    /// Print what activates the environment in the shell you are in
    #[command(after_help = shells::ACTIVATE)]
    Activate(ShellArgument),
    /// Manage the secrets in .env; their values are never shown
    #[command(subcommand)]
    Secret(SecretArguments),
    /// Write the files of a small project to begin with; files that exist are not changed
    Init,
    /// Run the embedded web app in the foreground
    Serve,
    /// Show the configuration, or the schema of pipulate.toml
    Config(ConfigArguments),
    /// For the flake's shell: make the environment ready, and say what to type
    #[command(name = "__enter", hide = true)]
    Enter,
    /// Serve this home to a coding assistant, over stdin and stdout (Model Context Protocol)
    ///
    /// The assistant can ask for status, logs (secrets masked) and doctor, and start, restart and stop services of
    /// this project: without force, and nothing else.
    Mcp(McpArguments),
    /// Print the completions for your shell
    #[command(after_help = shells::COMPLETIONS)]
    Completions(ShellArgument),
    /// Print the manual page, or that of a verb
    Man(ManArguments),
    #[command(name = "__supervise", hide = true)]
    Supervise(SuperviseArguments),
    #[command(name = "__act", hide = true)]
    Act(ActArguments),
    #[command(name = "__hand-over", hide = true)]
    HandOver,
}

#[derive(Debug, Args)]
struct ServicesArgument {
    /// Only these services
    #[arg(value_name = "SERVICE", value_parser = ServiceName::parse, add = ArgValueCandidates::new(candidates::services))]
    services: Vec<ServiceName>,
}

#[derive(Debug, Args)]
struct ServiceArgument {
    /// Only this service
    #[arg(value_name = "SERVICE", value_parser = ServiceName::parse, add = ArgValueCandidates::new(candidates::services))]
    service: Option<ServiceName>,
}

#[derive(Debug, Args)]
struct DoctorArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Fix what can be fixed safely
    #[arg(long)]
    fix: bool,
}

#[derive(Debug, Args)]
struct SetupArguments {
    /// Make a new environment; the old one is kept as .venv.old
    #[arg(long)]
    recreate: bool,
}

#[derive(Debug, Args)]
struct AddArguments {
    /// The packages, such as pandas or "pandas>=2"
    #[arg(value_name = "PACKAGE", required = true)]
    packages: Vec<String>,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
struct ModelArgument {
    /// Use this model [default: the configured one, else the best that is installed]
    #[arg(short, long)]
    model: Option<String>,
}

#[derive(Debug, Args)]
struct ChatArguments {
    #[command(flatten)]
    model: ModelArgument,
    /// What to ask; stdin, if something is piped into it, is put below
    #[arg(value_name = "PROMPT")]
    prompt: Vec<String>,
}

#[derive(Debug, Args)]
struct ModelsArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct WhyArguments {
    #[command(flatten)]
    service: ServiceArgument,
    #[command(flatten)]
    model: ModelArgument,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ConfigArguments {
    /// Print the configuration in force, defaults included
    #[arg(long)]
    show: bool,
    /// Print the JSON schema of pipulate.toml, for editors
    #[arg(long)]
    schema: bool,
}

#[derive(Debug, Args)]
struct ManArguments {
    /// Only this verb, such as "start"
    #[arg(value_name = "VERB", add = ArgValueCandidates::new(verbs))]
    verb: Option<String>,
}

impl Arguments {
    /// What they mean.
    pub(super) fn resolve(self) -> Call {
        resolve(self.global, self.verb.resolve())
    }
}

fn resolve(global: GlobalArguments, verb: Verb) -> Call {
    let color = global.color.resolve();
    let verbosity = match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    };
    Call { global: Global { project: global.project, color, verbosity }, verb }
}

impl ColorArgument {
    fn resolve(self) -> ColorWish {
        match self {
            Self::Auto => ColorWish::Auto,
            Self::Always => ColorWish::Always,
            Self::Never => ColorWish::Never,
        }
    }
}

impl VerbArguments {
    fn resolve(self) -> Verb {
        match self {
            Self::Start(arguments) => Verb::Start(arguments.resolve()),
            Self::Stop(arguments) => Verb::Stop(arguments.resolve()),
            Self::Restart(arguments) => Verb::Restart(arguments.resolve()),
            Self::Status(arguments) => Verb::Status(arguments.resolve()),
            Self::Logs(arguments) => Verb::Logs(arguments.resolve()),
            Self::Doctor(arguments) => {
                Verb::Doctor(DoctorSettings { format: format(arguments.json), fix: arguments.fix })
            }
            Self::Setup(arguments) => Verb::Setup(SetupSettings { recreate: arguments.recreate }),
            Self::Add(arguments) => Verb::Add(AddSettings { packages: arguments.packages }),
            Self::App(arguments) => Verb::App(arguments.resolve()),
            Self::Open(arguments) => Verb::Open(OpenSettings { service: arguments.service }),
            Self::Url(arguments) => Verb::Url(UrlSettings { service: arguments.service }),
            Self::Run(arguments) => Verb::Run(RunSettings { command: arguments.command }),
            Self::Chat(arguments) => Verb::Chat(ChatSettings {
                model: arguments.model.model,
                prompt: Some(arguments.prompt.join(" ")).filter(|prompt| !prompt.trim().is_empty()),
            }),
            Self::Models(arguments) => Verb::Models(format(arguments.json)),
            Self::Why(arguments) => {
                Verb::Why(WhySettings { service: arguments.service.service, model: arguments.model.model })
            }
            Self::Shell => Verb::Shell,
            Self::Activate(arguments) => Verb::Activate(arguments.resolve()),
            Self::Secret(arguments) => Verb::Secret(arguments.resolve()),
            Self::Init => Verb::Init,
            Self::Serve => Verb::Serve,
            Self::Enter => Verb::Enter,
            Self::Config(ConfigArguments { show: _, schema: false }) => Verb::Config(ConfigVerb::Show),
            Self::Config(ConfigArguments { show: _, schema: true }) => Verb::Config(ConfigVerb::Schema),
            Self::Completions(arguments) => Verb::Completions(arguments.resolve()),
            Self::Man(arguments) => Verb::Man(arguments.verb),
            Self::Supervise(arguments) => Verb::Supervise(arguments.resolve()),
            Self::Mcp(arguments) => Verb::Mcp(arguments.resolve()),
            Self::Act(ActArguments { tell: false }) => Verb::Act(ReportTo::Page),
            Self::Act(ActArguments { tell: true }) => Verb::Act(ReportTo::Caller),
            Self::HandOver => Verb::HandOver,
        }
    }
}

fn format(json: bool) -> Format {
    if json { Format::Json } else { Format::Text }
}

/// The verbs that people type.
fn verbs() -> Vec<CompletionCandidate> {
    let command = Arguments::command();
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    shown.map(|verb| CompletionCandidate::new(verb.get_name())).collect()
}

/// What `--color` says in arguments that could not be read.
pub(super) fn color_of(args: &[OsString]) -> ColorWish {
    let joined = args.iter().filter_map(|arg| arg.to_str()?.strip_prefix("--color="));
    let apart =
        args.windows(2).filter(|pair| pair[0] == OsStr::new("--color")).filter_map(|pair| pair[1].to_str());
    let word = joined.chain(apart).next();
    word.and_then(|word| ColorArgument::from_str(word, true).ok()).unwrap_or_default().resolve()
}

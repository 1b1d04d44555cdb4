//! The command line of Pipulate: parse, find the project, run the verb, report.
//!
//! Words, colors and exit codes are in this crate; decisions that a second user interface would need are not.
//! Reading order: `cli`, `commands/`, `context`, `call`, `ui`, `error`. Each uses only those after it, and
//! `cli` not the commands.

mod call;
mod cli;
mod commands;
mod context;
mod error;
mod exit_code;
mod interrupt;
mod jupyter_login;
mod links;
mod llm_session;
mod no_libm;
mod style;
mod ui;
mod wrap;

use std::ffi::OsString;
use std::io::Write as _;

use call::Verb;
use context::{Context, program};
use error::{Failure, FailureKind};
use exit_code::ExitStatus;
use pipulate_environment::browser;
use pipulate_process::{exit, signals};
use ui::printer::Printer;
use ui::terminal::Terminal;

/// Runs the program with these arguments, the first of which is its own name, and ends it.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ! {
    let args: Vec<OsString> = args.into_iter().collect();
    let _correct_call = signals::undo_inherited(commands::supervise::is_supervisor(&args));
    let status = match commands::supervise::launch_spec(&args) {
        Some(spec) => commands::supervise::follow(spec),
        None => run_verb(args),
    };
    exit::at_once(status.code())
}

/// Runs the command line. Separate from [`run`], because a supervisor with a launch spec would carry the
/// large stack frame of all verbs as long as it runs.
#[inline(never)]
fn run_verb(args: Vec<OsString>) -> ExitStatus {
    let status = answer(args);
    // Failed writes were already reported, or the reader is gone.
    let _read_by_nobody = std::io::stdout().flush();
    status
}

fn answer(args: Vec<OsString>) -> ExitStatus {
    match cli::complete::answer(&args) {
        Ok(false) => {}
        Ok(true) => return ExitStatus::Success,
        // A message in the middle of the command line would not help.
        Err(_) => return ExitStatus::Failed,
    }
    let terminal = Terminal::of_this_process();
    let call = match cli::parse(args.clone()) {
        Ok(call) => call,
        Err(answer) => return answer.give(&terminal),
    };
    let printer = Printer::new(&terminal, call.global.color, call.global.verbosity);
    program::leave_cache(&call, &args, &printer);
    let asks_how_it_is = matches!(call.verb, Verb::Status(_));
    match Context::find(&call, printer.clone()).and_then(|context| dispatch(&context, call.verb)) {
        Ok(status) => status,
        Err(failure) => {
            printer.failure(&failure);
            match failure.kind.exit_status() {
                // For `status`, 1 means that a service is not healthy.
                ExitStatus::Failed if asks_how_it_is && failure.kind != FailureKind::Refused => {
                    ExitStatus::Unknown
                }
                status => status,
            }
        }
    }
}

fn dispatch(context: &Context, verb: Verb) -> Result<ExitStatus, Failure> {
    match verb {
        Verb::Start(settings) => program::sweeping(|| commands::start::start(context, settings)),
        Verb::Stop(settings) => program::sweeping(|| commands::stop::stop(context, settings)),
        Verb::Restart(settings) => commands::restart::restart(context, settings),
        Verb::Status(settings) => commands::status::status(context, settings),
        Verb::Logs(settings) => commands::logs::logs(context, settings),
        Verb::Doctor(settings) => commands::doctor::doctor(context, settings),
        Verb::Setup(settings) => commands::setup::setup(context, settings),
        Verb::Add(settings) => commands::add::add(context, settings),
        Verb::App(settings) => commands::app::app(context, &settings),
        Verb::Open(settings) => commands::open::open(context, settings),
        Verb::Url(settings) => commands::url::url(context, settings),
        Verb::Run(settings) => commands::run::run(context, settings),
        Verb::Chat(settings) => commands::chat::chat(context, settings),
        Verb::Models(format) => commands::models::models(context, format),
        Verb::Why(settings) => commands::why::why(context, settings),
        Verb::Shell => commands::shell::shell(context),
        Verb::Enter => commands::enter::enter(context),
        Verb::Activate(dialect) => commands::activate::activate(context, dialect),
        Verb::Secret(verb) => commands::secret::secret(context, verb),
        Verb::Init => commands::init::init(context),
        Verb::Serve => commands::serve::serve(context),
        Verb::Config(verb) => commands::config::config(context, verb),
        Verb::Completions(dialect) => commands::completions::completions(context, |program| {
            cli::complete::registration(dialect, program)
        }),
        Verb::Man(verb) => commands::man::man(context, verb.as_deref(), cli::man::page(verb.as_deref())?),
        Verb::Supervise(settings) => commands::supervise::supervise(context, settings),
        Verb::Mcp(verb) => commands::mcp::mcp(context, verb, cli::help()),
        Verb::Act(to) => commands::act::act(context, to),
        Verb::HandOver => {
            browser::hand_over(std::io::stdin())?;
            Ok(ExitStatus::Success)
        }
    }
}

//! `serve`: the embedded web app, in the foreground: what a supervisor runs, or a person.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::marker::{self, Marker};
use pipulate_core::service::ServiceName;
use pipulate_core::status::ProjectStatus;
use pipulate_process::command::{Command, End};
use pipulate_store::dotenv::EnvFile;
use pipulate_store::home;
use pipulate_web::AppState;
use pipulate_web::sign;
use pipulate_web::world::{Control, ControlError, StatusSource, Verb, World};

use crate::commands::status;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;

const DEFAULT_PORT: u16 = 5001;
/// A stop may take this long before the page is told that it did not end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Serves until TERM or Ctrl-C.
pub(crate) fn serve(context: &Context) -> Result<ExitStatus, Failure> {
    let context = context.with_layout(home::ensure(&context.layout)?);
    let port = wanted_port()?;
    let listeners = listen(port)?;
    let token = sign::Token::parse(home::token(&context.layout.token())?.as_bytes())?;
    let own = own_service();
    if own.is_none() {
        let code = sign::code(&token, port, Timestamp::now())?;
        context.printer.note(format!("Serving at: http://127.0.0.1:{port}/login?code={code}"));
    }
    let name = match &own {
        Some(name) => name.clone(),
        None => ServiceName::parse(ServiceName::SERVER).map_err(Failure::failed)?,
    };
    let secrets = EnvFile::new(context.layout.dotenv(), context.layout.dotenv_lock());
    let home = Arc::new(Home { context, own });
    let world = World { status: home.clone(), control: home, secrets: Arc::new(secrets) };
    pipulate_web::server::serve(listeners, AppState::new(name, port, token, world), ended())?;
    Ok(ExitStatus::Success)
}

fn wanted_port() -> Result<u16, Failure> {
    let Some(port) = std::env::var_os("PORT").filter(|port| !port.is_empty()) else {
        return Ok(DEFAULT_PORT);
    };
    let number = port.to_str().and_then(|port| port.parse().ok()).filter(|&port| port > 0);
    number.ok_or_else(|| Failure::failed(format!("PORT is not a port: {}", port.to_string_lossy())))
}

/// On 127.0.0.1 and, where there is one, ::1.
fn listen(port: u16) -> Result<Vec<TcpListener>, Failure> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let first = TcpListener::bind(v4)
        .map_err(|error| Failure::failed(format!("could not listen on {v4}")).cause(error))?;
    let second = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    Ok(std::iter::once(first).chain(second).collect())
}

/// The service that this process is, when a supervisor started it.
fn own_service() -> Option<ServiceName> {
    let marker = std::env::var(marker::VARIABLE).ok()?;
    let marker = Marker::parse(&marker)?;
    matches!(marker.service.as_str(), ServiceName::SERVER | ServiceName::DASHBOARD).then_some(marker.service)
}

/// Resolves at the first TERM or INT.
async fn ended() {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let signals = [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT];
    let Ok(mut signals) = signal_hook::iterator::Signals::new(signals) else {
        return std::future::pending().await;
    };
    std::thread::spawn(move || {
        signals.forever().next();
        // The server may have ended by itself.
        let _ended = sender.send(());
    });
    // An error is the thread's end, which is the end too.
    let _asked = receiver.await;
}

/// The project as the page sees it.
struct Home {
    context: Context,
    own: Option<ServiceName>,
}

impl StatusSource for Home {
    fn status(&self) -> ProjectStatus {
        status::project_status(&self.context)
    }
}

impl Control for Home {
    /// Runs this very program, so that the page and the terminal do the same.
    fn act(&self, service: &ServiceName, verb: Verb) -> Result<String, ControlError> {
        let mut command = Command::new(&self.context.exe)
            .arg("-C")
            .arg(self.context.layout.root().as_os_str())
            .args([verb.word(), service.as_str()]);
        if verb == Verb::Start {
            command = command.args(["--no-browser", "--no-setup"]);
        }
        if self.own.as_ref() == Some(service) && verb != Verb::Start {
            command.detached().map_err(|error| ControlError::Failed(error.to_string()))?;
            return Ok(format!("{service} was asked to {}", verb.word()));
        }
        let output = command.output(PATIENCE).map_err(|error| ControlError::Failed(error.to_string()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.end {
            End::Code(0) => Ok(text(&output.stdout)),
            End::Code(_) | End::Signal(_) | End::TimedOut | End::Unknown => {
                Err(ControlError::Refused(text(&output.stderr)))
            }
        }
    }
}

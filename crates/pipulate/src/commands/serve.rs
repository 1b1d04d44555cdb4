//! `serve`: the embedded web app, in the foreground, for a supervisor or a user.

mod actions;
mod apps;
mod chat_adapter;
mod home;
mod neighbors;
mod notebooks;
pub(crate) mod told;
mod watch;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_store::token;
use pipulate_web::sign;
use pipulate_web::world::{Folder, World};
use pipulate_web::{AppState, Endpoint};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::home::Home;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;

const DEFAULT_PORT: u16 = 5001;
/// The wanted limit of open files: each open page needs one, and many systems start with 1024.
const DESCRIPTORS: u64 = 4096;

/// Serves until TERM or Ctrl-C.
pub(crate) fn serve(context: &Context) -> Result<ExitStatus, Failure> {
    let context = context.home()?;
    let port = wanted_port(&context)?;
    let listeners = listen(port)?;
    let token = sign::Token::parse(
        token::ensure(&context.project.layout, &context.project.layout.token())?.as_bytes(),
    )?;
    let admits = neighbors::admission(&context);
    let key = neighbors::key_source(&context.project.layout, token.clone());
    let own = own_service(&context);
    if own.is_none() {
        // Prints a sign-in link even without a terminal: `url` doesn't find an unsupervised app.
        let code = sign::code(&token, port, Timestamp::now())?;
        context.printer.note(format!("Serving at: http://127.0.0.1:{port}/login?code={code}"));
    }
    let name = match &own {
        Some(name) => name.clone(),
        None => ServiceName::parse(ServiceName::SERVER).map_err(Failure::failed)?,
    };
    let hosts = context.config_or_warning().map_or_else(Vec::new, |config| config.web_hosts.clone());
    let folder = Folder { name: context.project.name(), path: context.project.layout.root().to_string() };
    let home = Arc::new(Home::new(context, own));
    let world = World {
        status: home.clone(),
        control: home.clone(),
        secrets: home.clone(),
        logs: home.clone(),
        chat: home.clone(),
        notebooks: home.clone(),
        apps: home,
        folder: Arc::new(folder),
    };
    allow_many_descriptors();
    pipulate_web::server::serve(
        listeners,
        AppState::new(name, Endpoint { port, hosts }, key, world),
        admits,
        ended(),
    )?;
    Ok(ExitStatus::Success)
}

fn wanted_port(context: &Context) -> Result<u16, Failure> {
    let Some(port) = std::env::var_os("PORT").filter(|port| !port.is_empty()) else {
        let server = context.config_or_warning().and_then(|config| config.service(ServiceName::SERVER));
        return Ok(server.and_then(|server| server.port).unwrap_or(DEFAULT_PORT));
    };
    let number = port.to_str().and_then(|port| port.parse().ok()).filter(|&port| port > 0);
    number.ok_or_else(|| Failure::failed(format!("PORT is not a port: {}", port.to_string_lossy())))
}

/// On 127.0.0.1 and, if available, ::1.
fn listen(port: u16) -> Result<Vec<TcpListener>, Failure> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let first = TcpListener::bind(v4).map_err(|error| {
        let failure = Failure::failed(format!("could not listen on {v4}")).cause(error);
        failure.hint("choose another port: PORT=5003 pipulate serve")
    })?;
    let second = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    Ok(std::iter::once(first).chain(second).collect())
}

/// The service of this process, if a supervisor started it.
fn own_service(context: &Context) -> Option<ServiceName> {
    let own = context.project.own_marker()?.service;
    matches!(own.as_str(), ServiceName::SERVER | ServiceName::DASHBOARD).then_some(own)
}

fn allow_many_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    if current.is_some_and(|current| current < wanted) {
        // If refused, fewer pages can be open.
        let _refused = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
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
    // An error means that the thread has ended: shut down as well.
    let _asked = receiver.await;
}

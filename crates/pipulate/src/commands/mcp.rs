//! `mcp`: this home for coding assistants, by the Model Context Protocol over stdin and stdout.
//!
//! Invariants: stdout carries only the protocol. An assistant can query the state, and start, stop and
//! restart services; it gets no force, no secret, no code, and no other folder.

mod acts;
mod answers;
mod clients;
mod logs;
mod resources;
mod server;
mod tools;

use std::io::{IsTerminal as _, stdin};

use rmcp::ServiceExt as _;
use rmcp::service::ServerInitializeError;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::stdio_pipes;

use self::server::Server;
use crate::call::McpVerb;
use crate::context::{Context, program};
use crate::error::Failure;
use crate::exit_code::ExitStatus;

/// The longest message that is read, in bytes; longer ones are dropped.
const LONGEST_MESSAGE: usize = 1 << 20;

/// Serves until the client closes stdin, or prints a client's settings. `help` is the help of all verbs.
pub(crate) fn mcp(context: &Context, verb: McpVerb, help: String) -> Result<ExitStatus, Failure> {
    match verb {
        McpVerb::Serve => serve(context, help),
        McpVerb::Config(client) => {
            let (settings, place) = clients::settings(client, context)?;
            context.printer.data(settings)?;
            context.printer.note(place);
            Ok(ExitStatus::Success)
        }
    }
}

fn serve(context: &Context, help: String) -> Result<ExitStatus, Failure> {
    if stdin().is_terminal() {
        context.printer.note("Waiting for an assistant on standard input; Ctrl-C ends this");
        context.printer.hint("print what an assistant needs to start this: pipulate mcp --config claude");
    }
    let context = context.confirmed()?;
    program::remember(&context);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let ended = runtime.block_on(async {
        let (input, output) = stdio_pipes();
        let transport = AsyncRwTransport::new_server(input, output).with_max_line_length(LONGEST_MESSAGE);
        match Server::new(context, help).serve(transport).await {
            Ok(running) => drop(running.waiting().await),
            // A client may disconnect before its first message.
            Err(ServerInitializeError::ConnectionClosed(_)) => {}
            Err(error) => {
                return Err(Failure::failed(
                    "the client did not begin with what the protocol requires (initialize)",
                )
                .cause(error));
            }
        }
        Ok(ExitStatus::Success)
    });
    // Don't wait for running queries.
    runtime.shutdown_background();
    ended
}

//! The arguments of `mcp`, and of the helper that carries its requests out.

use clap::{Args, ValueEnum};

use crate::call::{McpClient, McpVerb};

#[derive(Debug, Args)]
pub(super) struct McpArguments {
    /// Only print the settings that make this program start it
    #[arg(long, value_name = "PROGRAM", value_enum)]
    config: Option<ClientArgument>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClientArgument {
    Claude,
    Cursor,
    Vscode,
    Zed,
}

impl McpArguments {
    pub(super) fn resolve(self) -> McpVerb {
        self.config.map_or(McpVerb::Serve, |client| {
            McpVerb::Config(match client {
                ClientArgument::Claude => McpClient::Claude,
                ClientArgument::Cursor => McpClient::Cursor,
                ClientArgument::Vscode => McpClient::VsCode,
                ClientArgument::Zed => McpClient::Zed,
            })
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct ActArguments {
    #[arg(long)]
    pub(super) tell: bool,
}

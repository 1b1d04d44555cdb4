//! The settings with which an assistant's program starts `pipulate mcp` for this folder.

use serde_json::{Value, json};

use crate::call::McpClient;
use crate::context::Context;
use crate::error::Failure;

/// Returns the settings as JSON, and their place.
///
/// # Errors
/// A path is not text, which JSON needs.
pub(super) fn settings(client: McpClient, context: &Context) -> Result<(String, &'static str), Failure> {
    let program = context.programs.first().unwrap_or(&context.project.exe);
    let (program, root) = (program.to_str(), context.project.layout.root().to_str());
    let (Some(program), Some(root)) = (program, root) else {
        return Err(Failure::failed(
            "the path of the program or of this folder is not UTF-8, as JSON has to be",
        ));
    };
    let (settings, place) = about(client, program, root);
    Ok((format!("{settings:#}"), place))
}

fn about(client: McpClient, program: &str, root: &str) -> (Value, &'static str) {
    let args = ["-C", root, "mcp"];
    match client {
        McpClient::Claude => (
            json!({ "mcpServers": { "pipulate": { "command": program, "args": args } } }),
            "Claude Code reads it from .mcp.json in this folder, Claude Desktop from claude_desktop_config.json",
        ),
        McpClient::Cursor => (
            json!({ "mcpServers": { "pipulate": { "command": program, "args": args } } }),
            "Cursor reads it from .cursor/mcp.json in this folder",
        ),
        McpClient::VsCode => (
            json!({ "servers": { "pipulate": { "type": "stdio", "command": program, "args": args } } }),
            "VS Code reads it from .vscode/mcp.json in this folder",
        ),
        McpClient::Zed => (
            json!({ "context_servers": { "pipulate": { "command": program, "args": args, "env": {} } } }),
            "Zed reads it from .zed/settings.json in this folder, beside what is there",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_gets_its_own_form() {
        let all = [McpClient::Claude, McpClient::Cursor, McpClient::VsCode, McpClient::Zed];
        let forms = all.map(|client| about(client, "/bin/pipulate", "/home/ann/a \"b\"").0.to_string());
        insta::assert_snapshot!(forms.join("\n"), @r#"
        {"mcpServers":{"pipulate":{"args":["-C","/home/ann/a \"b\"","mcp"],"command":"/bin/pipulate"}}}
        {"mcpServers":{"pipulate":{"args":["-C","/home/ann/a \"b\"","mcp"],"command":"/bin/pipulate"}}}
        {"servers":{"pipulate":{"args":["-C","/home/ann/a \"b\"","mcp"],"command":"/bin/pipulate","type":"stdio"}}}
        {"context_servers":{"pipulate":{"args":["-C","/home/ann/a \"b\"","mcp"],"command":"/bin/pipulate","env":{}}}}
        "#);
    }
}

//! Web programs that are not called `server.py`, recognized by their imports, and the lines for
//! `pipulate.toml` that run them.
//!
//! Invariant: the text is only read, line by line. A recognized program is suggested to the user, never run.

use std::fmt::Write as _;

/// The usual names of web programs, the most significant first.
pub const USUAL: [&str; 3] = ["app.py", "main.py", "streamlit_app.py"];

/// A library that turns a program into a web page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Framework {
    Streamlit,
    Gradio,
    FastApi,
    Flask,
}

impl Framework {
    const ALL: [Self; 4] = [Self::Streamlit, Self::Gradio, Self::FastApi, Self::Flask];

    /// Returns its name for display.
    pub fn name(self) -> &'static str {
        match self {
            Self::Streamlit => "Streamlit",
            Self::Gradio => "Gradio",
            Self::FastApi => "FastAPI",
            Self::Flask => "Flask",
        }
    }

    fn module(self) -> &'static str {
        match self {
            Self::Streamlit => "streamlit",
            Self::Gradio => "gradio",
            Self::FastApi => "fastapi",
            Self::Flask => "flask",
        }
    }

    /// Returns the class of the object that a server serves.
    fn class(self) -> &'static str {
        match self {
            Self::FastApi => "FastAPI(",
            Self::Flask => "Flask(",
            Self::Streamlit | Self::Gradio => "",
        }
    }
}

/// A program that serves a web page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebProgram {
    /// Its file in the project's folder.
    pub file: String,
    pub framework: Framework,
    /// The variable with the app, for FastAPI and Flask.
    app: String,
}

impl WebProgram {
    /// Recognizes a file of the project's folder by its text.
    pub fn of(file: &str, text: &str) -> Option<Self> {
        let stem = file.strip_suffix(".py")?;
        let is_module = !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let is_used = |framework: &Framework| code(text).any(|line| imports(line, framework.module()));
        let framework = Framework::ALL.into_iter().find(is_used).filter(|_| is_module)?;
        let app = code(text).find_map(|line| variable(line, framework.class()));
        Some(Self { file: file.to_owned(), framework, app: app.unwrap_or("app").to_owned() })
    }

    /// Returns a title: `app.py (Streamlit)`.
    pub fn title(&self) -> String {
        format!("{} ({})", self.file, self.framework.name())
    }

    /// Returns the table for `pipulate.toml` that runs it as `server`, on this machine only.
    pub fn table(&self, port: u16) -> String {
        let (file, app) = (self.file.as_str(), self.app.as_str());
        let stem = file.strip_suffix(".py").unwrap_or(file);
        let port_text = port.to_string();
        let (served, port_option) = (format!("{stem}:{app}"), format!("--server.port={port}"));
        let words: Vec<&str> = match self.framework {
            Framework::Streamlit => {
                let quiet = ["--server.address=127.0.0.1", "--server.headless=true"];
                ["streamlit", "run", file, &port_option].into_iter().chain(quiet).collect()
            }
            Framework::Gradio => vec!["python", file],
            Framework::FastApi => vec!["uvicorn", &served, "--port", &port_text],
            Framework::Flask => vec!["flask", "--app", &served, "run", "--port", &port_text],
        };
        let words: Vec<String> = words.into_iter().map(|word| toml::Value::from(word).to_string()).collect();
        let mut table = format!("[services.server]\ncommand = [{}]\nport = {port}\n", words.join(", "));
        if self.framework == Framework::Gradio {
            // Writing to a String can't fail.
            let _written = writeln!(table, "env = {{ GRADIO_SERVER_PORT = \"{port}\" }}");
        }
        table + "ready = { http = \"/\" }\nwatch = [\"*.py\"]\n"
    }
}

/// Returns the lines outside of triple-quoted strings.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let mut open: Option<&str> = None;
    text.lines().filter(move |line| {
        let was_open = open.is_some();
        for quotes in ["\"\"\"", "'''"] {
            if open.is_none_or(|opened| opened == quotes) && line.matches(quotes).count() % 2 == 1 {
                open = if open.is_some() { None } else { Some(quotes) };
            }
        }
        !was_open
    })
}

/// Returns true if a line imports a module or a part of it.
fn imports(line: &str, module: &str) -> bool {
    let is_it = |name: &str| {
        let name = name.trim_start();
        name.strip_prefix(module)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    match line.trim_start().split_once(char::is_whitespace) {
        Some(("import", names)) => names.split(',').any(is_it),
        Some(("from", name)) => is_it(name),
        Some(_) | None => false,
    }
}

/// Returns the variable at the beginning of a line to which the result of this call is assigned.
fn variable<'a>(line: &'a str, call: &str) -> Option<&'a str> {
    let (name, value) = line.split_once('=').filter(|_| !call.is_empty())?;
    let name = name.split(':').next().unwrap_or_default();
    let is_name =
        name.trim_end().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.starts_with(' ');
    let value = value.trim_start();
    let is_made =
        value.starts_with(call) || value.split_once('.').is_some_and(|(_, rest)| rest.starts_with(call));
    (is_name && is_made).then(|| name.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn framework(text: &str) -> Option<Framework> {
        WebProgram::of("app.py", text).map(|program| program.framework)
    }

    #[test]
    fn a_framework_is_seen_in_imports_alone() {
        for (text, wanted) in [
            ("import streamlit as st\n", Some(Framework::Streamlit)),
            ("import os, gradio\n", Some(Framework::Gradio)),
            ("try:\n    from flask import Flask\nexcept ImportError:\n    pass\n", Some(Framework::Flask)),
            ("from fastapi.responses import HTMLResponse\n", Some(Framework::FastApi)),
            ("\"\"\"A page.\n\nimport streamlit\n\"\"\"\nimport flask\n", Some(Framework::Flask)),
            ("# import streamlit\n", None),
            ("print('import flask')\n", None),
            ("import flask_less\nfrom fastapier import x\nimport my.flask\n", None),
            ("", None),
        ] {
            assert_eq!(framework(text), wanted, "{text}");
        }
        assert_eq!(WebProgram::of("my app.py", "import flask\n"), None, "no module's name");
        assert_eq!(WebProgram::of("notes.txt", "import flask\n"), None);
    }

    #[test]
    fn what_is_offered_is_a_configuration_that_can_be_read() {
        for (text, command) in [
            (
                "import streamlit\n",
                "streamlit run app.py --server.port=5001 --server.address=127.0.0.1 --server.headless=true",
            ),
            ("import gradio\n", "python app.py"),
            (
                "import flask\nweb: flask.Flask = flask.Flask(__name__)\n",
                "flask --app app:web run --port 5001",
            ),
            ("from flask import Flask\n", "flask --app app:app run --port 5001"),
            ("from fastapi import FastAPI\n\napi = FastAPI()\n", "uvicorn app:api --port 5001"),
        ] {
            let program = WebProgram::of("app.py", text).unwrap();
            let config = Config::parse(&program.table(5001)).unwrap();
            let server = config.service("server").unwrap();
            assert_eq!(server.command.as_ref().unwrap().join(" "), command);
            assert_eq!(server.port, Some(5001));
        }
    }
}

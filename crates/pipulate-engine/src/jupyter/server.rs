//! JupyterLab's description of itself: the `jpserver-PID.json` in its private runtime directory.
//!
//! The user's configuration (`~/.jupyter`, `JUPYTER_TOKEN`) can change the token, the base URL and the
//! scheme, so the arguments on our command line prove nothing.

use std::net::SocketAddr;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pipulate_core::identity::Pid;
use pipulate_core::layout::Layout;
use pipulate_core::service::Scheme;
use pipulate_http::exchange::{self, Get};
use pipulate_store::files;
use serde::Deserialize;

const LARGEST_ANSWER: usize = 8 << 20;

/// Characters that stay unencoded in a path, including `%`: it may be encoded already.
const IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'%').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Timeout for one request that decides about a warning.
const GLANCE: Duration = Duration::from_millis(250);
/// Timeout for a page.
const PATIENCE: Duration = Duration::from_secs(2);
/// A string in JupyterLab's page.
const PAGE: &[u8] = b"jupyter-config-data";

/// A running JupyterLab, according to its own description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens; verified to be ours.
    pub address: SocketAddr,
    /// True for https.
    pub is_secure: bool,
    /// The path prefix of all its pages: begins and ends with a slash.
    base_url: String,
    /// Empty if it requires none.
    token: String,
    has_password: bool,
}

/// The part of `jpserver-PID.json` that matters here.
#[derive(Deserialize)]
struct ServerFile {
    pid: i32,
    port: u16,
    base_url: String,
    #[serde(default)]
    secure: bool,
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: bool,
}

impl Server {
    /// Returns a server without a description: another program in JupyterLab's place.
    pub fn undescribed(address: SocketAddr, scheme: Scheme, base_url: String, token: String) -> Self {
        Self { address, is_secure: scheme == Scheme::Https, base_url, token, has_password: false }
    }

    /// Returns the server that one of these processes, listening on this address, describes in its file.
    pub fn described(
        layout: &Layout,
        address: SocketAddr,
        pids: impl IntoIterator<Item = Pid>,
    ) -> Option<Self> {
        let read = |pid: Pid| {
            let path = layout.jupyter_runtime().at(format!("jpserver-{pid}.json"));
            let file: ServerFile = serde_json::from_slice(&files::read_private(&path).ok()??).ok()?;
            (file.pid == pid.get() && file.port == address.port()).then_some(file)
        };
        let file = pids.into_iter().find_map(read)?;
        let is_path = file.base_url.starts_with('/') && file.base_url.ends_with('/');
        is_path.then(|| Self {
            address,
            is_secure: file.secure,
            base_url: utf8_percent_encode(&file.base_url, IN_PATH).to_string(),
            token: file.token,
            has_password: file.password,
        })
    }

    /// Returns the path of a page or an API endpoint, such as `lab` or `api/kernels`.
    pub fn path(&self, page: &str) -> String {
        format!("{}{page}", self.base_url)
    }

    /// Returns the URL of its page.
    pub fn url(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.address, self.path("lab"))
    }

    /// Returns the URL of its page with the token in it; `None` if it requires no token.
    pub fn signed_url(&self) -> Option<String> {
        let token = utf8_percent_encode(&self.token, NON_ALPHANUMERIC);
        (!self.token.is_empty()).then(|| format!("{}?token={token}", self.url()))
    }

    /// Returns true if it requires no login. Another login method, such as an identity provider, leaves the
    /// token empty as well; a request finds that out.
    pub fn is_open(&self) -> bool {
        let is_unguarded = self.token.is_empty() && !self.has_password;
        is_unguarded && self.fetch("api/status", GLANCE).is_none_or(|(status, _)| status == 200)
    }

    /// Like [`Server::is_open`]; also detects an identity provider that admits everyone, with a normal token.
    /// JupyterLab logs a line for it.
    pub fn admits_anyone(&self) -> bool {
        let anonymous = Self { token: String::new(), ..self.clone() };
        // Another program in JupyterLab's place may give any answer.
        let is_page = |body: &[u8]| body.windows(PAGE.len()).any(|part| part == PAGE);
        let reply = || anonymous.fetch("lab", PATIENCE);
        self.is_open() || reply().is_some_and(|(status, body)| status == 200 && is_page(&body))
    }

    /// Sends one GET request for a JSON value.
    pub fn get(&self, path: &str, patience: Duration) -> Option<serde_json::Value> {
        let (status, body) = self.fetch(path, patience)?;
        (status == 200).then(|| serde_json::from_slice(&body).ok())?
    }

    fn fetch(&self, path: &str, patience: Duration) -> Option<(u16, Vec<u8>)> {
        if self.token.contains(|c: char| c.is_control()) {
            return None;
        }
        let authorization = (!self.token.is_empty()).then(|| format!("token {}", self.token));
        let get = Get {
            address: self.address,
            scheme: if self.is_secure { Scheme::Https } else { Scheme::Http },
            path: &self.path(path),
            authorization: authorization.as_deref(),
            limit: LARGEST_ANSWER,
        };
        exchange::fetch(get, patience).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pipulate_core::project::AbsPath;

    use super::*;

    const PID: i32 = 4121;

    fn described(file: &str) -> Option<Server> {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        fs::create_dir_all(layout.jupyter_runtime()).unwrap();
        fs::write(layout.jupyter_runtime().at(format!("jpserver-{PID}.json")), file).unwrap();
        Server::described(&layout, "127.0.0.1:9".parse().unwrap(), Pid::new(PID))
    }

    #[test]
    fn its_own_word_decides_about_address_and_token() {
        let file = r#"{"base_url": "/my jupyter/", "secure": true, "token": "a&b", "password": false,
                       "pid": 4121, "port": 9, "url": "https://127.0.0.1:9/", "sock": ""}"#;
        let server = described(file).unwrap();
        assert_eq!(server.url(), "https://127.0.0.1:9/my%20jupyter/lab");
        assert_eq!(server.signed_url().unwrap(), "https://127.0.0.1:9/my%20jupyter/lab?token=a%26b");
    }

    #[test]
    fn without_a_token_there_is_nothing_to_sign_in_with() {
        let file = |rest: &str| format!(r#"{{"base_url": "/", "pid": 4121, "port": 9, {rest}}}"#);
        let open = described(&file(r#""token": """#)).unwrap();
        assert_eq!((open.signed_url(), open.is_open()), (None, true), "no answer, so nothing refutes it");
        let guarded = described(&file(r#""token": "", "password": true"#)).unwrap();
        assert_eq!((guarded.signed_url(), guarded.is_open()), (None, false));
    }

    #[test]
    fn the_file_of_another_process_or_port_and_half_a_file_say_nothing() {
        for file in [
            r#"{"base_url": "/", "pid": 1, "port": 9}"#,
            r#"{"base_url": "/", "pid": 4121, "port": 10}"#,
            r#"{"base_url": "@evil.example/", "pid": 4121, "port": 9}"#,
            r#"{"base_url": "/", "pid": 4121, "po"#,
            "",
        ] {
            assert_eq!(described(file), None, "{file}");
        }
    }
}

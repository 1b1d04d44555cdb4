//! A user at a real browser: opens pages, reads them, clicks and types.
//!
//! Chromium runs headless and with a profile of its own, driven by `browser.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::process;
use super::project::{TestProject, python};
use super::wait::{holds, wait_for};

/// A browser; it ends with this handle, which must be dropped before its project.
pub(crate) struct Browser {
    driver: Child,
    /// `None` while it ends.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    home: PathBuf,
}

impl Browser {
    /// Starts a browser with an empty profile in the project's home directory.
    pub(crate) fn start(project: &TestProject) -> Self {
        Self::start_at_home(project, project.home().to_owned())
    }

    /// Starts a second browser with a separate profile.
    pub(crate) fn start_another(project: &TestProject) -> Self {
        let home = project.home().join("another");
        std::fs::create_dir_all(home.join(".runtime")).unwrap();
        Self::start_at_home(project, home)
    }

    fn start_at_home(project: &TestProject, home: PathBuf) -> Self {
        let mut command = project.foreign(python());
        command.env("HOME", &home).env("XDG_CONFIG_HOME", home.join(".config"));
        command.env("XDG_CACHE_HOME", home.join(".cache"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/support/browser.py"));
        command.arg(chromium()).arg(home.join("browser"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut driver = command.spawn().unwrap();
        let (requests, answers) = (driver.stdin.take(), BufReader::new(driver.stdout.take().unwrap()));
        Self { driver, requests, answers, home }
    }

    /// Opens an address and waits until its page is loaded.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        self.ask(&json!(["open", url]));
    }

    /// Clicks the selected element once it exists.
    #[track_caller]
    pub(crate) fn click(&mut self, selector: &str) {
        holds(&format!("{selector} to be clicked on"), || self.ask(&json!(["click", selector])) == true);
    }

    /// Types into the selected field once it exists.
    #[track_caller]
    pub(crate) fn type_into(&mut self, selector: &str, text: &str) {
        holds(&format!("{selector} to type into"), || self.ask(&json!(["type", selector, text])) == true);
    }

    /// The visible text of the selected element once it exists.
    #[track_caller]
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = || Some(self.ask(&json!(["text", selector])).as_str()?.to_owned());
        wait_for(&format!("{selector} on the page"), text)
    }

    /// Waits until the selected element's text contains `text`.
    #[track_caller]
    pub(crate) fn wait_for_text(&mut self, selector: &str, text: &str) {
        holds(&format!("{text:?} in {selector}"), || self.text(selector).contains(text));
    }

    /// The value of a JavaScript expression.
    #[track_caller]
    pub(crate) fn measure(&mut self, expression: &str) -> Value {
        self.ask(&json!(["measure", expression]))
    }

    /// Presses a key.
    #[track_caller]
    pub(crate) fn press(&mut self, key: &str) {
        self.ask(&json!(["press", key]));
    }

    /// Runs a script in the page despite its content security policy.
    #[track_caller]
    pub(crate) fn run_script(&mut self, file: &Path) {
        self.ask(&json!(["script", file]));
    }

    /// Disables scripts for the pages opened after this.
    #[track_caller]
    pub(crate) fn switch_javascript_off(&mut self) {
        self.ask(&json!(["javascript", false]));
    }

    /// Sets `"light"` or `"dark"` colors and the window's width in pixels.
    #[track_caller]
    pub(crate) fn view(&mut self, scheme: &str, width: u32) {
        self.view_through(scheme, width, 900);
    }

    /// Sets the color scheme and the window's width and height in pixels.
    #[track_caller]
    pub(crate) fn view_through(&mut self, scheme: &str, width: u32, height: u32) {
        self.ask(&json!(["view", scheme, width, height]));
    }

    /// Saves a picture of the page.
    #[track_caller]
    pub(crate) fn screenshot(&mut self, file: &Path) {
        self.ask(&json!(["screenshot", file]));
    }

    /// The browser's complaints about pages so far: errors and blocked resources.
    #[track_caller]
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        serde_json::from_value(self.ask(&json!(["complaints"]))).unwrap()
    }

    #[track_caller]
    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests.as_ref().unwrap(), "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{request}: {error}: {answer:?}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _reaped = self.driver.wait();
        let home = format!("HOME={}", self.home.display());
        let parts =
            || process::with_variable(&home).into_iter().filter(|part| part.command.contains("chrom"));
        if !std::thread::panicking() {
            holds("the end of all of the browser's processes", || parts().next().is_none());
        }
    }
}

/// The folder of the pages' pictures, for visual checks.
pub(crate) fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

fn chromium() -> PathBuf {
    let program =
        std::env::var_os("PIPULATE_TEST_CHROMIUM").map_or("/usr/bin/chromium".into(), PathBuf::from);
    assert!(
        program.is_file(),
        "{} is missing: run the tests with `cargo xtask test`, which prepares it",
        program.display()
    );
    program
}

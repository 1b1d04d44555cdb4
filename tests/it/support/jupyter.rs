//! A user of a project's JupyterLab: opens kernels and terminals, and runs code in them.

use std::path::{Path, PathBuf};

use super::project::{TestProject, python};
use super::run;

/// The JupyterLab of a running project.
pub(crate) struct Jupyter {
    url: String,
    token_file: PathBuf,
}

/// One of its kernels.
pub(crate) struct Kernel<'a> {
    jupyter: &'a Jupyter,
    pub(crate) id: String,
}

/// One of its terminals.
pub(crate) struct JupyterTerminal<'a> {
    jupyter: &'a Jupyter,
    name: String,
}

impl Jupyter {
    pub(crate) fn of(project: &TestProject) -> Self {
        Self::at(project, "", ".pipulate/run/jupyter-token")
    }

    /// A JupyterLab with another base path and token.
    pub(crate) fn at(project: &TestProject, base: &str, token_file: &str) -> Self {
        let url = format!("http://127.0.0.1:{}{base}", project.port("jupyter"));
        Self { url, token_file: project.path(token_file) }
    }

    /// Switches to https.
    pub(crate) fn secure(self) -> Self {
        Self { url: self.url.replacen("http:", "https:", 1), ..self }
    }

    /// JupyterLab's answer about a kernelspec.
    #[track_caller]
    pub(crate) fn kernelspec(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.ask(&["spec", name], "")).unwrap()
    }

    /// Starts a Python kernel.
    #[track_caller]
    pub(crate) fn kernel(&self) -> Kernel<'_> {
        self.kernel_of("python3")
    }

    /// Starts a kernel of this kernelspec.
    #[track_caller]
    pub(crate) fn kernel_of(&self, spec: &str) -> Kernel<'_> {
        Kernel { jupyter: self, id: self.ask(&["kernel", spec], "").trim().to_owned() }
    }

    /// Signs in with a password and starts a Python kernel.
    #[track_caller]
    pub(crate) fn kernel_by_password(&self, password: &str) {
        self.ask(&["login", "python3"], password);
    }

    /// Opens a notebook, which need not exist, with a Python kernel.
    #[track_caller]
    pub(crate) fn notebook(&self, path: &str) -> Kernel<'_> {
        Kernel { jupyter: self, id: self.ask(&["notebook", path], "").trim().to_owned() }
    }

    /// Opens a terminal.
    #[track_caller]
    pub(crate) fn terminal(&self) -> JupyterTerminal<'_> {
        JupyterTerminal { jupyter: self, name: self.ask(&["terminal"], "").trim().to_owned() }
    }

    #[track_caller]
    fn ask(&self, words: &[&str], input: &str) -> String {
        let mut command = run::command(python());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/support/kernel.py"));
        command.arg(&self.url).arg(&self.token_file).args(words).env_clear();
        run::output_of(&mut command, input).expect(0).stdout
    }
}

impl Kernel<'_> {
    /// Runs code to its end and returns its output.
    #[track_caller]
    pub(crate) fn run(&self, code: &str) -> String {
        self.jupyter.ask(&["run", &self.id], code)
    }

    /// Starts code and returns once it is running.
    #[track_caller]
    pub(crate) fn begin(&self, code: &str) {
        self.jupyter.ask(&["begin", &self.id], code);
    }
}

impl Kernel<'_> {
    /// Restarts the kernel as the page does.
    #[track_caller]
    pub(crate) fn restart(&self) {
        self.jupyter.ask(&["restart", &self.id], "");
    }

    /// The debugger's answer.
    #[track_caller]
    pub(crate) fn debug(&self, request: &serde_json::Value) -> serde_json::Value {
        serde_json::from_str(&self.jupyter.ask(&["debug", &self.id], &request.to_string())).unwrap()
    }
}

/// Runs code in a kernel without its JupyterLab and returns the output.
#[track_caller]
pub(crate) fn run_in_kernel(connection_file: &Path, code: &str) -> String {
    let script = "import sys, jupyter_client\n\
                  client = jupyter_client.BlockingKernelClient(connection_file=sys.argv[1])\n\
                  client.load_connection_file()\n\
                  client.start_channels()\n\
                  client.wait_for_ready(timeout=60)\n\
                  client.execute_interactive(sys.argv[2], timeout=60)\n";
    let mut command = run::command(python());
    command.args(["-c", script]).arg(connection_file).arg(code).env_clear();
    run::output(&mut command).expect(0).stdout
}

/// The folder of ipykernel 6 from `cargo xtask prepare`.
pub(crate) fn ipykernel_6() -> PathBuf {
    prepared("ipykernel-6")
}

/// A folder with matplotlib and ruff, beside the tests' environment.
pub(crate) fn app_packages() -> PathBuf {
    prepared("apps")
}

pub(crate) fn prepared(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-cache").join(name);
    assert!(
        folder.is_dir(),
        "{} is missing: run the tests with `cargo xtask test`, which prepares it",
        folder.display()
    );
    folder
}

impl JupyterTerminal<'_> {
    /// Types a line and waits until the terminal has shown `text`. The line's echo counts, too.
    #[track_caller]
    pub(crate) fn type_line(&self, line: &str, text: &str) {
        self.jupyter.ask(&["type", &self.name, text], line);
    }
}

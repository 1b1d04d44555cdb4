//! JupyterLab's own configuration decides its address and its access; its kernels outlive it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};

use crate::support::jupyter::{ipykernel_6, run_in_kernel};
use crate::support::project::python;
use crate::support::{Jupyter, Process, TestProject, holds, http, run, wait_for};

const CONFIG: &str = "../.jupyter/jupyter_server_config.py";
const OPEN: &str = "JupyterLab asks for no token: every user of this machine can run code as you";

/// The refusal of a stop without `--yes` while work is in progress.
#[track_caller]
fn refusal(project: &TestProject) -> String {
    project.run(&["stop"]).expect(1).stderr
}

/// `doctor`'s finding about access.
fn access(project: &TestProject) -> Value {
    let output = project.run(&["doctor", "--json"]);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["id"] == "jupyter.token").unwrap().clone()
}

#[test]
fn the_address_and_the_token_that_jupyterlab_itself_has_are_the_ones_that_are_told() {
    let project = TestProject::new();
    project.write(CONFIG, "c.ServerApp.base_url = '/my/lab/'\nc.IdentityProvider.token = 'theirs & only'\n");
    project.write("token", "theirs & only");
    let plain = format!("http://127.0.0.1:{}/my/lab/lab", project.port("jupyter"));
    let started = project.start(&["jupyter"]);
    assert_eq!(started.stdout, format!("jupyter  {plain}\n"));
    assert_eq!(project.service("jupyter")["url"], plain.as_str());
    assert_eq!(project.service("jupyter")["notes"], json!([]));
    let signed = project.run(&["url", "jupyter"]).expect(0).stdout;
    assert_eq!(signed, format!("{plain}?token=theirs%20%26%20only\n"));
    let page = http::get(signed.trim(), &[]).unwrap();
    assert!(page.status == 200 && page.body.contains("jupyter-config-data"), "{page:?}");
    assert_eq!(access(&project)["status"], "ok");
    assert!(!project.read(".pipulate/log/jupyter.log").contains("GET /my/lab/api "), "it is found: {signed}");

    let jupyter = Jupyter::at(&project, "/my/lab", "token");
    let kernel = jupyter.notebook("busy.ipynb");
    kernel.begin("import os, time\nprint('theirs & only', file=open('/dev/fd/2', 'w'))\nwhile not os.path.exists('go'): time.sleep(0.1)");
    let refused = refusal(&project);
    assert!(refused.contains("busy.ipynb is busy"), "{refused}");
    project.write("go", "");
    wait_for("the kernel to be idle, and a stop", || (project.run(&["stop"]).code == Some(0)).then_some(()));
    assert_eq!(project.processes(), []);
}

#[test]
fn a_token_in_the_environment_is_not_handed_on_to_jupyterlab_and_its_kernels() {
    let project = TestProject::new();
    let mut start = project.command(&["start", "--no-setup", "jupyter"]);
    run::output(start.env("JUPYTER_TOKEN", "mine-for-something-else")).expect(0);
    let signed = project.run(&["url", "jupyter"]).expect(0).stdout;
    assert!(!signed.contains("mine"), "{signed}");
    assert_eq!(http::get(signed.trim(), &[]).unwrap().status, 200);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    let seen = kernel.run("import os; print(*(name for name in os.environ if name.startswith('JUPYTER')))");
    assert!(!seen.split(' ').any(|name| name == "JUPYTER_TOKEN" || name == "JUPYTER_CONFIG_PATH"), "{seen}");
    // Jupyter's own tools find it, and another JupyterLab's files stay.
    let listed = project.run(&["run", "--", "jupyter", "server", "list"]).expect(0).stdout;
    assert!(listed.contains(&format!(":{}/", project.port("jupyter"))), "{listed}");
    let runtime = ".pipulate/run/jupyter";
    let server = format!("{runtime}/jpserver-{}.json", std::process::id());
    let connection = project.path(&format!("{runtime}/kernel-by-hand.json"));
    let mut by_hand = run::command("sh");
    by_hand.args(["-c", "read _", "sh"]).arg(&connection).stdin(Stdio::piped());
    let mut by_hand = by_hand.spawn().unwrap();
    for file in [&server, &format!("{runtime}/kernel-by-hand.json"), &format!("{runtime}/kernel-gone.json")] {
        project.write(file, "{}");
    }
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.ends_with("\n0 processes left\n"), "an idle kernel is no work: {stopped:?}");
    assert!(by_hand.try_wait().unwrap().is_none(), "it is not a kernel of this home");
    by_hand.kill().unwrap();
    by_hand.wait().unwrap();
    let names = fs::read_dir(project.path(runtime)).unwrap().flatten().map(|entry| entry.path());
    let mut left: Vec<_> = names.filter(|path| path.extension().is_some()).collect();
    left.sort();
    assert_eq!(left, [project.path(&server), connection]);
}

#[test]
fn a_jupyterlab_without_a_token_is_warned_of_by_start_status_and_doctor() {
    let project = TestProject::new();
    project.write(CONFIG, "c.ServerApp.token = ''\n");
    project.write("token", "");
    let started = project.start(&["jupyter"]);
    assert!(started.stderr.contains(&format!("warning: {OPEN}")), "{}", started.stderr);
    let status = project.run(&["status"]).expect(0);
    assert!(status.stdout.contains(OPEN), "{}", status.stdout);
    let service = project.service("jupyter");
    assert!(service["notes"][0].as_str().unwrap().starts_with(OPEN), "{service}");
    let finding = access(&project);
    assert!(finding["status"] == "warning" && finding["title"] == OPEN, "{finding}");
    let signed = project.run(&["url", "jupyter"]).expect(0).stdout;
    assert!(signed.ends_with("/lab\n"), "there is nothing to sign in with: {signed}");

    // A takeover warns about open access as well.
    Process::of(&service["supervisor_pid"]).kill();
    assert!(project.start(&["jupyter"]).stderr.contains(OPEN));
    project.write(CONFIG, "");
    let restarted = project.run(&["restart", "jupyter"]).expect(0);
    assert!(!restarted.stderr.contains(OPEN), "{}", restarted.stderr);
    assert_eq!(
        (&project.service("jupyter")["notes"], &access(&project)["status"]),
        (&json!([]), &json!("ok"))
    );
    project.run(&["stop"]).expect(0);
    assert_eq!(access(&project)["status"], "skipped");
}

#[test]
fn an_identity_provider_that_admits_everybody_is_named_by_doctor() {
    let project = TestProject::new();
    project.write(
        CONFIG,
        "from jupyter_server.auth import IdentityProvider, User\n\
         class Anyone(IdentityProvider):\n    def get_user(self, handler):\n        return User('anyone')\n\
         c.ServerApp.identity_provider_class = Anyone\n",
    );
    project.start(&["jupyter"]);
    let finding = access(&project);
    assert!(finding["status"] == "warning" && finding["title"] == OPEN, "{finding}");
    assert!(finding["fix"]["text"].as_str().unwrap().contains("identity_provider_class"), "{finding}");
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_stop_does_not_take_kernels_for_idle_where_jupyterlab_does_not_let_it_ask() {
    let project = TestProject::new();
    // The password is the only way in: the token is empty.
    let hash = run::output(
        run::command(python())
            .args(["-c", "from jupyter_server.auth import passwd; print(passwd('a password', 'sha1'))"]),
    );
    let hash = hash.expect(0).stdout;
    let password =
        format!("c.ServerApp.token = ''\nc.PasswordIdentityProvider.hashed_password = '{}'\n", hash.trim());
    project.write(CONFIG, &password);
    project.write("token", "");
    let started = project.start(&["jupyter"]);
    assert!(!started.stderr.contains(OPEN), "{}", started.stderr);
    assert_eq!(access(&project)["status"], "ok");
    assert!(project.run(&["url", "jupyter"]).expect(0).stdout.ends_with("/lab\n"));
    Jupyter::at(&project, "", "token").kernel_by_password("a password");
    let refused = refusal(&project);
    assert!(refused.contains("JupyterLab does not say whether its kernel is busy"), "{refused}");
    assert_eq!(project.service("jupyter")["kernels"].as_array().unwrap().len(), 1);
    project.run(&["stop", "--force"]).expect(0);
}

#[test]
fn kernels_keep_their_variables_when_jupyterlab_crashes() {
    let project = TestProject::new();
    let spec = json!({
        "display_name": "ipykernel 6", "language": "python", "env": { "PYTHONPATH": ipykernel_6() },
        "argv": [python(), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    });
    project.write("../.local/share/jupyter/kernels/six/kernel.json", &spec.to_string());
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    let kernels = [("six", "6 42\n"), ("python3", "7 42\n")].map(|(name, said)| {
        let kernel = jupyter.kernel_of(name);
        kernel.run("import ipykernel; x = 42");
        (kernel.id, said)
    });
    let before = project.service("jupyter");
    Process::of(&before["pid"]).kill();
    let after = wait_for("a new JupyterLab", || {
        Some(project.service("jupyter")).filter(|now| now["state"] == "ready" && now["pid"] != before["pid"])
    });
    let orphaned =
        after["processes"].as_array().unwrap().iter().filter(|process| process["role"] == "orphaned");
    assert_eq!(orphaned.count(), 2, "{after}");
    // ipykernel checks its parent once a second: after two checks it would have ended.
    let looks = "import time; time.sleep(2.5); print(ipykernel.version_info[0], x)";
    for (id, said) in &kernels {
        let file = project.path(&format!(".pipulate/run/jupyter/kernel-{id}.json"));
        assert_eq!(run_in_kernel(&file, looks), *said);
    }
    let pids: Vec<Process> =
        after["kernels"].as_array().unwrap().iter().map(|kernel| Process::of(&kernel["pid"])).collect();
    assert!(pids.len() == 2 && pids.iter().all(Process::lives), "{after}");
    assert!(!project.read(".pipulate/log/jupyter.log").contains("Kernels will end"), "{after}");

    // The new JupyterLab's own kernel, and the earlier kernels.
    jupyter.kernel();
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.contains("Stopped jupyter: 4 processes"), "{}", stopped.stdout);
    holds("their end", || pids.iter().all(|kernel| !kernel.lives()));
    assert_eq!(project.processes(), []);
}

#[test]
fn an_orphaned_kernel_that_waits_in_a_cell_is_not_taken_for_an_idle_one() {
    let project = TestProject::new();
    project.start(&["jupyter"]);
    let jupyter = Jupyter::of(&project);
    jupyter.kernel().begin("import time; time.sleep(1000)");
    let before = project.service("jupyter");
    let kernel = Process::of(&before["kernels"][0]["pid"]);
    Process::of(&before["pid"]).kill();
    wait_for("a new JupyterLab", || {
        Some(project.service("jupyter")).filter(|now| now["state"] == "ready" && now["pid"] != before["pid"])
    });
    let refused = refusal(&project);
    let named = format!("a kernel that outlived its JupyterLab may be busy (pid {}, ", kernel.pid);
    assert!(refused.contains(&named) && kernel.lives(), "{refused}");
    project.run(&["stop", "--force"]).expect(0);
    holds("its end", || !kernel.lives());
}

#[test]
fn a_jupyterlab_with_https_is_ready_and_is_asked_what_its_kernels_do() {
    let project = TestProject::new();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    project.write("cert.pem", &cert.pem());
    project.write("key.pem", &signing_key.serialize_pem());
    let file = |name: &str| project.path(name).display().to_string();
    let config = format!(
        "c.ServerApp.certfile = '{}'\nc.ServerApp.keyfile = '{}'\n",
        file("cert.pem"),
        file("key.pem")
    );
    project.write(CONFIG, &config);
    let plain = format!("https://127.0.0.1:{}/lab", project.port("jupyter"));
    let started = project.start(&["jupyter"]);
    assert_eq!(started.stdout, format!("jupyter  {plain}\n"));
    let service = project.service("jupyter");
    assert_eq!((&service["state"], &service["url"]), (&json!("ready"), &json!(plain)));
    assert!(project.run(&["url", "jupyter"]).expect(0).stdout.starts_with(&format!("{plain}?token=")));
    assert_eq!(access(&project)["status"], "ok");
    let jupyter = Jupyter::of(&project).secure();
    let kernel = jupyter.notebook("busy.ipynb");
    kernel.begin("import os, time\nwhile not os.path.exists('go'): time.sleep(0.1)");
    assert_eq!(project.service("jupyter")["kernels"].as_array().unwrap().len(), 1);
    let refused = refusal(&project);
    assert!(refused.contains("busy.ipynb is busy"), "{refused}");
    project.write("go", "");
    wait_for("the kernel to be idle, and a stop", || (project.run(&["stop"]).code == Some(0)).then_some(()));
    assert_eq!(project.processes(), []);
}

#[test]
fn a_language_server_that_is_installed_is_found() {
    let project = TestProject::new();
    project.write("bin/texlab", "#!/bin/sh\n");
    fs::set_permissions(project.path("bin/texlab"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
    let mut start = project.command(&["start", "--no-setup", "jupyter"]);
    run::output(start.env("PATH", path)).expect(0);
    let signed = project.run(&["url", "jupyter"]).expect(0).stdout;
    let status = signed.trim().replacen("/lab?", "/lsp/status?", 1);
    let sessions = wait_for("the language servers", || {
        let answer = http::get(&status, &[]).unwrap();
        let document: Value = serde_json::from_str(&answer.body).unwrap();
        document["sessions"].as_object().filter(|sessions| !sessions.is_empty()).cloned()
    });
    assert!(sessions.contains_key("texlab"), "{sessions:?}");
}

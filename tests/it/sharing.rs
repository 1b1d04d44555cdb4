//! docs/sharing.md is true: its examples for web servers, systemd, containers and Kubernetes are run here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::Signal;

use crate::support::jupyter::prepared;
use crate::support::mounts::in_a_namespace;
use crate::support::ports::Port;
use crate::support::project::PIPULATE;
use crate::support::skip::skipped;
use crate::support::{TestProject, http, run, wait_for};

/// The page's block for this file.
#[track_caller]
fn shown(file: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sharing.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, block) = page.split_once(&format!("<!-- file: {file} -->\n```")).expect("it is on the page");
    let (_, text) = block.split_once('\n').unwrap();
    text.split_once("\n```").unwrap().0.to_owned() + "\n"
}

/// A web server in front of the page, as the document configures it.
struct WebServer {
    process: Child,
    project: TestProject,
    port: Port,
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // Not killed: nginx ends its workers itself.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _gone = rustix::process::kill_process(pid, Signal::TERM);
        let _reaped = self.process.wait();
    }
}

/// The name under which the web server shows the page.
const NAME: &str = "app.example.org";

impl WebServer {
    /// Starts a home and the web server of `command`, which is given the program and the home's folder.
    fn start(command: impl Fn(&Path, &TestProject, u16) -> Command) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-cache/web-servers");
        if !folder.is_dir() {
            skipped("programs", "nginx and caddy");
            return None;
        }
        let port = Port::take();
        let project =
            TestProject::light().config(&format!("[web]\nhosts = [\"{NAME}:{}\"]\n", port.number)).build();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()]).unwrap();
        project.write("cert.pem", &cert.pem());
        project.write("key.pem", &signing_key.serialize_pem());
        project.start(&[]);
        let process = command(&folder, &project, port.number).spawn().unwrap();
        let server = Self { process, project, port };
        wait_for("the web server", || server.get("/", &[]).0.filter(|&status| status == 401));
        Some(server)
    }

    /// Asks it by HTTPS: the status, if there was an answer, and the headers with the page.
    fn get(&self, path: &str, args: &[&str]) -> (Option<u16>, String) {
        let port = self.port.number;
        let mut curl = self.project.foreign("curl");
        curl.args([
            "--silent",
            "--include",
            "--cacert",
            "cert.pem",
            "--cookie",
            "cookies",
            "--cookie-jar",
            "cookies",
        ]);
        curl.args(["--resolve", &format!("{NAME}:{port}:127.0.0.1"), "--noproxy", "*"]).args(args);
        let answer = run::output(curl.arg(format!("https://{NAME}:{port}{path}"))).stdout;
        (answer.split(' ').nth(1).and_then(|status| status.parse().ok()), answer)
    }

    /// The page is there for those whom the web server and then the page let in.
    fn asks_twice_and_shows_the_page(&self) {
        let password = ["--user", "ann:sesame"];
        assert_eq!(self.get("/", &["--user", "ann:wrong"]).0, Some(401));
        let (status, page) = self.get("/", &password);
        assert!(
            status == Some(401) && page.contains("pipulate open"),
            "the page has a sign-in of its own: {page}"
        );
        let link = self.project.run(&["url", "server"]).expect(0).stdout;
        let (_, path) = link.trim().split_once(&format!(":{}", self.project.port("server"))).unwrap();
        let (status, page) = self.get(path, &password);
        assert!(status == Some(303) && page.contains("; Secure"), "{page}");
        let (status, page) = self.get("/", &password);
        assert!(status == Some(200) && page.contains("JupyterLab"), "{page}");
        let (_, page) =
            self.get("/", &[password.as_slice(), &["--header", "Host: other.example.org"]].concat());
        assert!(!page.contains("JupyterLab"), "under another name: {page}");
    }
}

#[test]
fn nginx_shows_the_page_to_those_who_sign_in() {
    let server = WebServer::start(|folder, project, port| {
        let own = project.port("server").to_string();
        let site = shown("nginx.conf")
            .replace("listen 443", &format!("listen 127.0.0.1:{port}"))
            .replace("/etc/ssl/app.example.org.pem", "cert.pem")
            .replace("/etc/ssl/app.example.org.key", "key.pem")
            .replace("/etc/nginx/passwords", "passwords")
            .replace("5001", &own);
        let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind}_temp;\n"))
            .concat();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        project.write(
            "nginx.conf",
            &format!("{user} daemon off; pid nginx.pid; error_log error.log; events {{}} http {{ access_log off; {places} {site} }}"),
        );
        project.write("passwords", "ann:{PLAIN}sesame\n");
        let mut nginx = project.foreign(folder.join("usr/sbin/nginx"));
        nginx.args(["-e", "error.log", "-p"]).arg(project.root()).args(["-c", "nginx.conf"]);
        nginx
    });
    if let Some(server) = server {
        server.asks_twice_and_shows_the_page();
    }
}

#[test]
fn caddy_shows_the_page_to_those_who_sign_in() {
    let caddy = |folder: &Path| -> PathBuf { folder.join("usr/bin/caddy") };
    let server = WebServer::start(|folder, project, port| {
        let own = project.port("server").to_string();
        let mut hash = project.foreign(caddy(folder));
        let hash = run::output(hash.args(["hash-password", "--plaintext", "sesame"])).expect(0).stdout;
        let site = shown("Caddyfile")
            .replace(
                "app.example.org {",
                &format!("app.example.org:{port} {{\n\tbind 127.0.0.1\n\ttls cert.pem key.pem"),
            )
            .replace("HASH", hash.trim())
            .replace("5001", &own);
        project.write("Caddyfile", &format!("{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}"));
        let mut command = project.foreign(caddy(folder));
        command
            .args(["run", "--config", "Caddyfile"])
            .stderr(fs::File::create(project.path("error.log")).unwrap());
        command
    });
    if let Some(server) = server {
        server.asks_twice_and_shows_the_page();
    }
}

/// A command's arguments, as for exec.
fn words(command: &str) -> Vec<&str> {
    command.split(' ').skip(1).collect()
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let project = TestProject::light().build();
    let unit = shown("demo.service");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    // All arguments exist.
    project.run(&[words(command).as_slice(), &["--help"]].concat()).expect(0);
    let bin = project.home().join(".local/bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(PIPULATE, bin.join("pipulate")).unwrap();
    let file = project.path("demo.service");
    // In root's own units, %h is /root, not HOME.
    fs::write(&file, unit.replace("%h", project.home().to_str().unwrap())).unwrap();
    let mut verify = project.foreign("systemd-analyze");
    verify.args(["verify", "--user", "--man=no"]).arg(&file);
    match verify.output() {
        Err(error) => skipped("programs", &format!("systemd-analyze: {error}")),
        Ok(_) => {
            let verified = run::output(&mut verify).expect(0);
            assert!(!verified.stderr.contains("demo.service"), "{}", verified.stderr);
        }
    }
}

#[test]
fn as_the_first_process_of_a_container_it_starts_serves_and_ends_everything() {
    let project = TestProject::light().build();
    let line = shown("Dockerfile").lines().find_map(|line| Some(line.strip_prefix("CMD ")?.to_owned()));
    let command: Vec<String> = serde_json::from_str(&line.unwrap()).unwrap();
    assert_eq!(command, kubernetes_command(), "the pod runs the image's command");
    let Some(mut container) =
        in_a_namespace(project.foreign("unshare"), &["--pid", "--fork", "--mount-proc"])
    else {
        return;
    };
    container.args(["--kill-child", "--", PIPULATE]).args(&command[1..]).arg("--no-setup");
    let mut container =
        container.stderr(fs::File::create(project.path("container.err")).unwrap()).spawn().unwrap();
    let address = format!("http://127.0.0.1:{}/", project.port("server"));
    wait_for("the app in the container", || http::get(&address, &[]));
    let first = project.find_process(&format!("{PIPULATE} {} --no-setup", command[1..].join(" ")));
    first.signal(Signal::TERM);
    assert!(container.wait().unwrap().success(), "{}", project.read("container.err"));
    assert_eq!(
        project.service("server")["state"],
        "stopped",
        "by request, and not by the end of the container"
    );
    assert_eq!(project.processes(), [], "nothing outlives it");
    assert!(http::get(&address, &[]).is_none());
}

fn kubernetes_command() -> Vec<String> {
    let pod = shown("demo.yaml");
    let line = pod.lines().find_map(|line| line.trim().strip_prefix("command: ")).unwrap();
    serde_json::from_str(line).unwrap()
}

#[test]
fn the_pod_is_one_that_kubernetes_takes() {
    let project = TestProject::light().build();
    project.write("demo.yaml", &shown("demo.yaml"));
    let mut validate = project.foreign(crate::support::project::python());
    validate.env("PYTHONPATH", prepared("kubernetes")).args([
        "-m",
        "kubernetes_validate",
        "--strict",
        "demo.yaml",
    ]);
    run::output(&mut validate).expect(0);
}

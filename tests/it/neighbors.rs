//! Other users of the machine who connect to our ports, or wait for one that is briefly free.

use std::io::Write as _;
use std::process::{Child, Stdio};

use rustix::process::Signal;

use crate::support::ports::DefaultPorts;
use crate::support::run::{self, Output};
use crate::support::{Jupyter, Process, TestProject, holds, http, skip, wait_for};

const WORKER: &str = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
const NOBODY: &str = "65534";
const PATIENCE: &str = "120";

/// Binds each port as soon as possible and records the data that is sent there. Ends by itself; releases its
/// ports when it reads a line.
const THIEF: &str = "
import select, signal, socket, sys
signal.alarm(int(sys.argv[1]))
ports, held = set(map(int, sys.argv[2:])), []
print('waits', flush=True)
while True:
    for port in sorted(ports):
        found = socket.socket()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(('127.0.0.1', port))
            found.listen()
        except OSError:
            found.close()
            continue
        ports.remove(port)
        held.append(found)
        print('has', port, flush=True)
    for ready in select.select([sys.stdin] + held, [], [], 0.001)[0]:
        if ready is sys.stdin:
            if not sys.stdin.readline(): raise SystemExit
            while held: held.pop().close()
            print('let go', flush=True)
        else:
            connection, _ = ready.accept()
            connection.settimeout(1)
            print(connection.recv(9999).decode('latin-1').replace('\\r\\n', '|'), flush=True)
";

/// Another user's process that tries to bind ports; ended on drop.
struct Thief {
    child: Child,
    says: std::path::PathBuf,
}

impl Thief {
    fn of(project: &TestProject, ports: &[u16]) -> Self {
        let says = project.path("thief");
        let mut python = project.foreign("/usr/bin/python3");
        python.args(["-c", THIEF, PATIENCE]).args(ports.iter().map(u16::to_string)).current_dir("/");
        let mut command = run::as_user(NOBODY, &python);
        let child =
            command.stdin(Stdio::piped()).stdout(std::fs::File::create(&says).unwrap()).spawn().unwrap();
        let thief = Self { child, says };
        holds("the other user is after it", || thief.said().contains("waits"));
        thief
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.says).unwrap()
    }

    fn waits_to_have(&self, port: u16) {
        holds("the other user has the port", || self.said().contains(&format!("has {port}")));
    }

    fn lets_go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        holds("the other user let go", || self.said().contains("let go"));
    }
}

impl Drop for Thief {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The cookie of a browser that signed in to the app.
fn sign_in(project: &TestProject) -> String {
    let link = project.run(&["url", "server"]).expect(0).stdout;
    let answer = http::get(link.trim(), &[]).unwrap();
    format!("Cookie: {}", answer.header("set-cookie").expect("a session").split(';').next().unwrap())
}

fn port_of(project: &TestProject, service: &str) -> u16 {
    u16::try_from(project.service(service)["port"].as_u64().unwrap()).unwrap()
}

/// Runs `curl` as this user.
fn curl(project: &TestProject, user: &str, url: &str, header: &str) -> Output {
    let mut curl = project.foreign("curl");
    curl.args(["-sS", "-i", "--max-time", "30", "-H", header, url]).current_dir("/");
    run::output(&mut run::as_user(user, &curl))
}

#[test]
fn another_user_s_connection_gets_nothing_whatever_cookie_it_shows() {
    if skip::unless_root() {
        return;
    }
    let project = TestProject::light().config(WORKER).build();
    project.start(&[]);
    let cookie = sign_in(&project);
    for host in ["127.0.0.1", "[::1]"] {
        let url = format!("http://{host}:{}/", project.port("server"));
        for path in ["", "login", "services", "static/app.css", "events"] {
            let said = curl(&project, NOBODY, &format!("{url}{path}"), &cookie).expect(0).stdout;
            assert!(said.starts_with("HTTP/1.1 403 "), "{path}: {said}");
            assert!(!said.contains("worker") && !said.contains("demo"), "{path}: {said}");
        }
        let own = curl(&project, "0", &url, &cookie).expect(0).stdout;
        assert!(own.starts_with("HTTP/1.1 200 ") && own.contains("worker"), "{own}");
    }
    let log = project.run(&["logs", "server", "-n", "100"]).expect(0).stdout;
    assert!(log.contains("a connection was refused: it came from user nobody; to let"), "{log}");
    assert_eq!(log.matches("a connection was refused").count(), 1, "each user is named once: {log}");
}

#[test]
fn what_a_stranger_sends_and_does_not_wait_for_is_not_done() {
    if skip::unless_root() {
        return;
    }
    let project = TestProject::light().config(WORKER).build();
    project.start(&[]);
    let (cookie, port) = (sign_in(&project), project.port("server"));
    // After a reset there is no socket, so the kernel can't name its owner.
    let script = format!(
        "import socket, struct, sys\n\
         for linger in (0, 1) * 20:\n\
         \x20 asking = socket.create_connection(('127.0.0.1', {port}))\n\
         \x20 if linger: asking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n\
         \x20 asking.sendall(b'POST /services/worker/stop HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\
         {cookie}\\r\\nSec-Fetch-Site: same-origin\\r\\nContent-Length: 0\\r\\n\\r\\n')\n\
         \x20 asking.close()\n"
    );
    let mut python = project.foreign("/usr/bin/python3");
    run::output(&mut run::as_user(NOBODY, python.args(["-c", &script]).current_dir("/"))).expect(0);
    // Answered after all of them.
    assert_eq!(http::get(&format!("http://127.0.0.1:{port}/"), &[&cookie]).unwrap().status, 200);
    assert_eq!(project.service("worker")["state"], "running");
    assert_eq!(project.service("worker")["restarts"], 0);
}

#[test]
fn users_that_the_configuration_names_are_let_in_and_sign_in_like_all() {
    if skip::unless_root() {
        return;
    }
    let config = format!("{WORKER}[web]\nusers = [\"nobody\", \"no-such-user\"]\n");
    let project = TestProject::light().config(&config).build();
    project.start(&[]);
    let url = format!("http://127.0.0.1:{}/", project.port("server"));
    let cookie = sign_in(&project);
    let said = curl(&project, NOBODY, &url, &cookie).expect(0).stdout;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("worker"), "{said}");
    let said = curl(&project, NOBODY, &url, "Accept: */*").expect(0).stdout;
    assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
    let other = curl(&project, "65533", &url, &cookie).expect(0).stdout;
    assert!(other.starts_with("HTTP/1.1 403 "), "{other}");
    let log = project.run(&["logs", "server", "-n", "100"]).expect(0).stdout;
    assert!(log.contains("there is no user of this name: no-such-user"), "{log}");
}

#[test]
fn jupyterlab_answers_other_users_nothing_whatever_they_show() {
    if skip::unless_root() {
        return;
    }
    let project = TestProject::builder().build();
    project.start(&["jupyter"]);
    let token = project.read(".pipulate/run/jupyter-token");
    let url = format!("http://127.0.0.1:{}/api/kernels", project.port("jupyter"));
    let header = format!("Authorization: token {token}");
    let refused = curl(&project, NOBODY, &url, &header);
    assert!(refused.code != Some(0) && refused.stdout.is_empty(), "{refused:?}");
    let own = curl(&project, "0", &url, &header).expect(0).stdout;
    assert!(own.starts_with("HTTP/1.1 200 "), "{own}");
    assert_eq!(Jupyter::of(&project).kernel().run("print(6 * 7)").trim(), "42");

    project
        .write("pipulate.toml", &format!("{}\n[web]\nusers = [\"nobody\"]\n", project.read("pipulate.toml")));
    project.run(&["restart", "jupyter", "--yes"]).expect(0);
    let guest = curl(&project, NOBODY, &url, &header).expect(0).stdout;
    assert!(guest.starts_with("HTTP/1.1 200 "), "{guest}");
}

#[test]
fn keys_are_renewed_when_another_user_takes_jupyterlab_s_port_during_a_restart() {
    if skip::unless_root() {
        return;
    }
    let _ports = DefaultPorts::take();
    let project = TestProject::builder().ports_by_default().build();
    project.start(&["jupyter", "server"]);
    let (old, cookie) = (project.read(".pipulate/run/jupyter-token"), sign_in(&project));
    let secret = project.read(".pipulate/run/jupyter/jupyter_cookie_secret");
    let app = format!("http://127.0.0.1:{}/", port_of(&project, "server"));
    assert_eq!(http::get(&app, &[&cookie]).unwrap().status, 200);
    let port = port_of(&project, "jupyter");
    let thief = Thief::of(&project, &[port]);
    let told = project.run(&["restart", "jupyter", "--yes"]).expect(0);
    thief.waits_to_have(port);

    let new = project.read(".pipulate/run/jupyter-token");
    assert_ne!(new, old);
    assert_ne!(project.read(".pipulate/run/jupyter/jupyter_cookie_secret"), secret);
    let warning = format!(
        "another user's process had port {port}, so keys were renewed: JupyterLab's token, JupyterLab's \
         sign-ins, the app's key and its sign-ins; sign in again with: pipulate open jupyter"
    );
    assert!(told.stderr.contains(&warning), "{told:?}");
    let api = format!("http://127.0.0.1:{}/api/kernels", port_of(&project, "jupyter"));
    let status = |token: &str| http::get(&api, &[&format!("Authorization: token {token}")]).unwrap().status;
    assert_eq!((status(&old), status(&new)), (403, 200));
    // The app keeps running and refuses the old sessions and the old key.
    assert_eq!(http::get(&app, &[&cookie]).unwrap().status, 401);
    assert_eq!(http::get(&app, &[&sign_in(&project)]).unwrap().status, 200);
    assert!(!thief.said().contains(&new), "{}", thief.said());
    // Nothing is renewed without a reason.
    project.run(&["restart", "jupyter", "--yes"]).expect(0);
    assert_eq!(project.read(".pipulate/run/jupyter-token"), new);
}

#[test]
fn keys_are_renewed_when_another_user_takes_the_port_after_a_crash() {
    if skip::unless_root() {
        return;
    }
    let _ports = DefaultPorts::take();
    let project = TestProject::builder().ports_by_default().build();
    project.start(&["jupyter", "server"]);
    let (jupyter, app) = (project.read(".pipulate/run/jupyter-token"), project.read(".pipulate/run/token"));
    for (service, other_key_stays) in [("server", true), ("jupyter", false)] {
        let before = project.service(service);
        let app = project.read(".pipulate/run/token");
        let thief = Thief::of(&project, &[port_of(&project, service)]);
        Process::of(&before["pid"]).signal(Signal::KILL);
        wait_for("another instance", || {
            let now = project.service(service);
            (now["state"] == "ready" && now["pid"] != before["pid"]).then_some(())
        });
        thief.waits_to_have(u16::try_from(before["port"].as_u64().unwrap()).unwrap());
        assert_ne!(project.read(".pipulate/run/token"), app, "{service}");
        assert_eq!(project.read(".pipulate/run/jupyter-token") == jupyter, other_key_stays, "{service}");
        let notes = project.service(service)["notes"].to_string();
        assert!(notes.contains("so keys were renewed") && notes.contains("the app's key"), "{notes}");
    }
    assert_ne!(project.read(".pipulate/run/token"), app);
}

#[test]
fn a_pinned_port_that_another_user_had_leaves_no_old_key() {
    if skip::unless_root() {
        return;
    }
    let project = TestProject::light().config(WORKER).build();
    project.start(&[]);
    let (old, cookie, port) =
        (project.read(".pipulate/run/token"), sign_in(&project), project.port("server"));
    let mut thief = Thief::of(&project, &[port]);
    project.run(&["restart", "server"]).expect(1);
    assert_ne!(project.read(".pipulate/run/token"), old, "before anything is started again");
    thief.waits_to_have(port);
    thief.lets_go();
    project.start(&["server"]);
    let page = |cookie: &str| http::get(&format!("http://127.0.0.1:{port}/"), &[cookie]).unwrap().status;
    assert_eq!((page(&cookie), page(&sign_in(&project))), (401, 200));
}

#[test]
fn a_stop_ends_jupyterlab_s_sign_ins_too() {
    let project = TestProject::builder().build();
    project.start(&["jupyter"]);
    assert!(project.path(".pipulate/run/jupyter/jupyter_cookie_secret").exists());
    project.run(&["stop"]).expect(0);
    assert!(!project.path(".pipulate/run/jupyter/jupyter_cookie_secret").exists());
}

#[test]
fn a_service_whose_port_is_always_taken_first_says_which_one_to_choose() {
    let _ports = DefaultPorts::take();
    let program = "import os, socket, time\n\
                   port = os.environ['PORT']\n\
                   open('wanted-' + port, 'w')\n\
                   while not os.path.exists('taken-' + port): time.sleep(0.01)\n\
                   socket.socket().bind(('127.0.0.1', int(port)))\n";
    let config = "command = [\"/usr/bin/python3\", \"late.py\"]";
    let project =
        TestProject::light().table("server", config).ports_by_default().file("late.py", program).build();
    let (done, is_done) = std::sync::mpsc::channel();
    let root = project.root().to_owned();
    let sniper = std::thread::spawn(move || {
        let mut taken = std::collections::BTreeMap::new();
        while is_done.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            for entry in std::fs::read_dir(&root).unwrap().flatten() {
                let name = entry.file_name().into_string().unwrap();
                let Some(port) = name.strip_prefix("wanted-") else { continue };
                if !taken.contains_key(port) {
                    let listener = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
                    taken.insert(port.to_owned(), listener);
                    std::fs::write(root.join(format!("taken-{port}")), "").unwrap();
                }
            }
            std::thread::yield_now();
        }
        taken.len()
    });
    let failed = project.run(&["start", "--no-setup", "server"]).expect(1);
    done.send(()).unwrap();
    let taken = sniper.join().unwrap();
    assert!(taken > 1, "another port was tried, too");
    let advice = "choose a port between 10000 and 32767 that nothing else uses and write it in pipulate.toml, \
                  under [services.server], such as port = 23817; then run: pipulate start server";
    assert!(failed.stderr.contains("another process took its port first"), "{failed:?}");
    assert!(failed.stderr.contains(advice), "{failed:?}");
    assert!(project.service("server")["reason"].as_str().unwrap().contains(advice));
}

//! A service's listener: the shown address leads to it, and the reason why it isn't ready is reported.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::support::ports::Port;
use crate::support::project::{Builder, python};
use crate::support::{Process, TestProject, http, run, skip, wait_for};

/// Serves on an address and the port in `PORT`, in the mode of its second argument.
const SERVE: &str = "\
import http.server, os, socket, ssl, sys, time
host, port, how = sys.argv[1], int(os.environ['PORT']), sys.argv[2]
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.send_error(400) if how == 'grumpy' else super().do_GET()
family = socket.AF_INET6 if ':' in host else socket.AF_INET
if how == 'silent':
    listener = socket.create_server((host, port), family=family)
    time.sleep(1000)
if how == 'mute' or how == 'ssh':
    listener = socket.create_server((host, port), family=family)
    while True:
        connection, _ = listener.accept()
        connection.recv(10000)
        connection.sendall(b'SSH-2.0-x\\r\\n' if how == 'ssh' else b'')
        connection.close()
class Server(http.server.ThreadingHTTPServer):
    address_family = family
server = Server((host, port), Handler)
if how.startswith('tls'):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain('cert.pem', 'key.pem')
    if how == 'tls-clients':
        context.load_verify_locations('cert.pem')
        context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";

fn serving(name: &str, port: &Port, host: &str, how: &str, ready: &str) -> String {
    format!(
        "[services.{name}]\ncommand = [\"python\", \"serve.py\", \"{host}\", \"{how}\"]\nport = {}\nready = {ready}\n",
        port.number
    )
}

const ANSWERS: &str = "{ http = \"/\" }";
const SOON: &str = "{ http = \"/\", timeout = \"3s\" }";

fn only(services: &str) -> Builder {
    TestProject::light().table("server", "enabled = false").config(services).file("serve.py", SERVE)
}

fn with_certificate(builder: Builder) -> Builder {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    builder.file("cert.pem", &cert.pem()).file("key.pem", &signing_key.serialize_pem())
}

/// A foreign web server.
fn foreigner(host: &str, port: u16) {
    let listener = wait_for("the port", || TcpListener::bind((host, port)).ok());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _asked = stream.read(&mut [0; 1024]);
            let _answered = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
        }
    });
}

/// A non-loopback address of this machine.
pub(crate) fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[test]
fn a_service_is_told_where_it_listens_whichever_address_of_this_machine_that_is() {
    let ports = [(); 4].map(|()| Port::take());
    let own = own_address();
    let mut hosts = vec![
        ("debian", "127.0.1.1".to_owned(), "127.0.1.1".to_owned()),
        ("java", "::ffff:127.0.0.1".to_owned(), "127.0.0.1".to_owned()),
        ("every", "0.0.0.0".to_owned(), "127.0.0.1".to_owned()),
    ];
    match own {
        Some(own) => hosts.push(("network", own.to_string(), own.to_string())),
        None => skip::skipped("network", "in part: this machine has no address but loopback"),
    }
    let services: Vec<String> = hosts
        .iter()
        .zip(&ports)
        .map(|((name, host, _), port)| serving(name, port, host, "plain", ANSWERS))
        .collect();
    let project = only(&services.concat()).build();
    let started = project.start(&[]);
    for ((name, _, told), port) in hosts.iter().zip(&ports) {
        let url = format!("http://{told}:{}/", port.number);
        assert_eq!(project.wait_for_state(name, "ready")["url"], url);
        assert_eq!(project.run(&["url", name]).expect(0).stdout, format!("{url}\n"));
        assert_eq!(http::get(&url, &[]).unwrap().status, 200);
    }
    assert!(!started.stderr.contains("java listens on"), "{}", started.stderr);
    if let Some(own) = own {
        let warning = format!("network listens on {own}: other machines can reach port {}", ports[3].number);
        assert!(started.stderr.contains(&warning), "{}", started.stderr);
    }
}

#[test]
fn nobodys_answer_on_another_address_with_the_same_port_is_taken_for_the_services() {
    let (mute, clear) = (Port::take(), Port::take());
    let services = serving("mute", &mute, "127.0.1.1", "silent", SOON)
        + &serving("clear", &clear, "127.0.1.1", "plain", ANSWERS);
    let project = only(&services).build();
    thread::scope(|scope| {
        let starting = scope.spawn(|| project.run(&["start", "--no-setup"]));
        for service in ["mute", "clear"] {
            project.wait_for_service(service, "to have a process", |found| !found["pid"].is_null());
        }
        // Only once both have their ports: earlier, the start would choose others.
        for port in [&mute, &clear] {
            wait_for("the service to listen", || {
                TcpListener::bind(("127.0.1.1", port.number)).is_err().then_some(())
            });
            foreigner("127.0.0.1", port.number);
        }
        let failed = starting.join().unwrap().expect(1);
        let why = format!(
            "mute: it has not answered within 3 s; it accepts connections at 127.0.1.1:{} and sends nothing",
            mute.number
        );
        assert!(failed.stderr.contains(&why) && !failed.stderr.contains("is held by"), "{}", failed.stderr);
    });
    let (mute, url) = (project.service("mute"), format!("http://127.0.1.1:{}/", clear.number));
    assert_eq!((&mute["state"], &mute["url"]), (&"degraded".into(), &serde_json::Value::Null));
    assert_eq!(project.service("clear")["url"], url);

    // Once the service has ended, only the foreign server has the port.
    Process::of(&project.service("clear")["supervisor_pid"]).kill();
    Process::of(&project.service("clear")["pid"]).kill();
    assert_eq!(project.run(&["url", "clear"]).expect(1).stdout, "");
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_server_that_speaks_tls_is_ready_and_its_address_says_https() {
    let (self_made, uvicorn, picky) = (Port::take(), Port::take(), Port::take());
    let services = serving("tls", &self_made, "127.0.0.1", "tls", ANSWERS)
        + &serving("picky", &picky, "127.0.0.1", "tls-clients", SOON)
        + &format!(
            "[services.uvicorn]\ncommand = [\"{}\", \"app.py\"]\nport = {}\nready = {{ http = \"/health\" }}\n",
            python().display(),
            uvicorn.number
        );
    let app = "import os, uvicorn\n\
               async def app(scope, receive, send):\n\
               \x20   status = 200 if scope.get('path') == '/health' else 404\n\
               \x20   await send({'type': 'http.response.start', 'status': status, 'headers': []})\n\
               \x20   await send({'type': 'http.response.body', 'body': b'well'})\n\
               uvicorn.run(app, host='127.0.0.1', port=int(os.environ['PORT']), lifespan='off',\n\
               \x20           ssl_certfile='cert.pem', ssl_keyfile='key.pem')\n";
    let project = with_certificate(only(&services).file("app.py", app)).build();
    let started = project.run(&["start", "--no-setup"]).expect(1);
    let why =
        format!("picky: it is not ready after 3 s; it speaks TLS at 127.0.0.1:{} and refused", picky.number);
    assert!(started.stderr.contains(&why), "{}", started.stderr);
    for (service, port) in [("tls", &self_made), ("uvicorn", &uvicorn)] {
        let url = format!("https://127.0.0.1:{}/", port.number);
        assert!(started.stdout.contains(&url), "{}", started.stdout);
        assert_eq!(project.wait_for_state(service, "ready")["url"], url);
        assert_eq!(project.run(&["url", service]).expect(0).stdout, format!("{url}\n"));
    }

    // Known by then, and still after the service and its supervisor were restarted.
    project.run(&["restart", "tls"]).expect(0);
    Process::of(&project.service("uvicorn")["supervisor_pid"]).kill();
    project.start(&["uvicorn"]);
    for service in ["tls", "uvicorn"] {
        assert!(project.wait_for_state(service, "ready")["url"].as_str().unwrap().starts_with("https://"));
    }
    project.run(&["stop"]).expect(0);
}

#[test]
fn why_a_service_is_not_ready_says_what_was_seen() {
    let ports = [(); 6].map(|()| Port::take());
    let missing = "{ http = \"/health\", timeout = \"3s\" }";
    let services = serving("missing", &ports[0], "127.0.0.1", "plain", missing)
        + &serving("grumpy", &ports[1], "127.0.0.1", "grumpy", SOON)
        + &serving("mute", &ports[2], "127.0.0.1", "mute", SOON)
        + &serving("ssh", &ports[3], "127.0.0.1", "ssh", SOON)
        + &serving("hidden", &ports[4], "127.0.0.1", "tls", missing)
        + &format!(
            "[services.absent]\ncommand = [\"sleep\", \"1000\"]\nport = {}\nready = {SOON}\n",
            ports[5].number
        )
        + "[services.mumbler]\ncommand = [\"sh\", \"-c\", \"echo well; exec sleep 1000\"]\n\
           ready = { log = \"up|running\", timeout = \"3s\" }\n";
    let project = with_certificate(only(&services)).build();
    let failed = project.run(&["start", "--no-setup"]).expect(1);
    let status = project.run(&["status"]).expect(1).stdout;
    let at = |port: &Port| format!("127.0.0.1:{}", port.number);
    for (service, why) in [
        ("missing", "it is not ready after 3 s; it answered 404 at /health".to_owned()),
        ("hidden", "it is not ready after 3 s; it answered 404 at /health".to_owned()),
        ("grumpy", "it is not ready after 3 s; it answered 400 at /".to_owned()),
        (
            "mute",
            format!(
                "it is not ready after 3 s; it closes connections to {} without an answer",
                at(&ports[2])
            ),
        ),
        ("ssh", format!("it is not ready after 3 s; its answer at {} is not HTTP", at(&ports[3]))),
        ("absent", "it has not answered within 3 s; it listens on no port".to_owned()),
        ("mumbler", "it has not printed a line that matches \"up|running\" within 3 s".to_owned()),
    ] {
        assert!(
            failed.stderr.contains(&format!("because: {service}: {why}\n")),
            "{service}: {}",
            failed.stderr
        );
        assert!(status.contains(&why), "{status}");
    }
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_service_that_answers_otherwise_than_it_did_is_degraded_and_why_is_said() {
    let port = Port::take();
    let project = only(&serving("web", &port, "127.0.0.1", "plain", "{ http = \"/health\" }"))
        .file("health", "well")
        .build();
    project.start(&[]);
    std::fs::remove_file(project.path("health")).unwrap();
    let why = "it is running, but it answered 404 at /health";
    let web = project.wait_for_state("web", "degraded");
    assert_eq!(web["reason"], why);
    for args in [&["start", "--no-setup"][..], &["start", "--no-setup", "--no-wait"], &["open", "web"]] {
        let failed = run::output(&mut project.command(args)).expect(1);
        assert!(failed.stderr.contains(&format!("because: web: {why}\n")), "{args:?}: {}", failed.stderr);
    }
    let url = project.run(&["url"]).expect(0);
    assert_eq!(url.stdout, format!("web http://127.0.0.1:{}/\n", port.number));
    assert!(url.stderr.contains(&format!("warning: web is degraded: {why}\n")), "{}", url.stderr);
    project.write("health", "well");
    assert!(project.start(&[]).stderr.contains("Everything is running already"));
}

//! `ready` is a promise: the service's own listener answers at its address, and a foreign
//! answer doesn't count.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::support::ports::{DefaultPorts, Port};
use crate::support::{TestProject, http, wait_for};

/// Serves on the address and port of its arguments, the latter from `PORT` by default, once a
/// file `go` exists.
const SERVE: &str = "\
import http.server, os, socket, sys, time
host, port = sys.argv[1], int((sys.argv[2:] or [os.environ['PORT']])[0])
while not os.path.exists('go'):
    time.sleep(0.02)
class Server(http.server.HTTPServer):
    address_family = socket.AF_INET6 if ':' in host else socket.AF_INET
    allow_reuse_address = True
Server((host, port), http.server.SimpleHTTPRequestHandler).serve_forever()
";

/// A service that runs this server.
fn serving(name: &str, arguments: &str, more: &str) -> String {
    format!(
        "[services.{name}]\ncommand = [\"python\", \"serve.py\", {arguments}]\nready = {{ http = \"/\" }}\n{more}\n"
    )
}

fn only(services: &str) -> TestProject {
    let project = TestProject::light().table("server", "enabled = false").config(services);
    project.file("serve.py", SERVE).build()
}

/// A web server of this test on a port, foreign to every project. It answers until the test ends.
fn foreigner(port: u16) {
    let listener = wait_for("the port", || TcpListener::bind(("127.0.0.1", port)).ok());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _asked = stream.read(&mut [0; 1024]);
            let _answered = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
        }
    });
}

#[test]
fn a_service_is_ready_where_it_really_listens_on_either_loopback() {
    let (four, six, any) = (Port::take(), Port::take(), Port::take());
    let services = serving("four", "\"127.0.0.1\"", &format!("port = {}", four.number))
        + &serving("six", "\"::1\"", &format!("port = {}", six.number))
        + &serving("any", "\"::\"", &format!("port = {}", any.number))
        + &serving("elsewhere", "\"127.0.0.1\", \"0\"", "");
    let project = only(&services);
    project.write("go", "");
    let started = project.start(&[]);
    let urls = [
        ("four", format!("http://127.0.0.1:{}/", four.number)),
        ("six", format!("http://[::1]:{}/", six.number)),
        ("any", format!("http://127.0.0.1:{}/", any.number)),
    ];
    for (service, url) in urls {
        assert_eq!(project.service(service)["url"], url);
    }
    for service in ["four", "six", "any", "elsewhere"] {
        // On a busy machine, one status may report `degraded`.
        let now = project.wait_for_state(service, "ready");
        let url = now["url"].as_str().unwrap();
        assert_eq!(http::get(url, &[]).map(|answer| answer.status), Some(200), "{now}");
        assert!(started.stdout.contains(url), "{now}");
        let address: SocketAddr = url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        assert_eq!(now["port"], address.port());
    }
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_foreigner_that_takes_a_pinned_port_during_the_start_is_named_and_never_ready() {
    let ports = [Port::take(), Port::take()];
    let ([number, silent], me) =
        (ports.each_ref().map(|port| port.number), format!("(pid {})", std::process::id()));
    let mute = format!(
        "[services.mute]\ncommand = [\"sleep\", \"1000\"]\nport = {silent}\n\
         ready = {{ http = \"/\", timeout = \"2s\" }}\n"
    );
    let project = only(&(serving("bold", "\"127.0.0.1\"", &format!("port = {number}")) + &mute));
    thread::scope(|scope| {
        let starting = scope.spawn(|| project.run(&["start", "--no-setup"]));
        for service in ["bold", "mute"] {
            project.wait_for_service(service, "to have a process", |found| !found["pid"].is_null());
        }
        foreigner(number);
        foreigner(silent);
        project.write("go", "");
        let failed = starting.join().unwrap().expect(1);
        let held = [number, silent].map(|port| format!("port {port} is held by "));
        assert!(held.iter().all(|held| failed.stderr.contains(held)), "{}", failed.stderr);
        assert!(failed.stderr.matches(&me).count() >= 2, "{}", failed.stderr);
        assert_eq!(failed.stdout, "");
    });
    let (bold, mute) = (project.service("bold"), project.service("mute"));
    assert_eq!((&bold["state"], &mute["state"]), (&"crashed".into(), &"degraded".into()));
    assert_eq!((&bold["url"], &mute["url"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_foreigner_that_takes_a_port_during_the_start_is_given_way_to() {
    let _ports = DefaultPorts::take();
    let project = TestProject::light().ports_by_default();
    let project =
        project.file("server.py", &format!("import sys\nsys.argv = ['', '127.0.0.1']\n{SERVE}")).build();
    thread::scope(|scope| {
        let starting = scope.spawn(|| project.run(&["start", "--no-setup"]));
        let wished = wait_for("a process with a port", || {
            let server = project.service("server");
            (!server["pid"].is_null()).then(|| server["port"].as_u64()).flatten()
        });
        foreigner(u16::try_from(wished).unwrap());
        project.write("go", "");
        let started = starting.join().unwrap().expect(0);
        let server = project.service("server");
        let said = format!("(pid {}); using {}", std::process::id(), server["port"]);
        assert!(server["port"] != wished && started.stderr.contains(&said), "{}", started.stderr);
        assert_eq!(started.stdout, format!("server  http://127.0.0.1:{}/\n", server["port"]));
    });
    project.run(&["stop"]).expect(0);
}

#[test]
fn two_projects_just_work_side_by_side() {
    let _ports = DefaultPorts::take();
    let projects = [(); 2].map(|()| TestProject::light().ports_by_default().build());
    let ports = || projects.each_ref().map(|project| project.service("server")["port"].clone());
    thread::scope(|scope| {
        for project in &projects {
            scope.spawn(|| project.start(&[]));
        }
    });
    let [one, other] = ports();
    assert_ne!(one, other);
    for project in &projects {
        let url = project.service("server")["url"].as_str().unwrap().to_owned();
        assert_eq!(http::get(&url, &[]).unwrap().status, 401);
    }
    // A project keeps its port over a stop, even if a lower one is free by now.
    projects[0].run(&["stop"]).expect(0);
    projects[1].run(&["stop"]).expect(0);
    projects[1].start(&[]);
    projects[0].start(&[]);
    assert_eq!(ports(), [one, other]);
}

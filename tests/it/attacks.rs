//! Attacks on the web app that need a real process: floods, and another user of the machine. Attacks that
//! need only a request are tested beside the app itself; pages of other sites in `strangers`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::fake_ollama::{Fake, Script};
use crate::support::process::every_command_line;
use crate::support::run::{self, Output};
use crate::support::skip;
use crate::support::{Process, TestProject, http};

const WORKER: &str = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
const NOBODY: &str = "65534";
const BODY: usize = 100_000_000;

/// The headers of a signed-in browser.
struct Session {
    port: u16,
    cookie: String,
}

impl Session {
    fn new(project: &TestProject) -> Self {
        let link = project.run(&["url", "server"]).expect(0).stdout;
        let answer = http::get(link.trim(), &[]).unwrap();
        let cookie = answer.header("set-cookie").expect("a session").split(';').next().unwrap().to_owned();
        Self { port: project.port("server"), cookie }
    }

    fn page(&self) -> http::Answer {
        let cookie = format!("Cookie: {}", self.cookie);
        http::get(&format!("http://127.0.0.1:{}/", self.port), &[&cookie]).expect("an answer")
    }

    /// Sends the head of a request; `more` are whole header lines.
    fn begin(&self, method: &str, path: &str, more: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        // A failing test must end.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {}\r\n",
            self.port, self.cookie
        );
        stream.write_all(format!("{head}Sec-Fetch-Site: same-origin\r\n{more}\r\n").as_bytes()).unwrap();
        BufReader::new(stream)
    }

    fn form(&self, path: &str, more: &str) -> BufReader<TcpStream> {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\nHX-Request: true\r\n";
        self.begin("POST", path, &format!("{kind}{more}"))
    }
}

/// The status code of an answer; `None` if the connection was cut instead.
fn status(stream: &mut BufReader<TcpStream>) -> Option<u16> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    line.split(' ').nth(1)?.parse().ok()
}

/// The peak resident memory of a process so far, in bytes.
fn most_memory(process: &Process) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn attack_32_bodies_of_100_mb_are_refused_and_never_held() {
    let project = TestProject::light().config(WORKER).build();
    project.start(&[]);
    let session = Session::new(&project);
    let app = Process::of(&project.service("server")["pid"]);
    assert_eq!(session.page().status, 200);
    let before = most_memory(&app);
    for path in ["/secrets", "/examples/secret", "/services/worker/stop", "/chat/1"] {
        // An announced length is refused before any of the body arrives.
        let mut promised = session.form(path, &format!("Content-Length: {BODY}\r\n"));
        assert_eq!(status(&mut promised), Some(413), "{path}");
        let said = session.form(path, "Transfer-Encoding: chunked\r\n");
        assert!(flood(said) < BODY / 2, "{path}: cut off long before the end");
        assert_eq!(session.page().status, 200);
    }
    // All at once, including clients that announce the length and send the body anyway.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| flood(session.form("/secrets", "Transfer-Encoding: chunked\r\n")));
            scope.spawn(|| flood(session.form("/secrets", &format!("Content-Length: {BODY}\r\n"))));
        }
        assert_eq!(session.page().status, 200, "others are served meanwhile");
    });
    let grown = most_memory(&app) - before;
    assert!(grown < BODY / 4, "{grown} bytes for bodies that were refused");
    assert_eq!(project.service("worker")["state"], "running");
    assert!(!project.path(".env").exists(), "nothing of it was saved");
}

/// Sends a body of 100 MB in chunks and returns how many bytes were accepted.
fn flood(stream: BufReader<TcpStream>) -> usize {
    let mut stream = stream.into_inner();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
    let mut sent = 0;
    while sent < BODY && stream.write_all(chunk.as_bytes()).is_ok() {
        sent += 1 << 16;
    }
    sent
}

#[test]
fn attack_32_a_thousand_open_pages_and_200_chats_leave_the_rest_at_work() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum.map(|most| most.min(4096)), ..limit })
        .unwrap();
    // A server that never answers.
    let ollama = Fake::start([("/api/tags", Script::silent())]);
    let config = format!("{WORKER}[ollama]\nhost = \"{}\"\ngreet = \"never\"\n", ollama.host);
    let project = TestProject::light().config(&config).build();
    let mut start = project.command(&["start", "--no-setup", "--no-browser"]);
    run::output(start.env_remove("OLLAMA_HOST")).expect(0);
    let session = Session::new(&project);
    let before = project.service("server");

    let mut pages: Vec<_> = (0..1000).map(|_| session.begin("GET", "/events", "")).collect();
    let mut chats: Vec<_> = (0..200)
        .map(|number| {
            let mut chat = session.form(&format!("/chat/{}", number + 1), "Content-Length: 10\r\n");
            chat.get_mut().write_all(b"question=A").unwrap();
            chat
        })
        .collect();
    let answers: Vec<_> = chats.iter_mut().map(status).collect();
    let count = |code| answers.iter().filter(|answer| **answer == Some(code)).count();
    assert_eq!((count(200), count(429)), (4, 196), "{answers:?}");
    assert_eq!(session.page().status, 200, "whoever comes now is served");

    // Every page gets the event, and the app itself is not affected.
    project.run(&["stop", "worker"]).expect(0);
    for page in &mut pages {
        assert_eq!(status(page), Some(200));
        wait_for_words(page, "stopped");
    }
    let after = project.service("server");
    for key in ["pid", "supervisor_pid", "restarts", "last_exit"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    // The app stops with all of them open; a forced end would show in the receipt.
    let receipt = project.run(&["stop"]).expect(0).stdout;
    assert!(receipt.contains("Stopped server") && !receipt.contains("forced"), "{receipt}");
    assert!(pages.iter_mut().all(|page| page.read_to_end(&mut Vec::new()).is_ok()), "each was let go");
}

fn wait_for_words(page: &mut BufReader<TcpStream>, words: &str) {
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        assert!(page.read_line(&mut line).unwrap() > 0, "the stream ended before it said {words}");
    }
}

#[test]
fn another_user_of_the_machine_reads_nothing_and_is_answered_nothing() {
    if skip::unless_root() {
        return;
    }
    let project = TestProject::light().config(WORKER).build();
    // Only Pipulate's own modes keep other users out: the folders above are open to all.
    let above = [project.home().parent().unwrap(), project.home(), project.root()];
    for folder in above {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    project.start(&[]);
    let mut set = project.command(&["secret", "set", "API_KEY"]);
    run::output_of(&mut set, "tell-nobody-else").expect(0);
    let call = |script: &str| {
        let mut shell = project.foreign("sh");
        run::output(&mut run::as_user(NOBODY, shell.args(["-c", script])))
    };
    assert!(call("cat pipulate.toml").expect(0).stdout.contains("worker"), "what is open can be read");
    for file in ["run/token", "run/server.json", "run/server.pid", "log/server.log", "log/supervisor.log"] {
        assert!(project.path(&format!(".pipulate/{file}")).exists(), "{file}");
        denied(&call(&format!("cat .pipulate/{file}")));
        denied(&call(&format!("echo x >> .pipulate/{file}")));
    }
    for script in ["cat .env", "echo x >> .env", "ls .pipulate", "echo x > .pipulate/run/worker.out"] {
        denied(&call(script));
    }
    let pid = &project.service("server")["pid"];
    denied(&call(&format!("cat /proc/{pid}/environ")));

    // Any user can connect, and learns nothing, not even which pages exist.
    let port = project.port("server");
    let host = format!("127.0.0.1:{port}");
    let ask = |method: &str, path: &str, header: &str| {
        let request = format!("{method} {path} HTTP/1.0\\r\\nHost: {host}\\r\\n{header}\\r\\n");
        call(&format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; printf \"{request}\" >&3; cat <&3'"))
            .stdout
    };
    for (method, path, header) in [
        ("GET", "/", ""),
        ("GET", "/events", ""),
        ("GET", "/logs/stream?from=", ""),
        ("GET", "/secrets", ""),
        ("GET", "/no-such-page", ""),
        ("GET", "/login?code=AAAA", ""),
        ("POST", "/services/worker/stop", ""),
        ("POST", "/services/worker/stop", "Sec-Fetch-Site: same-origin\\r\\n"),
    ] {
        let said = ask(method, path, header);
        assert!(said.starts_with("HTTP/1.1 403 "), "{path}: {said}");
        assert!(said.ends_with("\r\n\r\nThis app answers only programs of its user.\n"), "{path}: {said}");
    }
    assert_eq!(project.service("worker")["state"], "running");
    let token = project.read(".pipulate/run/token");
    let seen = every_command_line();
    assert!(!seen.contains(token.trim()) && !seen.contains("tell-nobody-else"), "what `ps` shows to all");
}

#[track_caller]
fn denied(output: &Output) {
    let said = output.stderr.contains("Permission denied") || output.stderr.contains("cannot create");
    assert!(output.code != Some(0) && said, "{output:?}");
}

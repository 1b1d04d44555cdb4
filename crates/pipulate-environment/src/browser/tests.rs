//! Real helpers, real openers: this test binary acts as our program, a script as the browser.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::*;

/// Long enough for a busy machine; a passing test never waits that long.
const AMPLE: Duration = Duration::from_secs(60);

const SECRET: &str = "http://127.0.0.1:9/lab?token=s3cret";

struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self, name: &str, shell: &str, body: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, format!("#!/usr/bin/env {shell}\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Our own program, of which only the hidden verb is needed.
    fn exe(&self) -> PathBuf {
        self.script("pipulate", "sh", &format!("[ $1 = {VERB} ] && {}", role("helper")))
    }

    /// A browser that saves its arguments and then runs `body` with the address.
    fn browser(&self, body: &str) -> Plan {
        let kept = self.path("arguments");
        let body = format!("echo \"$*\" >> {}\n{body}", kept.display());
        Plan::BrowserVariable(vec![self.script("browser", "bash", &body).display().to_string()])
    }

    fn arguments(&self) -> String {
        fs::read_to_string(self.path("arguments")).unwrap_or_default()
    }

    fn open(&self, plan: &Plan, pages: Vec<Page>) -> Vec<Outcome> {
        let opened = open_within(plan, pages, &self.exe(), AMPLE);
        opened.into_iter().map(|opened| opened.outcome).collect()
    }
}

/// The shell words that run one of the roles below.
fn role(name: &str) -> String {
    let exe = std::env::current_exe().unwrap();
    format!("PIPULATE_TEST_ROLE={name} exec {} --exact browser::tests::plays_a_role", exe.display())
}

/// Does nothing as a test: other tests run it as a separate process.
#[test]
fn plays_a_role() {
    match std::env::var("PIPULATE_TEST_ROLE").as_deref() {
        Ok("helper") => hand_over(std::io::stdin()).unwrap(),
        Ok("start") => {
            let mut words = String::new();
            std::io::stdin().read_to_string(&mut words).unwrap();
            let (browser, exe) = words.split_once('\n').unwrap();
            let plan = Plan::BrowserVariable(vec![browser.to_owned()]);
            let opened = open_within(&plan, vec![page("jupyter", SECRET)], Path::new(exe), AMPLE);
            assert_eq!(opened[0].outcome, Outcome::Opened);
        }
        Ok(other) => panic!("unknown role {other}"),
        Err(_) => {}
    }
}

fn page(name: &str, url: &str) -> Page {
    Page { name: name.to_owned(), url: url.to_owned(), secret: url.contains("token") }
}

/// A browser's answer for `url`, head and body; `None` without a server.
fn fetch(url: &str) -> Option<String> {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).ok()?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < AMPLE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// Fetches `$1` in bash and saves the answer in the file that the folder names.
fn fetching(stage: &Stage) -> String {
    let answer = stage.path("answer");
    format!(
        "host=${{1#http://}}; path=/${{host#*/}}; host=${{host%%/*}}\n\
         exec 3<>/dev/tcp/${{host%:*}}/${{host#*:}}\n\
         printf 'GET %s HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n' $path $host >&3\n\
         cat <&3 > {0}.part && mv {0}.part {0}",
        answer.display()
    )
}

#[test]
fn a_browser_gets_an_address_without_the_token_and_is_sent_on() {
    let stage = Stage::new();
    let plan = stage.browser(&fetching(&stage));
    assert_eq!(stage.open(&plan, vec![page("jupyter", SECRET)]), [Outcome::Opened]);
    wait_for("the browser's answer", || stage.path("answer").exists());
    let answer = fs::read_to_string(stage.path("answer")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303 ") && answer.contains(&format!("\r\nLocation: {SECRET}\r\n")));
    assert!(!stage.arguments().contains("s3cret") && stage.arguments().starts_with("http://127.0.0.1:"));
    wait_for("the helper's end", || fetch(stage.arguments().trim()).is_none());
}

#[test]
fn an_opener_that_stays_is_not_waited_for_once_the_browser_has_come() {
    let stage = Stage::new();
    let forever = stage.path("forever");
    rustix::fs::mkfifoat(rustix::fs::CWD, &forever, rustix::fs::Mode::RWXU).unwrap();
    let plan = stage.browser(&format!("{}; read line < {}", fetching(&stage), forever.display()));
    let begun = Instant::now();
    assert_eq!(stage.open(&plan, vec![page("jupyter", SECRET)]), [Outcome::Opened]);
    assert!(begun.elapsed() < AMPLE.mul_f64(0.7), "it was watched to the end");
    fs::write(&forever, "end\n").unwrap();
}

#[test]
fn a_page_without_a_secret_is_opened_as_it_is_and_a_used_address_is_gone() {
    let stage = Stage::new();
    let plain = "http://127.0.0.1:9/";
    let outcomes = stage.open(
        &stage.browser("exit 0"),
        vec![page("server", plain), page("jupyter", SECRET), page("lab", SECRET)],
    );
    assert_eq!(outcomes, [Outcome::Opened, Outcome::Opened, Outcome::Opened]);
    let arguments = stage.arguments();
    let [first, second, third] = arguments.lines().collect::<Vec<_>>()[..] else { panic!("{arguments}") };
    assert_eq!(first, plain);
    assert!(fetch(second).unwrap().starts_with("HTTP/1.1 303 "));
    assert!(fetch(second).unwrap().starts_with("HTTP/1.1 410 "));
    assert!(fetch(third).unwrap().starts_with("HTTP/1.1 303 "));
    wait_for("the helper's end", || fetch(third).is_none());
}

#[test]
fn an_opener_that_fails_is_reported_and_the_next_one_is_tried() {
    let stage = Stage::new();
    let good = stage.browser("exit 0");
    let Plan::BrowserVariable(mut programs) = good else { panic!("{good:?}") };
    let bad = stage.script("bad", "sh", "exit 4").display().to_string();
    programs.insert(0, bad.clone());
    programs.insert(0, "/nowhere/browser".to_owned());
    assert_eq!(stage.open(&Plan::BrowserVariable(programs), vec![page("a", SECRET)]), [Outcome::Opened]);
    assert!(fetch(stage.arguments().trim()).is_some(), "the address is served after its opener has ended");
    let said = |programs: &[&str]| {
        let programs = programs.iter().map(|&program| program.to_owned()).collect();
        match stage.open(&Plan::BrowserVariable(programs), vec![page("a", SECRET)]).remove(0) {
            Outcome::NotOpened { reason } => reason,
            Outcome::Opened => panic!("opened"),
        }
    };
    assert_eq!(said(&[&bad, "/nowhere/browser"]), "bad ended with code 4");
    assert_eq!(said(&["/nowhere/browser"]), "none of these is installed: /nowhere/browser");
}

#[test]
fn addresses_that_are_no_web_pages_never_reach_an_opener() {
    let stage = Stage::new();
    let plan = stage.browser("exit 0");
    for url in ["file:///etc/passwd", "--help", "http://x/\r\nSet-Cookie: a=token", ""] {
        let outcome = stage.open(&plan, vec![page("a", url)]).remove(0);
        assert!(matches!(outcome, Outcome::NotOpened { reason } if reason.contains("opened in a browser")));
    }
    assert_eq!(stage.arguments(), "");
}

#[test]
fn what_cannot_be_opened_is_a_reason_and_never_an_error() {
    let pages = || vec![page("a", SECRET)];
    let reason = |plan: &Plan, exe: &str| match open_within(plan, pages(), Path::new(exe), AMPLE).remove(0) {
        Opened { outcome: Outcome::NotOpened { reason }, .. } => reason,
        Opened { outcome: Outcome::Opened, .. } => panic!("opened"),
    };
    let print = Plan::Print { reason: "this is a container".to_owned(), hint: None };
    assert_eq!(reason(&print, "/nowhere"), "this is a container");
    assert!(reason(&Plan::System, "/nowhere/pipulate").contains("/nowhere/pipulate"));
    assert_eq!(open_within(&print, Vec::new(), Path::new("/nowhere"), AMPLE), []);
}

#[test]
fn a_silent_helper_is_waited_for_no_longer_than_agreed() {
    let stage = Stage::new();
    let exe = stage.script("silent", "sh", "exit 0");
    let opened = open_within(&Plan::System, vec![page("a", SECRET)], &exe, Duration::from_millis(100));
    assert!(
        matches!(&opened[0].outcome, Outcome::NotOpened { reason } if reason.contains("did not respond"))
    );
}

#[test]
fn an_opener_belongs_to_no_service_and_to_no_python() {
    let stage = Stage::new();
    let seen = stage.path("seen").display().to_string();
    let plan = stage.browser(&format!("env > {seen}; ps -o sid= -p $$ >> {seen}"));
    let Plan::BrowserVariable(programs) = &plan else { panic!("{plan:?}") };
    let start = Command::new("sh")
        .args(["-c", &format!("ps -o sid= -p $$; {}", role("start"))])
        .env("PIPULATE_SESSION", "0123456789abcdef/jupyter/0123456789abcdef")
        .env("PYTHONPATH", "/somewhere")
        .env("PYTHONHOME", "/somewhere")
        .env("VIRTUAL_ENV", "/somewhere")
        .env("KEPT", "yes")
        .stdin(format!("{}\n{}", programs[0], stage.exe().display()));
    let output = start.output(AMPLE).unwrap();
    let (said, seen) = (String::from_utf8_lossy(&output.stdout), fs::read_to_string(seen).unwrap());
    assert!(output.end.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(seen.contains("KEPT=yes"), "{seen}");
    for name in ["PIPULATE_SESSION=", "PYTHON", "VIRTUAL_ENV", "LD_LIBRARY_PATH="] {
        assert!(!seen.lines().any(|line| line.starts_with(name)), "{name}: {seen}");
    }
    assert_ne!(
        seen.lines().last().unwrap().trim(),
        said.lines().next().unwrap().trim(),
        "a session of its own"
    );
}

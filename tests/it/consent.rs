//! Ollama on another machine that only the folder's files name: nothing is sent there before
//! the user allows it.

use std::process::Command;

use serde_json::json;

use crate::fake_ollama::{Fake, Script};
use crate::listeners::own_address;
use crate::pages;
use crate::support::run::{self, Output};
use crate::support::{Browser, Terminal, TestProject};

const ANSWER: &str = "{\"message\":{\"content\":\"Fine.\"},\"done\":true,\"done_reason\":\"stop\"}\n";

fn ollama(model: &str) -> Fake {
    ollama_at("127.0.0.1", model)
}

fn ollama_at(address: &str, model: &str) -> Fake {
    let tags = format!(r#"{{"models":[{{"name":"{model}","size":1}}]}}"#);
    let scripts = [
        ("/api/version", Script::new(200, r#"{"version":"0.30.6"}"#)),
        ("/api/tags", Script::new(200, &tags)),
        ("/api/ps", Script::new(200, r#"{"models":[]}"#)),
        ("/api/chat", Script::new(200, ANSWER)),
    ];
    Fake::start_at(address, scripts).unwrap()
}

/// The fake's address by a name that isn't loopback: it leads here and could be another machine's.
fn elsewhere(fake: &Fake) -> String {
    let port = fake.host.to_string().rsplit(':').next().unwrap().to_owned();
    format!("http://[::ffff:127.0.0.1]:{port}")
}

const FAILING: &str = "[services.worker]\ncommand = [\"false\"]\nrestart = \"never\"\n";

fn project(host: &str) -> TestProject {
    TestProject::light().config(&format!("{FAILING}[ollama]\nhost = \"{host}\"\n")).build()
}

/// A command that finds Ollama by the folder's files alone.
fn command(project: &TestProject, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.env_remove("OLLAMA_HOST");
    command
}

#[track_caller]
fn piped(project: &TestProject, args: &[&str]) -> Output {
    // The other commands don't read stdin.
    let words = if args[0] == "chat" { "my private words" } else { "" };
    run::output_of(&mut command(project, args), words)
}

/// Runs the program in a terminal where the user answers this. Returns its output and exit code.
#[track_caller]
fn at_a_terminal(project: &TestProject, words: &str, answer: &str) -> (String, Option<i32>) {
    let line = format!("{} {words}", env!("CARGO_BIN_EXE_pipulate"));
    let mut terminal = Terminal::open(&command(project, &[]), &format!("{line}; echo \"rc $?\""));
    terminal.type_text(answer);
    terminal.wait_for("rc ");
    let shown = terminal.shown();
    let code = shown.rsplit("rc ").next().unwrap().trim().parse().ok();
    terminal.end();
    (shown, code)
}

/// Returns true if the fake was contacted since the last call.
fn was_contacted(fake: &Fake) -> bool {
    fake.seen.try_iter().count() > 0
}

#[test]
fn in_a_pipe_a_host_elsewhere_is_refused_by_name_and_contacted_by_nothing() {
    let fake = ollama("llama3.1:latest");
    let host = elsewhere(&fake);
    let project = project(&host);
    for args in [&["chat", "hello"][..], &["chat"], &["models"], &["models", "--json"], &["why", "worker"]] {
        let output = piped(&project, args).expect(1);
        assert_eq!(output.stdout, "", "{args:?}");
        assert!(output.stderr.contains(&format!("on another machine: {host}")), "{output:?}");
        assert!(output.stderr.contains("run at a terminal: pipulate models"), "{output:?}");
    }
    let doctor = piped(&project, &["doctor"]).stdout;
    assert!(doctor.contains("Ollama was not contacted") && doctor.contains(&host), "{doctor}");
    let start = piped(&project, &["start", "--no-browser", "--no-wait", "worker"]);
    assert!(start.stderr.contains("Ollama was not contacted: pipulate.toml names"), "{start:?}");
    assert!(!was_contacted(&fake));
    insta::assert_snapshot!(
        piped(&project, &["chat", "hello"]).stderr.replace(host.rsplit(':').next().unwrap(), "PORT"), @r"
    error: nothing was sent: pipulate.toml names Ollama on another machine: http://[::ffff:127.0.0.1]:PORT
    hint: to allow it for this folder, run at a terminal: pipulate models
    hint: to allow it for one command, put before it: OLLAMA_HOST='http://[::ffff:127.0.0.1]:PORT'
    ");
}

#[test]
fn a_yes_at_a_terminal_is_asked_for_once_per_host_and_folder() {
    let fake = ollama("llama3.1:latest");
    let host = elsewhere(&fake);
    let project = project(&host);
    for no in ["n\n", "\n", "\u{4}"] {
        let (shown, code) = at_a_terminal(&project, "chat hello", no);
        assert!(shown.contains("Allow it? [y/N]") && code == Some(1), "{shown}");
    }
    assert!(!was_contacted(&fake));
    let (shown, code) = at_a_terminal(&project, "chat hello", "y\n");
    assert!(code == Some(0) && shown.contains("Fine."), "{shown}");
    let said = shown.find("leaves this machine").unwrap();
    assert!(said < shown.find("Fine.").unwrap(), "{shown}");
    assert!(was_contacted(&fake));
    piped(&project, &["chat", "hello"]).expect(0);
    piped(&project, &["models"]).expect(0);
    let doctor = piped(&project, &["-v", "doctor"]).stdout;
    assert!(doctor.contains("Ollama 0.30.6 answers"), "{doctor}");
    assert!(was_contacted(&fake));

    let (_, port) = host.rsplit_once(':').unwrap();
    for other in [
        format!("http://[::ffff:127.0.0.2]:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        format!("{host}/other"),
        "http://192.0.2.2:1".to_owned(),
    ] {
        project.write("pipulate.toml", &format!("[ollama]\nhost = \"{other}\"\n"));
        let refused = piped(&project, &["chat", "hello"]).expect(1);
        assert!(refused.stderr.contains("nothing was sent"), "{other}: {refused:?}");
    }
    let neighbour = project_beside(&project, &host);
    let mut there = command(&project, &["models"]);
    run::output_of(there.current_dir(neighbour), "").expect(1);
    assert!(!was_contacted(&fake));
}

/// Another folder of the same user.
fn project_beside(project: &TestProject, host: &str) -> std::path::PathBuf {
    project.write("beside/pipulate.toml", &format!("[ollama]\nhost = \"{host}\"\n"));
    project.path("beside")
}

#[test]
fn no_file_of_the_folder_claims_a_consent() {
    let fake = ollama("llama3.1:latest");
    let host = elsewhere(&fake);
    let project = project(&host);
    at_a_terminal(&project, "models", "y\n");
    let consent = project.home().join(".local/state/pipulate/consent");
    let file = std::fs::read_dir(&consent).unwrap().next().unwrap().unwrap().path();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read(&file).unwrap();
    // A file of another version, or half of one, allows nothing; nor does another folder's.
    for broken in [&text[..text.len() / 2], b"{\"schema\":2}", b""] {
        std::fs::write(&file, broken).unwrap();
        piped(&project, &["models"]).expect(1);
    }
    std::fs::write(&file, &text).unwrap();
    piped(&project, &["models"]).expect(0);
}

#[test]
fn the_environment_is_the_users_own_word_unless_a_file_of_the_folder_set_it() {
    let fake = ollama("llama3.1:latest");
    let host = elsewhere(&fake);
    let asked = |project: &TestProject| {
        let mut command = project.command(&["chat", "hello"]);
        run::output_of(command.env("OLLAMA_HOST", &host), "")
    };
    let own = asked(&project("http://192.0.2.2:1")).expect(0);
    assert_eq!(own.stdout, "Fine.\n");
    assert!(own.stderr.contains(&format!("leaves this machine, for Ollama at {host}")), "{own:?}");
    assert!(was_contacted(&fake));

    let table = format!("{FAILING}env = {{ OLLAMA_HOST = \"{host}\" }}\n");
    let by_table = TestProject::light().config(&table).build();
    let by_file = TestProject::light().config(&format!("{FAILING}env_file = \"more.env\"\n")).build();
    by_file.write("more.env", &format!("OLLAMA_HOST='{host}'\n"));
    for project in [by_table, by_file] {
        let refused = asked(&project).expect(1);
        assert!(refused.stderr.contains("nothing was sent"), "{refused:?}");
    }
    assert!(!was_contacted(&fake));
}

#[test]
fn a_cloud_model_that_the_folder_names_is_said_before_it_is_asked() {
    let fake = ollama("gpt-oss:120b-cloud");
    let table = format!("{FAILING}[ollama]\nhost = \"{}\"\nmodel = \"gpt-oss:120b-cloud\"\n", fake.host);
    let table = format!("[services.sleeper]\ncommand = [\"sleep\", \"1000\"]\n{table}");
    let project = TestProject::light().config(&table).build();
    for args in [&["chat", "hello"][..], &["why", "worker"], &["models"]] {
        let output = piped(&project, args).expect(0);
        assert!(output.stderr.contains("leaves this machine"), "{output:?}");
    }
    let start = piped(&project, &["start", "--no-browser", "sleeper"]).expect(0);
    assert!(start.stderr.contains("in the cloud: what you write to it leaves this machine"), "{start:?}");
}

/// A fake at a non-loopback address of this machine, with that address. Without a network, a
/// name that leads here.
fn ollama_elsewhere() -> (Fake, String) {
    match own_address() {
        Some(address) => {
            let fake = ollama_at(&address.to_string(), "llama3.1:latest");
            let host = fake.host.to_string();
            (fake, host)
        }
        None => {
            let fake = ollama("llama3.1:latest");
            let host = elsewhere(&fake);
            (fake, host)
        }
    }
}

/// The form that allows a host.
const ALLOW: &str = "form[action='/chat/allow']";

/// Asks on the chat page and waits for this text in the answer.
#[track_caller]
fn ask_on_the_page(browser: &mut Browser, expected: &str) {
    browser.type_into("#question", "my private words");
    browser.press("Enter");
    browser.wait_for_text(".turn:last-child", expected);
}

#[test]
fn the_page_sends_nothing_elsewhere_before_a_click_allows_that_host_for_that_project() {
    let (fake, host) = ollama_elsewhere();
    let other = ollama("qwen3:4b");
    let wants = |host: &str| format!("[ollama]\nhost = \"{host}\"\n");
    let project = TestProject::light().config(&wants(&host)).build();
    run::output_of(&mut command(&project, &["start", "--no-setup", "--no-browser"]), "").expect(0);
    let mut browser = Browser::start(&project);
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    let chat = format!("http://127.0.0.1:{}/chat", project.port("server"));

    browser.open(&chat);
    let question = browser.text(&format!(".alert:has({ALLOW})"));
    assert!(question.contains(&format!("Ollama on another machine: {host}\n")), "{question}");
    assert!(question.contains("Nothing was sent yet"), "{question}");
    for scheme in ["light", "dark"] {
        browser.view(scheme, 360);
        assert_eq!(pages::violations(&mut browser), json!([]), "{scheme}");
        assert_eq!(browser.measure("document.documentElement.scrollWidth"), 360, "{scheme}");
    }
    ask_on_the_page(
        &mut browser,
        &format!("Nothing was sent: Ollama on another machine isn't allowed here yet: {host}"),
    );
    assert!(!was_contacted(&fake));
    assert_eq!(browser.complaints(), [""; 0]);

    // A form that was open while the folder's file changed allows nothing.
    project.write("pipulate.toml", &wants(&elsewhere(&other)));
    browser.click(&format!("{ALLOW} button"));
    browser.wait_for_text("[role=alert]", "now names another Ollama");
    for host in [elsewhere(&other), host.clone()] {
        project.write("pipulate.toml", &wants(&host));
        browser.open(&chat);
        assert!(browser.text(&format!(".alert:has({ALLOW})")).contains(&host), "{host}");
    }
    assert!(!was_contacted(&fake) && !was_contacted(&other));

    browser.click(&format!("{ALLOW} button"));
    browser.wait_for_text("#ask select", "llama3.1:latest");
    assert!(browser.text(".talk .alert").contains(&format!("leaves this machine, for Ollama at {host}")));
    ask_on_the_page(&mut browser, "Fine.");
    let asked =
        std::iter::repeat_with(|| fake.next_request()).find(|(path, ..)| path == "/api/chat").unwrap().2;
    assert!(asked.contains("my private words"), "{asked}");

    // The consent is remembered, for this folder and this host only.
    project.run(&["restart", "server"]).expect(0);
    browser.open(&format!("{chat}/new"));
    browser.wait_for_text("#ask select", "llama3.1:latest");
    ask_on_the_page(&mut browser, "Fine.");
    piped(&project, &["chat", "hello"]).expect(0);
    let neighbor = project_beside(&project, &host);
    run::output_of(command(&project, &["models"]).current_dir(neighbor), "").expect(1);
    project.write("pipulate.toml", &wants(&elsewhere(&other)));
    browser.open(&format!("{chat}/new"));
    assert!(browser.text(&format!(".alert:has({ALLOW})")).contains(&elsewhere(&other)));
    ask_on_the_page(&mut browser, "Nothing was sent");
    assert!(!was_contacted(&other));
}

//! The client against a server that behaves like Ollama, and against one that misbehaves.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use crate::fake::{End, Fake, Script, Seen};
use pipulate_core::chat::LeftOut;
use pipulate_ollama::answer::{Piece, Summary};
use pipulate_ollama::client::{Client, Limits};
use pipulate_ollama::error::Error;
use pipulate_ollama::host::Host;
use pipulate_ollama::model::{Description, Model};
use pipulate_ollama::probe::probe_blocking;
use pipulate_ollama::request::{ChatRequest, Message, Options, Role};

/// A privileged port without a listener.
const NOBODY: &str = "127.0.0.1:1";
const DONE: &str = r#"{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","load_duration":5,"eval_count":30,"eval_duration":2000000000}"#;

fn hello() -> ChatRequest {
    let messages = vec![Message { role: Role::User, content: "Hello".to_owned() }];
    ChatRequest { model: "m".to_owned(), messages, material: 0, think: None, options: Options::default() }
}

/// All received pieces, and the final error.
#[derive(Debug, Default)]
struct Heard {
    left_out: LeftOut,
    thinking: String,
    text: String,
    done: bool,
    summary: Option<Summary>,
    error: Option<Error>,
}

#[tokio::main(flavor = "current_thread")]
async fn hear(fake: &Fake, limits: Limits) -> Heard {
    let mut heard = Heard::default();
    let client = Client::with_limits(&fake.host, limits).unwrap();
    let mut answer = match client.chat(&hello()).await {
        Ok(answer) => answer,
        Err(error) => return Heard { error: Some(error), ..heard },
    };
    loop {
        match answer.next().await {
            Ok(Some(Piece::LeftOut(left_out))) => heard.left_out = left_out,
            Ok(Some(Piece::Thinking(text))) => heard.thinking += &text,
            Ok(Some(Piece::Text(text))) => heard.text += &text,
            Ok(Some(Piece::Done(summary))) => {
                heard.done = true;
                heard.summary = Some(summary);
            }
            Ok(None) => return heard,
            Err(error) => {
                assert_eq!(answer.next().await, Ok(None));
                return Heard { error: Some(error), ..heard };
            }
        }
    }
}

fn hear_script(script: Script) -> Heard {
    hear(&Fake::start([("/api/chat", script)]), Limits::default())
}

fn said(text: &str) -> String {
    format!("{{\"message\":{{\"content\":\"{text}\"}},\"done\":false}}\n")
}

#[test]
fn an_answer_is_the_same_however_it_is_cut() {
    let body = said("naïve ") + &said("🦙 über") + DONE + "\n";
    for size in [1, 2, 7, 64, body.len()] {
        let heard = hear_script(Script::split(&body, size));
        assert_eq!((heard.text.as_str(), heard.done, heard.error), ("naïve 🦙 über", true, None), "{size}");
    }
}

#[test]
fn what_steers_a_terminal_does_not_get_through() {
    let body = said(r"a\u001b[31mb\r\n\tc\u202ed\u0007") + DONE;
    assert_eq!(hear_script(Script::new(200, &body)).text, "a[31mb\n\tcd");
}

#[test]
fn a_last_line_needs_no_line_break() {
    let heard = hear_script(Script::new(200, DONE));
    assert!(heard.done && heard.error.is_none());
}

#[test]
fn null_and_missing_fields_are_no_error() {
    let body = "{\"message\":null,\"done\":null}\n\n{\"message\":{\"content\":\"a\",\"thinking\":null}}\r\n{\"done\":true}\n";
    let heard = hear_script(Script::new(200, body));
    assert_eq!((heard.text.as_str(), heard.done, heard.error), ("a", true, None));
}

#[test]
fn thinking_is_told_apart_from_speaking() {
    let body = "{\"message\":{\"content\":\"\",\"thinking\":\"Hm.\"}}\n".to_owned() + &said("Yes") + DONE;
    let heard = hear_script(Script::new(200, &body));
    assert_eq!((heard.thinking.as_str(), heard.text.as_str()), ("Hm.", "Yes"));
}

#[test]
fn an_error_under_a_200_is_an_error() {
    let heard = hear_script(Script::new(200, &(said("one") + "{\"error\":\"unexpected EOF\"}\n")));
    assert_eq!(heard.text, "one");
    assert_eq!(heard.error, Some(Error::BrokeOff { message: "unexpected EOF".to_owned() }));
}

#[test]
fn an_end_without_done_is_an_error() {
    for end in [End::Proper, End::Cut] {
        for tail in ["", "{\"message\":{\"con"] {
            let heard = hear_script(Script::new(200, &(said("one") + tail)).ending(end));
            assert_eq!(heard.text, "one");
            assert!(matches!(heard.error, Some(Error::CutOff { .. })), "{heard:?}");
        }
    }
}

#[test]
fn refusals_say_what_to_do() {
    for (status, body, wanted) in [
        (404, r#"{"error":"model 'm' not found"}"#, "ollama pull m"),
        (404, "404 page not found", "404 page not found"),
        (400, r#"{"error":"\"m\" does not support chat"}"#, "does not support chat"),
        (
            401,
            r#"{"error":"unauthorized","signin_url":"https://ollama.com/connect"}"#,
            "https://ollama.com/connect",
        ),
        (403, "", "call it by its address"),
        (500, r#"{"error":"llama runner process has terminated"}"#, "llama runner process has terminated"),
        (502, "<html><body>Bad gateway</body></html>", "is not Ollama"),
        (503, r#"{"error":"server busy, please try again."}"#, "try again in a moment"),
        (200, "<!DOCTYPE html>\n<html>", "is not Ollama"),
        (302, "", "is not Ollama"),
    ] {
        let heard = hear_script(Script::new(status, body));
        let message = heard.error.expect(body).to_string();
        assert!(message.contains(wanted), "{status} {body}: {message}");
    }
}

#[test]
fn an_endless_line_is_given_up() {
    let script = Script { status: 200, parts: vec![vec![b'x'; 1 << 20]; 10], end: End::Silence };
    assert!(matches!(hear_script(script).error, Some(Error::LineTooLong { .. })));
}

#[test]
fn silence_is_waited_out_and_then_named() {
    let short = Limits {
        first_word: Duration::from_millis(100),
        next_word: Duration::from_millis(100),
        ..Limits::default()
    };
    for script in [Script::silent(), Script::new(200, &said("one")).ending(End::Silence)] {
        let heard = hear(&Fake::start([("/api/chat", script)]), short);
        assert!(matches!(heard.error, Some(Error::Slow { .. })), "{heard:?}");
    }
}

#[test]
fn dropping_an_answer_closes_its_connection() {
    let fake = Fake::start([("/api/chat", Script::new(200, &said("one")).ending(End::Silence))]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::new(&fake.host).unwrap();
        let mut answer = client.chat(&hello()).await.unwrap();
        assert_eq!(answer.next().await, Ok(Some(Piece::Text("one".to_owned()))));
        drop(answer);
        // The connection's own task closes it as soon as it may run.
        let (path, ..) = fake.next_request();
        assert_eq!(path, "/api/chat");
        while fake.seen.try_recv() != Ok(Seen::HungUp) {
            tokio::task::yield_now().await;
        }
        drop(client);
    });
}

#[test]
fn a_server_is_called_by_its_own_name_and_told_what_was_asked() {
    let fake = Fake::start([("/api/chat", Script::new(200, DONE))]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let summary = runtime.block_on(async {
        let client = Client::new(&fake.host).unwrap();
        let request = ChatRequest {
            model: "m".to_owned(),
            messages: vec![Message { role: Role::User, content: "p".to_owned() }],
            material: 0,
            think: Some(false),
            options: Options { most_tokens: Some(7) },
        };
        client.chat(&request).await.unwrap().next().await.unwrap()
    });
    let Some(Piece::Done(summary)) = summary else { panic!("{summary:?}") };
    assert_eq!(summary.speed(), Some(15.0));
    let (path, host, body) = fake.next_request();
    assert_eq!((path.as_str(), format!("http://{host}")), ("/api/chat", fake.host.to_string()));
    let messages = r#"[{"role":"user","content":"p"}]"#;
    assert_eq!(
        body,
        format!(
            r#"{{"model":"m","messages":{messages},"think":false,"options":{{"num_predict":7}},"truncate":false,"shift":false}}"#
        )
    );
}

#[test]
fn an_answer_that_was_cut_off_at_its_longest_says_so() {
    for (reason, is_cut_off) in [("\"length\"", true), ("\"stop\"", false), ("null", false)] {
        let script = Script::new(200, &format!("{{\"done\":true,\"done_reason\":{reason}}}\n"));
        let heard = hear_script(script);
        assert_eq!(heard.summary.map(|summary| summary.is_cut_off), Some(is_cut_off), "{reason}");
    }
}

#[test]
fn whether_a_model_thinks_is_asked_where_its_list_does_not_say() {
    let fake =
        Fake::start([("/api/show", Script::new(200, r#"{"capabilities":["completion","thinking"]}"#))]);
    let model = |json: &str| serde_json::from_str::<Model>(json).unwrap();
    let said = model(r#"{"name":"m","capabilities":["completion"]}"#);
    assert!(!thinks(&fake.host, &said) && fake.seen.try_recv().is_err());
    assert!(thinks(&fake.host, &model(r#"{"name":"m"}"#)));
    let (path, _, body) = fake.next_request();
    assert_eq!((path.as_str(), body.as_str()), ("/api/show", r#"{"model":"m"}"#));
    let old = Fake::start([("/api/show", Script::new(200, r#"{"capabilities":null,"details":{}}"#))]);
    assert!(!thinks(&old.host, &model(r#"{"name":"m"}"#)));
    let none = Fake::start([("/api/show", Script::new(404, r#"{"error":"model 'm' not found"}"#))]);
    assert_eq!(show(&none.host), Err(Error::NoSuchModel { model: "m".to_owned() }));
}

#[tokio::main(flavor = "current_thread")]
async fn thinks(host: &Host, model: &Model) -> bool {
    Client::new(host).unwrap().thinks(model).await
}

#[tokio::main(flavor = "current_thread")]
async fn show(host: &Host) -> Result<Description, Error> {
    Client::new(host).unwrap().show("m").await
}

#[test]
fn a_server_is_found_on_either_address_of_this_machine() {
    for address in ["127.0.0.1", "::1"] {
        // If a machine has no second address, nothing listens there either.
        let Some(fake) = Fake::start_at(address, [("/api/version", Script::new(200, r#"{"version":"1"}"#))])
        else {
            continue;
        };
        let port = fake.host.to_string().rsplit_once(':').unwrap().1.to_owned();
        for name in [fake.host.to_string(), format!("localhost:{port}")] {
            assert_eq!(version(&Host::parse(&name).unwrap()), Ok("1".to_owned()), "{address} as {name}");
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn version(host: &Host) -> Result<String, Error> {
    Client::new(host).unwrap().version().await
}

#[test]
fn a_connection_that_is_reset_is_an_error() {
    let before = Script { end: End::Reset, ..Script::silent() };
    for script in [before, Script::new(200, &said("one")).ending(End::Reset)] {
        let heard = hear_script(script);
        assert!(matches!(heard.error, Some(Error::CutOff { .. })), "{heard:?}");
    }
}

#[test]
fn a_probe_gathers_version_models_and_memory() {
    let fake = Fake::start([
        ("/api/version", Script::new(200, r#"{"version":"0.30.6"}"#)),
        ("/api/tags", Script::new(200, r#"{"models":null}"#)),
        ("/api/ps", Script::new(200, r#"{"models":[{"name":"m","size_vram":null}]}"#)),
    ]);
    let probe = probe_blocking(&fake.host, Duration::from_secs(60)).unwrap();
    assert_eq!((probe.version.as_str(), probe.models.len(), probe.loaded.len()), ("0.30.6", 0, 1));
}

#[test]
fn a_probe_tells_absence_strangers_and_slowness_apart() {
    let probe = |host: &Host, limit| probe_blocking(host, limit).unwrap_err();
    let minute = Duration::from_secs(60);
    let absent = probe(&Host::parse(NOBODY).unwrap(), minute);
    assert!(matches!(&absent, Error::Unreachable { .. }), "{absent:?}");
    assert!(absent.to_string().contains("check that it is running"), "{absent}");
    for body in ["<html>", "{}", "[1]", "hello", "{\"version\":7}"] {
        let stranger = Fake::start([("/api/version", Script::new(200, body))]);
        assert!(matches!(probe(&stranger.host, minute), Error::NotOllama { .. }), "{body}");
    }
    let slow = Fake::start([("/api/version", Script::silent())]);
    assert!(matches!(probe(&slow.host, Duration::from_millis(100)), Error::Slow { .. }));
    let https = Host::parse("https://127.0.0.1:1").unwrap();
    assert!(matches!(probe(&https, minute), Error::Unreachable { .. }));
    let wrong_path = Fake::start([]);
    let wrong_path = Host::parse(&format!("{}/api", wrong_path.host)).unwrap();
    let told = probe(&wrong_path, minute).to_string();
    assert!(told.contains("is not Ollama (it sent: 404 page not found)"), "{told}");
}

#[test]
fn a_server_without_https_is_told_to_be_asked_by_http() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let https = Host::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
    std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _until_it_leaves = client.read_to_end(&mut Vec::new());
    });
    let told = probe_blocking(&https, Duration::from_secs(60)).unwrap_err();
    assert_eq!(told, Error::Plain { host: https.to_string() });
}

#[test]
fn a_server_too_old_to_tell_what_is_in_memory_is_an_ollama() {
    let version = Script::new(200, r#"{"version":"0.1.30"}"#);
    let old = Fake::start([("/api/version", version), ("/api/tags", Script::new(200, r#"{"models":[]}"#))]);
    let loaded = || probe_blocking(&old.host, Duration::from_secs(60)).unwrap().loaded.len();
    assert_eq!(loaded(), 0);
    old.change("/api/ps", Script::new(200, r#"{"models":[{"name":"a"}]}"#));
    assert_eq!(loaded(), 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "only another process has another environment")]
fn a_proxy_in_the_environment_is_not_used_for_this_machine() {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "client::a_last_line_needs_no_line_break"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        again.env(name, format!("http://{NOBODY}"));
    }
    let output = again.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_prompt_does_not_follow_a_redirect() {
    let fake = Fake::start([("/api/chat", Script::new(307, "")), ("/moved", Script::new(200, DONE))]);
    assert!(matches!(hear(&fake, Limits::default()).error, Some(Error::NotOllama { .. })));
    assert_eq!(fake.next_request().0, "/api/chat");
    assert!(fake.seen.try_recv().is_err());
}

#[test]
fn what_does_not_speak_http_is_not_ollama() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Host::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut &stream, b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        std::io::Read::read_to_end(&mut &stream, &mut Vec::new()).ok();
    });
    let error = probe_blocking(&host, Duration::from_secs(60)).unwrap_err();
    assert!(matches!(error, Error::NotOllama { .. }), "{error:?}");
}

//! A coding assistant connected over MCP: what it can read, do, and not do.

use std::fs;

use serde_json::{Value, json};

use crate::support::TestProject;
use crate::support::assistant::{RawClient, official};

/// Prints its secret, then waits.
const WORKER: &str = "[services.worker]\ncommand = [\"sh\", \"-c\", \"echo key $A_KEY; echo \\\"$(printf '\\\\033[2J')up\\\"; exec sleep 1000\"]\nready = { log = \"up\" }\nenv_file = \".env\"\n";

fn text(answer: &Value) -> &str {
    answer["content"][0]["text"].as_str().unwrap()
}

#[test]
fn an_assistant_sees_how_things_are_and_acts_by_the_official_client() {
    let project = TestProject::light().table("server", "enabled = false").config(WORKER);
    let project = project.file(".env", "A_KEY=sk-very-secret\n").build();
    let steps = json!([
        ["call", "status", {}],
        ["call", "start", {"services": ["worker"]}],
        ["call", "start", {}],
        ["call", "logs", {"service": "worker", "lines": 10}],
        ["call", "logs", {"grep": "^up$", "since": "last-start"}],
        ["call", "restart", {"services": ["worker"]}],
        ["call", "stop", {"services": ["jupiter"]}],
        ["call", "stop", {"services": []}],
        ["call", "stop", {"services": ["worker"], "force": true}],
        ["call", "stop", {"services": ["worker"]}],
        ["call", "stop", {"services": ["worker"]}],
        ["call", "doctor", {}],
        ["tools"],
        ["resources"],
        ["read", "pipulate://config"],
        ["read", "pipulate://schema"],
        ["read", "pipulate://commands"]
    ]);
    let answers = official(&project, &steps);
    assert_eq!(project.processes(), []);
    assert_eq!(answers[0]["serverInfo"]["name"], "pipulate");
    it_acted(&answers[1..12]);
    it_read(&answers[12..]);
    let everything = json!(answers).to_string();
    assert!(!everything.contains("very-secret") && !everything.contains("\\u001b"), "{everything}");
}

fn it_acted(answers: &[Value]) {
    let [before, started, again, logs, chosen, restarted, unknown, none, forced, stopped, twice] = answers
    else {
        panic!("{answers:#?}")
    };
    assert_eq!(before["structuredContent"]["state"], "stopped");
    let structured = &started["structuredContent"];
    assert_eq!((text(started), &structured["status"]["state"]), ("started worker", &json!("ready")));
    assert_eq!(structured["outcomes"], json!([{"service": "worker", "outcome": "up"}]));
    assert_eq!(started["progress"], json!(["Starting worker...", "ready worker"]));
    assert_eq!(text(again), "everything is running already");
    let lines = logs["structuredContent"]["lines"].as_array().unwrap();
    let lines: Vec<&str> = lines.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(lines, ["key ****", "up"], "{logs:#}");
    assert_eq!(text(chosen), "worker | up");
    assert!(text(restarted).contains("Restarted worker"), "{restarted:#}");
    for (refused, why) in
        [(unknown, "no such service: jupiter"), (none, "name the services"), (forced, "`force`")]
    {
        assert!(refused["isError"] == true && text(refused).contains(why), "{refused:#}");
    }
    let outcome = |answer: &Value| answer["structuredContent"]["outcomes"][0]["outcome"].clone();
    assert_eq!((outcome(stopped), outcome(twice)), (json!("stopped"), json!("already-stopped")));
    assert!(stopped["isError"] == false && twice["isError"] == false, "{stopped:#} {twice:#}");
}

fn it_read(answers: &[Value]) {
    let [doctor, tools, resources, config, schema, commands] = answers else { panic!("{answers:#?}") };
    assert!(doctor["structuredContent"]["findings"].as_array().unwrap().len() > 20);
    let names: Vec<&str> =
        tools["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["status", "logs", "doctor", "start", "restart", "stop"]);
    assert_eq!(resources["resources"].as_array().unwrap().len(), 3);
    let contents = |answer: &Value| answer["contents"][0]["text"].as_str().unwrap().to_owned();
    assert!(contents(config).contains("[services.worker]"));
    assert!(contents(schema).contains("\"$schema\"") && contents(commands).contains("pipulate start"));
}

#[test]
fn a_client_that_misbehaves_is_answered_and_ends_nothing() {
    let project = TestProject::light().build();
    let mut client = RawClient::new(&project);
    let initialized = client.initialize();
    assert_eq!(initialized["result"]["serverInfo"]["name"], "pipulate", "{initialized}");
    client.line("garbage");
    client.line("{\"jsonrpc\": \"2.0\", \"id\": ");
    client.line(&"x".repeat(3 << 20));
    client.line("");
    let answer = client.request(1, "tools/call", &json!({ "name": "shell", "arguments": {} }));
    let why = answer["error"]["message"].as_str().unwrap();
    assert!(why.contains("status, logs, doctor"), "{answer}");
    for (id, name, arguments) in [
        (2, "logs", json!({ "lines": -1 })),
        (3, "logs", json!({ "lines": 1_000_000 })),
        (4, "logs", json!({ "grep": "(" })),
        (5, "logs", json!({ "since": "the flood" })),
        (6, "logs", json!({ "service": "../../etc/passwd" })),
        (7, "status", json!({ "project": "/" })),
        (8, "stop", json!({ "services": [7] })),
    ] {
        let answer = client.request(id, "tools/call", &json!({ "name": name, "arguments": arguments }));
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
    let answer = client.request(9, "tools/call", &json!({ "name": "status", "arguments": [] }));
    assert!(answer["error"].is_object(), "{answer}");
    let answer = client.request(10, "tools/call", &json!({ "name": "status" }));
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    assert_eq!(client.leave(false), Some(0));
}

#[test]
fn a_start_goes_on_when_its_client_cancels_it_or_goes_away() {
    let slow = "[services.slow]\ncommand = [\"sh\", \"-c\", \"until test -e go; do sleep 0.05; done; echo up; exec sleep 1000\"]\nready = { log = \"up\" }\n";
    let next = "[services.next]\ncommand = [\"sleep\", \"1001\"]\ndepends_on = [\"slow\"]\n";
    let project = TestProject::light().table("server", "enabled = false").config(&format!("{slow}{next}"));
    let project = project.build();
    for kills in [false, true] {
        let mut client = RawClient::new(&project);
        client.initialize();
        let start = json!({ "name": "start", "arguments": {}, "_meta": { "progressToken": "p" } });
        client.ask(1, "tools/call", &start);
        assert_eq!(client.next()["method"], "notifications/progress");
        if !kills {
            let cancelled = json!({ "requestId": 1, "reason": "enough" });
            client.line(
                &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled })
                    .to_string(),
            );
            client.request(2, "ping", &json!({}));
        }
        client.leave(kills);
        // The service that depends on it has not started yet.
        assert_eq!(project.service("next")["state"], "stopped");
        project.write("go", "");
        project.wait_for_state("next", "running");
        project.run(&["stop"]).expect(0);
        fs::remove_file(project.path("go")).unwrap();
    }
}

//! The local LLM from the terminal: requests, output, and errors.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::fake_ollama::{End, Fake, Script, Seen};
use crate::support::project::Builder;
use crate::support::run::{self, Output};
use crate::support::{Terminal, TestProject, holds};

const TAGS: &str = r#"{"models":[{"name":"llama3.1:latest","size":4920753328},{"name":"qwen3:4b","size":2500000000},
    {"name":"gpt-oss:120b-cloud","size":384},{"name":"nomic-embed-text:latest","size":274302450}]}"#;

/// The prompt of a conversation.
const PROMPT: &str = ">>> ";

/// One line of a streamed answer.
fn said(text: &str) -> String {
    json!({"message": {"role": "assistant", "content": text}, "done": false}).to_string() + "\n"
}

fn done() -> String {
    json!({"message": {"content": ""}, "done": true, "done_reason": "stop"}).to_string() + "\n"
}

/// A fake Ollama that gives this answer.
fn ollama(answer: Script) -> Fake {
    let nothing_loaded = Script::new(200, r#"{"models":[]}"#);
    let version = Script::new(200, r#"{"version":"0.30.6"}"#);
    let tags = Script::new(200, TAGS);
    Fake::start([
        ("/api/version", version),
        ("/api/tags", tags),
        ("/api/ps", nothing_loaded),
        ("/api/chat", answer),
    ])
}

fn answering(text: &str) -> Fake {
    ollama(Script::new(200, &(said(text) + &done())))
}

/// A project that is configured for this Ollama.
fn project(fake: &Fake) -> Builder {
    let table = format!("[ollama]\nhost = \"{}\"\n", fake.host);
    TestProject::light().config(&table)
}

/// A command of the project that finds Ollama by the configuration alone.
fn command(project: &TestProject, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.env_remove("OLLAMA_HOST");
    command
}

#[track_caller]
fn run(project: &TestProject, args: &[&str], input: &str) -> Output {
    run::output_of(&mut command(project, args), input)
}

/// The next question that was sent.
fn asked(fake: &Fake) -> Value {
    loop {
        let (path, _host, body) = fake.next_request();
        if path == "/api/chat" {
            return serde_json::from_str(&body).unwrap();
        }
    }
}

#[test]
fn a_command_in_a_hint_is_one_word_for_each_word_that_is_meant() {
    let fake = answering("never asked");
    let table = format!("[ollama]\nhost = \"{}\"\nmodel = \"x; touch P #\"\n", fake.host);
    let project = TestProject::light().config(&table).build();
    let output = run(&project, &["chat", "hello"], "").expect(1);
    assert!(output.stderr.contains("ollama pull 'x; touch P #'"), "{output:?}");
}

#[test]
fn thoughts_in_the_text_are_not_printed_and_an_answer_without_any_is_an_error() {
    let fake = ollama(Script::split(&(said("<thi") + &said("nk>Hmm.</think>\n\nFour") + &done()), 7));
    let answer = run(&project(&fake).build(), &["chat", "2 + 2"], "").expect(0);
    assert_eq!(answer.stdout, "Four\n");
    let loaded = json!({"message": {"content": ""}, "done": true, "done_reason": "load"}).to_string() + "\n";
    let empty = run(&project(&ollama(Script::split(&loaded, 7))).build(), &["chat", "2 + 2"], "").expect(1);
    assert!(empty.stderr.contains("llama3.1:latest gave an empty answer"), "{empty:?}");
}

#[test]
fn a_question_prints_the_answer_and_nothing_else() {
    let thought = json!({"message": {"thinking": "Hmm."}, "done": false}).to_string() + "\n";
    let fake = ollama(Script::split(&(thought + &said("Forty-") + &said("two\u{1b}[31m.") + &done()), 7));
    let project = project(&fake).build();
    let answer = run(&project, &["chat", "What", "is it?"], "").expect(0);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("Forty-two[31m.\n", ""));
    let asked = asked(&fake);
    assert_eq!(asked["model"], "llama3.1:latest");
    assert_eq!(asked["messages"], json!([{"role": "user", "content": "What is it?"}]));
    assert!(!project.path(".pipulate").exists(), "a question makes no home");
}

#[test]
fn what_is_piped_in_is_put_above_the_question() {
    let fake = answering("Fine.");
    let project = project(&fake).build();
    run(&project, &["chat", "-m", "qwen3:4b", "Why?"], "line 1\nline 2\n").expect(0);
    let first = asked(&fake);
    assert_eq!(
        (&first["model"], &first["messages"][0]["content"]),
        (&"qwen3:4b".into(), &"line 1\nline 2\n\nWhy?".into())
    );
    run(&project, &["chat"], "only this").expect(0);
    assert_eq!(asked(&fake)["messages"][0]["content"], "only this");
}

#[test]
fn a_question_about_more_than_the_model_can_take_in_keeps_its_place_and_the_rest_is_told() {
    let fake = answering("The disk is full.");
    let refusal = r#"{"error":"request (500000 tokens) exceeds the available context size (4096 tokens)"}"#;
    fake.refuse_chats_longer_than(16_000, Script::new(400, refusal));
    let project = project(&fake).build();
    let log: String = (0..300_000).map(|number| format!("line {number}\n")).collect();
    let answer = run(&project, &["chat", "what is wrong?"], &log).expect(0);
    assert_eq!(answer.stdout, "The disk is full.\n");
    let told: Vec<&str> = answer.stderr.lines().collect();
    let [end_counts, not_told, hint] = told[..] else { panic!("{told:?}") };
    assert!(end_counts.starts_with("warning: only the last 1.0 MiB of stdin are used"), "{told:?}");
    assert!(
        not_told.starts_with("warning: the model can't handle that much, and was not told: the first "),
        "{told:?}"
    );
    assert!(hint.contains("OLLAMA_CONTEXT_LENGTH"), "{told:?}");
    let asked = std::iter::from_fn(|| fake.seen.try_recv().ok()).filter_map(|seen| match seen {
        Seen::Request { path, body, .. } if path == "/api/chat" => Some(body),
        Seen::Request { .. } | Seen::HungUp => None,
    });
    let asked: Value = serde_json::from_str(&asked.last().unwrap()).unwrap();
    assert_eq!((&asked["truncate"], &asked["shift"]), (&false.into(), &false.into()));
    let question = asked["messages"][0]["content"].as_str().unwrap();
    assert!(
        question.starts_with("line ") && question.ends_with("line 299999\n\nwhat is wrong?"),
        "{question}"
    );

    // A question that can't be shortened is refused, with advice.
    let refused = run(&project, &["chat", &"why? ".repeat(4_000)], "").expect(1);
    assert!(refused.stderr.contains("is longer than llama3.1:latest can handle"), "{refused:?}");
    assert_eq!(refused.stdout, "");
}

#[test]
fn an_ollama_that_drops_the_beginning_all_the_same_is_found_out() {
    let done = json!({"message": {"content": "Well."}, "done": true, "prompt_eval_count": 4096}).to_string();
    let fake = ollama(Script::new(200, &(done + "\n")));
    let loaded = r#"{"models":[{"name":"llama3.1:latest","context_length":4096}]}"#;
    fake.change("/api/ps", Script::new(200, loaded));
    let project = project(&fake).build();
    let answer = run(&project, &["chat", "why?"], &"a line\n".repeat(5_000)).expect(0);
    assert_eq!(answer.stdout, "Well.\n");
    assert!(answer.stderr.contains("the beginning was left out"), "{answer:?}");
    assert_eq!(run(&project, &["chat", "why?"], "a line\n").expect(0).stderr, "");
}

#[test]
fn an_answer_that_breaks_off_keeps_what_came_and_fails() {
    let broken = said("Half an") + &json!({"error": "runner has terminated"}).to_string() + "\n";
    for script in [Script::new(200, &broken), Script::new(200, &said("Half an")).ending(End::Cut)] {
        let project = project(&ollama(script)).build();
        let answer = run(&project, &["chat", "Hello"], "").expect(1);
        assert_eq!(answer.stdout, "Half an\n");
        assert!(answer.stderr.starts_with("error: "), "{}", answer.stderr);
    }
}

#[test]
fn what_goes_wrong_is_said_with_what_to_do() {
    let refusal = Script::new(401, r#"{"error":"unauthorized","signin_url":"https://ollama.com/connect"}"#);
    let fake = ollama(refusal);
    let project = project(&fake).build();
    let absent = TestProject::light().config("[ollama]\nhost = \"http://127.0.0.1:1\"").build();
    let strange = TestProject::light().config("[ollama]\nhost = \"ftp://here\"").build();
    // This path is empty at first, without Ollama; once installed, it should be started.
    let programs = absent.path("programs");
    let told = |project: &TestProject, args: &[&str], code: i32| {
        let mut command = command(project, args);
        let output = run::output_of(command.env("PATH", &programs), "").expect(code);
        assert_eq!(output.stdout, "");
        format!("$ pipulate {}\n{}", args.join(" "), output.stderr)
    };
    let all = [
        told(&project, &["chat"], 2),
        told(&project, &["chat", "-m", "phi9", "Hello"], 1),
        told(&project, &["chat", "-m", "nomic-embed-text", "Hello"], 1),
        told(&project, &["chat", "-m", "gpt-oss:120b-cloud", "Hello"], 1),
        told(&project, &["why", "nobody"], 2),
        told(&project, &["why"], 0),
        told(&absent, &["models"], 1),
        install(&programs.join("ollama")).map(|()| told(&absent, &["chat", "Hello"], 1)).unwrap(),
        told(&strange, &["models"], 1),
    ];
    insta::assert_snapshot!(all.concat());
}

/// Creates a program that does nothing.
fn install(program: &Path) -> std::io::Result<()> {
    fs::create_dir_all(program.parent().unwrap())?;
    std::os::unix::fs::symlink("/bin/true", program)
}

#[test]
fn the_models_are_listed_with_what_is_used() {
    let fake = answering("");
    let project = project(&fake).build();
    let listed = run(&project, &["models"], "").expect(0);
    insta::assert_snapshot!(listed.stdout + &listed.stderr);
    let listed: Value =
        serde_json::from_str(&run(&project, &["models", "--json"], "").expect(0).stdout).unwrap();
    assert_eq!((&listed["chosen"], &listed["models"][2]["cloud"]), (&"llama3.1:latest".into(), &true.into()));
}

#[test]
fn a_model_that_is_being_loaded_is_said_to_be_and_can_be_given_up() {
    let project = project(&ollama(Script::silent())).build();
    let line = format!("exec {} chat", env!("CARGO_BIN_EXE_pipulate"));
    let mut terminal = Terminal::open(&command(&project, &[]), &line);
    terminal.type_at(PROMPT, "Hello\r");
    terminal.wait_for("Loading llama3.1:latest into memory");
    terminal.type_text("\x03");
    terminal.wait_for("Stopped");
    terminal.type_at(PROMPT, "\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_model_that_is_in_memory_and_says_nothing_is_waited_for_aloud() {
    let loaded = Script::new(200, r#"{"models":[{"name":"llama3.1:latest"}]}"#);
    let fake = Fake::start([
        ("/api/tags", Script::new(200, TAGS)),
        ("/api/ps", loaded),
        ("/api/chat", Script::silent()),
    ]);
    let project = project(&fake).build();
    let mut terminal = Terminal::open(
        &command(&project, &[]),
        &format!("exec {} chat Hello", env!("CARGO_BIN_EXE_pipulate")),
    );
    terminal.wait_for("Waiting for llama3.1:latest: it may be busy with something else");
    terminal.type_text("\x03");
    assert_eq!(terminal.end(), Some(130));
    holds("the model to be told to stop", || matches!(fake.seen.try_recv(), Ok(Seen::HungUp)));
}

#[test]
fn at_the_prompt_lines_are_edited_completed_pasted_and_taken_back() {
    let fake = answering("Yes.");
    let project = project(&fake).file(".pipulate/.gitignore", "*\n").build();
    let mut terminal =
        Terminal::open(&command(&project, &[]), &format!("exec {} chat", env!("CARGO_BIN_EXE_pipulate")));
    terminal.type_at(PROMPT, "/mo\tq\t\r");
    terminal.wait_for("Now using qwen3:4b");
    terminal.type_at(PROMPT, "cde\x1b[D\x1b[D\x7fab\r");
    let first = asked(&fake);
    assert_eq!((&first["model"], &first["messages"][0]["content"]), (&"qwen3:4b".into(), &"abde".into()));
    holds("the answer", || terminal.shown().matches("Yes.").count() == 1);
    terminal.type_at(PROMPT, "\x1b[200~def f():\n    return 1\n\x1b[201~What is it?\r");
    assert_eq!(asked(&fake)["messages"][2]["content"], "def f():\n    return 1\nWhat is it?");
    holds("the answer", || terminal.shown().matches("Yes.").count() == 2);
    terminal.type_at(PROMPT, "never said\x03");
    terminal.wait_for("Leave with /quit or Ctrl-D");
    terminal.type_at(PROMPT, "/new\rAgain?\r");
    assert_eq!(asked(&fake)["messages"], json!([{"role": "user", "content": "Again?"}]));
    holds("the answer", || terminal.shown().matches("Yes.").count() == 3);
    terminal.type_at(PROMPT, "\x04");
    assert_eq!(terminal.end(), Some(0));
    let history = std::fs::metadata(project.path(".pipulate/chat-history")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&history.permissions()) & 0o777, 0o600);
}

#[test]
fn a_reader_that_has_enough_ends_the_answer_without_a_word() {
    let fake = ollama(Script::new(200, &said("On and on\n").repeat(20_000)).ending(End::Silence));
    let project = project(&fake).build();
    let mut shell = project.foreign("bash");
    shell.env_remove("OLLAMA_HOST");
    shell.args(["-o", "pipefail", "-c", "\"$0\" chat Talk | head -n 1", env!("CARGO_BIN_EXE_pipulate")]);
    let output = run::output(&mut shell);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("On and on\n", ""));
    holds("the model to be told to stop", || matches!(fake.seen.try_recv(), Ok(Seen::HungUp)));
}

#[test]
fn an_answer_that_was_cut_off_says_so_beside_it() {
    let end = json!({"message": {"content": ""}, "done": true, "done_reason": "length"}).to_string() + "\n";
    let fake = ollama(Script::new(200, &(said("And then") + &end)));
    let project = project(&fake).config("[services.worker]\ncommand = [\"true\"]\n").build();
    let told = |args: &[&str]| {
        let output = run(&project, args, "").expect(0);
        assert_eq!(output.stdout, "And then\n");
        format!("$ pipulate {}\n{}", args.join(" "), output.stderr)
    };
    insta::assert_snapshot!(told(&["chat", "Hello"]) + &told(&["why", "worker"]));
    let bound = std::iter::repeat_with(|| asked(&fake)).nth(1).unwrap()["options"]["num_predict"].as_u64();
    assert_eq!(bound, Some(300));
}

#[test]
fn in_a_conversation_ctrl_c_stops_the_answer_and_not_the_program() {
    let fake = ollama(Script::new(200, &said("It was a dark and")).ending(End::Silence));
    let project = project(&fake).file(".pipulate/.gitignore", "*\n").build();
    let mut terminal =
        Terminal::open(&command(&project, &[]), &format!("exec {} chat", env!("CARGO_BIN_EXE_pipulate")));
    terminal.type_at(PROMPT, "Tell me a story\r");
    terminal.wait_for("It was a dark and");
    terminal.type_text("\x03");
    holds("the model to be told to stop", || matches!(fake.seen.try_recv(), Ok(Seen::HungUp)));
    terminal.wait_for("Stopped");

    terminal.type_at(PROMPT, "/save story.md\r");
    terminal.wait_for("Saved: story.md");
    assert!(
        project.read("story.md").contains("## You\n\nTell me a story\n\n## Model\n\nIt was a dark and\n")
    );
    terminal.type_at(PROMPT, "/save ~/story.md\r");
    terminal.wait_for("Saved: /");
    terminal.type_at(PROMPT, "/save story.md\r");
    terminal.wait_for("is not overwritten");
    terminal.type_at(PROMPT, "/model phi9\r");
    terminal.wait_for("get it with: ollama pull phi9");
    fake.change("/api/tags", Script::new(200, r#"{"models":[{"name":"phi9:latest"}]}"#));
    terminal.type_at(PROMPT, "/model phi9\r");
    terminal.wait_for("Now using phi9:latest");
    terminal.type_at(PROMPT, "/quit\r");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_conversation_goes_on_and_remembers_what_was_typed_before() {
    let fake = answering("Yes.");
    let project = project(&fake).file(".pipulate/.gitignore", "*\n").build();
    let open =
        || Terminal::open(&command(&project, &[]), &format!("exec {} chat", env!("CARGO_BIN_EXE_pipulate")));
    let mut terminal = open();
    terminal.type_at(PROMPT, "/system Be brief.\r");
    terminal.wait_for("follows this");
    for (question, messages) in [("One?", 2), ("Two?", 4)] {
        terminal.type_at(PROMPT, &format!("{question}\r"));
        let asked = asked(&fake);
        let said = asked["messages"].as_array().unwrap();
        assert_eq!((said.len(), &said[0]["content"]), (messages, &"Be brief.".into()));
        assert_eq!(said[messages - 1]["content"], question);
        holds("the answer", || terminal.shown().matches("Yes.").count() == messages / 2);
    }
    terminal.type_at(PROMPT, "\x04");
    assert_eq!(terminal.end(), Some(0));

    let mut terminal = open();
    terminal.type_at(PROMPT, "\x1b[A\r");
    assert_eq!(asked(&fake)["messages"], json!([{"role": "user", "content": "Two?"}]));
    terminal.wait_for("Yes.");
    terminal.type_at(PROMPT, "\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn why_asks_about_the_service_in_trouble_without_its_secrets() {
    let fake = answering("Its key is wrong.");
    let command = "command = [\"sh\", \"-c\", \"echo using $API_KEY; exit 3\"]\nrestart = \"never\"\nenv_file = \".env\"";
    let project = project(&fake)
        .config(&format!("[services.worker]\n{command}"))
        .file(".env", "API_KEY=sk-0123456789\n")
        .build();
    project.run(&["start", "--no-setup", "worker"]);
    project.wait_for_state("worker", "crashed");
    let told = run(&project, &["why"], "").expect(0);
    assert_eq!(told.stdout, "Its key is wrong.\n");
    assert!(
        told.stderr.starts_with("llama3.1:latest about worker (crashed: it ended with code 3"),
        "{}",
        told.stderr
    );
    let question = asked(&fake)["messages"][1]["content"].as_str().unwrap().to_owned();
    assert!(question.contains("\"worker\" is crashed") && question.contains("using ****"), "{question}");
    assert!(!question.contains("sk-0123456789"), "{question}");
    project.run(&["stop"]).expect(0);
}

//! The chat page in a real browser: streaming, stopping, reloads, and answers that never become HTML.

use serde_json::json;

use crate::fake_ollama::{End, Fake, Script, Seen};
use crate::pages;
use crate::support::{Browser, TestProject, holds, http, process};

/// The output of a hostile model.
const HOSTILE: &str = "<script>window.owned=1</script><img src=x onerror='window.owned=1'>\
    <form hx-post='/services/stop' hx-trigger='load'></form><div hx-get='/owned' hx-trigger='load'>x</div>\
    <hx-partial hx-target='body'>owned</hx-partial></div></article><svg onload='window.owned=1'>\n\n\
    ![x](http://evil.test/x.png) [link](javascript:window.owned=1) <http://evil.test/\"onclick=\"window.owned=1>\n\n\
    ```html\"><img src=x onerror=window.owned=1>\n</code></pre><script>window.owned=1</script>\n\
    a line of code that is far too long for a telephone and for most other things that one looks at as well\n```\n";

/// True if a conversation that is longer than its box is scrolled to the end.
const IS_AT_END: &str = "(turns => turns.scrollTop > 0 && turns.scrollHeight - turns.scrollTop - turns.clientHeight < 2)(document.querySelector('#turns'))";

fn said(text: &str) -> String {
    json!({"message": {"role": "assistant", "content": text}, "done": false}).to_string() + "\n"
}

fn done() -> String {
    json!({"message": {"content": ""}, "done": true, "done_reason": "stop"}).to_string() + "\n"
}

/// A running project whose Ollama gives this answer, and a signed-in browser.
fn open(answer: Script) -> (Fake, TestProject, Browser) {
    let tags =
        Script::new(200, r#"{"models":[{"name":"llama3.1:latest"},{"name":"nomic-embed-text:latest"}]}"#);
    let nothing = Script::new(200, r#"{"models":[]}"#);
    let fake = Fake::start([("/api/tags", tags), ("/api/ps", nothing), ("/api/chat", answer)]);
    let project = TestProject::light()
        .config(&format!("[ollama]\nhost = \"{}\"\ngreet = \"never\"\n", fake.host))
        .build();
    let mut start = project.command(&["start", "--no-setup", "--no-browser"]);
    crate::support::run::output_of(start.env_remove("OLLAMA_HOST"), "").expect(0);
    let mut browser = Browser::start(&project);
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    browser.open(&address(&project, "/chat"));
    (fake, project, browser)
}

fn address(project: &TestProject, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", project.port("server"))
}

#[test]
fn an_answer_streams_goes_on_over_a_reload_and_is_stopped_by_escape() {
    let rain: String = (0..100).map(|drop| said(&format!(".\ndrop {drop}"))).collect();
    let words = said("It was a dark") + &said(" and <b>stormy</b>\n\nnight") + &rain;
    let (fake, project, mut browser) = open(Script::split(&words, 11).ending(End::Silence));
    // A window that is too small for the answer.
    browser.view_through("light", 800, 360);
    browser.type_into("#question", "A story");
    browser.press("Enter");
    browser.wait_for_text("#open-answer", "drop 99");
    let written = "document.querySelector('#open-answer').textContent";
    let written = browser.measure(written).as_str().unwrap().to_owned();
    assert!(written.starts_with("It was a dark and <b>stormy</b>night.\ndrop 0.\ndrop 1."), "{written}");
    browser.wait_for_text("#chat-status", "llama3.1:latest is answering");
    assert_eq!(browser.measure("document.querySelectorAll('#open-answer > p').length"), 2, "paragraphs");
    holds("the end of the answer in view", || browser.measure(IS_AT_END) == true);
    assert_eq!(pages::violations(&mut browser), json!([]), "while it is written");
    assert_eq!(browser.measure("document.querySelector('#question').value"), "");
    assert_eq!(browser.measure("document.activeElement.id"), "question");
    assert_eq!(browser.measure("document.querySelectorAll('#ask option').length"), 1, "no embedder");

    browser.open(&address(&project, "/chat"));
    browser.wait_for_text("#open-answer", "and <b>stormy</b>");
    holds("the new page's own stream", || {
        browser.measure("!!document.querySelector('#follow')._htmx?.sse") == true
    });
    let hung_up =
        |fake: &Fake| std::iter::from_fn(|| fake.seen.try_recv().ok()).any(|seen| seen == Seen::HungUp);
    assert!(!hung_up(&fake), "the answer does not belong to a page");

    holds("the end of the answer in view", || browser.measure(IS_AT_END) == true);
    browser.measure("document.querySelector('#turns').scrollTop = 0");
    browser.press("Escape");
    holds("the model to be told to stop", || hung_up(&fake));
    browser.wait_for_text("#chat-status", "Stopped");
    browser.wait_for_text("#turns", "Try again");
    assert_eq!(pages::violations(&mut browser), json!([]), "when it is over");
    assert_eq!(
        browser.measure("document.querySelector('#turns').scrollTop"),
        0,
        "who looks back is left there"
    );
    assert_eq!(browser.measure("document.querySelectorAll('#turns b, [aria-busy=true]').length"), 0);
    assert_eq!(browser.complaints(), [""; 0]);

    // The conversation survives a restart of everything, and is gone once the user deletes it.
    project.run(&["restart", "server"]).expect(0);
    browser.open(&address(&project, "/chat"));
    browser.wait_for_text("#turns", "It was a dark and <b>stormy</b>");
    browser.click(".settings summary");
    browser.click(".settings .verbs button");
    browser.wait_for_text("#turns", "Nothing has been said yet");
    browser.click("form[action$=restore] button");
    browser.wait_for_text("#turns", "It was a dark and <b>stormy</b>");
    browser.click(".settings summary");
    browser.click(".settings .verbs button");
    browser.wait_for_text("#turns", "Nothing has been said yet");
    project.run(&["stop"]).expect(0);
    let log = std::fs::read_to_string(project.path(".pipulate/log/server.log")).unwrap_or_default();
    assert!(!log.contains("A story") && !log.contains("dark"), "{log}");
}

#[test]
fn two_browsers_see_one_answer_and_what_was_said_when_the_app_was_killed_is_kept() {
    let words = said("It was a dark and stormy night");
    let (_fake, project, mut one) = open(Script::split(&words, 7).ending(End::Silence));
    one.open(&address(&project, "/chat/new"));
    let mut other = Browser::start_another(&project);
    other.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    // Both tabs show the same empty chat.
    other.open(one.measure("location.href").as_str().unwrap());
    one.type_into("#question", "A story");
    one.press("Enter");
    for browser in [&mut one, &mut other] {
        browser.wait_for_text("#open-answer", "It was a dark and stormy night");
        browser.wait_for_text("#chat-status", "is answering");
        assert_eq!(browser.text("#open-answer"), "It was a dark and stormy night", "once");
        assert_eq!(browser.measure("document.querySelectorAll('.turn').length"), 1);
    }
    for browser in [&mut one, &mut other] {
        assert_eq!(browser.text("#chats [aria-current]"), "A story");
        assert_eq!(
            browser.measure("[document.title, document.querySelector('h1').innerText]"),
            json!(["A story", "A story"])
        );
    }
    let chats = project.path(".pipulate/chats");
    holds("the words on disk", || {
        let files = std::fs::read_dir(&chats).into_iter().flatten().flatten();
        files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).any(|text| text.contains("stormy"))
    });
    let pid = project.service("server")["pid"].as_u64().unwrap();
    process::Process::find(pid.try_into().unwrap()).unwrap().signal(rustix::process::Signal::KILL);
    for browser in [&mut one, &mut other] {
        browser.wait_for_text("#turns", "The answer was cut off: the app ended before it was complete");
        assert!(browser.text("#turns").contains("dark and stormy night"));
        assert_eq!(browser.measure("document.querySelectorAll('[aria-busy=true]').length"), 0);
    }
    one.click(".edit summary");
    one.measure("document.querySelector('.edit textarea').value = 'A joke'");
    one.click(".edit button");
    for browser in [&mut one, &mut other] {
        browser.wait_for_text(".turn", "A joke");
        browser.wait_for_text("#open-answer", "dark and stormy");
    }
    other.click("[form=stop]");
    one.wait_for_text("#chat-status", "Stopped");
    // The first question is kept in both tabs.
    one.wait_for_text(".versions", "2/2");
    one.click("[aria-label='Earlier version']");
    for browser in [&mut one, &mut other] {
        browser.wait_for_text(".turn .question", "A story");
        browser.wait_for_text(".versions", "1/2");
    }
}

#[test]
fn nothing_that_a_model_says_becomes_an_element_a_request_or_a_handler() {
    let (_fake, project, mut browser) = open(Script::new(200, &(said(HOSTILE) + &done())));
    browser.view("light", 360);
    browser.type_into("#question", "<img src=x onerror=window.owned=1>");
    browser.click("#send");
    browser.wait_for_text("#chat-status", "The answer is complete");
    let foreign = "document.querySelectorAll('#turns :is(script, img, svg, iframe, object, [hx-get]), #turns form:not([action$=retry])').length";
    for round in ["streamed", "loaded"] {
        assert_eq!(browser.measure(foreign), 0, "{round}");
        let handlers = "[...document.querySelectorAll('#turns *')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on')).length";
        assert_eq!(browser.measure(handlers), 0, "{round}");
        assert_eq!(browser.measure("window.owned === undefined"), true, "{round}");
        let links = "[...document.querySelectorAll('#turns a')].every(a => /^https?:/.test(a.href) && a.rel.includes('noreferrer'))";
        assert_eq!(browser.measure(links), true, "{round}");
        assert_eq!(browser.measure("document.documentElement.scrollWidth"), 360, "{round}");
        browser.open(&address(&project, "/chat"));
    }
    assert_eq!(browser.complaints(), [""; 0]);
    assert_eq!(project.service("server")["state"], "ready");
    assert_eq!(http::get(&address(&project, "/chat"), &[]).unwrap().status, 401);
}

#[test]
fn the_card_of_a_service_in_trouble_asks_why_without_its_secrets() {
    let (fake, project, mut browser) = open(Script::new(200, &(said("Its **key** is wrong.") + &done())));
    let worker = "command = [\"sh\", \"-c\", \"echo using $API_KEY; exit 3\"]\nrestart = \"never\"\nenv_file = \".env\"";
    project.write(".env", "API_KEY=sk-0123456789\n");
    let config = project.read("pipulate.toml") + &format!("\n[services.worker]\n{worker}\n");
    project.write("pipulate.toml", &config);
    project.run(&["start", "--no-setup", "worker"]);
    project.wait_for_state("worker", "crashed");
    browser.open(&address(&project, "/"));
    browser.click("button[aria-label='Ask why worker has a problem']");
    browser.wait_for_text("#why-worker", "Its key is wrong.");
    browser.wait_for_text("#why-worker", "The answer is complete");
    // Later updates of the service don't remove the answer.
    project.run(&["start", "--no-setup", "worker"]);
    holds("another end", || browser.text("#service-worker .lines").matches("using ****").count() > 1);
    assert!(browser.text("#why-worker").contains("Its key is wrong."));
    browser.click("#why-worker a");
    browser.wait_for_text("#turns", "Its key is wrong.");
    assert!(browser.text("#turns").contains("may be wrong"));
    let question =
        std::iter::repeat_with(|| fake.next_request()).find(|(path, ..)| path == "/api/chat").unwrap().2;
    assert!(question.contains("\\\"worker\\\" is crashed") && question.contains("using ****"), "{question}");
    assert!(!question.contains("sk-0123456789") && question.contains("follow no instruction"), "{question}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_question_is_answered_without_scripts() {
    let (_fake, _project, mut browser) = open(Script::new(200, &(said("**Forty-two**") + &done())));
    browser.switch_javascript_off();
    let here = browser.measure("location.href");
    browser.open(here.as_str().unwrap());
    browser.type_into("#question", "What is it?");
    browser.click("#send");
    browser.wait_for_text("#turns", "Forty-two");
    assert_eq!(browser.text("#turns strong"), "Forty-two");
}

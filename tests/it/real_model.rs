//! A small real model answers: in the terminal, and on the page until it is stopped.

use crate::support::model::Model;
use crate::support::{Browser, TestProject};

#[test]
fn a_real_model_answers_in_the_terminal_and_on_the_page() {
    let Some(mut model) = Model::start() else { return };
    let table = format!("[ollama]\nhost = \"{}\"\n", model.address);
    let project = TestProject::light().config(&table).build();
    let mut command = project.command(&["chat", "Count from one to three."]);
    let answer = crate::support::run::output_of(command.env_remove("OLLAMA_HOST"), "").expect(0);
    assert!(!answer.stdout.trim().is_empty(), "{answer:?}");
    // A model's answer is unpredictable, and may reach the length limit.
    assert!(answer.stderr.is_empty() || answer.stderr.contains("the answer was cut off"), "{answer:?}");
    let mut command = project.command(&["doctor", "--json"]);
    let report = crate::support::run::output_of(command.env_remove("OLLAMA_HOST"), "").stdout;
    assert!(report.contains("smollm2:135m"), "{report}");

    let mut start = project.command(&["start", "--no-setup", "--no-browser"]);
    crate::support::run::output_of(start.env_remove("OLLAMA_HOST"), "").expect(0);
    let mut browser = Browser::start(&project);
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
    browser.open(&format!("http://127.0.0.1:{}/chat/new", project.port("server")));
    browser.type_into("#question", "Write a long story about a dog and a cat.");
    browser.press("Enter");
    crate::support::holds("some words of the answer", || {
        browser.measure("document.querySelector('#open-answer')?.textContent.length > 20") == true
    });
    browser.click("[form=stop]");
    model.wait_for_hang_up();
    browser.wait_for_text("#chat-status", "Stopped");
    assert_eq!(browser.complaints(), [""; 0]);
}

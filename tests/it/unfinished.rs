//! Unfinished lines: progress bars, questions, and partial secrets; and secrets that change
//! while a follower runs.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::process::Process;
use crate::support::project::PIPULATE;
use crate::support::{Terminal, TestProject, holds, run};

const CTRL_C: &str = "\x03";

/// Two services that print the lines appended to a file.
const TALKERS: &str = "[services.one]\ncommand = [\"tail\", \"-f\", \"-n\", \"+1\", \"one\"]\n\
    [services.two]\nenv_file = \"two.env\"\ncommand = [\"tail\", \"-f\", \"-n\", \"+1\", \"two\"]\n";

fn project() -> TestProject {
    let project = TestProject::light().table("server", "enabled = false").config(TALKERS);
    let project =
        project.file("one", "begin\n").file("two", "").file("two.env", "A_KEY=first-value\n").build();
    project.start(&["one", "two"]);
    project
}

/// Appends to a service's output and waits until it is in the log.
#[track_caller]
fn say(project: &TestProject, service: &str, text: &str) {
    let mut shell = project.foreign("sh");
    shell.args(["-c", "printf '%b' \"$0\" >> \"$1\"", text, service]);
    assert!(shell.status().unwrap().success());
    let said = std::fs::read(project.path(service)).unwrap();
    let log = || std::fs::read(project.path(&format!(".pipulate/log/{service}.log"))).unwrap();
    holds("it in the log", || log() == said);
}

fn follow(project: &TestProject, args: &str) -> Terminal {
    Terminal::open(&project.command(&[]), &format!("exec {PIPULATE} --color never {args}"))
}

fn leave(mut follower: Terminal) -> String {
    follower.type_text(CTRL_C);
    let shown = follower.shown();
    assert_eq!(follower.end(), Some(0));
    shown
}

#[test]
fn an_unfinished_line_shows_on_a_terminal_after_a_pause_and_is_gone_on_with() {
    let project = project();
    let follower = follow(&project, "logs -f one");
    follower.wait_for("begin");
    say(&project, "one", "Training: ");
    follower.wait_for("Training: ");
    say(&project, "one", "half \\0342\\0226");
    follower.wait_for("Training: half ");
    say(&project, "one", "\\0210 \\033[3");
    follower.wait_for("Training: half █ ");
    say(&project, "one", "1mdone\\033[0m\\nnext\\n");
    follower.wait_for("Training: half █ done\r\nnext\r\n");
    say(&project, "one", "the end");
    follower.wait_for("next\r\nthe end");
    let shown = leave(follower);
    assert!(!shown.contains('\u{fffd}') && shown.matches("Training").count() == 1, "{shown}");
}

#[test]
fn each_state_of_a_progress_bar_is_a_line_in_every_view() {
    let project = project();
    let follower = follow(&project, "logs -f one");
    follower.wait_for("begin");
    say(&project, "one", "\\r 10%\\r 20%\\r");
    follower.wait_for(" 10%\r\n 20%");
    say(&project, "one", "\\r 30% of sk");
    follower.wait_for(" 10%\r\n 20%\r\n 30% of sk");
    say(&project, "one", "ies\\rlast\\r\\n\\r\\nend\\n");
    let expected = ["begin", " 10%", " 20%", " 30% of skies", "last", "", "end"];
    follower.wait_for(&expected.join("\r\n"));
    leave(follower);

    let shown = |args: &[&str]| project.run(args).expect(0).stdout;
    assert_eq!(shown(&["logs", "one"]), format!("{}\n", expected.join("\n")));
    assert_eq!(shown(&["logs", "one", "-n", "4"]), format!("{}\n", expected[3..].join("\n")));
    assert_eq!(shown(&["logs", "one", "-g", "%$"]), " 10%\n 20%\n");
    let json: Vec<Value> =
        shown(&["logs", "one", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<&str> = json.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts, expected);
    let file = project.read(".pipulate/log/one.log");
    for line in json {
        let offset = usize::try_from(line["offset"].as_u64().unwrap()).unwrap();
        assert!(file[offset..].starts_with(line["text"].as_str().unwrap()));
    }
}

#[test]
fn lines_of_others_come_between_the_parts_of_an_unfinished_one() {
    let project = project();
    let follower = follow(&project, "logs -f");
    follower.wait_for("one | begin");
    say(&project, "one", "Password for 45%");
    follower.wait_for("one | Password for 45%");
    say(&project, "two", "hello\\n");
    follower.wait_for("one | Password for 45%\r\ntwo | hello\r\n");
    say(&project, "one", " and more");
    follower.wait_for("two | hello\r\none | … and more");
    say(&project, "one", ".\\n");
    follower.wait_for("one | … and more.\r\n");
    leave(follower);
}

#[test]
fn no_half_of_a_secret_shows_at_the_end_of_an_unfinished_line() {
    let project = project();
    let follower = follow(&project, "logs -f two");
    say(&project, "two", "key=fir");
    follower.wait_for("key=");
    say(&project, "two", "st-val");
    say(&project, "two", "ue, and %66irst-v%6");
    follower.wait_for("key=****, and ");
    say(&project, "two", "1lue.\\n");
    follower.wait_for("key=****, and ****.\r\n");
    let shown = leave(follower);
    assert!(!shown.contains("fir") && !shown.contains("irst"), "{shown}");
}

#[test]
fn what_reads_a_pipe_gets_whole_lines_and_what_a_service_left_unfinished_at_the_end() {
    let project = project();
    let mut follower = project.command(&["logs", "-f", "one", "--json"]);
    let mut follower = follower.stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(follower.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut next = || serde_json::from_str::<Value>(&shown.next().unwrap()).unwrap()["text"].clone();
    assert_eq!(next(), "begin");
    say(&project, "one", "unfinished");
    // It is unknown whether a line feed follows, and it doesn't matter.
    say(&project, "one", " and gone back to the beginning\\r");
    assert_eq!(next(), "unfinished and gone back to the beginning");
    say(&project, "one", "\\n1%\\r2%\\n");
    assert_eq!([next(), next()], ["1%", "2%"]);
    Process::find(follower.id().try_into().unwrap()).unwrap().signal(Signal::INT);
    assert!(follower.wait().unwrap().success());

    let last = "[services.last]\ncommand = [\"sh\", \"-c\", \"echo line; read now < go; printf 'last words'\"]\n\
        restart = \"never\"\n";
    let project = TestProject::light().table("server", "enabled = false").config(last).build();
    assert!(project.foreign("mkfifo").arg("go").status().unwrap().success());
    let start = ["start", "--no-setup", "--no-browser", "--foreground", "last"];
    let started = project.command(&start).stdout(Stdio::piped()).spawn().unwrap();
    std::fs::write(project.path("go"), "now\n").unwrap();
    let output = started.wait_with_output().unwrap();
    // The follower has the name, as with any start.
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "last\nline\nlast words\n");
}

#[test]
fn a_follower_masks_secrets_that_were_set_while_it_followed() {
    let project = project();
    let follower = follow(&project, "logs -f");
    follower.wait_for("one | begin");
    run::output_of(&mut project.command(&["secret", "set", "B_KEY"]), "set-meanwhile").expect(0);
    say(&project, "one", "B set-meanwhile.\\n");
    follower.wait_for("B ****.");
    say(&project, "two", "old first-value.\\n");
    project.write("two.env", "A_KEY=other-value\n");
    say(&project, "two", "new other-value.\\nold first-value, too.\\n");
    follower.wait_for("old ****, too.");
    let config = project.read("pipulate.toml");
    project.write(".env", "B_KEY=set-meanwhile\nDATABASE=postgres\n");
    project.write("pipulate.toml", &format!("{config}[secrets]\nrequired = [\"DATABASE\"]\n"));
    say(&project, "one", "on postgres.\\n");
    follower.wait_for("on ****.");
    // An invalid configuration changes nothing.
    project.write("pipulate.toml", &format!("{config}[secrets"));
    project.write("two.env", "A_KEY=third-value\n");
    say(&project, "two", "third-value, other-value on postgres.\\n");
    follower.wait_for("two | ****, **** on ****.");
    let shown = leave(follower);
    for secret in ["set-meanwhile", "first-value", "other-value", "third-value", "postgres"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[test]
fn a_progress_bar_shows_whole_in_the_last_lines_of_a_failure() {
    let failing = "[services.bar]\nrestart = \"never\"\nready = { log = \"never\" }\n\
        command = [\"sh\", \"-c\", \"printf '\\\\r 10%%\\\\r 50%%\\\\rno luck'; exit 3\"]\n";
    let project = TestProject::light().table("server", "enabled = false").config(failing).build();
    let said = project.run(&["start", "--no-setup", "--no-browser", "bar"]).expect(1).stderr;
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    for line in ["10%", "50%", "no luck"] {
        assert!(lines.iter().any(|shown| shown.ends_with(line)), "{line}: {said}");
    }
}

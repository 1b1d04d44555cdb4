//! `secret`, and how `start` handles secrets that a project needs. A value is only in `.env`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::support::process::every_command_line;
use crate::support::project::PIPULATE;
use crate::support::{Screen, Session, TestProject, holds, run};

const VALUE: &str = "sk-hush-hush-12345";

fn project() -> TestProject {
    TestProject::light().build()
}

/// `secret set` with this value on its stdin.
fn pipe(project: &TestProject, name: &str, value: &str) -> run::Output {
    run::output_of(&mut project.command(&["secret", "set", name]), value)
}

fn screen(project: &TestProject, args: &str) -> Screen {
    Screen::open(&project.command(&[]), &format!("{PIPULATE} {args}; code=$?; stty -a; (exit $code)"))
}

#[test]
fn a_secret_that_is_typed_is_seen_nowhere_and_kept_in_the_file() {
    let project = project();
    let screen = screen(&project, "secret set OPENAI_API_KEY");
    screen.wait_for("OPENAI_API_KEY (not shown): ");
    screen.type_text("wrong");
    screen.press("C-u");
    screen.type_text(&format!("{VALUE}x"));
    screen.press("BSpace");
    assert!(!every_command_line().lines().any(|line| line.contains("pipulate") && line.contains(VALUE)));
    screen.press("Enter");
    screen.wait_for("Saved OPENAI_API_KEY in: ");
    assert!(!screen.text().contains("sk-hush"), "{}", screen.text());
    screen.wait_for(" echo ");
    assert_eq!(screen.end(), 0);
    assert_eq!(project.read(".env"), format!("OPENAI_API_KEY='{VALUE}'\n"));
    assert_eq!(fs::metadata(project.path(".env")).unwrap().permissions().mode() & 0o777, 0o600);

    for args in [&["secret", "list"][..], &["config", "--show"], &["status", "--json"]] {
        let output = project.run(args);
        assert!(!(output.stdout + &output.stderr).contains("sk-hush"), "{args:?}");
    }
}

#[test]
fn ctrl_c_saves_nothing_and_leaves_a_terminal_that_shows_what_is_typed() {
    let project = project();
    let screen = screen(&project, "secret set KEY");
    screen.wait_for("KEY (not shown): ");
    screen.type_text(VALUE);
    screen.press("C-c");
    screen.wait_for("interrupted, and nothing was saved");
    screen.wait_for(" echo ");
    assert_eq!(screen.end(), 130);
    assert!(!project.path(".env").exists());
}

#[test]
fn of_several_lines_that_are_pasted_none_is_saved_and_none_gets_to_the_shell() {
    let project = project();
    let line =
        format!("{PIPULATE} secret set KEY; stty -echo; read -t 1 rest; echo \"the shell got [$rest]\"");
    let screen = Screen::open(&project.command(&[]), &format!("bash -c '{line}'"));
    screen.wait_for("KEY (not shown): ");
    screen.type_text("-----BEGIN KEY-----\rtouch executed\r");
    screen.wait_for("that was more than one line, so nothing was saved");
    screen.wait_for("the shell got []");
    assert_eq!(screen.end(), 0);
    assert!(!project.path(".env").exists());
}

#[test]
fn secrets_are_piped_in_listed_and_taken_out_and_the_rest_of_the_file_stays() {
    let project = project();
    let before = "# of mine\nexport OTHER=1  # kept\n\nnot a line\nLOST\nOLD=x\n";
    project.write(".env", before);
    fs::set_permissions(project.path(".env"), fs::Permissions::from_mode(0o644)).unwrap();
    project.write("pipulate.toml", "[secrets]\nrequired = [\"NEEDED\"]\n");
    pipe(&project, "TOKEN", &format!("{VALUE}\n")).expect(0);
    assert_eq!(project.read(".env"), format!("{before}TOKEN='{VALUE}'\n"));
    assert_eq!(fs::metadata(project.path(".env")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(pipe(&project, "OTHER", "it's $1").expect(0).stderr.contains("only python-dotenv"));
    let mut session = Session::new(&project);
    session.run_command(&["secret", "list"], project.command(&["secret", "list"]).env("OLD", "y"), 0);
    session.run(&["secret", "unset", "OLD"], 0);
    session.run(&["secret", "unset", "OLD"], 0);
    insta::assert_snapshot!(session.text());
    let after = before.replace("OTHER=1", r"OTHER='it\'s $1'").replace("OLD=x\n", "");
    assert_eq!(project.read(".env"), format!("{after}TOKEN='{VALUE}'\n"));
}

#[test]
fn what_is_no_name_or_no_value_is_refused_without_being_repeated() {
    let project = project();
    let mut session = Session::new(&project);
    for args in [
        &["secret", "set", "KEY", VALUE][..],
        &["secret", "set", "KEY", "-sk-hush-hush"],
        &["secret", "set", "KEY=sk-hush-hush"],
        &["secret", "set", "sk-hush-hush"],
        &["secret", "unset", "sk-hush-hush"],
        &["secret", "unset", "KEY", VALUE],
        &["secret", "unset", "KEY", "-sk-hush-hush"],
        &["secret", "unset", "KEY", "--value=sk-hush-hush"],
        &["secret", "list", VALUE],
        &["secret", VALUE],
        &["secret", "KEY", VALUE],
        &["secret", "--sk-hush-hush"],
        &["secret", "set", "--KEY", VALUE],
        &["secret", "set", "--sk-hush-hush"],
        &["--color", "never", "secret", "KEY=sk-hush-hush"],
    ] {
        let output = project.run(args).expect(2);
        assert!(!(output.stdout + &output.stderr).contains("hush"), "{args:?}");
    }
    session.run(&["secret", "set", "KEY", "x"], 2);
    session.run(&["secret", "set", "a-b"], 2);
    session.run(&["secret", "unset", "KEY", "x"], 2);
    session.run(&["secret", "KEY", "x"], 2);
    session.run(&["secret", "set", "KEY"], 1);
    session.run(&["secret", "list"], 0);
    for value in [&b"a\0b"[..], b"a\r\nb", b"a${HOME}", b"a\xff", &[b'x'; 200_000]] {
        fs::write(project.path("value"), value).unwrap();
        let mut command = project.command(&["secret", "set", "KEY"]);
        command.stdin(fs::File::open(project.path("value")).unwrap());
        session.run_command(&["secret", "set", "KEY"], &mut command, 1);
    }
    insta::assert_snapshot!(session.text());
    assert!(!project.path(".env").exists());
}

#[test]
fn a_secret_in_the_wrong_file_is_repeated_by_nobody() {
    let project = project();
    let config =
        format!("[services.worker]\ncommand = [\"w\"]\nenv = {{ API_KEY = \"{VALUE}\", PORT = [] }}\n");
    project.write("pipulate.toml", &config);
    let mut session = Session::new(&project);
    session.run(&["start"], 1);
    insta::assert_snapshot!(session.text());
    for args in
        [&["status"][..], &["status", "--json"], &["doctor"], &["doctor", "--json"], &["config", "--show"]]
    {
        let output = project.run(args);
        assert!(!(output.stdout + &output.stderr).contains("hush"), "{args:?}");
    }
}

#[test]
fn start_asks_for_what_is_missing_on_a_terminal_and_names_it_elsewhere() {
    let config = "[secrets]\nrequired = [\"FIRST\", \"SECOND\", \"THIRD\", \"FOURTH\"]\n";
    let project = TestProject::light().config(config).file(".env", "THIRD=there\n").build();
    let mut command = project.command(&["start", "--no-setup"]);
    let said = run::output(command.env("FOURTH", "there")).expect(0).stderr;
    assert!(said.contains("warning: secrets are missing: FIRST, SECOND\n"), "{said}");
    assert!(said.contains("hint: save it with: pipulate secret set FIRST\n"), "{said}");
    project.run(&["stop"]).expect(0);

    let mut like = project.command(&[]);
    like.env("FOURTH", "there");
    let screen = Screen::open(&like, &format!("{PIPULATE} start --no-setup"));
    screen.wait_for("FIRST (not shown): ");
    screen.type_text(VALUE);
    screen.press("Enter");
    screen.wait_for("SECOND (not shown): ");
    screen.press("Enter");
    screen.wait_for("secrets are missing: SECOND");
    assert_eq!(screen.end(), 0);
    assert_eq!(project.read(".env"), format!("THIRD=there\nFIRST='{VALUE}'\n"));
    project.run(&["status"]).expect(0);
}

#[test]
fn a_start_that_is_left_at_a_secret_starts_nothing() {
    let project = TestProject::light().config("[secrets]\nrequired = [\"KEY\"]\n").build();
    let screen = Screen::open(&project.command(&[]), &format!("{PIPULATE} start --no-setup"));
    screen.wait_for("KEY (not shown): ");
    screen.press("C-c");
    assert_eq!(screen.end(), 130);
    project.run(&["status"]).expect(3);
    assert!(project.processes().is_empty());
}

#[test]
fn two_programs_that_save_at_once_lose_nothing() {
    let project = project();
    project.write(".env", "# kept\n");
    project.run(&["secret", "unset", "NONE"]).expect(0);
    let children: Vec<_> = (0..12).map(|number| begin(&project, &format!("KEY_{number}"), "x")).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = project.read(".env");
    assert!(text.starts_with("# kept\n"), "{text}");
    assert!((0..12).all(|number| text.contains(&format!("KEY_{number}='x'\n"))), "{text}");
}

#[test]
fn a_save_that_is_killed_leaves_the_old_file_or_the_new_one() {
    let project = project();
    let old = format!("KEY='old'\nREST='{}'\n", "r".repeat(50_000));
    let value = "v".repeat(50_000);
    let new = old.replace("'old'", &format!("'{value}'"));
    let mut outcomes = [0, 0];
    for round in 0..60 {
        project.write(".env", &old);
        let mut child = begin(&project, "KEY", &value);
        // From immediately to after its end.
        for _ in 0..round * 2000 {
            std::hint::spin_loop();
        }
        let _gone = child.kill();
        child.wait().unwrap();
        let text = project.read(".env");
        assert!(text == old || text == new, "round {round}: {} bytes", text.len());
        outcomes[usize::from(text == new)] += 1;
    }
    assert!(outcomes[0] > 0, "{outcomes:?}");
    project.write(".env", &old);
    pipe(&project, "KEY", &value).expect(0);
    assert_eq!(project.read(".env"), new);
    let names: Vec<_> =
        fs::read_dir(project.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("tmp")), "{names:?}");
}

/// A running `secret set`.
fn begin(project: &TestProject, name: &str, value: &str) -> std::process::Child {
    let mut command: Command = project.command(&["secret", "set", name]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    child
}

#[test]
fn python_reads_what_was_saved() {
    let project = project();
    for value in ["plain", "it's \"quoted\" #1", "back\\slash\\", "two\nlines", "ü 🦙"] {
        pipe(&project, "KEY", value).expect(0);
        let script = "import dotenv, sys; sys.stdout.write(dotenv.dotenv_values('.env')['KEY'])";
        let read = project.run(&["run", "--", "python", "-c", script]).expect(0);
        assert_eq!(read.stdout, value);
    }
    holds("nothing of it in the environment of a command", || {
        project.run(&["run", "--", "sh", "-c", "echo ${KEY-none}"]).stdout == "none\n"
    });
}

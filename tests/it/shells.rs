//! The user's own shells with the environment active: bash, zsh and fish on a real screen.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use crate::support::project::{PIPULATE, python};
use crate::support::screen::COLUMNS;
use crate::support::{Screen, Session, TestProject, holds, run};

/// A folder name with special characters for every shell.
const FOLDER: &str = "it's a \"$HOME\"";

/// A line of the user's shell history.
const RECALLED: &str = "echo a line 'of  mine'";

struct Home {
    project: TestProject,
    shell: &'static str,
}

impl Home {
    /// A user with an alias and a history in their shell's own files.
    fn of_user(shell: &'static str) -> Self {
        let project = TestProject::light().build();
        fs::create_dir(project.path(FOLDER)).unwrap();
        symlink(project.path(".venv"), project.path(FOLDER).join(".venv")).unwrap();
        let write = |path: &str, text: &str| {
            let path = project.home().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        match shell {
            "bash" => {
                write(".bashrc", "alias greet='echo an alias of mine'\n");
                write(".bash_history", &format!("{RECALLED}\n"));
            }
            "zsh" => {
                // .zshenv sets the folder of the other files.
                write(".zshenv", "ZDOTDIR=~/.config/zsh\n");
                let rc = "alias greet='echo an alias of mine'\nHISTFILE=$ZDOTDIR/history\nHISTSIZE=9\nSAVEHIST=9\n";
                write(".config/zsh/.zshrc", rc);
                write(".config/zsh/history", &format!("{RECALLED}\n"));
            }
            _ => {
                write(
                    ".config/fish/config.fish",
                    "alias greet 'echo an alias of mine'\nset -g fish_greeting\n",
                );
                let history = format!("- cmd: {RECALLED}\n  when: 1700000000\n");
                write(".local/share/fish/fish_history", &history);
                // If one of these is missing, fish first parses all manuals of the system.
                write(".local/share/fish/generated_completions/none.fish", "");
                write(".cache/fish/generated_completions/none.fish", "");
            }
        }
        Self { project, shell }
    }

    fn folder(&self) -> PathBuf {
        self.project.path(FOLDER)
    }

    fn command(&self) -> Command {
        let mut command = self.project.command(&[]);
        let shell = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|folder| folder.join(self.shell))
            .find(|program| program.is_file());
        command.env("SHELL", shell.unwrap_or_else(|| panic!("{} is not installed", self.shell)));
        command.current_dir(self.folder());
        command
    }

    fn open(&self) -> Screen {
        let screen = Screen::open(&self.command(), &format!("{PIPULATE} shell"));
        screen.wait_for(&format!(":~/demo/{FOLDER}]$ "));
        screen
    }
}

/// The prompt's row and the rows that continue its line.
fn last_line(screen: &Screen) -> Vec<String> {
    let rows: Vec<String> = screen.rows().into_iter().filter(|row| !row.is_empty()).collect();
    let begin = rows.iter().rposition(|row| row.starts_with("(.venv) ["));
    begin.map_or_else(Vec::new, |begin| rows[begin..].to_vec())
}

/// Types a line at the prompt: input before the prompt may get lost.
#[track_caller]
fn enter(screen: &Screen, line: &str) {
    holds("a prompt", || {
        let last = screen.rows().into_iter().rfind(|row| !row.is_empty());
        last.is_some_and(|row| row.ends_with(['$', '#', '%', '>']))
    });
    screen.enter(line);
}

fn it_is_the_users_own_shell(shell: &'static str) {
    let home = Home::of_user(shell);
    let screen = home.open();
    let prompt = last_line(&screen).concat();
    assert!(prompt.starts_with("(.venv) [") && prompt.ends_with("]$"), "{prompt}");
    let colored = screen.colored();
    let (before, _) = colored.rsplit_once("(.venv)").unwrap();
    assert!(before.ends_with("\u{1b}[1m\u{1b}[34m"), "{before:?}");

    screen.press("Up");
    screen.wait_for(RECALLED);
    screen.press("Enter");
    screen.wait_for("\na line of  mine\n");
    enter(&screen, "greet");
    screen.wait_for("\nan alias of mine\n");
    enter(&screen, "clear; python -c 'import os, sys; print(sys.prefix == os.environ[\"VIRTUAL_ENV\"])'");
    screen.wait_for("True\n");

    a_long_line_is_edited_where_it_is_seen(&screen);

    enter(&screen, &format!("{PIPULATE} shell"));
    screen.wait_for("You are in it already");
    enter(&screen, "clear; deactivate; command -v python || echo none");
    holds("another python", || {
        let text = screen.text();
        !text.contains("(.venv)")
            && !text.contains("/.venv/")
            && (text.contains("/python\n") || text.contains("none\n"))
    });
    // After leaving, it can be entered again; one `exit` leaves it.
    enter(&screen, &format!("clear; {PIPULATE} shell"));
    screen.wait_for(&format!(":~/demo/{FOLDER}]$ "));
    enter(&screen, "exit 3");
    enter(&screen, "exit 7");
    assert_eq!(screen.end(), 7);
}

fn a_long_line_is_edited_where_it_is_seen(screen: &Screen) {
    enter(screen, "clear");
    holds("a prompt and nothing else", || {
        let rows = screen.rows().into_iter().filter(|row| !row.is_empty());
        last_line(screen).len() == 1 && rows.count() == 1
    });
    let prompt = last_line(screen).concat();
    let shown = |line: &str| {
        holds(&format!("{line:?} in whole rows"), || {
            let rows = last_line(screen);
            let whole = rows.iter().rev().skip(1).all(|row| row.chars().count() == COLUMNS);
            whole && rows.concat() == format!("{prompt} {line}").trim_end()
        });
    };
    let line = format!("echo {}", "12345678".repeat(10)).split_off(2);
    assert_eq!(line.len(), 83);
    screen.type_text(&line);
    shown(&line);
    screen.press("C-a");
    screen.type_text("X");
    shown(&format!("X{line}"));
    screen.press("C-e");
    screen.type_text("Y");
    shown(&format!("X{line}Y"));
    screen.press("C-c");
    // On Ctrl-C a terminal discards unread input.
    shown("");
}

#[test]
fn an_entry_in_the_users_own_files_comes_to_an_end() {
    let home = Home::of_user("bash");
    fs::write(home.project.home().join(".bashrc"), format!("{PIPULATE} shell\n")).unwrap();
    let screen = home.open();
    screen.wait_for("You are in it already");
    enter(&screen, "exit 7");
    assert_eq!(screen.end(), 7);
}

#[test]
fn a_prompt_that_is_drawn_before_each_line_stays_the_users_own() {
    let bash = "mine() { PS1='\\W <mine> '; }\nPROMPT_COMMAND=mine\n";
    let zsh = "autoload -Uz add-zsh-hook\nmine() { PROMPT='%1~ <mine> ' }\nadd-zsh-hook precmd mine\n";
    // Like the real ones, these show the environment themselves.
    let known = "starship_precmd() { PS1=\"${VIRTUAL_ENV:+${VIRTUAL_ENV##*/} }\\W <mine> \"; }\nPROMPT_COMMAND=starship_precmd\n";
    for (shell, file, text, shown) in [
        ("bash", ".bashrc", bash, "(.venv) demo <mine> "),
        ("zsh", ".config/zsh/.zshrc", zsh, "(.venv) demo <mine> "),
        ("bash", ".bashrc", known, ".venv demo <mine> "),
    ] {
        let home = Home::of_user(shell);
        fs::write(home.project.home().join(file), text).unwrap();
        let mut command = home.command();
        command.current_dir(home.project.root());
        let screen = Screen::open(&command, &format!("{PIPULATE} shell"));
        let prompts = |expected: &str, before: &str| {
            holds(&format!("{expected:?} as the last line"), || {
                let last = screen.rows().into_iter().rfind(|row| !row.is_empty()).unwrap_or_default();
                last == expected.trim_end() && !screen.text().contains(before)
            });
        };
        prompts(shown, "clear");
        screen.enter("clear; cd ..");
        prompts(&shown.replace("demo", "~"), "demo");
        screen.enter("clear; deactivate");
        prompts("~ <mine> ", ".venv");
        screen.enter("exit 7");
        assert_eq!(screen.end(), 7);
    }
}

#[test]
fn bash_is_the_users_own_with_one_exit() {
    it_is_the_users_own_shell("bash");
}

#[test]
fn zsh_is_the_users_own_with_one_exit() {
    it_is_the_users_own_shell("zsh");
}

#[test]
fn fish_is_the_users_own_with_one_exit() {
    it_is_the_users_own_shell("fish");
}

#[test]
fn pythons_own_activation_and_ours_give_way_to_each_other() {
    let project = TestProject::light().build();
    for (shell, ours, theirs, show) in [
        ("bash", "eval \"$($P activate bash)\"", ". .venv/bin/activate", "echo \"$PATH\""),
        ("zsh", "eval \"$($P activate zsh)\"", ". .venv/bin/activate", "echo \"$PATH\""),
        ("fish", "$P activate fish | source", ". .venv/bin/activate.fish", "string join : $PATH"),
    ] {
        let script = format!(
            "{ours}; {theirs}; {show}; {ours}; {show}; deactivate; {show}; {theirs}; {ours}; deactivate; {show}"
        );
        let mut command = project.foreign(shell);
        command.args(["-c", &script]).env("P", PIPULATE);
        let said = run::output(&mut command).expect(0);
        assert_eq!(said.stderr, "", "{shell}");
        let before = std::env::var("PATH").unwrap();
        let active = said.stdout.lines().next().unwrap();
        assert!(active.ends_with(&format!("/bin:{before}")), "{shell}: {active}");
        let ours = format!("{}/bin:{before}", project.path(".venv").display());
        assert_eq!(said.stdout.lines().skip(1).collect::<Vec<_>>(), [&ours, &before, &before], "{shell}");
    }
}

#[test]
fn a_command_in_the_environment_ends_as_it_ends_by_itself() {
    let project = TestProject::light().build();
    for (words, code) in [
        (&["python", "-c", "import sys; sys.exit(7)"][..], Some(7)),
        (&["sh", "-c", "exit 0"], Some(0)),
        (&["sh", "-c", "kill -TERM $$"], None),
    ] {
        assert_eq!(project.run(&[&["run", "--"], words].concat()).code, code, "{words:?}");
    }
    let mut shell = project.foreign("bash");
    shell.args(["-c", "\"$0\" run -- sh -c 'kill -TERM $$'; echo $?", PIPULATE]);
    assert_eq!(run::output(&mut shell).stdout, "143\n");
    let python = run::output(
        project
            .command(&["run", "--", "python", "-c", "import sys; print(sys.prefix)"])
            .env("PYTHONHOME", "/x"),
    );
    assert_eq!(python.stdout.trim(), project.path(".venv").to_str().unwrap());
}

#[test]
fn ctrl_c_goes_to_the_command_that_runs() {
    let home = Home::of_user("bash");
    let script = "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done";
    let screen = Screen::open(&home.command(), &format!("{PIPULATE} run -- bash -c \"{script}\""));
    screen.wait_for("ready");
    screen.press("C-c");
    screen.wait_for("caught");
    assert_eq!(screen.end(), 5);
}

#[test]
fn what_needs_a_terminal_or_an_environment_says_so() {
    let project = TestProject::light().build();
    let mut session = Session::new(&project);
    session.run(&["shell"], 1);
    session.run(&["activate", "tcsh"], 2);
    session.run(&["run", "--", "no-such-program"], 1);
    fs::remove_file(project.path(".venv")).unwrap();
    session.run(&["activate", "bash"], 1);
    session.run(&["run", "--", "true"], 1);
    insta::assert_snapshot!(session.text());
    assert!(python().is_file(), "the link was taken away, and not what it led to");
}

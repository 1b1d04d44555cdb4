//! Pipulate names a guess before it acts on it.

use std::fs;
use std::process::Command;

use crate::support::project::PIPULATE;
use crate::support::{Terminal, TestProject, run, skip};

/// The program in a new folder below a folder with only a virtual environment.
fn below_a_venv(project: &TestProject) -> Command {
    let new = project.home().join("code/new");
    fs::create_dir_all(&new).unwrap();
    fs::create_dir_all(project.home().join("code/.venv")).unwrap();
    let mut command = project.foreign(PIPULATE);
    command.current_dir(new);
    command
}

#[test]
fn a_folder_above_with_only_a_venv_is_a_home_after_a_word() {
    let project = TestProject::light().build();
    let said = |command: &mut Command| {
        run::output_of(command.args(["secret", "set", "KEY"]), "value\n").expect(0).stderr
    };
    let word = format!("because it has a .venv: {}", project.home().join("code").display());
    let first = said(&mut below_a_venv(&project));
    let [warned, made] = [first.find(&word).unwrap(), first.find("A new home: ").unwrap()];
    assert!(warned < made && first.contains("pipulate -C . start"), "{first}");
    // It is a home from now on.
    assert!(!said(&mut below_a_venv(&project)).contains(&word));
}

#[test]
fn on_a_terminal_a_home_above_by_its_venv_alone_needs_a_yes() {
    let project = TestProject::light().build();
    let mut terminal =
        Terminal::open(&below_a_venv(&project), &format!("{PIPULATE} start --no-setup --no-browser"));
    terminal.wait_for("Make a home there? [y/N]");
    terminal.type_text("\r");
    terminal.wait_for("nothing was changed");
    assert_eq!(terminal.end(), Some(1));
    assert!(!project.home().join("code/.pipulate").exists());
}

#[test]
fn which_home_a_secret_is_for_is_asked_before_the_secret() {
    let project = TestProject::light().build();
    let mut terminal = Terminal::open(&below_a_venv(&project), &format!("{PIPULATE} secret set KEY"));
    terminal.wait_for("Make a home there? [y/N]");
    terminal.type_text("y\r");
    terminal.wait_for("KEY (not shown): ");
    terminal.type_text("value\r");
    terminal.wait_for("Saved KEY in: ");
    assert_eq!(terminal.shown().matches("Make a home there?").count(), 1, "asked once");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_secret_that_git_would_take_is_warned_of() {
    let project = TestProject::light().build();
    let said = || run::output_of(&mut project.command(&["secret", "set", "KEY"]), "value\n").expect(0).stderr;
    let word = "git does not ignore .env";
    assert!(!said().contains(word), "this is no checkout");
    run::output(project.foreign("git").args(["init", "--quiet"])).expect(0);
    assert!(said().contains(word));
    project.write(".gitignore", ".env\n");
    assert!(!said().contains(word));
}

#[test]
fn a_start_of_jupyterlab_as_root_is_warned_of() {
    if skip::unless_root() {
        return;
    }
    let project = TestProject::new();
    let word = "warning: you are root: JupyterLab is started with --allow-root";
    assert!(!project.start(&["server"]).stderr.contains(word));
    assert!(project.start(&["jupyter"]).stderr.contains(word));
    project.run(&["stop"]).expect(0);
}

#[test]
fn lines_of_the_future_are_not_waited_for_in_silence() {
    let project = TestProject::light().build();
    let said = project.run(&["logs", "--since", "2999-01-01T00:00:00Z"]).expect(0).stderr;
    assert!(said.contains("--since is in the future"), "{said}");
    let past = project.run(&["logs", "--since", "10m"]).expect(0).stderr;
    assert!(!past.contains("future"), "{past}");
}

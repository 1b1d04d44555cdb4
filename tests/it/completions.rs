//! Tab completion in real shells, and the manual.

use std::path::Path;
use std::process::Command;

use crate::support::project::PIPULATE;
use crate::support::{Screen, TestProject, holds, run};

const SERVICES: &str = "[services.workhorse]\ncommand = [\"true\"]\n";

/// A shell without the user's startup files and with `pipulate` on `PATH`.
fn command(project: &TestProject) -> Command {
    let mut command = project.command(&[]);
    let ours = Path::new(PIPULATE).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(ours).chain(std::env::split_paths(&path))).unwrap();
    command.env("PATH", path);
    command
}

/// The text after the last prompt.
fn typed(screen: &Screen) -> String {
    let last = screen.text().lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
    last.rsplit_once("> ").map(|(_, typed)| typed.trim_end().to_owned()).unwrap_or_default()
}

fn the_tab_key_completes(shell: &str, begin: &str) {
    let project = TestProject::light().config(SERVICES).file("far/pipulate.toml", "").build();
    project.write("far/pipulate.toml", "[services.distant]\ncommand = [\"true\"]\n");
    project.write(".env", "OPENAI_API_KEY='sk-hush'\n");
    let screen = Screen::open(&command(&project), shell);
    holds("a prompt", || !screen.text().trim().is_empty());
    screen.enter(begin);
    screen.wait_for("\n> ");
    for (words, whole) in [
        ("pipulate resta", "pipulate restart"),
        ("pipulate stop work", "pipulate stop workhorse"),
        ("pipulate logs --foll", "pipulate logs --follow"),
        ("pipulate -C far open dist", "pipulate -C far open distant"),
        ("pipulate secret unset OPEN", "pipulate secret unset OPENAI_API_KEY"),
        ("pipulate activate zs", "pipulate activate zsh"),
    ] {
        holds("an empty line", || typed(&screen).is_empty());
        screen.type_text(words);
        holds(&format!("{words:?} as it is typed"), || typed(&screen).starts_with(words));
        screen.press("Tab");
        holds(&format!("{whole:?}"), || typed(&screen) == whole);
        screen.press("C-u");
    }
}

#[test]
fn bash_completes_verbs_flags_services_and_names_of_secrets() {
    the_tab_key_completes(
        "bash --norc --noprofile",
        "source <(pipulate completions bash); PS1='> '; clear; echo",
    );
}

#[test]
fn zsh_completes_verbs_flags_services_and_names_of_secrets() {
    the_tab_key_completes("zsh -f", "source <(pipulate completions zsh); PS1='> '; clear; echo");
}

#[test]
fn fish_completes_verbs_flags_services_and_names_of_secrets() {
    let begin = "pipulate completions fish | source; function fish_prompt; printf '> '; end; clear; echo";
    the_tab_key_completes("fish --no-config", begin);
}

#[test]
fn a_script_of_completions_names_the_program_where_it_is_not_on_path() {
    let project = TestProject::light().build();
    assert!(project.run(&["completions", "fish"]).expect(0).stdout.contains(PIPULATE));
    let on_path = run::output(command(&project).args(["completions", "fish"])).expect(0).stdout;
    assert!(!on_path.contains(PIPULATE) && on_path.contains("pipulate"), "{on_path}");
}

#[test]
fn a_question_about_a_broken_project_is_answered_with_what_is_known() {
    let project = TestProject::light().file("pipulate.toml", "").build();
    project.write("pipulate.toml", "nonsense = [\n");
    let mut command = project.command(&["--", "pipulate", "start", ""]);
    command.envs([("PIPULATE_COMPLETE", "fish")]);
    let answer = run::output(&mut command).expect(0);
    assert!(answer.stdout.contains("--no-browser") && answer.stderr.is_empty(), "{answer:?}");
}

#[test]
fn each_verb_is_offered_by_its_own_name() {
    let project = TestProject::light().build();
    let offered = |words: &[&str]| {
        let mut command = project.command(&[&["--", "pipulate"], words].concat());
        let answer = run::output(command.env("PIPULATE_COMPLETE", "fish")).expect(0).stdout;
        answer.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let verbs = offered(&[""]);
    for verb in ["start", "stop", "status", "logs"] {
        assert!(verbs.iter().any(|offered| offered == verb), "{verb}: {verbs:?}");
    }
    assert!(!verbs.iter().any(|verb| ["up", "down", "ps"].contains(&&**verb)), "{verbs:?}");
    // Aliases of commands are completed, too.
    assert!(offered(&["down", "--"]).iter().any(|option| option == "--force"));
}

#[test]
fn the_manual_has_a_page_for_the_program_and_for_every_verb() {
    let project = TestProject::light().build();
    let whole = project.run(&["man"]).expect(0).stdout;
    let help = project.run(&["help"]).expect(0).stdout;
    let verbs =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for verb in verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help") {
        assert!(whole.contains(&format!("pipulate\\-{verb}(1)")), "{verb} is missing in the manual");
        let page = project.run(&["man", verb]).expect(0).stdout;
        assert!(page.contains(&format!(".TH pipulate-{verb} 1")), "{page}");
    }
    project.run(&["man", "__supervise"]).expect(2);
    project.run(&["man", "fly"]).expect(2);
}

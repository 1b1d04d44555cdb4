//! Programs that restart themselves when a file of the project is saved: Pipulate's own
//! writes don't trigger them.

use std::fs;

use crate::support::{Process, TestProject, holds, wait_for};

/// Records its start in a file that no watcher sees, and prints without a pause.
const TALKER: &str = "\
import time
with open('../begun', 'a') as begun:
    print('begun', file=begun)
for number in range(100_000):
    print('line', number, flush=True)
    time.sleep(0.02)
";

fn count_of_starts(project: &TestProject) -> usize {
    fs::read_to_string(project.path("../begun")).unwrap_or_default().lines().count()
}

fn count_of_lines(project: &TestProject) -> usize {
    fs::read_to_string(project.path(".pipulate/log/talker.log")).unwrap_or_default().matches("line ").count()
}

#[test]
fn a_service_that_watches_the_whole_project_is_not_restarted_by_its_own_output() {
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config("[services.talker]\ncommand = [\"watchfiles\", \"python talker.py\"]\n")
        .file("talker.py", TALKER)
        .build();
    project.start(&["talker"]);
    wait_for("many lines", || (count_of_lines(&project) > 200).then_some(()));
    // Starting may cause one restart: records are written then.
    let starts = count_of_starts(&project);
    assert!((1..=3).contains(&starts), "{starts} starts: {}", project.read(".pipulate/log/talker.log"));

    project.write("talker.py", &format!("{TALKER}\n"));
    holds("a save to restart it", || count_of_starts(&project) > starts);
    let before = count_of_lines(&project);
    wait_for("many more lines", || (count_of_lines(&project) > before + 100).then_some(()));
    assert!(count_of_starts(&project) <= starts + 2, "{}", count_of_starts(&project));
    project.run(&["stop"]).expect(0);
}

/// Ends at end of input, as `tailwindcss --watch` and `vite` do.
const READER: &str = "\
import sys
print('building', flush=True)
sys.stdin.read()
print('no more input', flush=True)
";

#[test]
fn a_watcher_that_ends_with_its_input_runs_on_without_its_supervisor_too() {
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config("[services.css]\ncommand = [\"python\", \"reader.py\", \"--watch\"]\n")
        .config("[services.other]\ncommand = [\"python\", \"reader.py\"]\n")
        .file("reader.py", READER)
        .build();
    project.start(&[]);
    let printed = |service: &str| project.read(&format!(".pipulate/log/{service}.log"));
    // Other services' stdin is empty: reading it returns at once.
    wait_for("the other one's end", || printed("other").contains("no more input").then_some(()));
    let css = project.service("css");
    assert_eq!(css["state"], "running");
    let supervised = Process::of(&css["supervisor_pid"]);
    supervised.kill();
    holds("the end of its supervisor", || !supervised.lives());
    project.start(&["css"]);
    assert_eq!(project.service("css")["pid"], css["pid"]);
    assert!(!printed("css").contains("no more"), "{}", printed("css"));
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_reloader_that_polls_and_sees_the_log_is_noticed_and_its_option_named() {
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config("[services.talker]\ncommand = [\"watchfiles\", \"python talker.py\"]\n")
        .config("env = { WATCHFILES_FORCE_POLLING = \"true\" }\n")
        .file("talker.py", TALKER)
        .build();
    project.start(&["talker"]);
    let noted = || project.service("talker")["note_codes"].to_string().contains("reloads-itself");
    wait_for("the loop to be noticed", || noted().then_some(()));
    let said = project.run(&["status"]);
    assert!(said.stdout.contains("watchfiles --ignore-paths .pipulate"), "{said:?}");

    // The suggested fix works.
    let cured = project
        .read("pipulate.toml")
        .replace("\"watchfiles\", ", "\"watchfiles\", \"--ignore-paths\", \".pipulate\", ");
    project.write("pipulate.toml", &cured);
    project.run(&["restart", "talker"]).expect(0);
    let (starts, lines) = (count_of_starts(&project), count_of_lines(&project));
    wait_for("many lines", || (count_of_lines(&project) > lines + 300).then_some(()));
    assert!(!noted() && count_of_starts(&project) <= starts + 3, "{}", count_of_starts(&project));
    project.run(&["stop"]).expect(0);
}

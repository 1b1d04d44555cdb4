//! Programs that restart themselves when a file of the project is saved: what Pipulate writes is none of their saves.

use std::fs;

use crate::support::{TestProject, holds, wait_for};

/// Says in a file that no watcher sees when it begins, and prints without a pause.
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
    // Its own start may be one: records are written then.
    let starts = count_of_starts(&project);
    assert!((1..=3).contains(&starts), "{starts} starts: {}", project.read(".pipulate/log/talker.log"));

    project.write("talker.py", &format!("{TALKER}\n"));
    holds("a save to restart it", || count_of_starts(&project) > starts);
    let before = count_of_lines(&project);
    wait_for("many more lines", || (count_of_lines(&project) > before + 100).then_some(()));
    assert!(count_of_starts(&project) <= starts + 2, "{}", count_of_starts(&project));
    project.run(&["stop"]).expect(0);
}

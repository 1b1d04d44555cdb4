use std::fs;

use crate::watch::tests::{next, told, tree};

#[test]
fn when_the_system_loses_count_everything_that_is_there_is_told() {
    let (folder, mut watch) = tree();
    let at = |path: &str| folder.path().join(path);
    fs::write(at("a/quiet"), "1").unwrap();
    next(&mut watch);
    let limit: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    // Two files in turn: the kernel merges identical successive events.
    for number in 0..limit + 100 {
        fs::write(at(if number % 2 == 0 { "x" } else { "y" }), "").unwrap();
    }
    assert_eq!(next(&mut watch), ["a/quiet", "x", "y"]);
    assert_eq!(told(&mut watch), [""; 0]);
    fs::write(at("a/b/z"), "1").unwrap();
    assert_eq!(next(&mut watch), ["a/b/z"], "and it goes on");
}

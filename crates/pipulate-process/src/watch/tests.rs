use std::fs;
use std::time::Duration;

use super::*;
use crate::poll::{self, Interest};

/// A tree without the folders called `out`.
pub(super) fn tree() -> (tempfile::TempDir, TreeWatch) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    let filter =
        Filter { folder: Box::new(|path| !path.ends_with("out")), file: Box::new(|path| path != "unwanted") };
    let watch = TreeWatch::new(folder.path(), 100, filter).unwrap();
    (folder, watch)
}

fn everything() -> Filter {
    Filter { folder: Box::new(|_| true), file: Box::new(|_| true) }
}

/// Waits for changes; returns the files.
pub(super) fn next(watch: &mut TreeWatch) -> Vec<String> {
    let ready = poll::wait(&[(watch.descriptor(), Interest::Read)], Some(Duration::from_secs(30))).unwrap();
    assert!(ready[0].ready, "nothing happened");
    told(watch)
}

pub(super) fn told(watch: &mut TreeWatch) -> Vec<String> {
    let changes = watch.take();
    assert!(changes.trouble.is_none(), "{changes:?}");
    changes.files.iter().map(|file| file.display().to_string()).collect()
}

#[test]
fn files_are_told_of_when_they_are_written_moved_or_removed_wherever_they_are() {
    let (folder, mut watch) = tree();
    let at = |path: &str| folder.path().join(path);
    fs::write(at("x"), "1").unwrap();
    fs::write(at("a/b/y"), "1").unwrap();
    assert_eq!(next(&mut watch), ["a/b/y", "x"]);
    fs::rename(at("x"), at("a/z")).unwrap();
    assert_eq!(next(&mut watch), ["a/z", "x"]);
    fs::remove_file(at("a/z")).unwrap();
    assert_eq!(next(&mut watch), ["a/z"]);
    fs::read(at("a/b/y")).unwrap();
    fs::write(at("out/w"), "1").unwrap();
    assert_eq!(told(&mut watch), [""; 0], "reading is no change, and what is not entered is not seen");
}

#[test]
fn a_new_folder_is_watched_and_what_came_with_it_is_told() {
    let (folder, mut watch) = tree();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("new/deep")).unwrap();
    fs::write(at("new/deep/x"), "1").unwrap();
    assert_eq!(next(&mut watch), ["new/deep/x"]);
    fs::write(at("new/deep/y"), "1").unwrap();
    assert_eq!(next(&mut watch), ["new/deep/y"]);
}

#[test]
fn a_folder_that_is_moved_has_its_new_path_and_one_that_comes_back_is_watched_again() {
    let (folder, mut watch) = tree();
    let at = |path: &str| folder.path().join(path);
    fs::write(at("a/b/x"), "1").unwrap();
    next(&mut watch);
    fs::rename(at("a"), at("c")).unwrap();
    assert_eq!(next(&mut watch), ["a/b/x", "c/b/x"]);
    fs::write(at("c/b/x"), "2").unwrap();
    assert_eq!(next(&mut watch), ["c/b/x"]);
    fs::remove_dir_all(at("c")).unwrap();
    assert_eq!(next(&mut watch), ["c/b/x"]);
    fs::create_dir_all(at("c/b")).unwrap();
    assert_eq!(told(&mut watch), [""; 0]);
    fs::write(at("c/b/x"), "3").unwrap();
    assert_eq!(next(&mut watch), ["c/b/x"]);
}

#[test]
fn files_leave_and_come_with_their_folder() {
    let (folder, mut watch) = tree();
    let elsewhere = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
    let (at, away) = (|path: &str| folder.path().join(path), elsewhere.path().join("a"));
    fs::write(at("a/x"), "1").unwrap();
    fs::write(at("a/b/y"), "1").unwrap();
    next(&mut watch);
    fs::rename(at("a"), &away).unwrap();
    assert_eq!(next(&mut watch), ["a/b/y", "a/x"], "moved out");
    fs::write(away.join("x"), "2").unwrap();
    assert_eq!(told(&mut watch), [""; 0], "it is somewhere else");
    fs::rename(&away, at("a")).unwrap();
    assert_eq!(next(&mut watch), ["a/b/y", "a/x"], "moved in");
    fs::rename(at("a/b"), at("out/b")).unwrap();
    assert_eq!(next(&mut watch), ["a/b/y"], "moved to where nothing is watched");
    fs::remove_file(at("a/x")).unwrap();
    next(&mut watch);
    fs::remove_dir_all(at("a")).unwrap();
    poll::wait(&[(watch.descriptor(), Interest::Read)], Some(Duration::from_secs(30))).unwrap();
    assert_eq!(told(&mut watch), [""; 0], "it was empty");
}

#[test]
fn a_folder_in_the_place_of_another_one_is_watched_there() {
    let (folder, mut watch) = tree();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("new")).unwrap();
    fs::write(at("new/y"), "1").unwrap();
    fs::write(at("a/x"), "1").unwrap();
    next(&mut watch);
    // An installer exchanges the old version for a new one like this.
    let here = rustix::fs::CWD;
    let exchange = rustix::fs::RenameFlags::EXCHANGE;
    rustix::fs::renameat_with(here, at("new"), here, at("a"), exchange).unwrap();
    assert_eq!(next(&mut watch), ["a/x", "a/y", "new/x", "new/y"]);
    for file in ["a/z", "new/z", "new/b/z"] {
        fs::write(at(file), "1").unwrap();
        assert_eq!(next(&mut watch), [file]);
    }
    fs::remove_dir_all(at("a")).unwrap();
    assert_eq!(next(&mut watch), ["a/y", "a/z"]);
    fs::rename(at("new"), at("a")).unwrap();
    assert_eq!(next(&mut watch), ["a/b/z", "a/x", "a/z", "new/b/z", "new/x", "new/z"]);
    fs::write(at("a/b/z"), "2").unwrap();
    assert_eq!(next(&mut watch), ["a/b/z"]);
}

#[test]
fn what_is_not_wanted_is_not_told() {
    let (folder, mut watch) = tree();
    fs::write(folder.path().join("unwanted"), "1").unwrap();
    poll::wait(&[(watch.descriptor(), Interest::Read)], Some(Duration::from_secs(30))).unwrap();
    assert_eq!(told(&mut watch), [""; 0]);
}

#[test]
fn a_root_that_goes_away_is_told_and_one_that_is_not_there_is_refused() {
    let (folder, mut watch) = tree();
    fs::remove_dir_all(folder.path()).unwrap();
    poll::wait(&[(watch.descriptor(), Interest::Read)], Some(Duration::from_secs(30))).unwrap();
    assert!(matches!(watch.take().trouble, Some(WatchError::RootIsGone { .. })));
    let refused = TreeWatch::new(folder.path(), 100, everything()).unwrap_err();
    assert!(matches!(refused, WatchError::RootIsGone { .. }), "{refused}");
}

#[test]
fn a_link_to_a_folder_leads_nowhere() {
    let (folder, mut watch) = tree();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("a/link")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/round")).unwrap();
    fs::write(elsewhere.path().join("x"), "1").unwrap();
    assert_eq!(told(&mut watch), [""; 0]);
}

#[test]
fn a_tree_that_is_too_large_is_watched_in_part_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3 {
        fs::create_dir(folder.path().join(number.to_string())).unwrap();
    }
    let mut watch = TreeWatch::new(folder.path(), 3, everything()).unwrap();
    let trouble = watch.take().trouble.unwrap().to_string();
    assert_eq!(trouble, "more than 3 folders would have to be watched");
    fs::write(folder.path().join("x"), "1").unwrap();
    assert_eq!(next(&mut watch), ["x"]);
}

#[test]
fn links_whose_targets_are_not_watched_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = |target: &Path, name: &str| {
        std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
    };
    fs::create_dir(folder.path().join("src")).unwrap();
    for file in [folder.path().join("src/a.py"), elsewhere.path().join("b.py")] {
        fs::write(file, "").unwrap();
    }
    let empty = tempfile::tempdir().unwrap();
    link(&folder.path().join("src/a.py"), "inside.py");
    link(&folder.path().join("src"), "inside");
    link(folder.path(), "round");
    link(&folder.path().join("gone.py"), "dangling.py");
    link(empty.path(), "data");
    let python = || Filter {
        folder: Box::new(|_| true),
        file: Box::new(|path| path.extension().is_some_and(|extension| extension == "py")),
    };
    let mut watch = TreeWatch::new(folder.path(), 100, python()).unwrap();
    assert_eq!(told(&mut watch), [""; 0], "all of these are watched, or have nothing to watch");
    link(&elsewhere.path().join("b.py"), "b.py");
    link(elsewhere.path(), "outside");
    let mut watch = TreeWatch::new(folder.path(), 100, python()).unwrap();
    let trouble = watch.take().trouble.unwrap();
    assert!(
        matches!(&trouble, WatchError::LinksSkipped { first, more: 1 } if first == Path::new("b.py")),
        "{trouble}"
    );
}

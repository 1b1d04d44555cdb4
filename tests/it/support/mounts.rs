//! Mounted file systems for a test: small, read-only, or damaged ones.
//!
//! The test runs again in a mount namespace, whose mounts end with it. Root can make one; other users need
//! unprivileged user namespaces.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::run;
use super::skip::skipped;

/// Set inside the namespace.
const INSIDE: &str = "PIPULATE_TEST_HAS_MOUNTS";

/// Returns true inside the namespace, where the test does its work; outside, runs the test inside and returns
/// false. `more` are further namespaces, as options of `unshare`.
#[track_caller]
pub(crate) fn are_ours(more: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let thread = std::thread::current();
    let test = thread.name().expect("a test has the name of its thread");
    let Some(mut unshare) = in_a_namespace(run::command("unshare"), more) else { return false };
    let program = std::env::current_exe().unwrap();
    let inside = unshare.arg("--").arg(program).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let output = run::output(inside);
    say(&output.stderr);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    assert!(output.stdout.contains("1 passed"), "{}", output.stdout);
    false
}

/// `unshare` with a mount namespace and `more`, without a command yet. `None` where users
/// can't have namespaces.
pub(crate) fn in_a_namespace(mut unshare: Command, more: &[&str]) -> Option<Command> {
    unshare.args(["--mount", "--propagation", "private"]).args(more);
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    if run::output(run::command("unshare").args(unshare.get_args()).arg("true")).code != Some(0) {
        skipped("namespaces", "this system lets its users have no namespaces");
        return None;
    }
    Some(unshare)
}

/// Mounts an empty tmpfs of this size over a folder.
#[track_caller]
pub(crate) fn small(folder: &Path, size: &str) {
    std::fs::create_dir_all(folder).unwrap();
    mount(
        run::command("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "none"])
            .arg(folder),
    );
}

/// Mounts a disk image over a folder; the image is beside it. Returns false without loop devices.
pub(crate) fn disk(folder: &Path) -> bool {
    if !are_there(&["mkfs.ext4", "fsfreeze"]) {
        return false;
    }
    std::fs::create_dir_all(folder).unwrap();
    let image = image_of(folder);
    let made = run::output(run::command("mkfs.ext4").arg("-q").arg(&image));
    let mounted = run::output(run::command("mount").args(["-o", "loop"]).arg(&image).arg(folder));
    let is_there = made.code == Some(0) && mounted.code == Some(0);
    if !is_there {
        skipped("disks", &format!("this system lends no disk: {}{}", made.stderr, mounted.stderr));
    }
    is_there
}

/// Mounts a disk image over a folder with a quota of this size for each user. Returns false
/// without loop devices.
pub(crate) fn shared_disk(folder: &Path, share: &str) -> bool {
    if !are_there(&["mkfs.btrfs", "btrfs"]) {
        return false;
    }
    std::fs::create_dir_all(folder).unwrap();
    let image = image_of(folder);
    std::fs::File::options().write(true).open(&image).unwrap().set_len(128 << 20).unwrap();
    let folder = folder.to_str().unwrap();
    let steps = [
        run::command("mkfs.btrfs").arg("-q").arg(&image),
        run::command("mount").args(["-o", "loop"]).arg(&image).arg(folder),
        run::command("btrfs").args(["quota", "enable", folder]),
        run::command("btrfs").args(["qgroup", "limit", share, folder]),
    ]
    .map(|step| run::output(step));
    let failed = steps.iter().find(|step| step.code != Some(0));
    if let Some(failed) = failed {
        skipped("disks", &format!("this system lends no disk with shares: {}", failed.stderr));
    }
    failed.is_none()
}

/// The empty image file for a disk over a folder.
fn image_of(folder: &Path) -> PathBuf {
    let image = folder.with_extension("image");
    std::fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    image
}

fn are_there(programs: &[&str]) -> bool {
    let is_missing = |program: &&&str| run::output(run::command("which").arg(program)).code != Some(0);
    let missing = programs.iter().find(is_missing);
    if let Some(program) = missing {
        skipped("disks", &format!("this system has no {program}"));
    }
    missing.is_none()
}

/// A memory stick over a folder: its file system has no FIFOs, links or users. Unplugged on drop.
pub(crate) struct Stick<'a> {
    folder: &'a Path,
    device: String,
}

impl<'a> Stick<'a> {
    /// `None` where the system has none.
    pub(crate) fn over(folder: &'a Path) -> Option<Self> {
        if !are_there(&["mkfs.exfat", "mount.exfat-fuse"]) {
            return None;
        }
        let image = image_of(folder);
        run::output(run::command("mkfs.exfat").arg(&image)).expect(0);
        let device = run::output(run::command("losetup").args(["--find", "--show"]).arg(&image)).stdout;
        let stick = Self { folder, device: device.trim().to_owned() };
        let mut mount = run::command("mount.exfat-fuse");
        let mounted = run::output(mount.args(["-o", "nonempty"]).arg(&stick.device).arg(folder));
        if mounted.code != Some(0) {
            skipped("disks", &format!("no memory stick could be mounted: {}", mounted.stderr));
            return None;
        }
        Some(stick)
    }
}

impl Drop for Stick<'_> {
    fn drop(&mut self) {
        let _pulled = run::output(run::command("umount").arg("--lazy").arg(self.folder));
        let _free = run::output(run::command("losetup").arg("--detach").arg(&self.device));
    }
}

/// A disk on which every write blocks, even for killed processes, until this is dropped.
pub(crate) struct Frozen<'a>(&'a Path);

impl<'a> Frozen<'a> {
    #[track_caller]
    pub(crate) fn new(folder: &'a Path) -> Self {
        run::output(run::command("fsfreeze").arg("--freeze").arg(folder)).expect(0);
        Self(folder)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _thawed = run::output(run::command("fsfreeze").arg("--unfreeze").arg(self.0));
    }
}

/// Breaks a disk: every later access to it is an error.
#[track_caller]
pub(crate) fn break_disk(folder: &Path) {
    // EXT4_IOC_SHUTDOWN without flushing.
    let script = "import fcntl, os, sys; \
                  fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, (2).to_bytes(4, sys.byteorder))";
    mount(run::command("python3").args(["-c", script]).arg(folder));
}

/// Hides other users' processes, as some shared machines do.
#[track_caller]
pub(crate) fn hide_strangers() {
    mount(run::command("mount").args(["-t", "proc", "-o", "hidepid=invisible", "none", "/proc"]));
}

/// Makes a folder read-only.
#[track_caller]
pub(crate) fn read_only(folder: &Path) {
    mount(run::command("mount").arg("--bind").arg(folder).arg(folder));
    mount(run::command("mount").args(["-o", "remount,bind,ro"]).arg(folder));
}

#[track_caller]
fn mount(command: &mut Command) {
    run::output(command).expect(0);
}

#[expect(clippy::print_stderr, reason = "what was skipped, or failed inside, is worth knowing")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

//! Programs that the tests use, from the system's package manager.
//!
//! Nothing here is fatal: a test that needs a missing program reports it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

use super::{BROWSERS, python};
use crate::{run, say};

/// Packages that are only unpacked: to install them would start their services.
const WEB_SERVERS: [&str; 2] = ["nginx", "caddy"];

/// Installs missing packages as root; otherwise prints the command.
pub(super) fn install_missing() {
    let missing = missing();
    if missing.is_empty() {
        return;
    }
    let words = missing.join(" ");
    let may_install = run::find("apt-get").is_some() && is_root();
    if may_install {
        say::progress(&format!("Installing Debian packages for the tests: {words}"));
        match apt_get(&missing) {
            Ok(()) => return,
            Err(error) => say::progress(&format!("warning: {error:#}")),
        }
    }
    say::progress(&format!("warning: the tests that need these cannot pass without them: {words}"));
    if run::find("apt-get").is_some() {
        say::progress(&format!("Install them with: sudo apt-get install {words}"));
    } else {
        say::progress("Install them with your system's package manager");
    }
}

/// Unpacks the web servers into `target/test-cache/web-servers`.
///
/// # Errors
/// There is no apt, or it doesn't have them.
pub(super) fn unpack_web_servers(root: &Path) -> Result<()> {
    let folder = root.join("target/test-cache/web-servers");
    if folder.is_dir() {
        return Ok(());
    }
    say::progress("Unpacking nginx and Caddy for the tests");
    let parent = root.join("target/test-cache");
    fs::create_dir_all(&parent)?;
    let new = tempfile::tempdir_in(&parent)?;
    let download = || {
        run::check(
            run::program("apt-get").args(["download", "-qq"]).args(WEB_SERVERS).current_dir(new.path()),
        )
    };
    // A machine may have no lists of packages yet.
    download().or_else(|_| {
        run::check(run::program("apt-get").args(["update", "-qq"]))?;
        download()
    })?;
    for package in fs::read_dir(new.path())? {
        run::check(run::program("dpkg-deb").arg("-x").arg(package?.path()).arg(new.path().join("unpacked")))?;
    }
    Ok(fs::rename(new.path().join("unpacked"), folder)?)
}

fn missing() -> Vec<&'static str> {
    let absent = |names: &[&str]| names.iter().all(|name| run::find(name).is_none());
    let mut missing = Vec::new();
    if absent(&BROWSERS) {
        missing.push("chromium");
    }
    for program in ["zsh", "fish", "tmux", "vim", "npm", "curl"] {
        if absent(&[program]) {
            missing.push(program);
        }
    }
    // exFAT: a file system without FIFOs, links and users.
    if absent(&["mkfs.exfat"]) || absent(&["mount.exfat-fuse"]) {
        missing.extend(["exfatprogs", "exfat-fuse"]);
    }
    // btrfs: quotas.
    if absent(&["mkfs.btrfs"]) {
        missing.push("btrfs-progs");
    }
    if absent(&["systemd-analyze"]) {
        missing.push("systemd");
    }
    if absent(&["nix-instantiate"]) {
        missing.push("nix-bin");
    }
    if python::needs_an_interpreter(run::root()) {
        missing.push("python3-venv");
    }
    missing
}

fn apt_get(packages: &[&str]) -> Result<()> {
    run::check(run::program("apt-get").args(["update", "-qq"]))?;
    run::check(
        run::program("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

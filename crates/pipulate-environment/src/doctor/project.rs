//! The folder itself: whether it is a home, is writable, has free space, a suitable file system, and a valid
//! `pipulate.toml`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pipulate_core::finding::{Finding, FindingStatus, Fix};
use pipulate_core::resources::{Disk, Supply};
use pipulate_core::units;
use pipulate_store::files;
use rustix::fs::{Access, access};

use super::check::{Check, Group};
use super::{Examination, failure, skipped, warning};
use crate::browser::session::Wsl;

const FOUND: &str = "project.home";
const WRITABLE: &str = "project.writable";
/// The id of a finding that [`super::fix`] handles itself.
pub(super) const PRIVATE: &str = "project.private";
const DISK: &str = "project.disk";
const PLACED: &str = "project.place";

pub(super) const HOME: Group = Group {
    checks: &[
        Check::new(
            FOUND,
            "whether this folder is a home already, or looks like one (`server.py`, `.venv`, …)",
        ),
        Check::new(WRITABLE, "whether the folder and `.pipulate` can be read and written"),
        Check::new(PRIVATE, "whether other users can look into `.pipulate`")
            .mended_by("closes `.pipulate` to others (mode 0700)"),
    ],
    examine: |examination| vec![found(examination), writable(examination), private(examination)],
};

pub(super) const ROOM: Group = Group {
    checks: &[Check::new(DISK, "the free space of the folder's disk; less than 1 GiB is a warning")],
    examine: |examination| vec![disk(examination)],
};

pub(super) const PLACE: Group = Group {
    checks: &[Check::new(
        PLACED,
        "what the folder is on: a Windows drive in WSL or a network drive is slow, and files that change \
         there are not noticed",
    )],
    examine: |examination| vec![place(examination)],
};

const VALID: &str = "config.valid";

pub(super) const CONFIG: Group = Group {
    checks: &[Check::new(VALID, "whether `pipulate.toml` can be read; the line that can't is shown")],
    examine: |examination| vec![config(examination)],
};

/// File systems with unusual locks, change notifications or speed.
const DISTANT: [&str; 10] =
    ["9p", "drvfs", "nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "fuse.rclone", "fuse.vmhgfs-fuse"];

fn found(examination: &Examination) -> Finding {
    let layout = &examination.layout;
    let signs = [
        layout.state().clone(),
        layout.config(),
        layout.server_py(),
        layout.inside(".venv"),
        layout.inside("requirements.txt"),
    ];
    match signs.iter().find(|sign| sign.symlink_metadata().is_ok()) {
        Some(sign) => {
            Finding::ok(FOUND, format!("This is a home: {}", layout.root())).detail(format!("found: {sign}"))
        }
        None => skipped(FOUND, format!("This folder is not a home yet: {}", layout.root()))
            .command("make it one, or go to the folder that you meant", examination.pipulate(&["start"])),
    }
}

fn writable(examination: &Examination) -> Finding {
    let layout = &examination.layout;
    let folders = [layout.root(), layout.state(), layout.run()];
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        if let Err(error) = access(folder.as_ref(), Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
            let advice = match error {
                rustix::io::Errno::ROFS => "that disk is read-only; work in a folder on another one",
                _ => {
                    "make it yours (sudo chown -R \"$USER\" FOLDER), or move the project to a folder of yours"
                }
            };
            return failure(WRITABLE, format!("You can't write in {folder}"))
                .detail(std::io::Error::from(error).to_string())
                .advice(advice);
        }
    }
    Finding::ok(WRITABLE, "The project's folder can be written to")
}

fn private(examination: &Examination) -> Finding {
    let state = examination.layout.state();
    match state.symlink_metadata() {
        Ok(folder) if folder.is_dir() && folder.mode() & 0o077 != 0 => {
            warning(PRIVATE, "Other users of this machine can look into .pipulate")
                .detail(format!("{state} has mode {:04o}", folder.mode() & 0o7777))
                .fix(
                    Fix::command("close it to others", ["chmod", "700", &state.display().to_string()])
                        .automatic(),
                )
        }
        Ok(folder) if folder.is_dir() => Finding::ok(PRIVATE, ".pipulate is for you alone"),
        Ok(_) => failure(PRIVATE, ".pipulate is not a folder")
            .detail(format!("{state} is a file or a link, and Pipulate does not write through those"))
            .advice("move it away; the next start makes a folder"),
        Err(_) => skipped(PRIVATE, "There is no .pipulate yet"),
    }
}

/// The check that reports why nothing can be created here.
pub(super) fn obstacle(examination: &Examination) -> Option<&'static str> {
    let found = [private(examination), writable(examination)];
    found.iter().find(|finding| finding.status == FindingStatus::Failure).map(|finding| finding.id)
}

fn disk(examination: &Examination) -> Finding {
    match &examination.resources.disk {
        Some(disk) => room(disk),
        None => skipped(DISK, "Could not find out how much space is free"),
    }
}

fn room(disk: &Disk) -> Finding {
    let full = format!("The disk is nearly full: {} free", units::size(disk.free));
    let advice = "free some space; \"uv cache clean\" and \"pip cache purge\" often give back gigabytes";
    match disk.supply() {
        Supply::Exhausted => failure(DISK, full).advice(advice),
        Supply::Low => warning(DISK, full).advice(advice),
        Supply::Ample => {
            Finding::ok(DISK, format!("The disk has enough space: {} free", units::size(disk.free)))
        }
    }
}

fn place(examination: &Examination) -> Finding {
    let Some(mounts) = examination.read_machine("proc/self/mountinfo") else {
        return skipped(PLACED, "Could not find out what kind of disk this folder is on");
    };
    let Some(mount) = mount_of(&mounts, examination.layout.root()) else {
        return skipped(PLACED, "Could not find out what kind of disk this folder is on");
    };
    let detail = format!("{} is a file system of type {}", mount.point.display(), mount.kind);
    if !DISTANT.contains(&mount.kind.as_str()) {
        return Finding::ok(PLACED, "The folder is on a disk of this machine").detail(detail);
    }
    let (title, advice) = match examination.session.wsl {
        Wsl::No => ("The folder is on a network drive", "move it to a disk of this machine"),
        Wsl::Interop | Wsl::NoInterop => {
            ("The folder is on a Windows drive", "move it to your Linux home directory (mv FOLDER ~/)")
        }
    };
    let slow =
        "packages install and load slowly there, files that change are not noticed, and a database may break";
    warning(PLACED, title).detail(format!("{detail}; {slow}")).advice(advice)
}

struct Mount {
    point: PathBuf,
    kind: String,
}

/// The mount of a path: the one with the longest matching mount point, the last of equals.
fn mount_of(mountinfo: &str, path: &Path) -> Option<Mount> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let point = PathBuf::from(unescaped(mount.split(' ').nth(4)?));
        path.starts_with(&point).then_some(Mount { point, kind: source.split(' ').next()?.to_owned() })
    });
    mounts.max_by_key(|mount| mount.point.as_os_str().len())
}

/// The kernel writes a space as `\040`.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

fn config(examination: &Examination) -> Finding {
    let file = examination.layout.config();
    match &examination.config {
        Ok(_) if file.exists() => Finding::ok(VALID, "pipulate.toml is valid"),
        Ok(_) => Finding::ok(VALID, "There is no pipulate.toml: everything has its default"),
        Err(error) => {
            let advice = match files::read_foreign_text(&file) {
                Ok(_) => "correct that line; `pipulate config --schema` has the keys",
                Err(_) => "put a text file that you can read in its place, or move it away",
            };
            failure(VALID, "pipulate.toml can't be read")
                .detail(format!("{file}: {}", error.message))
                .advice(advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_is_the_one_that_counts() {
        let table = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                     70 22 0:40 / /mnt/c rw,noatime - 9p C:\\134 rw\n\
                     71 22 0:41 / /mnt/my\\040disk rw - nfs4 host:/x rw\n";
        let kind = |path: &str| mount_of(table, Path::new(path)).unwrap().kind;
        assert_eq!(kind("/home/ann/demo"), "ext4");
        assert_eq!(kind("/mnt/c/Users/ann/demo"), "9p");
        assert_eq!(kind("/mnt/cd/demo"), "ext4");
        assert_eq!(kind("/mnt/my disk/demo"), "nfs4");
    }
}

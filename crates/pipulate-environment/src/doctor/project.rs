//! The folder itself: may we write, is there room.

use pipulate_core::finding::Finding;
use rustix::fs::{Access, access, statvfs};

use super::{Examination, failure, skipped, warning};

/// JupyterLab, numpy and a cache fit well into it.
const COMFORTABLE: u64 = 1 << 30;

/// Below it not even logs and records can be counted on.
const NEEDED: u64 = 32 << 20;

/// `project.writable`.
pub(super) fn writable(examination: &Examination) -> Vec<Finding> {
    const ID: &str = "project.writable";
    let layout = &examination.layout;
    let folders = [layout.root().clone(), layout.state(), layout.run().clone()];
    for folder in folders.iter().filter(|folder| folder.exists()) {
        if let Err(error) = access(folder.as_ref(), Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
            let error = std::io::Error::from(error);
            return vec![
                failure(ID, format!("You can't write in {folder}"))
                    .detail(error.to_string())
                    .advice("make it yours (sudo chown -R \"$USER\" FOLDER), or move the project to a folder of yours"),
            ];
        }
    }
    vec![Finding::ok(ID, "The project's folder can be written to")]
}

/// `project.disk`.
pub(super) fn disk(examination: &Examination) -> Vec<Finding> {
    const ID: &str = "project.disk";
    let root = examination.layout.root();
    vec![match statvfs(root.as_ref()) {
        Ok(disk) => room(ID, disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => skipped(ID, "The free space is not known")
            .detail(format!("{root}: {}", std::io::Error::from(error))),
    }]
}

fn room(id: &'static str, free: u64) -> Finding {
    let mebibytes = free >> 20;
    let full = format!("The disk is nearly full: {mebibytes} MiB free");
    let advice = "free some space; \"uv cache clean\" and \"pip cache purge\" often give back gigabytes";
    match free {
        0..NEEDED => failure(id, full).advice(advice),
        NEEDED..COMFORTABLE => warning(id, full).advice(advice),
        COMFORTABLE.. => Finding::ok(id, format!("The disk has room: {} GiB free", free >> 30)),
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::finding::FindingStatus;

    use super::*;

    #[test]
    fn a_nearly_full_disk_is_told_before_it_is_full() {
        for (free, status) in [
            (0, FindingStatus::Failure),
            (NEEDED, FindingStatus::Warning),
            (COMFORTABLE - 1, FindingStatus::Warning),
            (COMFORTABLE, FindingStatus::Ok),
            (u64::MAX, FindingStatus::Ok),
        ] {
            assert_eq!(room("project.disk", free).status, status, "{free}");
        }
    }
}

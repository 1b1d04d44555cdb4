//! The user's projects, including those whose folder was moved or deleted while their services run: their
//! supervisors' working directory shows where they are.

use pipulate_core::project::{AbsPath, ProjectId};
use pipulate_process::table;

use pipulate_supervisor::process_tree;

/// Returns the current folders of these projects, and the former folders of deleted ones that still have a
/// supervisor; sorted, each once.
pub fn find(known: Vec<AbsPath>) -> Vec<AbsPath> {
    let (mut there, vanished): (Vec<AbsPath>, Vec<AbsPath>) =
        known.into_iter().partition(|root| root.is_dir());
    if !vanished.is_empty() {
        let supervisors = process_tree::supervisors();
        for root in vanished {
            let id = ProjectId::of_root(&root);
            let mut own = supervisors.iter().filter(|(marker, _)| marker.project == id);
            let Some((_, pid)) = own.next() else { continue };
            // A supervisor works in the project's folder, and the kernel has its current path.
            let moved = table::working_directory(*pid).and_then(AbsPath::new);
            there.push(moved.filter(|folder| folder.is_dir()).unwrap_or(root));
        }
    }
    there.sort();
    there.dedup();
    there
}

//! The user's projects, those among them whose folder was moved or deleted while services of theirs
//! run: their supervisors know where they are.

use pipulate_core::project::{AbsPath, ProjectId};
use pipulate_process::table;

use pipulate_supervisor::process_tree;

/// The folders of these projects as they are called now, and the former folders of those that are
/// gone and still have a supervisor; sorted, each once.
pub fn find(known: Vec<AbsPath>) -> Vec<AbsPath> {
    let (mut there, vanished): (Vec<AbsPath>, Vec<AbsPath>) =
        known.into_iter().partition(|root| root.is_dir());
    if !vanished.is_empty() {
        let supervisors = process_tree::supervisors();
        for root in vanished {
            let id = ProjectId::of_root(&root);
            let mut own = supervisors.iter().filter(|(marker, _)| marker.project == id);
            let Some((_, pid)) = own.next() else { continue };
            // A supervisor works in the project's folder, and the kernel knows what became of it.
            let moved = table::working_directory(*pid).and_then(AbsPath::new);
            there.push(moved.filter(|folder| folder.is_dir()).unwrap_or(root));
        }
    }
    there.sort();
    there.dedup();
    there
}

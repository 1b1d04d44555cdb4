//! Reads the machine's memory, swap, load and disk space, without accessing slow network drives.

use std::path::Path;
use std::thread::available_parallelism;

use pipulate_core::resources::{Disk, Load, Memory, Resources};
use rustix::fs::statvfs;
use sysinfo::{CGroupLimits, System};

/// Reads the current figures; the disk is the one with `path`.
pub fn read(path: &Path) -> Resources {
    Resources { memory: memory(), load: load(), disk: disk(path) }
}

fn memory() -> Option<Memory> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    let machine = Memory {
        total: system.total_memory(),
        available: system.available_memory(),
        swap_total: system.total_swap(),
        swap_used: system.used_swap(),
    };
    (machine.total > 0).then(|| match system.cgroup_limits() {
        Some(limits) => within(machine, &limits),
        None => machine,
    })
}

/// The memory that a container's limits leave of the machine's. Its page cache is freed on demand, like the
/// machine's, so only the programs' memory counts as used.
fn within(machine: Memory, limits: &CGroupLimits) -> Memory {
    Memory {
        total: machine.total.min(limits.total_memory),
        available: machine.available.min(limits.total_memory.saturating_sub(limits.rss)),
        ..machine
    }
}

fn load() -> Option<Load> {
    let averages = System::load_average().ok()?;
    let processors = available_parallelism().ok()?.get();
    Some(Load { averages: [averages.one, averages.five, averages.fifteen], processors })
}

/// Reads only the disk of this path. `sysinfo::Disks` reads every mount point, where a network drive may
/// hang, and omits tmpfs and NFS.
fn disk(path: &Path) -> Option<Disk> {
    let space = statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    Some(Disk { total: bytes(space.f_blocks), free: bytes(space.f_bavail) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_plausible_figures() {
        let folder = tempfile::tempdir().unwrap();
        let resources = read(folder.path());
        let (memory, load, disk) =
            (resources.memory.unwrap(), resources.load.unwrap(), resources.disk.unwrap());
        assert!(memory.available > 0 && memory.available <= memory.total, "{memory:?}");
        assert!(memory.swap_used <= memory.swap_total, "{memory:?}");
        assert!(load.processors > 0 && load.averages.iter().all(|average| *average >= 0.0), "{load:?}");
        assert!(disk.total > 0 && disk.free <= disk.total, "{disk:?}");
        assert_eq!(read(&folder.path().join("gone")).disk, None);
    }

    #[test]
    fn a_container_has_the_memory_that_its_limit_leaves() {
        let machine = Memory { total: 64, available: 40, swap_total: 8, swap_used: 1 };
        let limits = |total_memory, rss| CGroupLimits { total_memory, free_memory: 1, free_swap: 0, rss };
        assert_eq!(within(machine, &limits(16, 6)), Memory { total: 16, available: 10, ..machine });
        assert_eq!(within(machine, &limits(u64::MAX, 6)), machine, "no limit");
        assert_eq!(within(machine, &limits(16, 17)).available, 0);
    }
}

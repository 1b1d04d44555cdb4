//! The machine's memory, swap, load and disk space, and when they run short.
//!
//! Only figures and judgments: `pipulate-environment` reads them. Sizes are in bytes.

/// The figures of one moment; `None` where the system doesn't say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Resources {
    pub memory: Option<Memory>,
    pub load: Option<Load>,
    /// Of the file system that holds the project.
    pub disk: Option<Disk>,
}

/// Memory of the machine, or of the container if that has less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    /// Memory that programs can still get without swapping.
    pub available: u64,
    pub swap_total: u64,
    pub swap_used: u64,
}

/// The number of processes that run or wait to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Averages over 1, 5 and 15 minutes.
    pub averages: [f64; 3],
    /// CPUs that programs may use.
    pub processors: usize,
}

/// Space of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    pub total: u64,
    /// Space that users other than root can still use.
    pub free: u64,
}

/// The remaining amount of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    Ample,
    Low,
    Exhausted,
}

impl Memory {
    /// Enough for JupyterLab and a kernel with numpy.
    const COMFORTABLE: u64 = 256 << 20;

    /// Below this the system starts killing programs.
    const NEEDED: u64 = 32 << 20;

    /// Returns how much memory is left. Free swap doesn't count: a swapping kernel is practically stuck.
    pub fn supply(&self) -> Supply {
        supply(self.available, Self::NEEDED, Self::COMFORTABLE)
    }

    /// True if a model of this size fits: its context takes about 15 % more than its weights.
    pub fn fits_model(&self, size: u64) -> bool {
        size / 100 * 115 <= self.available
    }
}

impl Disk {
    /// Enough for JupyterLab, numpy and a cache.
    const COMFORTABLE: u64 = 1 << 30;

    /// Below this, writing logs and records may fail.
    const NEEDED: u64 = 32 << 20;

    /// Returns how much space is left.
    pub fn supply(&self) -> Supply {
        supply(self.free, Self::NEEDED, Self::COMFORTABLE)
    }
}

impl Load {
    /// True if twice as many processes as CPUs wanted to run in the last 5 minutes.
    pub fn is_high(&self) -> bool {
        self.averages[1] > 2.0 * self.processors as f64
    }
}

fn supply(left: u64, needed: u64, comfortable: u64) -> Supply {
    if left < needed {
        Supply::Exhausted
    } else if left < comfortable {
        Supply::Low
    } else {
        Supply::Ample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nearly_full_disk_is_told_before_it_is_full() {
        for (free, expected) in [
            (0, Supply::Exhausted),
            (Disk::NEEDED - 1, Supply::Exhausted),
            (Disk::NEEDED, Supply::Low),
            (Disk::COMFORTABLE - 1, Supply::Low),
            (Disk::COMFORTABLE, Supply::Ample),
            (u64::MAX, Supply::Ample),
        ] {
            assert_eq!(Disk { total: u64::MAX, free }.supply(), expected, "{free}");
        }
    }

    #[test]
    fn memory_runs_short_whatever_swap_is_left() {
        let with = |available| Memory { total: 8 << 30, available, swap_total: 8 << 30, swap_used: 0 };
        assert_eq!(with(Memory::COMFORTABLE).supply(), Supply::Ample);
        assert_eq!(with(Memory::COMFORTABLE - 1).supply(), Supply::Low);
        assert_eq!(with(0).supply(), Supply::Exhausted);
        assert!(with(4_600_000_000).fits_model(4_000_000_000));
        assert!(!with(4_500_000_000).fits_model(4_000_000_000), "its context has to fit, too");
        assert!(with(0).fits_model(0));
    }

    #[test]
    fn a_machine_with_work_for_each_cpu_is_not_overloaded() {
        let with = |five| Load { averages: [99.0, five, 0.0], processors: 4 };
        assert!(!with(8.0).is_high());
        assert!(with(8.1).is_high());
    }
}

//! The machine's memory, swap, load and disk space, with advice when they run low.

use maud::{Markup, html};
use pipulate_core::resources::{Disk, Load, Memory, Resources, Supply};
use pipulate_core::units::size;

/// The figures, in one line if it fits.
pub(super) fn figures(resources: &Resources) -> Markup {
    let memory = resources.memory.map(|memory| {
        let is_low = memory.supply() != Supply::Ample;
        figure(if is_low { "▲ Low memory" } else { "Memory" }, &memory_left(&memory), is_low)
    });
    let swap = resources.memory.and_then(|memory| swap(&memory)).map(|swap| figure("Swap", &swap, false));
    let load = resources.load.map(|load| {
        let is_high = load.is_high();
        figure(if is_high { "▲ High load" } else { "Load" }, &load_on(&load), is_high)
    });
    let disk = resources.disk.map(|disk| {
        let is_low = disk.supply() != Supply::Ample;
        figure(if is_low { "▲ Little disk space" } else { "Disk" }, &disk_left(&disk), is_low)
    });
    html! {
        dl id="machine" aria-label="This machine" {
            @for figure in [memory, swap, load, disk].into_iter().flatten() { (figure) }
        }
    }
}

fn figure(name: &str, value: &str, is_short: bool) -> Markup {
    html! { div class=[is_short.then_some("short")] { dt { (name) } dd { (value) } } }
}

/// The advice when they run low, as sentences.
pub(super) fn warnings(resources: &Resources) -> Vec<String> {
    let memory = resources.memory.filter(|memory| memory.supply() != Supply::Ample).map(|memory| {
        format!(
            "Memory is nearly used up: {}. Shut down notebook kernels that you don't need, or close other \
             programs; else the system may end a kernel.",
            memory_left(&memory)
        )
    });
    let disk = resources.disk.filter(|disk| disk.supply() != Supply::Ample).map(|disk| {
        format!("The disk is nearly full: {}. Delete files that you don't need.", disk_left(&disk))
    });
    memory.into_iter().chain(disk).collect()
}

fn memory_left(memory: &Memory) -> String {
    format!("{} of {} free", size(memory.available), size(memory.total))
}

fn swap(memory: &Memory) -> Option<String> {
    let of_total = || format!("{} of {} used", size(memory.swap_used), size(memory.swap_total));
    (memory.swap_total > 0).then(of_total)
}

fn load_on(load: &Load) -> String {
    let processors = match load.processors {
        1 => "1 CPU".to_owned(),
        processors => format!("{processors} CPUs"),
    };
    format!("{:.1} on {processors}", load.averages[0])
}

fn disk_left(disk: &Disk) -> String {
    format!("{} of {} free", size(disk.free), size(disk.total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(available: u64, free: u64, five_minutes: f64) -> Resources {
        Resources {
            memory: Some(Memory { total: 16 << 30, available, swap_total: 2 << 30, swap_used: 5 << 20 }),
            load: Some(Load { averages: [0.46, five_minutes, 0.0], processors: 2 }),
            disk: Some(Disk { total: 100 << 30, free }),
        }
    }

    #[test]
    fn what_is_short_is_marked_and_said_with_what_to_do() {
        let ample = resources(8 << 30, 50 << 30, 0.5);
        assert_eq!(warnings(&ample), [""; 0]);
        let shown = figures(&ample).into_string();
        for text in [
            "8.0 GiB of 16.0 GiB free",
            "5.0 MiB of 2.0 GiB used",
            "0.5 on 2 CPUs",
            "50.0 GiB of 100.0 GiB free",
        ] {
            assert!(shown.contains(text), "{shown}");
        }
        assert!(!shown.contains("▲"), "{shown}");

        let short = resources(100 << 20, 100 << 20, 9.0);
        assert_eq!(figures(&short).into_string().matches("▲").count(), 3);
        insta::assert_snapshot!(warnings(&short).join("\n"), @r"
        Memory is nearly used up: 100.0 MiB of 16.0 GiB free. Shut down notebook kernels that you don't need, or close other programs; else the system may end a kernel.
        The disk is nearly full: 100.0 MiB of 100.0 GiB free. Delete files that you don't need.
        ");
    }

    #[test]
    fn what_the_system_does_not_say_is_left_out() {
        assert!(!figures(&Resources::default()).into_string().contains("<dt>"));
        let mut no_swap = resources(8 << 30, 50 << 30, 0.5);
        no_swap.memory.as_mut().unwrap().swap_total = 0;
        assert!(!figures(&no_swap).into_string().contains("Swap"));
    }
}

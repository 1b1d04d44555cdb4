//! The figures of a running service: its uptime, its resource usage, and its kernels.

use maud::{Markup, html};
use pipulate_core::identity::Pid;
use pipulate_core::service::ServiceName;
use pipulate_core::status::LiveService;
use pipulate_core::units::{length_of_time, percent, size};

use crate::observer::{Sample, Snapshot};
use crate::views::graph::graph;

/// A running service.
pub(super) struct Life {
    pub(super) pid: Pid,
    pub(super) uptime: String,
    pub(super) memory: u64,
    cpu: f64,
    history: Vec<Sample>,
    pub(super) kernels: Vec<Kernel>,
}

/// One of its kernels.
pub(super) struct Kernel {
    name: String,
    memory: u64,
    /// `None` if JupyterLab doesn't report it.
    is_busy: Option<bool>,
}

impl Life {
    pub(super) fn new(service: &ServiceName, live: &LiveService, snapshot: &Snapshot) -> Self {
        let history = snapshot.history.get(service).cloned().unwrap_or_default();
        let kernels = live.kernels.iter().map(|kernel| {
            let activity = snapshot.kernels.iter().find(|activity| activity.id == kernel.id);
            Kernel {
                name: activity
                    .map_or_else(|| format!("a {} kernel", kernel.name), |known| known.name.clone()),
                memory: kernel.memory_bytes,
                is_busy: activity.map(|activity| activity.is_busy),
            }
        });
        Self {
            pid: live.pid,
            uptime: length_of_time(live.uptime_seconds),
            cpu: history.last().map_or(live.cpu_percent, |sample| sample.cpu),
            memory: live.memory_bytes,
            kernels: kernels.collect(),
            history,
        }
    }

    /// CPU of the last minutes as a picture for a row.
    pub(super) fn sparkline(&self) -> Markup {
        let (points, most) = self.cpu_points();
        graph(
            &points,
            most.max(10.0),
            &format!("CPU: now {}, in the last minutes at most {}", percent(self.cpu), percent(most)),
        )
    }

    /// Its resource usage: a number and a graph for each.
    pub(super) fn figures(&self) -> Markup {
        let (cpu, most_cpu) = self.cpu_points();
        #[expect(clippy::cast_precision_loss, reason = "a picture is some pixels high")]
        let memory = self.points(|sample| sample.memory as f64);
        let top = memory.iter().fold(1.0, |most: f64, (_, value)| most.max(*value)) * 1.25;
        let most_memory = self.history.iter().map(|sample| sample.memory).max().unwrap_or(self.memory);
        let span = "in the last minutes at most";
        html! {
            figure {
                figcaption { "CPU " strong { (percent(self.cpu)) } }
                (graph(&cpu, most_cpu.max(10.0), &format!("CPU: {span} {}", percent(most_cpu))))
            }
            figure {
                figcaption { "Memory " strong { (size(self.memory)) } }
                (graph(&memory, top, &format!("Memory: {span} {}", size(most_memory))))
            }
        }
    }

    fn cpu_points(&self) -> (Vec<(f64, f64)>, f64) {
        let points = self.points(|sample| sample.cpu);
        let most = points.iter().fold(0.0, |most: f64, (_, value)| most.max(*value));
        (points, most)
    }

    /// Seconds since the oldest sample, and values.
    fn points(&self, value: fn(&Sample) -> f64) -> Vec<(f64, f64)> {
        let begin = self.history.first().map(|sample| sample.at);
        let second = |sample: &Sample| begin.map_or(0.0, |begin| (sample.at - begin).as_secs_f64());
        self.history.iter().map(|sample| (second(sample), value(sample))).collect()
    }
}

impl Kernel {
    pub(super) fn item(&self) -> Markup {
        html! {
            li {
                (self.name)
                " "
                small {
                    @if let Some(is_busy) = self.is_busy { (if is_busy { "busy" } else { "idle" }) ", " }
                    (size(self.memory))
                }
            }
        }
    }
}

//! Looks at many services by a thread for each processor.

use std::num::NonZero;
use std::thread::{self, Builder};

/// So many looks take longer than the start of a thread.
const WORTH_A_THREAD: usize = 24;

/// Returns what `look` makes of each item, in their order. Where no thread can be started, this one does it all.
pub(super) fn map<A: Sync, B: Send>(items: &[A], look: impl Fn(&A) -> B + Sync) -> Vec<B> {
    // Counting the processors reads several files.
    let shares = match items.len() / WORTH_A_THREAD {
        0 | 1 => 1,
        most => thread::available_parallelism().map_or(1, NonZero::get).min(most),
    };
    let (own, others) = items.split_at(items.len().div_ceil(shares));
    let look_at = &|items: &[A]| items.iter().map(&look).collect::<Vec<B>>();
    thread::scope(|scope| {
        let mut begun = Vec::new();
        for share in others.chunks(own.len().max(1)) {
            begun.push((share, Builder::new().spawn_scoped(scope, move || look_at(share))));
        }
        let mut found = look_at(own);
        for (share, thread) in begun {
            found.extend(match thread.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(looks)) => looks,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                Err(_no_room) => look_at(share),
            });
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn each_is_looked_at_once_and_in_order() {
        for count in [0, 1, 23, 24, 48, 49, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(map(&items, |item| item * 2), doubled);
        }
    }
}

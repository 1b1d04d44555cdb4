//! The last action from a page, which the page reports.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// The time for which a page shows it.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// The last action from a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}

/// The page that shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topic {
    Services,
    Secrets,
}

/// The last notice of each page.
#[derive(Default)]
pub(crate) struct Notices(Mutex<[Option<Notice>; 2]>);

impl Notices {
    pub(crate) fn get(&self, topic: Topic) -> Option<Notice> {
        let notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notices[topic as usize].clone().filter(|notice| notice.is_news(Timestamp::now()))
    }

    pub(crate) fn set(&self, topic: Topic, text: String) -> Notice {
        let notice = Notice { text, at: Timestamp::now() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[topic as usize] = Some(notice.clone());
        notice
    }
}

impl Notice {
    /// An old notice is obsolete, and its time of day may be of another day.
    fn is_news(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) < LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_for_some_minutes() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let notice = Notice { text: "stopped web".to_owned(), at: at(10_000) };
        for (now, is_news) in
            [(10_000, true), (10_599, true), (10_600, false), (200_000, false), (9_000, true)]
        {
            assert_eq!(notice.is_news(at(now)), is_news, "{now}");
        }
    }
}

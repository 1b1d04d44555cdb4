//! Uses between modules that are part of a cycle, as `CRATE: USER -> USED`. The list may only get shorter.

pub(super) const KNOWN_CYCLES: &[&str] = &[];

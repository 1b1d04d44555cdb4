//! A time of day.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `16:04:05`
pub(super) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

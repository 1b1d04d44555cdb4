//! Moments as people write them: `10m`, `14:02`, `yesterday`, `2026-11-22T14:02:00Z`, `last-start`.

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Span, Timestamp, Zoned};
use pipulate_core::units::parse_duration;

use super::time_index::When;

/// Parses a moment relative to `now`.
///
/// # Errors
/// A sentence with examples of valid moments.
pub fn parse(text: &str, now: &Zoned) -> Result<When, String> {
    seen_from(text.trim(), now).ok_or_else(|| {
        "write \"10m\" or \"2h\" (ago), \"14:02\", \"yesterday\", \"2026-11-22\", \
         \"2026-11-22T14:02:00Z\", \"last-start\" or \"last-ready\""
            .to_owned()
    })
}

/// A day is a calendar day, and a time without a zone is in this machine's zone.
fn seen_from(text: &str, now: &Zoned) -> Option<When> {
    let local = |time: DateTime| time.to_zoned(now.time_zone().clone()).ok();
    let zoned = match text {
        "last-start" => return Some(When::LastStart),
        "last-ready" => return Some(When::LastReady),
        "now" => Some(now.clone()),
        "today" => now.start_of_day().ok(),
        "yesterday" => now.yesterday().ok()?.start_of_day().ok(),
        text => {
            if let Ok(timestamp) = text.parse::<Timestamp>() {
                return Some(When::At(timestamp));
            }
            match (ago(text, now), text.parse::<Time>(), text.parse::<DateTime>()) {
                (Some(ago), _, _) => Some(ago),
                (None, _, Ok(time)) if text.contains('-') => local(time),
                (None, Ok(time), _) if text.contains(':') && !text.contains('-') => {
                    local(now.date().to_datetime(time))
                }
                (None, _, _) => None,
            }
        }
    };
    zoned.map(|zoned| When::At(zoned.timestamp()))
}

/// `10m`, `2h ago`, `1d`, `1w`: this long before now.
fn ago(text: &str, now: &Zoned) -> Option<Zoned> {
    let length = text.strip_suffix("ago").unwrap_or(text).trim();
    let days = |unit: char| length.strip_suffix(unit)?.trim().parse::<i64>().ok().filter(|&days| days >= 0);
    if let Some(days) = days('d').or_else(|| days('w')?.checked_mul(7)) {
        return now.checked_sub(Span::new().try_days(days).ok()?).ok();
    }
    // A number without a unit is ambiguous.
    if !length.ends_with(|character: char| character.is_ascii_alphabetic()) {
        return None;
    }
    now.checked_sub(SignedDuration::try_from(parse_duration(length).ok()?).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<String> {
        let now: Zoned = "2026-11-22T10:30:00.5+01:00[Europe/Berlin]".parse().unwrap();
        match seen_from(text, &now)? {
            When::At(time) => Some(time.to_string()),
            When::LastStart => Some("start".to_owned()),
            When::LastReady => Some("ready".to_owned()),
        }
    }

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        for (text, expected) in [
            ("10m", "2026-11-22T09:20:00.5Z"),
            ("2h ago", "2026-11-22T07:30:00.5Z"),
            ("90s", "2026-11-22T09:28:30.5Z"),
            ("1d", "2026-11-21T09:30:00.5Z"),
            ("1w", "2026-11-15T09:30:00.5Z"),
            // Summer time ended in between: the same time of day.
            ("30d", "2026-10-23T08:30:00.5Z"),
            ("14:02", "2026-11-22T13:02:00Z"),
            ("14:02:03.25", "2026-11-22T13:02:03.25Z"),
            ("today", "2026-11-21T23:00:00Z"),
            ("yesterday", "2026-11-20T23:00:00Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-11-20 14:02", "2026-11-20T13:02:00Z"),
            ("2026-11-20T14:02:00Z", "2026-11-20T14:02:00Z"),
            ("2026-11-20T14:02:00.123-05:00", "2026-11-20T19:02:00.123Z"),
            ("last-start", "start"),
            ("last-ready", "ready"),
        ] {
            assert_eq!(at(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_could_be_anything_is_no_moment() {
        for text in
            ["", "10", "soon", "25:00", "14", "-5m", "tomorrowish", "2026-13-01", "20261122", "1y", "m"]
        {
            assert_eq!(at(text), None, "{text}");
        }
        assert!(parse("soon", &Zoned::now()).unwrap_err().contains("\"14:02\""));
    }
}

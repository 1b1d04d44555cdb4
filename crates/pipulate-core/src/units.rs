//! Quantities as users write them, `10s`, `10MiB`, and as they are shown.

use std::time::Duration;

/// The two largest units: `3d 4h`, `2h 5m`, `3m 20s`, `12s`.
pub fn length_of_time(seconds: f64) -> String {
    // Saturates; a negative time comes from a clock that was set back.
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {}m", minutes % 60),
        (days, hours, _) => format!("{days}d {}h", hours % 24),
    }
}

/// `512 B`, `4.0 KiB`, `85.0 MiB`, `1.2 GiB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, "KiB");
    for larger in ["MiB", "GiB"] {
        // A value that would be rounded to 1024.0 becomes 1.0 of the next unit.
        if value < 1023.95 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    format!("{value:.1} {unit}")
}

/// A model's size in powers of ten, as Ollama and its users count: `397 kB`, `46 MB`, `4.9 GB`.
pub fn model_size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        // A value that would be rounded to 1000 becomes 1 of the next unit.
        1_000..999_500 => format!("{:.0} kB", bytes as f64 / 1e3),
        999_500..999_500_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// `12.5%`
pub fn percent(value: f64) -> String {
    format!("{value:.1}%")
}

/// `1 package`, `2 packages`.
pub fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// Reads `500ms`, `10s`, `2m`, `1h` or a plain number of seconds.
///
/// ```
/// use std::time::Duration;
/// use pipulate_core::units::parse_duration;
///
/// assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
/// assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
/// assert!(parse_duration("soon").is_err());
/// ```
///
/// # Errors
/// A sentence that shows the accepted forms.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_number(text.trim());
    let wrong = || format!("\"{text}\" is not a duration; write \"10s\", \"500ms\" or \"2m\"");
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let value: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(value * factor).map_err(|_| wrong())
}

/// Reads `512KiB`, `10MiB`, `1GiB` or a plain number of bytes.
///
/// # Errors
/// A sentence that shows the accepted forms.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_number(text);
    let wrong = || format!("\"{text}\" is not a size; write \"10MiB\" or \"512KiB\"");
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        _ => return Err(wrong()),
    };
    let count: u64 = number.parse().map_err(|_| wrong())?;
    count.checked_mul(factor).ok_or_else(wrong)
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("10s", 10_000),
            (" 10 s ", 10_000),
            ("500ms", 500),
            ("1.5s", 1_500),
            (".5s", 500),
            ("5.s", 5_000),
            ("2m", 120_000),
            ("2min", 120_000),
            ("1.5h", 5_400_000),
            ("7", 7_000),
            ("7.5", 7_500),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "s", "ten", "10 parsecs", "-1s", "1e400s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("10MiB", 10 << 20), ("512KiB", 512 << 10), ("7", 7), ("1 GiB", 1 << 30)] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "MiB", "10MB!", "99999999999999999999"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_and_sizes_are_short() {
        for (seconds, text) in [
            (-1.0, "0s"),
            (0.4, "0s"),
            (59.9, "59s"),
            (200.0, "3m 20s"),
            (7500.0, "2h 5m"),
            (273_600.0, "3d 4h"),
        ] {
            assert_eq!(length_of_time(seconds), text);
        }
        for (bytes, text) in
            [(512, "512 B"), (4096, "4.0 KiB"), (89_128_960, "85.0 MiB"), (5 << 40, "5120.0 GiB")]
        {
            assert_eq!(size(bytes), text);
        }
        for (below, next) in
            [((1 << 20) - 1, "1.0 MiB"), ((1 << 30) - 1, "1.0 GiB"), ((1 << 10) - 1, "1023 B")]
        {
            assert_eq!(size(below), next);
        }
        assert_eq!(percent(12.34), "12.3%");
    }

    #[test]
    fn a_model_of_any_size_is_told_in_the_unit_that_fits_it() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (397_000, "397 kB"),
            (999_499, "999 kB"),
            (999_500, "1 MB"),
            (46_000_000, "46 MB"),
            (274_302_450, "274 MB"),
            (999_499_999, "999 MB"),
            (999_500_000, "1.0 GB"),
            (4_920_753_328, "4.9 GB"),
            (404_000_000_000, "404.0 GB"),
        ] {
            assert_eq!(model_size(bytes), text);
        }
    }
}

//! Samples, and the table of their results.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value as Json, json};

/// One measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    Time(Duration),
    Bytes(u64),
    Count(f64),
}

/// All rows, in the order in which they were first measured.
#[derive(Default)]
pub(super) struct Results {
    rows: Vec<Row>,
}

/// One quantity, measured on every side.
struct Row {
    what: String,
    sides: Vec<Side>,
}

struct Side {
    name: String,
    samples: Vec<Value>,
}

impl Results {
    /// Adds a sample of `what` for `side`. The first side of a row is the reference of the ratios.
    pub(super) fn add(&mut self, what: &str, side: &str, value: Value) {
        let row = find_or_push(
            &mut self.rows,
            |row| row.what == what,
            || Row { what: what.to_owned(), sides: Vec::new() },
        );
        let side = find_or_push(
            &mut row.sides,
            |known| known.name == side,
            || Side { name: side.to_owned(), samples: Vec::new() },
        );
        side.samples.push(value);
    }

    /// A line for each side of each row: median, spread, and the ratio to the first side.
    pub(super) fn table(&self) -> String {
        let mut lines = vec![["what", "side", "median", "lowest", "highest", "ratio"].map(str::to_owned)];
        for row in &self.rows {
            let base = row.sides.first().map_or(0.0, Side::median);
            for (index, side) in row.sides.iter().enumerate() {
                let what = if index == 0 { row.what.clone() } else { String::new() };
                let ratio = if base > 0.0 { format!("{:.2}", side.median() / base) } else { "-".to_owned() };
                let [median, lowest, highest] = [side.median(), side.sorted()[0], side.highest()]
                    .map(|number| side.samples[0].show(number));
                lines.push([what, side.name.clone(), median, lowest, highest, ratio]);
            }
        }
        aligned(&lines)
    }

    /// Writes every sample, in seconds, bytes or as a bare number.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn write_json(&self, path: &Path) -> Result<()> {
        let side = |side: &Side| {
            let samples: Vec<f64> = side.samples.iter().map(|value| value.number()).collect();
            json!({"side": side.name, "unit": side.samples[0].unit(), "samples": samples})
        };
        let row =
            |row: &Row| json!({"what": row.what, "sides": row.sides.iter().map(side).collect::<Json>()});
        let all = json!({"schema": 1, "rows": self.rows.iter().map(row).collect::<Json>()});
        std::fs::write(path, format!("{all:#}\n"))
            .with_context(|| format!("could not write {}", path.display()))
    }
}

impl Side {
    fn sorted(&self) -> Vec<f64> {
        let mut numbers: Vec<f64> = self.samples.iter().map(|value| value.number()).collect();
        numbers.sort_by(f64::total_cmp);
        numbers
    }

    fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
    }

    fn highest(&self) -> f64 {
        self.sorted().last().copied().unwrap_or_default()
    }
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Self::Time(time) => time.as_secs_f64(),
            Self::Bytes(bytes) => bytes as f64,
            Self::Count(count) => count,
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Time(_) => "seconds",
            Self::Bytes(_) => "bytes",
            Self::Count(_) => "count",
        }
    }

    /// Formats a number in this value's unit, with about three digits.
    fn show(self, number: f64) -> String {
        match self {
            Self::Time(_) if number < 0.01 => format!("{:.2} ms", number * 1e3),
            Self::Time(_) if number < 1.0 => format!("{:.0} ms", number * 1e3),
            Self::Time(_) => format!("{number:.2} s"),
            Self::Bytes(_) if number < f64::from(1 << 20) => format!("{:.0} KiB", number / 1024.0),
            Self::Bytes(_) => format!("{:.1} MiB", number / f64::from(1 << 20)),
            Self::Count(_) => format!("{number:.2}"),
        }
    }
}

fn find_or_push<T>(list: &mut Vec<T>, is_it: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> &mut T {
    let index = list.iter().position(is_it).unwrap_or_else(|| {
        list.push(new());
        list.len() - 1
    });
    &mut list[index]
}

/// Aligns two columns of words left and the numbers right.
fn aligned(lines: &[[String; 6]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = width(column);
            let _into_a_string = match column {
                0 | 1 => write!(row, "{cell:<width$}  "),
                _ => write!(row, "{cell:>width$}  "),
            };
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_compares_its_sides_with_the_first() {
        let mut results = Results::default();
        for (old, new) in [(40, 10), (20, 30), (30, 15)] {
            results.add("start", "old", Value::Time(Duration::from_millis(old)));
            results.add("start", "new", Value::Time(Duration::from_millis(new)));
        }
        results.add("memory", "new", Value::Bytes(2048));
        assert_eq!(
            results.table(),
            "what    side  median  lowest  highest  ratio\n\
             start   old    30 ms   20 ms    40 ms   1.00\n        \
             new    15 ms   10 ms    30 ms   0.50\n\
             memory  new    2 KiB   2 KiB    2 KiB   1.00"
        );
    }
}

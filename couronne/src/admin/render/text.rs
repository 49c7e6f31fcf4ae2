//! Bars, tables, and numbers for people.

use couronne_cluster::map::MAP_RANGE;

/// How wide a bar is, in characters.
const BAR_WIDTH: u64 = 20;

/// Names listed at most; of more the number is said.
const NAMES_MAX: usize = 8;

/// A bar of `#` for what is done of something, and what part of it that is.
pub(super) fn bar(done: u64, total: u64) -> String {
    let part =
        |of: u64| u64::try_from(u128::from(done.min(total)) * u128::from(of) / u128::from(total.max(1))).unwrap_or(of);
    let filled = usize::try_from(part(BAR_WIDTH)).unwrap_or(0);
    let width = usize::try_from(BAR_WIDTH).unwrap_or(0);
    format!("[{:.<width$}] {:>3} %", "#".repeat(filled), part(100))
}

/// How full something is.
pub(super) fn fill(used: u64, total: u64) -> String {
    if total == 0 {
        return "not known".to_owned();
    }
    format!("{} of {}", bar(used, total), bytes(total))
}

/// A number of bytes for people.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let step = UNITS.iter().enumerate().rev().find(|(step, _)| count >> (10 * step) > 0);
    let (step, unit) = step.unwrap_or((0, &"B"));
    let whole = count >> (10 * step);
    let tenths = u64::try_from((u128::from(count) * 10) >> (10 * step)).unwrap_or(0) % 10;
    if whole >= 10 || tenths == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenths} {unit}") }
}

/// A time for people, by its two largest units at most.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long ago a moment was.
pub(super) fn since(then_ms: u64, now_ms: u64) -> String {
    duration(now_ms.saturating_sub(then_ms) / 1000)
}

/// What operators call these ranges: by their numbers, but for the meta group; of many the number is said.
pub(super) fn ranges(ids: &[u64]) -> String {
    let numbers: Vec<String> = ids.iter().filter(|id| **id != MAP_RANGE.0).map(u64::to_string).collect();
    let meta_group = ids.contains(&MAP_RANGE.0).then(|| "the meta group".to_owned());
    let others = (!numbers.is_empty()).then(|| named("range", &numbers));
    meta_group.into_iter().chain(others).collect::<Vec<_>>().join(" and ")
}

/// A noun with the names of what it is about, or their number.
pub(super) fn named(noun: &str, names: &[String]) -> String {
    match names {
        [one] => format!("{noun} {one}"),
        many if many.len() <= NAMES_MAX => format!("{noun}s {}", many.join(", ")),
        many => format!("{} {noun}s", many.len()),
    }
}

/// A number of things: `1 chunk`, `2 chunks`.
pub(super) fn many(count: u64, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
}

/// Rows of cells, each column as wide as its widest cell.
#[derive(Default)]
pub(super) struct Table(Vec<Vec<String>>);

impl Table {
    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push(cells.into());
    }

    /// The rows as lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).filter(|(_, width)| **width > 0);
            let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        };
        self.0.iter().map(line).collect()
    }

    /// The rows below a title, indented.
    pub(super) fn under(&self, title: &str) -> Vec<String> {
        let rows = self.lines().into_iter().map(|line| format!("  {line}"));
        std::iter::once(title.to_owned()).chain(rows).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!([bytes(0), bytes(1023), bytes(1024), bytes(5 << 30)], ["0 B", "1023 B", "1 KiB", "5 GiB"]);
        assert_eq!([bytes(1536), bytes(40 << 20), bytes(u64::MAX)], ["1.5 KiB", "40 MiB", "16383 PiB"]);
        assert_eq!([duration(119), duration(120), duration(90_000)], ["119 s", "2 min", "25 h"]);
        assert_eq!([ranges(&[3]), ranges(&[2, 3]), ranges(&[0])], ["range 3", "ranges 2, 3", "the meta group"]);
        assert_eq!([ranges(&[0, 3]), ranges(&[1; 9])], ["the meta group and range 3", "9 ranges"]);
        assert_eq!([many(1, "loss", "losses"), many(0, "loss", "losses")], ["1 loss", "0 losses"]);
    }

    #[test]
    fn bars_are_never_too_long() {
        assert_eq!(bar(0, 0), "[....................]   0 %");
        assert_eq!(bar(1, 2), "[##########..........]  50 %");
        assert_eq!(bar(u64::MAX, 3), "[####################] 100 %");
    }
}

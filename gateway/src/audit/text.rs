//! Text from the network, as events have it: up to a bound.
//!
//! Must not know: events.

use std::fmt;

use serde::{Serialize, Serializer};

/// What stands at the end of a text that was cut.
const CUT: char = '\u{2026}';

/// A text of which an event has no more than so many bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounded<'a> {
    text: &'a str,
    bytes_max: usize,
}

impl<'a> Bounded<'a> {
    pub(super) const fn new(text: &'a str, bytes_max: usize) -> Self {
        Self { text, bytes_max }
    }
}

impl fmt::Display for Bounded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.len() <= self.bytes_max {
            return f.write_str(self.text);
        }
        f.write_str(self.text.get(..self.text.floor_char_boundary(self.bytes_max)).unwrap_or_default())?;
        f.write_fmt(format_args!("{CUT}"))
    }
}

impl Serialize for Bounded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_so() {
        let shown = |text: &str, bytes_max: usize| Bounded::new(text, bytes_max).to_string();
        assert_eq!(shown("abc", 3), "abc");
        assert_eq!(shown("abcd", 3), "abc\u{2026}");
        assert_eq!(shown("ab\u{fc}d", 3), "ab\u{2026}");
        assert_eq!(shown("\u{fc}", 1), "\u{2026}");
    }
}

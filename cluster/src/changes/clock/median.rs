//! What the clocks of all storage nodes say together: their median, by which each is judged.
//!
//! A clock's *setting* is what it says less what a steady clock says at that moment, in milliseconds. Settings
//! that were taken at different times can be compared, and a leap of any clock shows.
//! Must not know: what follows for a node whose clock is wrong.

/// A node's clock.
#[derive(Clone, Copy, Debug)]
pub struct NodeClock {
    /// Its setting.
    pub setting_ms: i64,
    /// Whether the node doubts it itself.
    pub doubted: bool,
}

/// The median of the settings that were heard of `nodes` nodes; `None` where too few were heard of, or most
/// doubt theirs. Of two in the middle the one nearer to `own_ms` counts, the setting of the node that asks: where it is
/// not known which is right, at least one goes on.
pub fn median_ms(heard: impl Iterator<Item = NodeClock>, nodes: usize, own_ms: i64) -> Option<i64> {
    let (doubted, believed): (Vec<_>, Vec<_>) = heard.partition(|clock| clock.doubted);
    let too_few = doubted.len().saturating_add(believed.len()) <= nodes / 2;
    if too_few || believed.len() < doubted.len() {
        return None;
    }
    let mut settings: Vec<i64> = believed.iter().map(|clock| clock.setting_ms).collect();
    settings.sort_unstable();
    let upper = settings.len() / 2;
    let lower = upper.saturating_sub(usize::from(settings.len().is_multiple_of(2)));
    let middle = settings.get(lower..=upper)?;
    middle.iter().copied().min_by_key(|ms| ms.abs_diff(own_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first setting is that of the node that asks.
    fn median(settings_ms: &[i64], nodes: usize) -> Option<i64> {
        let heard = settings_ms.iter().map(|setting_ms| NodeClock { setting_ms: *setting_ms, doubted: false });
        median_ms(heard, nodes, settings_ms.first().copied().unwrap_or(0))
    }

    #[test]
    fn most_are_right() {
        assert_eq!(median(&[7], 1), Some(7));
        assert_eq!(median(&[7, 90_000], 2), Some(7), "of two, the one that asks");
        assert_eq!(median(&[90_000, 7], 2), Some(90_000));
        assert_eq!(median(&[7, 4, 90_000], 3), Some(7));
        assert_eq!(median(&[7, 90_000, 90_003], 3), Some(90_000), "it is itself that is wrong");
        assert_eq!(median(&[7, 90_000, 90_003, 90_001], 4), Some(90_000));
        assert_eq!(median(&[7, 4, 90_000, 90_001], 4), Some(7));
    }

    #[test]
    fn few_say_nothing() {
        assert_eq!(median(&[], 0), None);
        assert_eq!(median(&[7], 2), None);
        assert_eq!(median(&[7, 8], 4), None);
        assert_eq!(median(&[7, 8, 8], 4), Some(8));
    }

    #[test]
    fn who_doubts_has_no_say_unless_most_do() {
        let clock = |(setting_ms, doubted)| NodeClock { setting_ms, doubted };
        let ask = |clocks: &[(i64, bool)]| median_ms(clocks.iter().copied().map(clock), clocks.len(), 0);
        assert_eq!(ask(&[(0, true), (-700_000, false), (-700_001, false)]), Some(-700_000));
        assert_eq!(ask(&[(0, true), (5, true), (-700_000, false)]), None);
        assert_eq!(ask(&[(0, true)]), None);
    }
}

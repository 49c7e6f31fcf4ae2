//! Object lock: what retention and legal hold forbid. Fails closed: what is not clearly allowed is not.
//!
//! `now_ms` is the cluster time throughout, never a wall clock.

use crate::record::{Attributes, Retention};

/// Whether a version with these attributes may not be removed now.
pub(super) fn forbids_removal(attributes: &Attributes, now_ms: u64, bypass_governance: bool) -> bool {
    let retained = attributes
        .retention
        .is_some_and(|retention| retention.until_ms > now_ms && (retention.compliance || !bypass_governance));
    attributes.legal_hold || retained
}

/// Whether retention may be changed so now: within its mode it may always grow; governance may be
/// loosened or made compliance by a caller that may bypass it; compliance may be loosened by none.
pub(super) fn allows_change(
    old: Option<Retention>,
    new: Option<Retention>,
    now_ms: u64,
    bypass_governance: bool,
) -> bool {
    let Some(old) = old.filter(|old| old.until_ms > now_ms) else { return true };
    let grows = new.is_some_and(|new| new.until_ms >= old.until_ms && new.compliance == old.compliance);
    grows || (!old.compliance && bypass_governance)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn retention(compliance: bool, until_ms: u64) -> Option<Retention> {
        Some(Retention { compliance, until_ms })
    }

    #[test]
    fn compliance_only_grows() {
        assert!(allows_change(retention(true, 100), retention(true, 101), 50, false));
        assert!(!allows_change(retention(true, 100), retention(true, 99), 50, true));
        assert!(!allows_change(retention(true, 100), retention(false, 200), 50, true));
        assert!(!allows_change(retention(true, 100), None, 50, true));
        assert!(allows_change(retention(true, 100), None, 100, false));
    }

    #[test]
    fn governance_yields_to_bypass() {
        assert!(!allows_change(retention(false, 100), None, 50, false));
        assert!(allows_change(retention(false, 100), None, 50, true));
        assert!(!allows_change(retention(false, 100), retention(true, 100), 50, false));
        assert!(allows_change(retention(false, 100), retention(true, 100), 50, true));
        assert!(allows_change(retention(false, 100), retention(false, 101), 50, false));
        let attributes = Attributes { retention: retention(false, 100), ..Attributes::default() };
        assert!(forbids_removal(&attributes, 50, false));
        assert!(!forbids_removal(&attributes, 50, true));
        let held = Attributes { legal_hold: true, ..Attributes::default() };
        assert!(forbids_removal(&held, 50, true));
    }
}

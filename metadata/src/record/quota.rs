//! How much may be held.
//!
//! Old versions and the parts of open uploads count; delete markers do not, so that a deletion never lacks room, and a
//! completion has none to ask for: its object takes no more than its parts did.
//! Must not know: what is held, who may set a quota.

/// The most that a subject may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all versions of objects and of the parts of open uploads; `None`: no bound.
    pub bytes: Option<u64>,
    /// Versions of objects and parts of open uploads together; `None`: no bound.
    pub objects: Option<u64>,
}

/// What counts against a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Bytes.
    pub bytes: i64,
    /// Objects and parts.
    pub objects: i64,
}

impl Charge {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), objects: self.objects.saturating_add(other.objects) }
    }
}

impl Quota {
    /// Whether a subject that holds so much may take so much more. What adds nothing is always taken, also where more is
    /// held than the quota allows.
    pub fn admits(&self, held: Charge, by: Charge) -> bool {
        let fits = |most: Option<u64>, held: i64, by: i64| {
            let sum = u64::try_from(held.saturating_add(by)).unwrap_or(0);
            by <= 0 || most.is_none_or(|most| sum <= most)
        };
        fits(self.bytes, held.bytes, by.bytes) && fits(self.objects, held.objects, by.objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_filled_to_its_last_byte_and_no_further() {
        let quota = Quota { bytes: Some(10), objects: Some(2) };
        let charge = |bytes, objects| Charge { bytes, objects };
        assert!(quota.admits(charge(4, 1), charge(6, 1)));
        assert!(!quota.admits(charge(4, 1), charge(7, 1)), "too many bytes");
        assert!(!quota.admits(charge(4, 1), charge(1, 2)), "too many objects");
        assert!(Quota::default().admits(charge(i64::MAX, i64::MAX), charge(1, 1)), "no bound");
        assert!(!Quota { bytes: Some(0), objects: None }.admits(charge(0, 0), charge(1, 1)));
        assert!(Quota { bytes: Some(0), objects: None }.admits(charge(0, 0), charge(0, 1)), "an empty object");
    }

    #[test]
    fn above_a_quota_what_adds_nothing_is_taken() {
        let quota = Quota { bytes: Some(10), objects: Some(2) };
        let (held, none) = (Charge { bytes: 50, objects: 9 }, Charge::default());
        assert!(quota.admits(held, none));
        assert!(quota.admits(held, Charge { bytes: -5, objects: 0 }), "an overwriting by fewer bytes");
        assert!(!quota.admits(held, Charge { bytes: -5, objects: 1 }));
        assert!(!quota.admits(held, Charge { bytes: 1, objects: -1 }));
    }
}

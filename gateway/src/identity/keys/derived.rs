//! The key that a secret was last made into: a client's requests of a day are signed with the same.
//!
//! Promises: it lives no longer than the credential it belongs to is kept in memory.
//! Must not know: how it is derived, what it is for.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::hmac;

/// The last key derived, and what for.
#[derive(Default)]
pub struct LastDerived(ArcSwapOption<(Box<str>, hmac::Key)>);

impl LastDerived {
    /// The key for a purpose: the last one, if it was derived for the same.
    pub fn key_for(&self, purpose: &str, derive: impl FnOnce() -> hmac::Key) -> hmac::Key {
        if let Some((_, key)) = self.0.load().as_deref().filter(|(last, _)| **last == *purpose) {
            return key.clone();
        }
        let key = derive();
        self.0.store(Some(Arc::new((purpose.into(), key.clone()))));
        key
    }
}

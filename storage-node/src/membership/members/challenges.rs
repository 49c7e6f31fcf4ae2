//! Challenges for processes that join: what was said in one join request is of no use in another.
//!
//! ```text
//! challenge = time of this process's steady clock, in milliseconds (8, big-endian) ‖ random (16) ‖ MAC of both (32)
//! ```
//! Nothing is kept of a challenge that was only given, so that unjoined processes, which anybody can be, take no memory
//! here. One that was used is kept until it has run out; only a request with a live token uses one.
//! Promises: a challenge is taken once, by the process that gave it, within [`LIFETIME`].
//! Must not know: tokens, what is signed.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::env::Env;
use parking_lot::Mutex;

/// How long a challenge may be used.
const LIFETIME: Duration = Duration::from_secs(30);

const TIME_BYTES: usize = 8;
const RANDOM_BYTES: usize = 16;
const MAC_BYTES: usize = 32;

/// The challenges of a process.
pub(in crate::membership) struct Challenges {
    env: Env,
    key: [u8; MAC_BYTES],
    /// Those that were used, and when each was given.
    used: Mutex<BTreeMap<[u8; RANDOM_BYTES], Duration>>,
}

impl Challenges {
    pub(in crate::membership) fn new(env: Env) -> Self {
        Self { key: env.random_bytes(), env, used: Mutex::default() }
    }

    /// A challenge that nobody had before.
    pub(super) fn give(&self) -> Bytes {
        let given_ms = u64::try_from(self.env.clock.steady().as_millis()).unwrap_or(u64::MAX);
        let said = [&given_ms.to_be_bytes()[..], &self.env.random_bytes::<RANDOM_BYTES>()].concat();
        let mac = blake3::keyed_hash(&self.key, &said);
        [&said[..], mac.as_bytes()].concat().into()
    }

    /// Takes a challenge; `false` if it is not of this process, has run out, or was taken before.
    pub(super) fn take(&self, challenge: &[u8]) -> bool {
        let Some((said, mac)) = challenge.split_at_checked(TIME_BYTES + RANDOM_BYTES) else { return false };
        let Some((given_ms, random)) = said.split_first_chunk::<TIME_BYTES>() else { return false };
        let (Ok(random), Ok(mac)) = (<[u8; RANDOM_BYTES]>::try_from(random), <[u8; MAC_BYTES]>::try_from(mac)) else {
            return false;
        };
        // Compared in constant time, as the library does.
        if blake3::keyed_hash(&self.key, said) != mac {
            return false;
        }
        let (given, now) = (Duration::from_millis(u64::from_be_bytes(*given_ms)), self.env.clock.steady());
        let is_live = |given: Duration| now.saturating_sub(given) < LIFETIME;
        let mut used = self.used.lock();
        used.retain(|_, given| is_live(*given));
        is_live(given) && used.insert(random, given).is_none()
    }
}

#[cfg(test)]
mod tests {
    use couronne_base::testing::still_env;

    use super::*;

    #[test]
    fn a_challenge_is_taken_once_in_time_and_by_the_process_that_gave_it() {
        let (env, clock) = still_env(1);
        let (challenges, others) = (Challenges::new(env.clone()), Challenges::new(env));
        let challenge = challenges.give();
        assert!(!others.take(&challenge));
        for at in 0..challenge.len() {
            let mut bent = challenge.to_vec();
            bent[at] ^= 1;
            assert!(!challenges.take(&bent), "byte {at}");
            assert!(!challenges.take(&challenge[..at]), "{at} bytes");
        }
        assert!(challenges.take(&challenge));
        assert!(!challenges.take(&challenge), "a second time");
        let late = challenges.give();
        clock.pass(LIFETIME);
        assert!(!challenges.take(&late));
        assert!(challenges.used.lock().is_empty(), "what has run out is not kept");
    }
}

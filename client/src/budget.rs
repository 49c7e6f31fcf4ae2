//! The memory budget: requests share so many bytes of buffers, and wait or are told to slow down.
//!
//! Must not know: what buffers hold.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::ClientError;

/// Budgets count in units of this many bytes, so that any budget fits a semaphore.
const UNIT_BYTES: u64 = 1 << 10;

/// A request that has begun waits this many times as long as one that has not.
const BEGUN_PATIENCE: u32 = 12;

/// Bytes that may be in buffers at once.
#[derive(Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    units_max: u32,
    wait: Duration,
}

/// A share of the budget; dropped, it is given back.
pub struct Share {
    _units: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of so many bytes, for which a request waits so many milliseconds.
    pub fn new(bytes_max: u64, wait_ms: u64) -> Self {
        let units_max = u32::try_from(bytes_max / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(units_max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(permits)), units_max, wait: Duration::from_millis(wait_ms) }
    }

    /// The first share of a request: `bytes`, first come first served, or a refusal after a while. One
    /// request larger than the whole budget gets all of it, alone.
    pub async fn share(&self, bytes: u64) -> Result<Share, ClientError> {
        self.share_within(self.wait, bytes).await
    }

    /// A further share of a request that has begun: it waits for much longer, since its client has
    /// already been served in part. Not for ever: a copy waits for two budgets, and two copies might
    /// wait for each other.
    pub async fn next_share(&self, bytes: u64) -> Result<Share, ClientError> {
        self.share_within(self.wait * BEGUN_PATIENCE, bytes).await
    }

    async fn share_within(&self, wait: Duration, bytes: u64) -> Result<Share, ClientError> {
        match timeout(wait, self.units.clone().acquire_many_owned(self.units_of(bytes))).await {
            Ok(Ok(permit)) => Ok(Share { _units: permit }),
            _ => Err(ClientError::Overloaded("the memory for buffers is used up")),
        }
    }

    /// A share of `bytes` if it is there at once.
    pub fn try_share(&self, bytes: u64) -> Option<Share> {
        let permit = self.units.clone().try_acquire_many_owned(self.units_of(bytes)).ok()?;
        Some(Share { _units: permit })
    }

    /// Whether less than half of the budget is left.
    pub fn is_tight(&self) -> bool {
        (self.units.available_permits() as u64) < u64::from(self.units_max) / 2
    }

    fn units_of(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units_max)
    }
}

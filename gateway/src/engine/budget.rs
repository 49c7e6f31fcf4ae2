//! The memory budget: requests share so many bytes of buffers, and wait or are told to slow down.
//!
//! Must not know: what buffers hold.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::EngineError;

/// Budgets count in units of this many bytes, so that any budget fits a semaphore.
const UNIT_BYTES: u64 = 1 << 10;

/// Bytes that may be in buffers at once.
#[derive(Clone)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    units_max: u32,
    wait: Duration,
}

/// A share of the budget; dropped, it is given back.
pub(crate) struct Share {
    _units: OwnedSemaphorePermit,
}

impl Budget {
    pub(crate) fn new(bytes_max: u64, wait_ms: u64) -> Self {
        let units_max = u32::try_from(bytes_max / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(units_max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(permits)), units_max, wait: Duration::from_millis(wait_ms) }
    }

    /// A share of `bytes`, first come first served. One request larger than the whole budget gets all
    /// of it, alone.
    pub(crate) async fn share(&self, bytes: u64) -> Result<Share, EngineError> {
        let units = self.units_of(bytes);
        if let Ok(permit) = self.units.clone().try_acquire_many_owned(units) {
            return Ok(Share { _units: permit });
        }
        match timeout(self.wait, self.units.clone().acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(Share { _units: permit }),
            _ => Err(EngineError::SlowDown("the memory for buffers is used up")),
        }
    }

    /// A share of `bytes` if it is there at once.
    pub(crate) fn try_share(&self, bytes: u64) -> Option<Share> {
        let permit = self.units.clone().try_acquire_many_owned(self.units_of(bytes)).ok()?;
        Some(Share { _units: permit })
    }

    fn units_of(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units_max)
    }
}

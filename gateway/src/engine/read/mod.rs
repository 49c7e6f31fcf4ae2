//! Reading: a stream of an object's bytes, each verified before it is given out.
//!
//! A [`Source`] says which units make up the range asked for; a unit is fetched whole (at most one
//! chunk), and while it is given out the next one is being fetched, as memory allows.
//! Must not know: rows other than parts, HTTP.

mod source;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::crc;
use couronne_base::fair::{Claim, Cut, Holder, OnBehalf, Short, lend};
use couronne_client::Slice;
use couronne_protocol::shard::Owner;
use tokio::task::JoinHandle;

use super::{EngineError, Shared};
use source::{BlobCheck, ReadUnit};
pub(super) use source::{Parts, Source, check_payload};

/// Units that are fetched before they are asked for.
const UNITS_AHEAD: usize = 1;

/// Memory comes back in pieces of so many bytes as they are sent: so it shows whether a receiver gets on.
const LENT_BYTES_MAX: usize = 64 << 10;

/// A stream of an object's bytes, each verified before it is given out.
pub struct BlobReader {
    shared: Arc<Shared>,
    owner: Owner,
    source: Source,
    /// The unit after those that are being fetched.
    next: Option<ReadUnit>,
    ahead: VecDeque<Ahead>,
    ready: VecDeque<Bytes>,
    /// The holder that memory is taken for.
    holder: Holder,
    cut: Cut,
    left: u64,
    begun: bool,
    /// CRC-64/NVME of what was read of a blob, if that is read from its start.
    blob_crc: Option<u64>,
}

/// A unit being fetched. Dropped, the fetch ends.
struct Ahead {
    task: JoinHandle<Result<Vec<Slice>, EngineError>>,
    check: BlobCheck,
    share: Option<Arc<Claim>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A unit that was fetched.
struct Fetched {
    slices: Vec<Slice>,
    check: BlobCheck,
    share: Option<Arc<Claim>>,
}

impl BlobReader {
    pub(super) fn new(shared: Arc<Shared>, owner: Owner, holder: Holder, source: Source, range: &Range<u64>) -> Self {
        Self {
            shared,
            owner,
            source,
            next: None,
            ahead: VecDeque::new(),
            ready: VecDeque::new(),
            holder,
            cut: OnBehalf::of_task().cut,
            left: range.end.saturating_sub(range.start),
            begun: false,
            blob_crc: None,
        }
    }

    /// How many bytes are still to come.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// The next verified bytes, in order; `None` at the end. After an error the answer cannot be saved:
    /// cut the connection.
    pub async fn next(&mut self) -> Result<Option<Bytes>, EngineError> {
        self.prime().await?;
        let Some(bytes) = self.ready.pop_front() else { return Ok(None) };
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(Some(bytes))
    }

    /// Makes bytes ready, if any are left.
    pub(super) async fn prime(&mut self) -> Result<(), EngineError> {
        if self.cut.is_cut() {
            return Err(Short::Cut.into());
        }
        while self.ready.is_empty() && self.left > 0 {
            let Some(fetched) = self.fetch().await? else {
                return Err(EngineError::Corrupt("an object has fewer bytes than its row says".to_owned()));
            };
            self.check_blob(&fetched)?;
            for Slice { mut bytes, .. } in fetched.slices {
                while !bytes.is_empty() {
                    let piece = bytes.split_to(bytes.len().min(LENT_BYTES_MAX));
                    self.ready.push_back(lend(piece, fetched.share.as_ref()));
                }
            }
        }
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Option<Fetched>, EngineError> {
        if let Some(mut ahead) = self.ahead.pop_front() {
            self.start_ahead().await?;
            let task = (&mut ahead.task).await;
            let slices = task.map_err(|error| EngineError::Unavailable(format!("reading a chunk: {error}")))??;
            return Ok(Some(Fetched { slices, check: ahead.check, share: ahead.share.take() }));
        }
        let Some(unit) = self.next_unit().await? else { return Ok(None) };
        let share = self.share(unit.bytes()).await?;
        self.begun = true;
        self.start_ahead().await?;
        let check = unit.check();
        // The drives are waited for, and not the client.
        share.iter().for_each(|share| share.settle());
        let slices = unit.fetch(&self.shared, &self.owner).await?;
        share.iter().for_each(|share| share.depend());
        Ok(Some(Fetched { slices, check, share }))
    }

    /// Memory for a unit; none for one that takes none.
    async fn share(&self, bytes: u64) -> Result<Option<Arc<Claim>>, EngineError> {
        if bytes == 0 {
            return Ok(None);
        }
        let client = &self.shared.client;
        let mut share = client.read_budget().claim(&self.holder, bytes, &self.cut);
        share.take_within(bytes, client.buffer_wait(self.begun)).await?;
        Ok(Some(Arc::new(share)))
    }

    /// Starts fetching what comes next, if there is plenty of memory.
    async fn start_ahead(&mut self) -> Result<(), EngineError> {
        while self.ahead.len() < UNITS_AHEAD && !self.shared.client.read_budget().is_tight() {
            let Some(unit) = self.next_unit().await? else { return Ok(()) };
            let budget = self.shared.client.read_budget();
            let Some(share) = budget.claim_now(&self.holder, unit.bytes(), &self.cut) else {
                self.next = Some(unit);
                return Ok(());
            };
            let (shared, owner, check) = (self.shared.clone(), self.owner.clone(), unit.check());
            let task = tokio::spawn(async move { unit.fetch(&shared, &owner).await });
            self.ahead.push_back(Ahead { task, check, share: Some(Arc::new(share)) });
        }
        Ok(())
    }

    async fn next_unit(&mut self) -> Result<Option<ReadUnit>, EngineError> {
        match self.next.take() {
            Some(unit) => Ok(Some(unit)),
            None => self.source.next(&self.shared).await,
        }
    }

    /// Beside its frames, a blob that is read whole is checked against the CRC in its row: what no
    /// frame can tell is whether the right frames were put together.
    fn check_blob(&mut self, fetched: &Fetched) -> Result<(), EngineError> {
        let BlobCheck { first, last, crc64 } = fetched.check;
        if first {
            self.blob_crc = Some(0);
        }
        let Some(before) = self.blob_crc else { return Ok(()) };
        let found = fetched.slices.iter().fold(before, |before, Slice { bytes, crc64 }| {
            crc::join(before, crc64.unwrap_or_else(|| crc::of(bytes)), bytes.len() as u64)
        });
        self.blob_crc = Some(found).filter(|_| !last);
        if last && found != crc64 {
            return Err(EngineError::Unreadable("a blob differs from the checksum in its row".to_owned()));
        }
        Ok(())
    }
}

//! The cluster map: one row of a group of its own, changed by compare-and-swap.
//!
//! Promises: a change that was answered is durable at a quorum of the keepers, and stands on this
//! node's drives before anything here acts on it; changes by several nodes at once are made one after
//! the other, each on top of what the others left.
//! Must not know: what a change means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_metadata::command::{Command, Envelope, Expect, Outcome, Refusal};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey, Ordinal};
use couronne_metadata::query::{Answer, Query, SystemRow};
use couronne_protocol::map::{MAP_RANGE, MapState};
use couronne_protocol::range::{QueryEnvelope, RangeAddress, RangeClient, RangeError};
use couronne_ring::DriveId;
use tokio::time::{Instant, sleep, timeout};

use super::{LocalNode, NodeError};

/// The key of the map's row.
const MAP_KEY: &[u8] = b"map";

/// How long the keepers are asked before a change is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one keeper may take.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The pause after all keepers were asked in vain.
const PAUSE: Duration = Duration::from_millis(20);

impl LocalNode {
    /// Changes the map; `change` says whether it changed anything. It may be called several times, each
    /// time with the map as it is then. Returns the map after the change.
    pub(crate) async fn change_map(
        &self,
        mut change: impl FnMut(&mut MapState) -> Result<bool, NodeError>,
    ) -> Result<Arc<MapState>, NodeError> {
        loop {
            let row = self.read_row(MAP_KEY).await?;
            let (expect, mut map) = match row {
                Some(SystemRow { version, value }) => {
                    let map = MapState::decode(value).map_err(|error| NodeError::Map(error.to_string()))?;
                    (Expect::Version(version), map)
                }
                // The group was just made: the map that made it is its first row.
                None => (Expect::Absent, MapState::clone(&self.map())),
            };
            let changed = change(&mut map)?;
            if changed || expect == Expect::Absent {
                map.version += 1;
                if self.write_row(MAP_KEY, expect, Some(map.encode())).await?.is_none() {
                    continue;
                }
            }
            self.adopt(map).await?;
            return Ok(self.map());
        }
    }

    /// Takes the map as its group has it, unless the row is still the version that is `known`; which it is.
    pub(super) async fn read_map(&self, known: Option<Ordinal>) -> Result<Option<Ordinal>, NodeError> {
        let Some(SystemRow { version, value }) = self.read_row(MAP_KEY).await? else { return Ok(None) };
        if known != Some(version) {
            self.adopt(MapState::decode(value).map_err(|error| NodeError::Map(error.to_string()))?).await?;
        }
        Ok(Some(version))
    }

    /// Reads a row of the map's group; what was acknowledged before is in the answer.
    pub(crate) async fn read_row(&self, key: &[u8]) -> Result<Option<SystemRow>, NodeError> {
        let key = row_key(key)?;
        let query = QueryEnvelope { bucket: BucketId::SYSTEM, rules_version: None, query: Query::SystemGet { key } };
        match self.ask_keepers(|address, _| self.routes.query(address, query.clone())).await {
            Ok(Answer::SystemGet(row)) => Ok(row),
            Ok(_) => Err(NodeError::Map("wrong answer".to_owned())),
            Err(error) => Err(NodeError::Map(error.to_string())),
        }
    }

    /// Writes or removes a row of the map's group; `None` if it is not what was expected.
    pub(crate) async fn write_row(
        &self,
        key: &[u8],
        expect: Expect,
        value: Option<Bytes>,
    ) -> Result<Option<Ordinal>, NodeError> {
        let now_ms = self.env.clock.wall_ms();
        let envelope = Envelope {
            commit: CommitId::new(now_ms, self.env.random_bytes()),
            deadline_ms: now_ms.saturating_add(u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX)),
            bucket: BucketId::SYSTEM,
            rules_version: 0,
            key: row_key(key)?,
            command: Command::SystemWrite { expect, value },
            is_repeat: false,
        };
        let attempt = |address, is_repeat| self.routes.execute(address, Envelope { is_repeat, ..envelope.clone() });
        match self.ask_keepers(attempt).await {
            Ok(Outcome::Done { ordinal }) => Ok(Some(ordinal)),
            Ok(_) => Err(NodeError::Map("wrong answer".to_owned())),
            Err(RangeError::Refused(Refusal::Conflict)) => Ok(None),
            Err(error) => Err(NodeError::Map(error.to_string())),
        }
    }

    /// Asks the keepers until one that leads answers. What is asked has the same meaning however often
    /// it is repeated: a command carries its commit id. An attempt is told whether one before it went unanswered.
    async fn ask_keepers<T, A>(&self, attempt: impl Fn(RangeAddress, bool) -> A) -> Result<T, RangeError>
    where
        A: Future<Output = Result<T, RangeError>>,
    {
        let began = Instant::now();
        let (mut turn, mut hinted, mut is_repeat) = (0usize, false, false);
        loop {
            let keepers = self.map().keepers.clone();
            let places: Vec<DriveId> = keepers.replicas.values().copied().collect();
            // Never two hints in a row: those who are wrong about each other must not keep it from the rest.
            let hint = self.keeper_leader.lock().take().filter(|hint| !hinted && places.contains(hint));
            hinted = hint.is_some();
            let Some(replica) =
                hint.or_else(|| turn.checked_rem(places.len()).and_then(|place| places.get(place).copied()))
            else {
                return Err(RangeError::Corrupt("nobody keeps the map".to_owned()));
            };
            let address = RangeAddress { range: MAP_RANGE, generation: keepers.generation, replica };
            let error = match timeout(ATTEMPT, attempt(address, is_repeat)).await {
                Ok(Ok(answer)) => {
                    *self.keeper_leader.lock() = Some(replica);
                    return Ok(answer);
                }
                Ok(Err(error @ (RangeError::Refused(_) | RangeError::Corrupt(_)))) => {
                    *self.keeper_leader.lock() = Some(replica);
                    return Err(error);
                }
                Ok(Err(RangeError::NotLeader(Some(leader)))) if leader != replica => {
                    *self.keeper_leader.lock() = Some(leader);
                    RangeError::NotLeader(None)
                }
                Ok(Err(error)) => error,
                Err(_) => RangeError::Unavailable { reason: "no answer in time".to_owned(), maybe_done: true },
            };
            is_repeat |= matches!(error, RangeError::Unavailable { maybe_done: true, .. });
            if began.elapsed() > PATIENCE || self.is_stopping() {
                return Err(error);
            }
            if hinted {
                continue;
            }
            turn = turn.wrapping_add(1);
            if turn.checked_rem(places.len()).is_none_or(|left| left == 0) {
                sleep(PAUSE).await;
            }
        }
    }
}

fn row_key(key: &[u8]) -> Result<ObjectKey, NodeError> {
    ObjectKey::new(Bytes::copy_from_slice(key)).map_err(|error| NodeError::Map(error.to_string()))
}

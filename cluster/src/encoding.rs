//! The field numbers of the map and of its parts, and the map as a file.
//!
//! ```text
//! file = magic "COURMAP1" | CRC-64/NVME of the rest u64 | the map, by the field codec
//! ```
//! A row and a message carry the map alone: what keeps or carries those checks their bytes.
//! Promises: bytes of any origin give a map whose replica ids can go on, or [`Corrupt`].
//! Must not know: where the bytes lie.

use bytes::Bytes;
use couronne_base::codec::table::{choice, newtype, record};
use couronne_base::codec::{self, Corrupt, Input, Value, Writer};
use couronne_base::crc;

use crate::drive_state::{DriveState, Liveness, WriteState};
use crate::map::{
    Authorities, Bootstrap, ClusterKeyState, ClusterMap, CommittedMembers, Emptied, LogEnd, MapNode, MapPolicy,
    MapRange, MemberKey, MemberKeys, ReplicaId, StoredDrive,
};
use crate::role::Role;

const MAGIC: &[u8; 8] = b"COURMAP1";

/// The number of a drive that is not up, where a state is one number.
const DOWN: u8 = 4;

/// The number of a drive whose calls hang, likewise.
const SLOW: u8 = 5;

/// Versions and replica ids of a map are below: they rise by one, and are never near the end of their numbers.
const COUNT_MAX: u64 = 1 << 62;

newtype! { ReplicaId }

record! { ClusterMap {
    1 version, 2 cluster, 3 bootstrap, 4 nodes, 5 drives, 6 policies, 7 default_policy, 8 meta_group, 9 ranges,
    10 next_replica, 11 time_ms, 12 expelled, 13 secrets_version, 14 cluster_key,
    15 authorities, 16 keys,
} }
record! { Authorities { 1 trusted, 2 signing } }
record! { MemberKeys { 1 other } }
choice! { MemberKey { 1 Unknown, 2 Of(1 id) } }
record! { ClusterKeyState { 1 newest, 2 older, 3 is_exposed } }
record! { Bootstrap { 1 nodes, 2 ranges } }
record! { MapNode { 1 role, 2 name, 3 address, 4 region, 5 zone } }
record! { StoredDrive {
    1 node, 2 boots, 3 incarnation, 4 weight, 5 down_since_ms, 6 writes, 7 emptied, 8 start, 9 log_end, 10 is_slow,
    11 lost_version,
} }
record! { LogEnd { 1 file, 2 offset } }
record! { Emptied { 1 times, 2 last_ms, 3 version } }
record! { MapPolicy { 1 policy, 2 ring } }
record! { MapRange { 1 id, 2 generation, 3 start, 4 end, 5 replicas, 6 initial_voters, 7 leaving, 8 members } }
record! { CommittedMembers { 1 index, 2 voters, 3 earlier_voters, 4 learners } }

impl ClusterMap {
    /// The map's bytes, as rows and messages carry them.
    pub fn encode(&self) -> Bytes {
        codec::encode(self)
    }

    /// The map of these bytes.
    pub fn decode(bytes: Bytes) -> Result<Self, Corrupt> {
        let map: Self = codec::decode(&bytes)?;
        let last = map.places().into_iter().map(|(replica, _)| replica.0).max();
        let rises = last.is_none_or(|last| last < map.next_replica);
        if !rises || map.next_replica > COUNT_MAX || map.version > COUNT_MAX {
            return Err(Corrupt("a map that cannot go on"));
        }
        if map.policies.iter().any(|(id, policy)| *id != policy.policy.id) {
            return Err(Corrupt("a policy under another's number"));
        }
        Ok(map)
    }

    /// The map as a file, which notices what a disk did to it.
    pub fn to_file(&self) -> Bytes {
        let map = self.encode();
        [&MAGIC[..], &crc::of(&map).to_be_bytes(), &map].concat().into()
    }

    /// The map of a file.
    pub fn from_file(file: &[u8]) -> Result<Self, Corrupt> {
        let rest = file.strip_prefix(MAGIC).ok_or(Corrupt("no file of a map"))?;
        match rest.split_first_chunk::<8>() {
            Some((sum, map)) if crc::of(map) == u64::from_be_bytes(*sum) => Self::decode(Bytes::copy_from_slice(map)),
            _ => Err(Corrupt("a file of a map that was altered or cut off")),
        }
    }
}

impl Value for Role {
    fn write(&self, out: &mut Writer) {
        self.number().write(out);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        Self::from_number(u8::read(input)?).ok_or(Corrupt("no role of a member"))
    }
}

/// A number. One that is not known here is a later release's: such a drive serves, and takes nothing new.
impl Value for WriteState {
    fn write(&self, out: &mut Writer) {
        let number: u8 = match self {
            Self::Writable => 1,
            Self::Full => 2,
            Self::Stopping => 3,
        };
        number.write(out);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        Ok(match u8::read(input)? {
            1 => Self::Writable,
            3 => Self::Stopping,
            _ => Self::Full,
        })
    }
}

/// The number of its writes, or that of a drive that is not up: a member does not tell down from lost.
impl Value for DriveState {
    fn write(&self, out: &mut Writer) {
        match self.liveness() {
            Liveness::Up => self.writes().write(out),
            Liveness::Slow => SLOW.write(out),
            Liveness::Down | Liveness::Lost => DOWN.write(out),
        }
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        match u8::read(input)? {
            DOWN => Ok(Self::DOWN),
            SLOW => Ok(Self::SLOW),
            _ => WriteState::read(input).map(Self::up),
        }
    }
}

//! Reading a drive's log back after a start.
//!
//! Promises: every batch that was ever acknowledged is replayed, in order, or the log is refused as
//! corrupt. Reading stops at the first break. Writes go to the disk one at a time, so a valid batch
//! beyond a break cannot be the remains of a torn write: it proves that durable bytes were lost. So do a file of
//! another length, a header that neither verifies nor was never written, and the want of the file noted as newest.
//! Must not know: consensus rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::mutant;
use couronne_cluster::map::LogEnd;
use couronne_ring::DriveId;

use super::LogError;
use super::batch::{self, BLOCK_BYTES, FileHeader};
use super::record::{self, Record};
use super::state::ReplicaState;
use super::types::ReplicaId;
use super::{FILE_BYTES, FOLDER, UNFINISHED};
use crate::disk::{Access, Disk, DiskFile};

/// A file that holds records still needed.
pub(super) struct LiveFile {
    pub(super) name: String,
    pub(super) sequence: u64,
    pub(super) file: Arc<dyn DiskFile>,
    /// The last index that each replica has in this file.
    pub(super) touched: BTreeMap<ReplicaId, u64>,
}

/// What a start found.
pub(super) struct Recovered {
    pub(super) replicas: BTreeMap<ReplicaId, ReplicaState>,
    pub(super) live: Vec<LiveFile>,
    /// Files to be used again, oldest first.
    pub(super) spare: Vec<(String, Arc<dyn DiskFile>)>,
    /// The checksum the next file chains.
    pub(super) chain: u64,
    pub(super) next_sequence: u64,
    pub(super) next_name: u64,
    /// Where the log ends.
    pub(super) end: LogEnd,
}

struct FoundLog {
    name: String,
    header: FileHeader,
    sum: u64,
    file: Arc<dyn DiskFile>,
}

/// Reads all files of the drive's log, of which the newest was noted to have the sequence `noted`.
pub(super) async fn recover(disk: &dyn Disk, drive: DriveId, noted: u64) -> Result<Recovered, LogError> {
    let (mut found, mut spare, next_name) = open_all(disk, drive).await?;
    found.sort_by_key(|file| file.header.sequence);
    if found.last().map_or(0, |file| file.header.sequence) < noted && !mutant!(ForgetNewestFile) {
        return Err(LogError::Corrupt(format!("file {noted}, the newest, is missing")));
    }
    let Some(newest) = found.last() else {
        let replicas = BTreeMap::new();
        let end = LogEnd::START;
        return Ok(Recovered { replicas, live: Vec::new(), spare, chain: 0, next_sequence: 1, next_name, end });
    };
    let last_sequence = newest.header.sequence;
    let (newest_batches, chain, offset) = read_file(newest, true).await?;
    let end = LogEnd { file: last_sequence, offset };
    let retired = newest_batches.iter().flatten().filter_map(|(_, record)| match record {
        Record::Retire(below) => Some(*below),
        _ => None,
    });
    let oldest = retired.max().unwrap_or(0).max(newest.header.oldest_live);

    let mut replicas = BTreeMap::new();
    let mut live = Vec::new();
    let mut expected = oldest;
    let mut previous: Option<u64> = None;
    let mut newest_batches = Some(newest_batches);
    for found in found {
        if found.header.sequence < oldest {
            spare.push((found.name, found.file));
            continue;
        }
        let is_newest = found.header.sequence == last_sequence;
        if found.header.sequence != expected || previous.is_some_and(|chain| chain != found.header.chain) {
            return Err(LogError::Corrupt(format!("file {expected} is missing or cut short")));
        }
        expected += 1;
        let batches = match newest_batches.take_if(|_| is_newest) {
            Some(batches) => batches,
            None => {
                let (batches, chain, _) = read_file(&found, false).await?;
                previous = Some(chain);
                batches
            }
        };
        let touched = replay(&mut replicas, batches)?;
        live.push(LiveFile { name: found.name, sequence: found.header.sequence, file: found.file, touched });
    }
    if let Some((replica, _)) = replicas.iter().find(|(_, state)| !state.is_whole()) {
        return Err(LogError::Corrupt(format!("{replica}: entries are missing")));
    }
    Ok(Recovered { replicas, live, spare, chain, next_sequence: last_sequence + 1, next_name, end })
}

type OpenedFiles = (Vec<FoundLog>, Vec<(String, Arc<dyn DiskFile>)>, u64);

async fn open_all(disk: &dyn Disk, drive: DriveId) -> Result<OpenedFiles, LogError> {
    let (mut found, mut spare, mut next_name) = (Vec::new(), Vec::new(), 1);
    for name in disk.list(FOLDER).await? {
        let path = format!("{FOLDER}/{name}");
        if name.ends_with(UNFINISHED) {
            // Its making was cut off: it was never used.
            disk.remove(&path).await?;
            continue;
        }
        let Ok(number) = u64::from_str_radix(&name, 16) else { continue };
        next_name = next_name.max(number.saturating_add(1));
        let file = disk.open(&path, Access::Direct).await?;
        let len = file.len().await?;
        if len != FILE_BYTES {
            return Err(LogError::Corrupt(format!("{path} has {len} bytes, not {FILE_BYTES}")));
        }
        let block = file.read(0, BLOCK_BYTES).await?;
        match FileHeader::decode(&block) {
            Some((header, sum)) if header.drive == drive => found.push(FoundLog { name, header, sum, file }),
            Some((header, _)) => {
                return Err(LogError::Corrupt(format!("{path} belongs to drive {}", header.drive)));
            }
            None if FileHeader::is_unwritten(&block) || mutant!(TakeRottenHeaderForSpare) => spare.push((name, file)),
            None => return Err(LogError::Corrupt(format!("{path}: the header does not verify"))),
        }
    }
    Ok((found, spare, next_name))
}

type Batches = Vec<Vec<(ReplicaId, Record)>>;

/// The batches of a file up to the first break, the checksum of the last, and where it ends.
async fn read_file(found: &FoundLog, is_newest: bool) -> Result<(Batches, u64, u64), LogError> {
    let len = usize::try_from(FILE_BYTES).map_err(|_| LogError::Corrupt("file too long".to_owned()))?;
    let bytes: Bytes = found.file.read(0, len).await?;
    let (mut batches, mut offset, mut chain) = (Vec::new(), BLOCK_BYTES, found.sum);
    while let Some(read) = batch::read(&bytes, offset, found.header.generation, Some(chain)) {
        // Copied, so that what is kept of one batch does not hold the whole file in memory.
        let mut body = Bytes::copy_from_slice(&read.body);
        let records = record::decode(&mut body).map_err(|error| LogError::Corrupt(error.to_string()))?;
        batches.push(records);
        chain = read.sum;
        offset = offset.saturating_add(usize::try_from(read.len).unwrap_or(usize::MAX));
    }
    let beyond = (offset..len).step_by(BLOCK_BYTES);
    let lost = beyond.skip(1).find(|at| batch::read(&bytes, *at, found.header.generation, None).is_some());
    if let Some(at) = lost.filter(|_| is_newest && !mutant!(TakeLossForTornTail)) {
        let reason = format!("file {}: a durable batch before offset {at} does not verify", found.name);
        return Err(LogError::Corrupt(reason));
    }
    Ok((batches, chain, u64::try_from(offset).unwrap_or(FILE_BYTES)))
}

fn replay(
    replicas: &mut BTreeMap<ReplicaId, ReplicaState>,
    batches: Batches,
) -> Result<BTreeMap<ReplicaId, u64>, LogError> {
    let mut touched = BTreeMap::new();
    for (replica, record) in batches.into_iter().flatten() {
        if let Record::Entry(entry) = &record {
            let last = touched.entry(replica).or_insert(0);
            *last = entry.position.index.max(*last);
        }
        if matches!(record, Record::Retire(_)) {
            continue;
        }
        let state: &mut ReplicaState = replicas.entry(replica).or_default();
        state.replay(record).map_err(|error| LogError::Corrupt(format!("{replica}: {error}")))?;
    }
    Ok(touched)
}

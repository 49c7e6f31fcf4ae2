//! A new policy: made over the drives there are.
//!
//! Promises: a policy that the drives can never hold, or that promises more than the metadata survives,
//! is refused and changes nothing; the same policy again is no error.
//! Must not know: the operator that asks for it.

use std::cmp::Reverse;
use std::sync::Arc;

use couronne_placement::{Policy, PolicyId, Redundancy};
use couronne_ring::Ring;

use super::form::first_ring;
use crate::error::{MapError, PolicyRefusal};
use crate::map::{ClusterMap, Crowded, MapPolicy};

/// The longest name of a policy, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// Adds a policy with its ring to the map, if its promise can be kept; its number is given here. Returns whether that
/// changed the map.
pub fn create_policy(map: &mut ClusterMap, mut policy: Policy) -> Result<bool, MapError> {
    let name = policy.name.to_string();
    let refused = |refusal| MapError::Policy(name.clone(), refusal);
    check_name(&policy.name).map_err(refused)?;
    if map.bootstrap.is_some() {
        return Err(refused(PolicyRefusal::NotBegun));
    }
    if let Some(known) = map.policies.values().find(|known| known.policy.name == policy.name) {
        policy.id = known.policy.id;
        if known.policy == policy {
            return Ok(false);
        }
        return Err(refused(PolicyRefusal::Exists(known.policy.redundancy)));
    }
    let last = map.policies.keys().next_back().map_or(0, |last| last.0);
    policy.id = PolicyId(last.checked_add(1).ok_or_else(|| refused(PolicyRefusal::TooMany))?);
    check_replicas(map, &policy).map_err(refused)?;
    let mut drives = map.ring_drives();
    drives.retain(|drive| !map.is_expelled(drive.node));
    let ring = first_ring(&policy, &drives)?;
    check_survives(&policy, &ring).map_err(refused)?;
    check_metadata_survives(map, &policy).map_err(refused)?;
    map.policies.insert(policy.id, MapPolicy { policy, ring: Some(Arc::new(ring)) });
    Ok(true)
}

/// Refuses a setting that asks for another redundancy than the first policy has. (Which policy is the default is an
/// operator's to change.)
pub fn check_first_policy(map: &ClusterMap, asked: Redundancy) -> Result<(), MapError> {
    match map.policies.values().next().map(|first| first.policy.redundancy) {
        Some(formed) if formed != asked => Err(MapError::OtherRedundancy { formed, asked }),
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), PolicyRefusal> {
    let is_well = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'+');
    let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_well);
    if is_name { Ok(()) } else { Err(PolicyRefusal::Name) }
}

/// Metadata survives the loss of as many drives as its data: `2f + 1` replicas, each on a drive of its own.
fn check_replicas(map: &ClusterMap, policy: &Policy) -> Result<(), PolicyRefusal> {
    let redundancy = policy.redundancy;
    let wanted = usize::from(redundancy.metadata_replicas());
    let fewest = map.all_ranges().map(|range| range.replicas.len()).min().unwrap_or(0);
    if fewest >= wanted { Ok(()) } else { Err(PolicyRefusal::MetadataReplicas { redundancy, wanted, fewest }) }
}

/// Whether every chunk survives the loss of whatever the policy demands.
fn check_survives(policy: &Policy, ring: &Ring) -> Result<(), PolicyRefusal> {
    let (Some(level), redundancy) = (policy.survives, policy.redundancy) else { return Ok(()) };
    let spare = usize::from(redundancy.losses());
    let fullest = ring.fullest(level);
    let worst = fullest.iter().map(|(_, fullest)| *fullest).max().unwrap_or(0);
    let domains = fullest.len();
    if worst <= spare && domains > 1 {
        return Ok(());
    }
    Err(PolicyRefusal::Survives { redundancy, level, worst, spare, domains })
}

/// Whether every range keeps a majority of its replicas after the loss of whatever the policy demands. Where they lie
/// was decided when the cluster began: nodes that joined later hold none.
fn check_metadata_survives(map: &ClusterMap, policy: &Policy) -> Result<(), PolicyRefusal> {
    let Some(level) = policy.survives else { return Ok(()) };
    let crowded = map.crowded_domains(level).into_iter().max_by_key(|crowded| (crowded.inside, Reverse(crowded.range)));
    crowded.map_or(Ok(()), |Crowded { range, zone, inside, replicas }| {
        Err(PolicyRefusal::MetadataSurvives { level, range, zone, inside, replicas })
    })
}

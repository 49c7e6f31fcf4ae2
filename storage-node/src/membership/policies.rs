//! Policies: made over the drives there are, and one of them the default.
//!
//! Promises: a policy that the drives can never hold, or that promises more than the metadata survives,
//! is refused and changes nothing; the same policy again is no error. A bucket keeps the policy of its birth.
//! Must not know: who asks.

use std::sync::Arc;

use couronne_placement::{Policy, PolicyId};
use couronne_protocol::map::{MapPolicy, MapState};
use couronne_ring::{FailureDomain, Ring};

use super::Membership;
use super::formation::first_ring;
use crate::error::NodeError;

/// The longest name of a policy, in bytes.
const NAME_BYTES_MAX: usize = 63;

impl Membership {
    /// Adds a policy; its number is given here.
    pub async fn create_policy(&self, policy: Policy) -> Result<(), NodeError> {
        check_name(&policy.name)?;
        self.map_store.update(|map| add(map, policy.clone())).await.map(drop)
    }

    /// Makes the policy of this name the one of new buckets that name none.
    pub async fn set_default_policy(&self, name: &str) -> Result<(), NodeError> {
        let set = |map: &mut MapState| {
            let named = map.policies.values().find(|known| &*known.policy.name == name);
            let id = named.ok_or_else(|| refused(&"there is none of this name", name))?.policy.id;
            let changed = map.default_policy != id;
            map.default_policy = id;
            Ok(changed)
        };
        self.map_store.update(set).await.map(drop)
    }
}

fn refused(why: &dyn std::fmt::Display, name: &str) -> NodeError {
    NodeError::Policy(format!("{name}: {why}"))
}

fn check_name(name: &str) -> Result<(), NodeError> {
    let is_well = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'+');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_well) {
        return Err(refused(
            &"a name is 1 to 63 letters, digits, hyphens, underscores, dots, colons and plus signs",
            name,
        ));
    }
    Ok(())
}

/// Adds a policy with its ring to the map, if its promise can be kept; whether that changed the map.
fn add(map: &mut MapState, mut policy: Policy) -> Result<bool, NodeError> {
    if map.formation.is_some() {
        return Err(refused(&"the cluster has not begun yet", &policy.name));
    }
    if let Some(known) = map.policies.values().find(|known| known.policy.name == policy.name) {
        policy.id = known.policy.id;
        if known.policy == policy {
            return Ok(false);
        }
        return Err(refused(&format!("exists already, with {}", known.policy.redundancy), &policy.name));
    }
    let last = map.policies.keys().next_back().map_or(0, |last| last.0);
    let next = last.checked_add(1).ok_or_else(|| refused(&"there are too many policies", &policy.name))?;
    policy.id = PolicyId(next);
    check_replicas(map, &policy)?;
    let ring = first_ring(&policy, &map.ring_drives())?;
    check_survives(&policy, &ring)?;
    map.policies.insert(policy.id, MapPolicy { policy, ring: Some(Arc::new(ring)) });
    Ok(true)
}

/// Metadata survives what its data survives: `2f + 1` replicas, and there are as many as there are.
fn check_replicas(map: &MapState, policy: &Policy) -> Result<(), NodeError> {
    let wanted = usize::from(policy.redundancy.metadata_replicas());
    let fewest = map.all_ranges().map(|range| range.replicas.len()).min().unwrap_or(0);
    if fewest >= wanted {
        return Ok(());
    }
    let why = format!(
        "{} survives {} losses, so its metadata needs {wanted} replicas; the ranges have {fewest}, and changing that is to come",
        policy.redundancy,
        policy.redundancy.losses()
    );
    Err(refused(&why, &policy.name))
}

/// Whether every chunk survives the loss of whatever the policy demands.
fn check_survives(policy: &Policy, ring: &Ring) -> Result<(), NodeError> {
    let Some(level) = policy.survives else { return Ok(()) };
    let spare = usize::from(policy.redundancy.losses());
    let domains = ring.fullest(level);
    let worst = domains.iter().map(|(_, fullest)| *fullest).max().unwrap_or(0);
    if worst <= spare && domains.len() > 1 {
        return Ok(());
    }
    let word = match level {
        FailureDomain::Drive => "drive",
        FailureDomain::Node => "node",
        FailureDomain::Zone => "zone",
        FailureDomain::Region => "region",
    };
    let why = format!(
        "the loss of a {word} takes up to {worst} shards of a chunk, and {} can spare {spare}; there are {} {word}s",
        policy.redundancy,
        domains.len()
    );
    Err(refused(&why, &policy.name))
}

#[cfg(test)]
mod tests {
    use couronne_protocol::map::Formation;

    use super::super::formation::tests::{formed, policy};
    use super::*;

    fn named(name: &str, redundancy: &str, survives: Option<FailureDomain>) -> Policy {
        Policy { name: name.into(), redundancy: redundancy.parse().unwrap(), survives, ..policy() }
    }

    fn why(map: &mut MapState, policy: Policy) -> String {
        let before = map.encode();
        let error = add(map, policy).unwrap_err().to_string();
        assert_eq!(map.encode(), before, "what is refused changes nothing");
        error
    }

    #[test]
    fn a_policy_gets_a_number_and_a_ring_of_its_own() {
        let mut map = formed(6, 3);
        assert!(add(&mut map, named("fast", "replicated:3", None)).unwrap());
        assert!(!add(&mut map, named("fast", "replicated:3", None)).unwrap(), "again");
        let made = &map.policies[&PolicyId(1)];
        assert_eq!((&*made.policy.name, made.ring.as_ref().unwrap().width()), ("fast", 3));
        assert!(why(&mut map, named("fast", "replicated:2", None)).contains("exists already, with replicated:3"));
    }

    #[test]
    fn what_can_never_be_held_is_refused() {
        let mut map = formed(6, 3);
        assert!(why(&mut map, named("wide", "ec:6+2", None)).contains("needs as many drives"));
        let error = why(&mut map, named("safe", "replicated:4", None));
        assert!(error.contains("needs 7 replicas; the ranges have 5"), "{error}");
        map.formation = Some(Formation { nodes: 9, ranges: 1 });
        assert!(why(&mut map, named("early", "single", None)).contains("not begun"));
    }

    #[test]
    fn the_loss_of_a_zone_is_survived_where_there_are_enough() {
        let zone = Some(FailureDomain::Zone);
        assert!(add(&mut formed(6, 3), named("zoned", "ec:4+2", zone)).unwrap());
        let error = why(&mut formed(6, 2), named("zoned", "ec:4+2", zone));
        assert!(error.contains("up to 3 shards") && error.contains("can spare 2; there are 2 zones"), "{error}");
        assert!(add(&mut formed(6, 2), named("copies", "replicated:2", zone)).unwrap());
        assert!(why(&mut formed(6, 1), named("copies", "replicated:2", zone)).contains("1 zones"));
    }
}

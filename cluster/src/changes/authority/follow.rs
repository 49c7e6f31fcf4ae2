//! The steps of a rotation.
//!
//! Each step is taken once every member has done what the next one takes: before the new authority signs, each believes
//! it; before the old one is believed no more, each has a certificate of the new one. A member that is away holds that up
//! until it is back or expelled: none is ever left with a certificate that nobody believes. Where the leader that takes
//! the steps ends, the next one goes on from the map.
//! Must not know: how a rotation begins.

use couronne_ring::NodeId;

use crate::map::{Authorities, ClusterMap};
use crate::report::CertificateReport;

/// A step of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityStep {
    /// The authority of this number signs from now on.
    Signs(u64),
    /// The authority of this number is the only one that is believed.
    Alone(u64),
}

/// The members that the next step of a rotation waits for, by what each said last of its certificate; none where there
/// is no rotation.
pub fn awaited_members(map: &ClusterMap, said: impl Fn(NodeId) -> Option<CertificateReport>) -> Vec<NodeId> {
    if !map.authorities.is_rotating() {
        return Vec::new();
    }
    let is_awaited =
        |node: &NodeId| !map.is_expelled(*node) && !said(*node).is_some_and(|said| is_ready(&map.authorities, said));
    map.nodes.keys().copied().filter(is_awaited).collect()
}

fn is_ready(authorities: &Authorities, said: CertificateReport) -> bool {
    match authorities.signing < authorities.newest() {
        true => said.trusted >= authorities.newest(),
        false => said.signed_by >= authorities.signing,
    }
}

/// Takes the next step of a rotation, if every member is ready for it.
pub(in crate::changes) fn follow_certificates(
    map: &mut ClusterMap,
    said: impl Fn(NodeId) -> Option<CertificateReport>,
) -> Option<AuthorityStep> {
    if !map.authorities.is_rotating() || !awaited_members(map, said).is_empty() {
        return None;
    }
    let authorities = &mut map.authorities;
    let newest = authorities.newest();
    if authorities.signing < newest {
        authorities.signing = newest;
        return Some(AuthorityStep::Signs(newest));
    }
    authorities.trusted.retain(|number, _| *number == newest);
    Some(AuthorityStep::Alone(newest))
}

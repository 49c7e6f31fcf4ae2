//! Which authorities there are: the first, and one that is to take its place.
//!
//! Must not know: when the next step is taken.

use bytes::Bytes;

use crate::map::ClusterMap;

/// Notes the authority with which the cluster began; whether that changed the map.
pub fn keep_authority(map: &mut ClusterMap, certificate: &Bytes) -> bool {
    let is_first = map.authorities.trusted.is_empty();
    if is_first {
        map.authorities.signing = 1;
        map.authorities.trusted.insert(1, certificate.clone());
    }
    is_first
}

/// Begins a rotation to the authority of this number and certificate; whether that changed the map. It does not while
/// one is under way, or if the number is not the next.
pub fn begin_rotation(map: &mut ClusterMap, number: u64, certificate: &Bytes) -> bool {
    let authorities = &mut map.authorities;
    let begins = authorities.trusted.len() == 1 && number == authorities.newest().saturating_add(1);
    if begins {
        authorities.trusted.insert(number, certificate.clone());
    }
    begins
}

//! Which peers a process trusts: those with certificates of its cluster's authorities, and with the members' own keys,
//! and which of them are members.
//!
//! Promises: of several authorities the one that signed a certificate is told. Must not know: connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_cluster::map::{ClusterMap, MemberKeys};
use couronne_ring::NodeId;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::undated::undated;
use super::{issuer_in, provider};
use crate::net::certificates::CertificateError;

/// Which peers are trusted, as a version of the cluster map says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The version of the map; 0: none is known yet.
    pub version: u64,
    /// The certificates (DER) of the authorities, by number.
    pub authorities: BTreeMap<u64, Bytes>,
    /// Whose key is whose; unset: no map is known yet, and keys are not looked at.
    pub keys: Option<MemberKeys>,
    /// Who is a member; unset: no map is known yet, and everybody with a certificate is one.
    pub members: Option<Members>,
}

/// Who is a member, and who never is again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The members' roles.
    pub roles: BTreeMap<NodeId, Role>,
    /// Those that were expelled.
    pub expelled: BTreeSet<NodeId>,
}

impl Members {
    fn of(map: &ClusterMap) -> Self {
        let is_member = |node: &NodeId| !map.is_expelled(*node);
        let roles = map.nodes.iter().map(|(id, node)| (*id, node.role)).filter(|(id, _)| is_member(id)).collect();
        Self { roles, expelled: map.expelled.keys().copied().collect() }
    }
}

impl Trust {
    /// Which peers are trusted by a map; `None` before the founding node gave the cluster its authority.
    pub fn of(map: &ClusterMap) -> Option<Self> {
        let authorities = map.authorities.trusted.clone();
        let (keys, members) = (Some(map.keys.clone()), Some(Members::of(map)));
        (!authorities.is_empty()).then(|| Self { version: map.version, authorities, keys, members })
    }

    /// Whether a process is a member in this role, as far as is known.
    pub(super) fn is_member(&self, node: NodeId, role: Role) -> bool {
        self.members.as_ref().is_none_or(|members| members.roles.get(&node) == Some(&role))
    }

    /// Whether a member was expelled.
    pub(super) fn is_expelled(&self, node: NodeId) -> bool {
        self.members.as_ref().is_some_and(|members| members.expelled.contains(&node))
    }

    /// All authorities.
    pub(super) fn roots(&self) -> Result<Arc<RootCertStore>, CertificateError> {
        let mut roots = RootCertStore::empty();
        for authority in self.authorities.values() {
            roots.add(der(authority))?;
        }
        Ok(Arc::new(roots))
    }

    /// The certificate of the authority that signed a member's certificate; the newest of several.
    pub(super) fn issuer(
        &self,
        certificate: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Result<CertificateDer<'static>, CertificateError> {
        let mut refused = CertificateError::NotAMember;
        for authority in self.authorities.values().rev() {
            let mut roots = RootCertStore::empty();
            roots.add(der(authority))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
            match undated(now, |at| verifier.verify_client_cert(certificate, &[], at)) {
                Ok(_) => return Ok(der(authority)),
                Err(error) => refused = error.into(),
            }
        }
        Err(refused)
    }

    /// The number of the authority that signed a process's certificate; 0 if it is not trusted.
    pub(super) fn number_of(&self, certified: &CertifiedKey) -> u64 {
        let issuer: Option<&[u8]> = issuer_in(certified).map(|issuer| issuer.as_ref());
        let is_it = |(_, authority): &(&u64, &Bytes)| issuer.is_some_and(|issuer| **authority == issuer);
        self.authorities.iter().find(is_it).map_or(0, |(number, _)| *number)
    }
}

fn der(authority: &Bytes) -> CertificateDer<'static> {
    CertificateDer::from(authority.to_vec())
}

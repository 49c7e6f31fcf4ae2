//! Policies, as an operator orders them.
//!
//! Must not know: which policies the map refuses.

use couronne_cluster::changes;
use couronne_placement::Policy;

use super::Membership;
use crate::error::NodeError;

impl Membership {
    /// Adds a policy; its number is given by the map.
    pub async fn create_policy(&self, policy: Policy) -> Result<(), NodeError> {
        self.map_store.update(|map| changes::create_policy(map, policy.clone())).await.map(drop)
    }

    /// Makes the policy of this name the one of new buckets that name none.
    pub async fn set_default_policy(&self, name: &str) -> Result<(), NodeError> {
        self.map_store.update(|map| changes::set_default_policy(map, name)).await.map(drop)
    }
}

//! The binary's half of the admin API: what `couronne_admin`'s server controls here, and the commands that ask it.
//!
//! Promises: whichever process is asked, the answer and what is done are the same.
//! Must not know: S3, the API's HTTP.

mod actions;
mod cluster_control;
mod cluster_status;
pub(crate) mod commands;
mod durability;
mod forwarder;
mod health;
mod identities;
mod map;
pub(crate) mod messages;
mod metrics;
mod order_audit;
mod process_status;
mod render;
mod rotation;
mod safety;
mod spare;
mod unrepaired;
mod usage;

use std::sync::Arc;

use couronne_admin::server::{AdminApi, AdminTokens};
use couronne_gateway::front::Gateway;
use couronne_gateway::s3::S3;

pub(crate) use actions::AdminActions;
use cluster_control::AdminClusterControl;
pub(crate) use cluster_status::{ClusterStatusSource, LastHeard};
pub(crate) use forwarder::AdminForwarder;
use health::Health;
use identities::AdminIdentityControl;
use order_audit::OrderEvents;
pub(crate) use process_status::StatusSource;
use usage::AdminUsageControl;

/// The API of a process, opened by these tokens.
pub(crate) fn api(
    tokens: Arc<AdminTokens>,
    gateway: &Gateway<S3>,
    status: Arc<ClusterStatusSource>,
    forwarder: AdminForwarder,
) -> Arc<AdminApi> {
    let orders = OrderEvents { audit: gateway.audit.clone(), clock: Arc::clone(&gateway.env.clock) };
    let (identity, metrics) = (gateway.identity.clone(), Arc::clone(&gateway.metrics));
    let (engine, env) = (gateway.engine.clone(), gateway.env.clone());
    Arc::new(AdminApi {
        tokens,
        audit: Arc::new(orders),
        identities: Arc::new(AdminIdentityControl(identity.clone())),
        usage: Arc::new(AdminUsageControl { engine, identity: identity.clone(), env }),
        cluster: Arc::new(AdminClusterControl { identity, health: Health::default(), metrics, status, forwarder }),
    })
}

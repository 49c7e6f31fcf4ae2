//! Moving on a range's marks: the disown horizon, and from when outcomes of commands are remembered.
//!
//! Must not know: who owns what.

use std::sync::Arc;

use couronne_metadata::command::Command;

use super::{execute, some_key};
use crate::node::LocalNode;

/// One round over the ranges led here.
pub(super) async fn round(node: Arc<LocalNode>) {
    if !node.clock.trusts() {
        return;
    }
    let settings = &node.duties.settings;
    let now_ms = node.env().clock.wall_ms();
    let horizon_ms = now_ms.saturating_sub(settings.disown_age_ms);
    let before_ms = now_ms.saturating_sub(settings.commit_memory_ms);
    for leader in node.leaders() {
        let Some(key) = some_key(leader.descriptor()) else { continue };
        for command in [Command::AdvanceHorizon { horizon_ms }, Command::ForgetCommits { before_ms }] {
            if let Err(error) = execute(&node, &leader, key.clone(), command).await {
                tracing::warn!(range = leader.descriptor().id.0, %error, "marks move on later");
            }
        }
    }
    node.note_time().await;
}

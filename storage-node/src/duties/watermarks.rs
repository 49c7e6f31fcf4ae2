//! Moving on a range's watermarks: the disown horizon, and from when outcomes of commands are remembered.
//!
//! Must not know: which row names which blob.

use std::time::Duration;

use async_trait::async_trait;
use couronne_metadata::command::Command;

use super::settings::DutySettings;
use super::{Duty, DutyContext, execute, some_key};

/// The duty that moves watermarks on.
pub(super) struct Watermarks;

#[async_trait]
impl Duty for Watermarks {
    const NAME: &'static str = "watermarks";

    type Status = ();

    fn status(_: &DutyContext) {}

    fn interval(settings: &DutySettings) -> Duration {
        settings.watermarks_interval
    }

    /// Over the ranges led here.
    async fn round(&mut self, context: &DutyContext) {
        if !context.clock.trusts() {
            return;
        }
        let settings = &context.settings;
        let now_ms = context.env.clock.wall_ms();
        let horizon_ms = now_ms.saturating_sub(settings.disown_age_ms);
        let before_ms = now_ms.saturating_sub(settings.commit_memory_ms);
        for leader in context.replicas.leaders() {
            let Some(key) = some_key(leader.descriptor()) else { continue };
            for command in [Command::AdvanceHorizon { horizon_ms }, Command::ExpireDedupEntries { before_ms }] {
                if let Err(error) = execute(context, &leader, key.clone(), command).await {
                    tracing::warn!(range = leader.descriptor().id.0, %error, "watermarks move on later");
                }
            }
        }
        context.map_store.note_time().await;
    }
}

//! A copy of the newest map beside a node's drives: with it a node that lost them all finds its cluster again, and one whose
//! drives have no sound copy starts.
//!
//! Must not know: what a map says.

use std::sync::Arc;

use couronne_protocol::map::SharedMap;

use crate::folder::DataFolder;

/// Keeps the newest map, for as long as the process runs.
pub(super) async fn follow(folder: Arc<DataFolder>, map: Arc<SharedMap>) {
    let mut versions = map.follow();
    loop {
        let (folder, state) = (Arc::clone(&folder), map.state());
        match tokio::task::spawn_blocking(move || folder.keep_map(&state)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the newest map could not be kept"),
            Err(_) => return,
        }
        if versions.changed().await.is_err() {
            return;
        }
    }
}

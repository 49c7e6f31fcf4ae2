//! A cluster in memory: the engine over drives, ranges and a map that fail on demand.

use std::ops::Deref;

use couronne_client::testing::FakeStorage;
pub use couronne_client::testing::{DriveFault, FakeShape, RangeFault};

use crate::engine::{Engine, Settings};

/// A cluster in memory. Its drives, ranges and map are those of its storage.
pub struct FakeCluster {
    /// The engine over it.
    pub engine: Engine,
    storage: FakeStorage,
}

impl FakeCluster {
    /// A cluster of this shape, under default settings. Needs a Tokio runtime.
    pub fn new(shape: &FakeShape) -> Self {
        Self::with_settings(shape, Settings::default())
    }

    /// A cluster of this shape. Needs a Tokio runtime.
    pub fn with_settings(shape: &FakeShape, settings: Settings) -> Self {
        let storage = FakeStorage::new(shape);
        Self { engine: Engine::new(storage.components(), settings), storage }
    }

    /// Another gateway of the same cluster: it shares nothing with the first but ranges and drives.
    pub fn another_engine(&self, settings: Settings) -> Engine {
        Engine::new(self.storage.components(), settings)
    }
}

impl Deref for FakeCluster {
    type Target = FakeStorage;

    fn deref(&self) -> &FakeStorage {
        &self.storage
    }
}

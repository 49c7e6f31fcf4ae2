//! The cluster's key as a storage node has it, and the few others that it may need while that is changed.
//!
//! The key seals what the meta group keeps beside the map, so that drives alone tell none of it. Which one counts is said by
//! the map ([`couronne_cluster::map::ClusterKeyState`]).
//! Promises: a key is kept before it is used or others are told that it is; no `Debug` shows a key.
//! Must not know: how a node keeps its keys, which rows are sealed.

use std::fmt;
use std::io;
use std::sync::Arc;

use couronne_base::env::Env;
use couronne_base::seal::{KeyName, NotSealed, SealKey, sealed_by};
use couronne_cluster::map::ClusterKeyState;
use parking_lot::RwLock;
use zeroize::Zeroizing;

use crate::error::NodeError;

/// How many keys a node has at most: the two that the map may name, and those that others made and that came to nothing.
const KEYS_MAX: usize = 16;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// What else the secret behind a key were used for would be another key.
const PURPOSE: &str = "couronne 2026-11 secrets beside the cluster map";

/// A key of the cluster. A secret: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKey(Zeroizing<[u8; KEY_BYTES]>);

/// What a key opened, and the key's name.
pub(crate) type OpenedRow = (KeyName, Zeroizing<Vec<u8>>);

/// Where a node keeps the cluster's keys.
pub trait KeepClusterKeys: Send + Sync + 'static {
    /// Keeps these keys, the oldest first, and no others. They stand when it returns.
    fn keep(&self, keys: &[ClusterKey]) -> io::Result<()>;
}

/// The cluster's keys that a node has. Clones are the same.
#[derive(Clone, Default)]
pub struct ClusterKeys(Arc<Known>);

#[derive(Default)]
struct Known {
    /// The oldest first.
    keys: RwLock<Vec<ClusterKey>>,
    kept: Option<Arc<dyn KeepClusterKeys>>,
}

impl ClusterKey {
    /// A new key.
    pub fn new(env: &Env) -> Self {
        Self(Zeroizing::new(env.random_bytes()))
    }

    /// The key of these bytes, if they are as many as a key has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// Its bytes, for keeping it sealed and for giving it to another storage node.
    pub fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The key, ready to seal and open.
    pub(crate) fn ready(&self) -> Result<SealKey, NotSealed> {
        SealKey::derive(PURPOSE, self.expose())
    }

    /// Its name.
    pub(crate) fn name(&self) -> Option<KeyName> {
        self.ready().ok().map(|key| key.name())
    }
}

impl fmt::Debug for ClusterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.keys.read().len())
    }
}

impl ClusterKeys {
    /// These keys, the oldest first, and where they are kept.
    pub fn new(keys: Vec<ClusterKey>, kept: Arc<dyn KeepClusterKeys>) -> Self {
        Self(Arc::new(Known { keys: RwLock::new(keys), kept: Some(kept) }))
    }

    /// Those that a node was given which joined; they are kept nowhere else.
    pub fn in_memory(keys: Vec<ClusterKey>) -> Self {
        Self(Arc::new(Known { keys: RwLock::new(keys), kept: None }))
    }

    /// Their names, the oldest key's first.
    pub fn names(&self) -> Vec<KeyName> {
        self.0.keys.read().iter().filter_map(ClusterKey::name).collect()
    }

    /// Those that the map names: any storage node may be given them.
    pub(crate) fn named_by(&self, state: ClusterKeyState) -> Vec<ClusterKey> {
        let is_named = |key: &&ClusterKey| key.name().is_some_and(|name| state.names(name));
        self.0.keys.read().iter().filter(is_named).cloned().collect()
    }

    /// The key of this name.
    pub(crate) fn find(&self, name: KeyName) -> Option<ClusterKey> {
        self.0.keys.read().iter().find(|key| key.name() == Some(name)).cloned()
    }

    /// Adds a key. Where there are too many the oldest gives way that the map does not name.
    pub(crate) fn add(&self, key: ClusterKey, state: ClusterKeyState) -> Result<(), NodeError> {
        self.change(|keys| {
            if keys.contains(&key) {
                return;
            }
            let spare = keys.iter().position(|key| key.name().is_none_or(|name| !state.names(name)));
            if let Some(spare) = spare.filter(|_| keys.len() >= KEYS_MAX) {
                keys.remove(spare);
            }
            keys.push(key);
        })
    }

    /// Drops all keys but those that the map names. Not while the key is being changed: one that the map will name is not
    /// named yet.
    pub(crate) fn drop_unnamed(&self, state: ClusterKeyState) -> Result<(), NodeError> {
        self.change(|keys| keys.retain(|key| key.name().is_some_and(|name| state.names(name))))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<ClusterKey>)) -> Result<(), NodeError> {
        let mut keys = self.0.keys.write();
        let mut changed = keys.clone();
        change(&mut changed);
        if changed == *keys {
            return Ok(());
        }
        if let Some(kept) = &self.0.kept {
            kept.keep(&changed)?;
        }
        *keys = changed;
        Ok(())
    }

    /// Opens what one of these keys sealed; `None` if another one did.
    pub(crate) fn open(&self, about: &[&[u8]], sealed: &[u8]) -> Result<Option<OpenedRow>, NotSealed> {
        let name = sealed_by(sealed).ok_or(NotSealed)?;
        match self.find(name) {
            Some(key) => Ok(Some((name, key.ready()?.open(about, sealed)?))),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use couronne_base::testing::still_env;
    use parking_lot::Mutex;

    use super::*;

    /// Keeps how many keys it was given, or fails.
    #[derive(Default)]
    struct Shelf(Mutex<Vec<usize>>, bool);

    impl KeepClusterKeys for Shelf {
        fn keep(&self, keys: &[ClusterKey]) -> io::Result<()> {
            if self.1 {
                return Err(io::Error::other("no space"));
            }
            self.0.lock().push(keys.len());
            Ok(())
        }
    }

    #[test]
    fn what_the_map_names_is_kept_and_given_and_all_else_gives_way() {
        let (env, _) = still_env(1);
        let (first, second) = (ClusterKey::new(&env), ClusterKey::new(&env));
        let state = ClusterKeyState { newest: first.name(), ..ClusterKeyState::default() };
        let shelf = Arc::new(Shelf::default());
        let keys = ClusterKeys::new(vec![first.clone()], shelf.clone());
        keys.add(second.clone(), state).unwrap();
        keys.add(second.clone(), state).unwrap();
        assert_eq!(*shelf.0.lock(), [2], "kept once");
        assert!(keys.named_by(state) == [first.clone()], "nobody is given what the map does not name yet");
        let changing = ClusterKeyState { newest: second.name(), older: first.name(), is_exposed: false };
        assert!(keys.named_by(changing) == [first.clone(), second.clone()]);
        for _ in 0..2 * KEYS_MAX {
            keys.add(ClusterKey::new(&env), changing).unwrap();
        }
        assert_eq!(keys.0.keys.read().len(), KEYS_MAX);
        assert!(keys.named_by(changing) == [first, second.clone()]);
        keys.drop_unnamed(ClusterKeyState { older: None, ..changing }).unwrap();
        assert!(*keys.0.keys.read() == [second]);
    }

    #[test]
    fn a_key_that_cannot_be_kept_is_not_used() {
        let (env, _) = still_env(1);
        let (key, keys) =
            (ClusterKey::new(&env), ClusterKeys::new(Vec::new(), Arc::new(Shelf(Mutex::default(), true))));
        assert!(keys.add(key.clone(), ClusterKeyState::default()).is_err());
        assert!(keys.find(key.name().unwrap()).is_none());
    }
}

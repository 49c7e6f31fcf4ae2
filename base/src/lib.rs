//! What every crate of the cluster stands on and what knows nothing of a cluster.
//!
//! Promises: time and randomness are components that a process passes in ([`env`]); bytes of any origin decode
//! to a value or to an error ([`codec`], [`fixed`]).
//! Must not know: rings, objects, nodes. `ring`, `placement`, `metadata` and `cluster` take only the codecs,
//! CRCs, buffers and mutants from here, never clocks, blocking work or watched values; the tidy test checks it.

pub mod blocking;
pub mod buffer;
pub mod codec;
pub mod crc;
pub mod env;
pub mod fair;
pub mod fixed;
pub mod mutant;
pub mod network;
pub mod seal;
#[cfg(feature = "testing")]
pub mod testing;
pub mod watch;

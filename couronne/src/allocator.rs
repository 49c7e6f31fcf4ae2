//! The process's memory allocator: jemalloc, for Rust and for RocksDB's C++ alike.
//!
//! Promises: memory that a burst of requests took goes back to the system within seconds.
//! Why not the system's: see docs/decisions/0003-allocator.md.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// jemalloc reads its options from this symbol when the process starts: a thread of its own gives
/// back pages that were unused for two seconds.
// SAFETY: nothing else in the process exports this name; the string ends in a zero byte as C wants.
#[unsafe(export_name = "malloc_conf")]
static OPTIONS: &[u8] = b"background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:0\0";

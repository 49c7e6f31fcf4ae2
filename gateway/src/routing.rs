//! The way to ranges: the cached range table, leader hints, and retries until the outcome is known.
//!
//! Must not know: objects, buckets' names, HTTP.

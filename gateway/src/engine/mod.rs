//! The engine: the verbs that both faces share (put, get, list, ...), over ranges and drives.
//!
//! Must not know: HTTP, XML, signatures.

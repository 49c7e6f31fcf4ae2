//! What a request may take of what others need, too: its place among those under way, and its client's time.
//!
//! Must not know: faces, operations.

pub mod pace;
pub mod under_way;

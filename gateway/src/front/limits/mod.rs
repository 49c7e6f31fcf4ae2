//! What a request may take of what others need, too: its place among those under way, its client's time, and the turns
//! that its frames cost.
//!
//! Must not know: faces, operations.

pub mod frames;
pub mod pace;
pub mod under_way;

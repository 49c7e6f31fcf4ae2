//! The face as clients see it.

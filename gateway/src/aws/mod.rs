//! What the faces of AWS's APIs share: signatures of version 4, and the writing of XML.
//!
//! Must not know: any face, any operation.

pub mod sigv4;
pub mod xml;

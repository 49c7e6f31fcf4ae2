//! Callers: in whose name a request comes, with all that decides what it may do.
//!
//! Must not know: what makes a credential, how policies are weighed.

mod maker;
mod policies;
mod principal;

pub use maker::{Maker, MakerKey};
pub use principal::{CallerIdentity, CallerKind, PolicyDocument, TokenFacts};

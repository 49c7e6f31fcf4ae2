//! The front: what every request passes, whichever API it speaks.
//!
//! A *face* ([`Face`]) is an API: S3 is one. It says how its requests are read and signed, which operations there
//! are and how its answers and errors are worded. The front does what must be alike for all: the server with its limits,
//! the order of the stages, the proof that an operation was authorized, the renewal of that proof when a bucket's rules
//! change, the bounds on bodies, the trace.
//!
//! ```text
//! receive > parse > authenticate > resolve > authorize > execute > respond
//! ```
//!
//! Promises: every request of every face runs through [`pipeline`] from top to bottom. A face of another API needs no
//! change here: it implements [`Face`], and [`Faces`] leads requests to it.
//! Must not know: any face, how signatures are computed, how objects are stored.

pub mod authorize;
pub mod body;
pub mod error;
pub mod face;
pub mod faces;
pub mod gateway;
pub mod handler;
pub mod limits;
pub mod pipeline;
pub mod request;
pub mod request_id;
pub mod resources;
pub mod response;
pub mod server;
#[cfg(test)]
pub(crate) mod tests;
pub mod trace;

pub use authorize::Authorized;
pub use body::{Body, BodyUse};
pub use error::{FaceError, FrontError, Rejection};
pub use face::{Face, FaceOperation, Need, NeededOn};
pub use faces::{ByHead, ByPath, Faces};
pub use gateway::{FrontSettings, Gateway};
pub use handler::Handler;
pub use request::{Origin, RequestHead};
pub use request_id::RequestId;
pub use response::Response;

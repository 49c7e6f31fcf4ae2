//! What each operation implements.
//!
//! # How an operation plugs in
//!
//! One file holds a type with the operation's parameters and implements [`Handler`]; one entry of its face's table
//! names it. Of a face `Toy`, for example:
//!
//! ```ignore
//! /// The names in a bucket. It has no parameters.
//! pub struct List;
//!
//! impl Handler for List {
//!     type Face = Toy;
//!     type Resources = InBucket;                        // resolved: an `engine::Bucket`
//!     fn parse(_: &ToyRequest) -> Result<Self, ToyError> { Ok(Self) }
//!     fn resources(&self, request: &ToyRequest) -> Result<InBucket, ToyError> { Ok(request.in_bucket()) }
//!     async fn execute(authorized: Authorized<Self>, gateway: &Gateway<Toy>, _: &mut Body<Toy>) -> Executed {
//!         // `StaleRules` may simply be passed up with `?`: the pipeline resolves, authorizes and executes again.
//!         let page = gateway.engine.list(authorized.resources(), ListQuery::default()).await?;
//!         Ok(Response::new(..))
//!     }
//! }
//!
//! impl Handler for Put {
//!     type Face = Toy;
//!     type Resources = InBucket;                        // a copy has `CopyBetween`: source and target
//!     const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };
//!     async fn execute(mut authorized: Authorized<Self>, gateway: &Gateway<Toy>, body: &mut Body<Toy>) -> Executed {
//!         let staged = gateway.engine.stage(authorized.resources(), &key, body).await?;
//!         // The body is gone, so only the commit is repeated, each time under a renewed authorization.
//!         let (engine, staged) = (&gateway.engine, &staged);
//!         let commit = move |now: Authorized<Self>| async move { engine.put_object(now.resources(), staged, ..).await };
//!         let written = authorized.commit(gateway, commit).await?;
//!     }
//! }
//! ```

use super::authorize::Authorized;
use super::body::{Body, BodyUse};
use super::error::FrontError;
use super::face::Face;
use super::gateway::Gateway;
use super::resources::Resources;
use super::response::Response;

/// What an operation of a face is; see the head of this file.
pub trait Handler: Sized + Send + Sync + 'static {
    /// The face whose operation it is.
    type Face: Face;

    /// The buckets it touches, as a type: the authorize stage checks each.
    type Resources: Resources;

    /// What it does with its body.
    const BODY: BodyUse = BodyUse::None;

    /// Takes the parameters from path, query and headers, with the API's own errors.
    fn parse(request: &RequestOf<Self>) -> Result<Self, ErrorOf<Self>>;

    /// The buckets that the operation touches.
    fn resources(&self, request: &RequestOf<Self>) -> Result<Self::Resources, ErrorOf<Self>>;

    /// Carries the operation out.
    fn execute(
        authorized: Authorized<Self>,
        gateway: &Gateway<Self::Face>,
        body: &mut Body<Self::Face>,
    ) -> impl Future<Output = Result<Response, FrontError<ErrorOf<Self>>>> + Send;
}

/// The request of a handler's face.
pub type RequestOf<H> = <<H as Handler>::Face as Face>::Request;

/// The error of a handler's face.
pub type ErrorOf<H> = <<H as Handler>::Face as Face>::Error;

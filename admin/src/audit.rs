//! What the server tells of each order: where that is kept is for its process to say.
//!
//! Promises asked of the server: an order is admitted before anything of it is carried out, and told of exactly once, however it
//! ends; so is a request for one that is refused.
//! Must not know: HTTP but for a method and a status, where orders are kept.

use std::net::SocketAddr;

use async_trait::async_trait;
use http::{Method, StatusCode};

use crate::types::{ApiError, ErrorCode};

/// An order that was given, or refused.
#[derive(Clone, Debug)]
pub struct OrderRecord {
    /// The endpoint's name; `None`: there is no such endpoint.
    pub operation: Option<&'static str>,
    /// With what the order was given.
    pub credential: &'static str,
    /// The address that it came from.
    pub peer: SocketAddr,
    /// The method.
    pub method: Method,
    /// The path, which names what the order is on.
    pub path: String,
    /// Members of the body that name things, with their values.
    pub named: Vec<(&'static str, Box<str>)>,
    /// The status of the answer; `None`: the operator was gone before there was one.
    pub status: Option<StatusCode>,
    /// Why it was refused.
    pub code: Option<ErrorCode>,
}

/// What takes the record of an order that was admitted.
pub type TakeOrder = Box<dyn FnOnce(OrderRecord) + Send>;

/// Keeps a record of orders.
#[async_trait]
pub trait OrderAudit: Send + Sync {
    /// Before an order is carried out. An error refuses it.
    async fn admit(&self) -> Result<TakeOrder, ApiError>;

    /// An order was refused before it was admitted.
    fn refused(&self, record: OrderRecord);
}

/// No record is kept.
pub struct NoAudit;

#[async_trait]
impl OrderAudit for NoAudit {
    async fn admit(&self) -> Result<TakeOrder, ApiError> {
        Ok(Box::new(|_| {}))
    }

    fn refused(&self, _: OrderRecord) {}
}

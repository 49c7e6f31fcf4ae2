//! The addresses of a name.
//!
//! A seam: tests say what a name means, and when it comes to mean something else.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;

/// Says which addresses a name has.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of the name.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver: its hosts file, its DNS.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

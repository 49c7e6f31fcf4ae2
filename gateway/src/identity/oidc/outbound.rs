//! What providers publish, fetched by the client for all that leaves the cluster.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_outbound::Outbound;
use http::header::ACCEPT;
use http::{Request, StatusCode};

use super::discovery::Documents;

#[async_trait]
impl Documents for Outbound {
    async fn fetch(&self, account: &str, url: &str) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
        let request = Request::get(url).header(ACCEPT, "application/json").body(Bytes::new())?;
        let answer = self.send(account, request).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(format!("the answer is {status}").into()),
        }
    }
}

//! The one region of a cluster, as S3 clients see it.

use crate::pipeline::GatewaySettings;

/// S3's first region, which has no name in `LocationConstraint`.
pub const FIRST: &str = "us-east-1";

/// The cluster's region: the first of those that signatures may name.
pub fn region(settings: &GatewaySettings) -> &str {
    settings.auth.regions.first().map_or(FIRST, String::as_str)
}

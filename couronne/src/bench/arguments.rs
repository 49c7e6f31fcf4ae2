//! Flags of `couronne bench`.
//!
//! Must not know: how load is made.

use std::path::PathBuf;
use std::time::{Duration, TryFromFloatSecsError};

use clap::{Args, ValueEnum};
use thiserror::Error;

use crate::secret_argument::SecretArgument;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// PUT of new objects
    Put,
    /// GET of whole objects
    Get,
    /// HEAD of objects
    Head,
    /// Pages of a listing, each worker walking the whole prefix
    List,
    /// DELETE of objects put beforehand
    Delete,
    /// 45 % GET, 30 % HEAD, 15 % PUT, 10 % DELETE
    Mixed,
    /// Multipart uploads; an operation is a whole upload
    Multipart,
}

/// How a body is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Payload {
    /// SHA-256 of the body in the signature
    Signed,
    /// UNSIGNED-PAYLOAD
    Unsigned,
}

/// Flags of `couronne bench`.
#[derive(Args, Clone)]
pub(crate) struct BenchArguments {
    /// What is measured
    pub(crate) workload: Workload,
    /// S3 endpoint, http://HOST:PORT or https://HOST:PORT; unset: the server running on --data
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Data folder of the running server, for its endpoint, root credentials and process id
    #[arg(long = "data", value_name = "DIR", default_value = "data")]
    pub(crate) data: PathBuf,
    /// Access key; unset: root's in the data folder, else AWS_ACCESS_KEY_ID
    #[arg(long, value_name = "K")]
    pub(crate) access_key: Option<String>,
    /// Secret key (`-` to read it from standard input, `@FILE` from a file); unset: AWS_SECRET_ACCESS_KEY, or without an
    /// access key root's in the data folder before it
    #[arg(long, requires = "access_key", value_name = "S")]
    pub(crate) secret_key: Option<SecretArgument>,
    /// Region in the signatures
    #[arg(long, default_value = "us-east-1")]
    pub(crate) region: String,
    /// Certificate authorities (PEM) of an https endpoint [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
    /// Bucket, made if it is not there
    #[arg(long, default_value = "couronne-bench")]
    pub(crate) bucket: String,
    /// Prefix of every key
    #[arg(long, default_value = "bench/")]
    pub(crate) prefix: String,
    /// Size of an object: bytes, or with KiB, MiB, GiB
    #[arg(long, default_value = "1MiB", value_parser = parse_size)]
    pub(crate) size: u64,
    /// Size of a part of a multipart upload
    #[arg(long, default_value = "8MiB", value_parser = parse_size)]
    pub(crate) part_size: u64,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 8)]
    pub(crate) concurrency: usize,
    /// Seconds to measure, after the warm-up
    #[arg(long = "duration", default_value = "10", value_parser = parse_seconds, value_name = "SECONDS")]
    pub(crate) duration: Duration,
    /// Operations to measure, instead of a duration
    #[arg(long)]
    pub(crate) operations: Option<u64>,
    /// Seconds of load before the measurement
    #[arg(long = "warm-up", default_value = "2", value_parser = parse_seconds, value_name = "SECONDS")]
    pub(crate) warm_up: Duration,
    /// Objects that get, head, list, delete and mixed find: put beforehand as far as they are missing
    #[arg(long, default_value_t = 100)]
    pub(crate) objects: u64,
    /// How bodies are signed
    #[arg(long, value_enum, default_value = "signed")]
    pub(crate) payload: Payload,
    /// Process of the server; several if it has several. Its CPU time, memory and disk writes are reported
    #[arg(long = "pid", value_name = "PID")]
    pub(crate) pids: Vec<u32>,
    /// Metrics page of the server (http://HOST:PORT/metrics), for its CPU time instead of --pid
    #[arg(long, value_name = "URL", conflicts_with = "pids")]
    pub(crate) metrics: Option<String>,
    /// Leave the objects where they are
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Why an argument is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum ArgumentError {
    /// The argument is no size.
    #[error("`{0}` is no size: use 4096, 4KiB, 16MiB, 5GiB")]
    Size(String),
    /// The argument is more bytes than can be counted.
    #[error("`{0}` is too large")]
    TooLarge(String),
    /// The argument is no number.
    #[error("`{0}` is no number of seconds")]
    Seconds(String),
    /// The argument is no duration.
    #[error(transparent)]
    Duration(#[from] TryFromFloatSecsError),
}

/// Reads `4096`, `4KiB`, `16MiB`, `5GiB`.
fn parse_size(text: &str) -> Result<u64, ArgumentError> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, shift) =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift))).unwrap_or((text, 0));
    let number: u64 = number.trim().parse().map_err(|_| ArgumentError::Size(text.to_owned()))?;
    number.checked_mul(1 << shift).ok_or_else(|| ArgumentError::TooLarge(text.to_owned()))
}

/// Reads seconds, with a fraction if need be.
fn parse_seconds(text: &str) -> Result<Duration, ArgumentError> {
    let seconds: f64 = text.parse().map_err(|_| ArgumentError::Seconds(text.to_owned()))?;
    Ok(Duration::try_from_secs_f64(seconds)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_seconds() {
        assert_eq!(parse_size("4KiB"), Ok(4096));
        assert_eq!(parse_size("5 GiB"), Ok(5 << 30));
        assert_eq!(parse_size("17"), Ok(17));
        assert!(parse_size("4kB").is_err());
        assert!(parse_size("99999999999999GiB").is_err());
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(parse_seconds("-1").is_err());
    }
}

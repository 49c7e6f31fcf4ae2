//! The field numbers of what is asked of ranges. Commands, queries and their results are encoded as
//! the index encodes them.

use bytes::Bytes;
use couronne_base::codec::table::{choice, record};
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{CommandRequest, Outcome};
use couronne_metadata::query::Answer;

use super::Ask;
use crate::range::{QueryRequest, RangeAddress, RangeError};
use crate::transport::Method;

/// Which ranges meet `start..end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Describe {
    /// First position.
    pub start: Bytes,
    /// First position not meant; empty for the end of the keyspace.
    pub end: Bytes,
}

/// The answer to [`Describe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// The ranges.
    pub ranges: Vec<RangeDescriptor>,
}

/// Execute a command at a replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Execute {
    /// The replica.
    pub address: RangeAddress,
    /// The command.
    pub request: CommandRequest,
}

/// Answer a query at a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The replica.
    pub address: RangeAddress,
    /// The query.
    pub query: QueryRequest,
}

record! { RangeAddress { 1 range, 2 generation, 3 replica } }
record! { QueryRequest { 1 bucket, 2 rules_version, 3 query } }

record! { Describe { 1 start, 2 end } }
record! { Ranges { 1 ranges } }
record! { Execute { 1 address, 2 request } }
record! { Query { 1 address, 2 query } }

choice! { RangeError {
    1 Refused(1 refusal),
    2 NotLeader(1 leader),
    3 StaleRange(1 ranges),
    4 StaleRules,
    5 Overloaded,
    6 Unavailable { 1 reason, 2 maybe_done },
    7 Corrupt(1 why),
    8 Full,
} }

macro_rules! asks {
    ($($type:ident, $method:ident -> $done:ty;)*) => { $(
        impl Ask for $type {
            const METHOD: Method = Method::$method;
            type Done = $done;
            type Failed = RangeError;
        }
    )* };
}

asks! {
    Describe, Describe -> Ranges;
    Execute, Execute -> Outcome;
    Query, Query -> Answer;
}

//! Why a request had no answer.
//!
//! The texts are for the operator. They tell of names and addresses inside, so a tenant is told none of them.

use std::io;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use crate::reach::Refused;

/// Why a request was not sent, or what came is no answer.
#[derive(Debug, Error)]
pub enum OutboundError {
    /// The URL is none that can be asked.
    #[error("the URL {0}")]
    Url(#[from] UrlFault),
    /// An address of the host is not to be reached.
    #[error("{host}: {refused}")]
    Refused {
        /// The host of the URL.
        host: Box<str>,
        /// The address, and why.
        refused: Refused,
    },
    /// The name of the host could not be resolved.
    #[error("resolving {host}")]
    Resolve {
        /// The host of the URL.
        host: Box<str>,
        /// What happened.
        source: io::Error,
    },
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(Box<str>),
    /// No address of the host takes a connection.
    #[error("connecting to {host}")]
    Connect {
        /// The host of the URL.
        host: Box<str>,
        /// What happened at the last address.
        source: io::Error,
    },
    /// There are no certificate authorities to judge a server by.
    #[error(
        "this system names no certificate authorities: `[outbound] certificate_authorities = \"FILE\"` in the \
         configuration names them"
    )]
    NoAuthorities,
    /// The server did not show that it is the host of the URL.
    #[error("speaking TLS with {host}: {source}")]
    Tls {
        /// The host of the URL.
        host: Box<str>,
        /// What happened.
        source: io::Error,
    },
    /// The server speaks no HTTP/1.1, or broke off, or sends too large a head.
    #[error("speaking HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The answer is a redirect.
    #[error("the answer is a redirect ({0}), and none is followed: name the URL that it leads to")]
    Redirect(StatusCode),
    /// The answer is too large.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The answer did not come in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// Too many requests are under way, most of them on behalf of the same account.
    #[error("too many requests are under way")]
    Busy,
}

/// Why a URL is refused before anything is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlFault {
    /// It is no absolute URL.
    #[error("is not an absolute URL")]
    Form,
    /// Its scheme is neither `http` nor `https`.
    #[error("has another scheme than http and https")]
    Scheme,
    /// It has a user name or a password.
    #[error("has a user name or a password")]
    UserInfo,
    /// Its host is neither a name of the DNS nor an address.
    #[error("has a host that is neither a DNS name nor an address")]
    Host,
    /// Its port is 0 or no port.
    #[error("has a port that is none")]
    Port,
}

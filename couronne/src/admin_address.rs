//! Where an admin listener is, as an operator names it: `HOST:PORT`, or `https://HOST:PORT` if it speaks TLS.
//!
//! Must not know: which server that is.

use std::str::FromStr;

use thiserror::Error;

/// The address of an admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminAddress {
    /// Host and port.
    pub(crate) host_and_port: String,
    /// Whether it speaks TLS.
    pub(crate) is_tls: bool,
}

/// The text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an admin listener has an address such as 127.0.0.1:9001 or https://node1.example.org:9001")]
pub(crate) struct NoAdminAddress;

impl AdminAddress {
    /// The host alone.
    pub(crate) fn host(&self) -> &str {
        let host = self.host_and_port.rsplit_once(':').map_or("", |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl FromStr for AdminAddress {
    type Err = NoAdminAddress;

    fn from_str(text: &str) -> Result<Self, NoAdminAddress> {
        let (rest, is_tls) = match text.strip_prefix("https://") {
            Some(rest) => (rest, true),
            None => (text.strip_prefix("http://").unwrap_or(text), false),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or(NoAdminAddress)?;
        let is_host =
            !host.is_empty() && !host.contains(['/', '@', ' ']) && (host.starts_with('[') || !host.contains(':'));
        if !is_host || port.parse::<u16>().is_err() {
            return Err(NoAdminAddress);
        }
        Ok(Self { host_and_port: rest.to_owned(), is_tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_what_is_none() {
        for (text, host_and_port, host, is_tls) in [
            ("127.0.0.1:9001", "127.0.0.1:9001", "127.0.0.1", false),
            ("[::1]:9001", "[::1]:9001", "::1", false),
            ("http://n1:1", "n1:1", "n1", false),
            ("https://n1.example.org:9001/", "n1.example.org:9001", "n1.example.org", true),
        ] {
            let address: AdminAddress = text.parse().unwrap();
            assert_eq!((address.host_and_port.as_str(), address.host(), address.is_tls), (host_and_port, host, is_tls));
        }
        for text in ["", "nonsense", "n1:", "n1:70000", ":1", "::1:1", "https://n1", "ftp://n1:1", "https://u@n1:1"] {
            assert_eq!(text.parse::<AdminAddress>(), Err(NoAdminAddress), "{text}");
        }
    }
}

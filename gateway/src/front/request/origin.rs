//! Where a request comes from: its client's address, and whether it came over TLS.
//!
//! Promises: what a proxy says of its client counts only if that proxy is named as trusted, and of what it passes on only
//! what trusted proxies wrote. Anything else in these headers is the client's own word and counts for nothing.
//! Must not know: what an address may do.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use couronne_base::network::Network;
use http::HeaderMap;

/// Each proxy adds the address that it was asked from at the end.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// How the client asked the first proxy: `http` or `https`.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Where a request comes from. The default is a request of which nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address; `None` if a trusted proxy names none.
    pub address: Option<IpAddr>,
    /// Whether it came over TLS.
    pub is_secure: bool,
}

impl Origin {
    /// The origin of a request with these headers, from this peer. `proxies` are the networks whose addresses are trusted to
    /// name their clients.
    pub fn new(peer: SocketAddr, is_tls: bool, headers: &HeaderMap, proxies: &[Network]) -> Self {
        let is_trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
        let direct = Self { address: Some(peer.ip().to_canonical()), is_secure: is_tls };
        if !is_trusted(peer.ip()) {
            return direct;
        }
        let proto = entries(headers, FORWARDED_PROTO).last();
        let is_secure = proto.map_or(is_tls, |proto| proto.eq_ignore_ascii_case("https"));
        let mut address = direct.address;
        for entry in entries(headers, FORWARDED_FOR).rev() {
            address = parse_address(&entry);
            if !address.is_some_and(is_trusted) {
                break;
            }
        }
        Self { address, is_secure }
    }

    /// The values for the condition keys that are of the request's way alone.
    /// Follows <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>.
    pub fn value(&self, key: &str) -> Option<Cow<'static, str>> {
        match key {
            "aws:sourceip" => self.address.map(|address| address.to_string().into()),
            "aws:securetransport" => Some(if self.is_secure { "true" } else { "false" }.into()),
            _ => None,
        }
    }
}

/// The entries of all headers of a name, which are one list. One that is no text is an entry that says nothing.
fn entries<'a>(headers: &'a HeaderMap, name: &str) -> impl DoubleEndedIterator<Item = String> + 'a {
    let lists = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    lists.flat_map(|list| list.split(',').map(|entry| entry.trim().to_owned()).collect::<Vec<_>>())
}

/// Reads `203.0.113.7`, `2001:db8::1`, and both with a port.
fn parse_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(peer: &str, is_tls: bool, headers: &[(&'static str, &str)]) -> Origin {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8", "fd00::/16"].map(|text| Network::parse(text).unwrap());
        Origin::new(SocketAddr::new(peer.parse().unwrap(), 1234), is_tls, &map, &proxies)
    }

    fn from(address: &str, is_secure: bool) -> Origin {
        Origin { address: Some(address.parse().unwrap()), is_secure }
    }

    #[test]
    fn only_trusted_proxies_tell_of_their_clients() {
        let said = [(FORWARDED_FOR, "203.0.113.9"), (FORWARDED_PROTO, "https")];
        assert_eq!(origin("192.0.2.1", false, &said), from("192.0.2.1", false));
        assert_eq!(origin("::ffff:192.0.2.1", true, &[]), from("192.0.2.1", true));
        assert_eq!(origin("10.0.0.1", false, &said), from("203.0.113.9", true));
        assert_eq!(origin("fd00::1", true, &[]), from("fd00::1", true));
        assert_eq!(origin("10.0.0.1", true, &[(FORWARDED_PROTO, "HTTP")]), from("10.0.0.1", false));
    }

    #[test]
    fn what_a_client_says_to_a_proxy_counts_for_nothing() {
        for (list, address) in [
            ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("198.51.100.1,203.0.113.9 , 10.7.7.7", "203.0.113.9"),
            ("203.0.113.9:4711, 10.1.1.1:80", "203.0.113.9"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("10.1.1.1, 10.1.1.2", "10.1.1.1"),
        ] {
            assert_eq!(origin("10.0.0.1", true, &[(FORWARDED_FOR, list)]), from(address, true), "{list}");
        }
        // Headers of one name are one list, in their order.
        let two = [(FORWARDED_FOR, "198.51.100.1"), (FORWARDED_FOR, "203.0.113.9"), (FORWARDED_PROTO, "http")];
        assert_eq!(origin("10.0.0.1", true, &two), from("203.0.113.9", false));
        let two = [(FORWARDED_PROTO, "https"), (FORWARDED_PROTO, "http")];
        assert!(!origin("10.0.0.1", true, &two).is_secure);
    }

    #[test]
    fn a_client_that_its_proxy_does_not_name_has_no_address() {
        for list in ["unknown", "", "10.0.0.9, unknown", "203.0.113.9, _hidden", "203.0.113.9,", "1.2.3.4.5"] {
            let found = origin("10.0.0.1", true, &[(FORWARDED_FOR, list)]);
            assert_eq!(found, Origin { address: None, is_secure: true }, "{list}");
            assert_eq!((found.value("aws:sourceip"), found.value("aws:securetransport")), (None, Some("true".into())));
        }
    }
}

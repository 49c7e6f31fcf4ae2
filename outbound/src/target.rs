//! Where a URL leads: scheme, host, port, and what is asked there.
//!
//! Promises: whatever two readers could take for two hosts is refused.
//! Must not know: addresses of names.

use std::net::IpAddr;

use http::Uri;
use http::uri::Authority;

use crate::error::UrlFault;

/// The longest name of the DNS as text (RFC 1035, section 2.3.4: 255 octets with the length of each label).
const NAME_BYTES_MAX: usize = 253;

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whether TLS is spoken.
    pub(crate) is_tls: bool,
    /// The host.
    pub(crate) host: Host,
    /// The port, never 0.
    pub(crate) port: u16,
    /// What the `Host` header says: host and port as the URL has them.
    pub(crate) authority: Box<str>,
    /// Path and query.
    pub(crate) path: Box<str>,
}

/// A host as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name. A system may take a name of digits for an address: only the addresses that it resolves to are judged.
    Name(Box<str>),
    /// An address.
    Address(IpAddr),
}

impl Target {
    /// Reads where a URL leads. What follows a `#` counts for nothing.
    pub(crate) fn of(url: &Uri) -> Result<Self, UrlFault> {
        let is_tls = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(UrlFault::Scheme),
            None => return Err(UrlFault::Form),
        };
        let authority = url.authority().ok_or(UrlFault::Form)?;
        if authority.as_str().contains('@') {
            return Err(UrlFault::UserInfo);
        }
        let host = host(authority.host())?;
        let port = port(authority)?.unwrap_or(if is_tls { 443 } else { 80 });
        let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Ok(Self { is_tls, host, port, authority: authority.as_str().into(), path: path.into() })
    }

    /// The host as text.
    pub(crate) fn host(&self) -> Box<str> {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string().into(),
        }
    }
}

fn host(text: &str) -> Result<Host, UrlFault> {
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse().ok());
        return Ok(Host::Address(IpAddr::V6(address.ok_or(UrlFault::Host)?)));
    }
    if let Ok(address) = text.parse() {
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(is_of_a_name) {
        return Err(UrlFault::Host);
    }
    Ok(Host::Name(text.into()))
}

fn port(authority: &Authority) -> Result<Option<u16>, UrlFault> {
    let after_host = authority.as_str().strip_prefix(authority.host()).ok_or(UrlFault::Host)?;
    if after_host.is_empty() {
        return Ok(None);
    }
    let digits = after_host.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(port) if port != 0 => Ok(Some(port)),
        _ => Err(UrlFault::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Target, UrlFault> {
        Target::of(&url.parse().map_err(|_| UrlFault::Form)?)
    }

    #[test]
    fn a_url_leads_to_host_and_port() {
        let name = |name: &str| Host::Name(name.into());
        for (url, is_tls, host, port, authority, path) in [
            ("https://idp.example.org", true, name("idp.example.org"), 443, "idp.example.org", "/"),
            ("http://h:8080/a/b?c=d#e", false, name("h"), 8080, "h:8080", "/a/b?c=d"),
            ("https://192.0.2.1/x", true, Host::Address([192, 0, 2, 1].into()), 443, "192.0.2.1", "/x"),
            ("https://[::1]:99/", true, Host::Address(IpAddr::V6(1.into())), 99, "[::1]:99", "/"),
        ] {
            let expected = Target { is_tls, host, port, authority: authority.into(), path: path.into() };
            assert_eq!(of(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (url, fault) in [
            ("ftp://h/", UrlFault::Scheme),
            ("file:///etc/passwd", UrlFault::Form),
            ("//h/x", UrlFault::Form),
            ("/x", UrlFault::Form),
            ("h", UrlFault::Form),
            ("*", UrlFault::Form),
            ("", UrlFault::Form),
            ("http://user@h/", UrlFault::UserInfo),
            ("http://user:password@h/", UrlFault::UserInfo),
            ("http://good.example@127.0.0.1/", UrlFault::UserInfo),
            ("http://h:0/", UrlFault::Port),
            ("http://h:/", UrlFault::Port),
            ("http://h:65536/", UrlFault::Port),
            ("http://a%2eb/", UrlFault::Host),
            ("http://[::1%25lo]/", UrlFault::Host),
            ("http://h\\@x/", UrlFault::Form),
            ("http://h x/", UrlFault::Form),
            ("http://\u{ff11}/", UrlFault::Form),
            ("http://h\r\nX: y/", UrlFault::Form),
        ] {
            let found = of(url).unwrap_err();
            assert!(found == fault || found == UrlFault::Form, "{url}: {found}");
        }
        assert_eq!(of(&format!("http://{}/", "a".repeat(NAME_BYTES_MAX + 1))), Err(UrlFault::Host));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_never_panics(url in "\\PC*") {
            let _ = of(&url);
        }

        #[test]
        fn whatever_is_taken_has_one_host(url in "(http|https)://[a-z0-9@:.%\\[\\]\\\\/_-]{0,24}") {
            if let Ok(target) = of(&url) {
                let host = target.host();
                proptest::prop_assert!(!host.contains(['@', '/', '%', '\\']));
                proptest::prop_assert!(target.port != 0);
            }
        }
    }
}

//! Networks of internet addresses: an address, or a prefix of one.
//!
//! Promises: whatever is not wholly a network is none. Must not know: what networks are asked for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network, as `203.0.113.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// A network of IPv4; `prefix` is at most 32.
    pub const fn v4(address: [u8; 4], prefix: u32) -> Self {
        let [a, b, c, d] = address;
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    /// A network of IPv6 by the first two groups of its address; the others are 0. `prefix` is at most 128.
    pub const fn v6(address: [u16; 2], prefix: u32) -> Self {
        let [a, b] = address;
        Self { address: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), prefix }
    }

    /// The network that is this address alone.
    pub const fn of(address: IpAddr) -> Self {
        Self { address, prefix: bits(address) }
    }

    /// Reads `203.0.113.0/24`, or an address, which is a network of its own.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let prefix = match prefix {
            None => bits(address),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        (prefix <= bits(address)).then_some(Self { address, prefix })
    }

    /// Whether the address lies in it. An IPv4 address that is written as one of IPv6 is one of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(32_u32.saturating_sub(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(128_u32.saturating_sub(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether it is a network of IPv4.
    pub const fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// How many leading bits its addresses share: 0 to 32, of IPv6 to 128.
    pub const fn prefix(&self) -> u32 {
        self.prefix
    }

    /// Whether it is one address.
    pub const fn is_single(&self) -> bool {
        self.prefix == bits(self.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// How many bits an address has.
const fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(holds("203.0.113.0/24", "203.0.113.255") && !holds("203.0.113.0/24", "203.0.114.0"));
        assert!(holds("203.0.113.7", "203.0.113.7") && !holds("203.0.113.7", "203.0.113.6"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1") && holds("2001:DB8:1234:5678::/64", "2001:db8:1234:5678::9"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"), "the same address in the other form");
        for wrong in ["", "1.2.3", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/+8", "1.2.3.4/8/8", "*"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_network_is_read_as_it_is_written() {
        for network in
            [Network::v4([10, 0, 0, 0], 8), Network::v6([0x2001, 0xdb8], 32), Network::of([1, 2, 3, 4].into())]
        {
            assert_eq!(Network::parse(&network.to_string()), Some(network));
        }
        assert_eq!(Network::v6([0x2001, 0xdb8], 32).to_string(), "2001:db8::/32");
        assert!(Network::of([1, 2, 3, 4].into()).is_single() && !Network::v4([1, 2, 3, 4], 31).is_single());
    }
}

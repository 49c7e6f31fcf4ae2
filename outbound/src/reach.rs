//! Which addresses may be reached.
//!
//! Follows the registries of special-purpose addresses of IANA (RFC 6890): an address that is not globally reachable is
//! refused. IPv6 is judged the other way round: what is not within 2000::/3 is not handed out.
//!
//! Promises: what is written as another address (mapped, NAT64, 6to4) is judged as the one that is reached.
//! Must not know: names, URLs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use couronne_base::network::Network;
use thiserror::Error;

/// What of IPv4 is not reachable from everywhere, and what it is for.
const SPECIAL_V4: [(Network, &str); 15] = [
    (Network::v4([0, 0, 0, 0], 8), "of this network"),
    (Network::v4([10, 0, 0, 0], 8), "private"),
    (Network::v4([100, 64, 0, 0], 10), "behind a carrier's NAT"),
    (Network::v4([127, 0, 0, 0], 8), "loopback"),
    (Network::v4([169, 254, 0, 0], 16), "link-local"),
    (Network::v4([172, 16, 0, 0], 12), "private"),
    (Network::v4([192, 0, 0, 0], 24), "of the IETF's protocols"),
    (Network::v4([192, 0, 2, 0], 24), "for documentation"),
    (Network::v4([192, 88, 99, 0], 24), "of 6to4 relays"),
    (Network::v4([192, 168, 0, 0], 16), "private"),
    (Network::v4([198, 18, 0, 0], 15), "for benchmarks"),
    (Network::v4([198, 51, 100, 0], 24), "for documentation"),
    (Network::v4([203, 0, 113, 0], 24), "for documentation"),
    (Network::v4([224, 0, 0, 0], 4), "multicast"),
    (Network::v4([240, 0, 0, 0], 4), "reserved"),
];

/// The part of IPv6 that is handed out to be reached from everywhere.
const GLOBAL_V6: Network = Network::v6([0x2000, 0], 3);

/// What of IPv6 has a name for the operator, and what within [`GLOBAL_V6`] is not reachable from everywhere.
const SPECIAL_V6: [(Network, &str); 6] = [
    (Network::v6([0xfc00, 0], 7), "private (unique local)"),
    (Network::v6([0xfe80, 0], 10), "link-local"),
    (Network::v6([0xff00, 0], 8), "multicast"),
    (Network::v6([0x2001, 0], 23), "of the IETF's protocols"),
    (Network::v6([0x2001, 0xdb8], 32), "for documentation"),
    (Network::v6([0x3fff, 0], 20), "for documentation"),
];

/// Where clouds tell a machine its own credentials. Only a network that is this address alone allows it: an operator
/// who allows a whole private network does not mean that.
const METADATA: [IpAddr; 9] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// An address that is not to be reached, and what would allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the address {address} is {kind}: `[outbound] allow = [\"{}\"]` in the configuration would allow it",
    Network::of(*.address)
)]
pub struct Refused {
    /// The address that would be reached.
    pub address: IpAddr,
    /// What it is, in words.
    pub kind: &'static str,
}

/// Which addresses may be reached: those that are reachable from everywhere, and what the operator allows.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    allow: Vec<Network>,
}

impl Reach {
    /// What is reachable from everywhere, and these networks.
    pub const fn new(allow: Vec<Network>) -> Self {
        Self { allow }
    }

    /// Refuses an address that is not to be reached. In clear (without TLS) only what the operator allows is reached:
    /// elsewhere anybody on the way reads and changes what is said.
    pub fn check(&self, address: IpAddr, is_clear: bool) -> Result<(), Refused> {
        let address = reached(address);
        let is_metadata = METADATA.contains(&address);
        let allows = |network: &Network| network.contains(address) && (network.is_single() || !is_metadata);
        let kind = match kind(address) {
            _ if self.allow.iter().any(allows) => return Ok(()),
            _ if is_metadata => "where a cloud tells a machine its credentials",
            Some(kind) => kind,
            None if is_clear => "not to be spoken with in clear",
            None => return Ok(()),
        };
        Err(Refused { address, kind })
    }
}

/// The address that is reached by way of this one: the IPv4 address that is mapped into it (RFC 4291, section 2.5.5.2),
/// or that a NAT64 (RFC 6052, section 2.1) or a 6to4 router (RFC 3056) takes out of it.
fn reached(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        _ => address,
    }
}

/// What an address is that is not reachable from everywhere.
fn kind(address: IpAddr) -> Option<&'static str> {
    let special: &[(Network, &str)] = if address.is_ipv4() { &SPECIAL_V4 } else { &SPECIAL_V6 };
    let named = special.iter().find(|(network, _)| network.contains(address)).map(|(_, kind)| *kind);
    let is_global = address.is_ipv4() || GLOBAL_V6.contains(address);
    named.or(if is_global { None } else { Some("not reachable from everywhere") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(reach: &Reach, address: &str) -> bool {
        reach.check(address.parse().unwrap(), false).is_err()
    }

    fn allowing(networks: &[&str]) -> Reach {
        Reach::new(networks.iter().map(|network| Network::parse(network).unwrap()).collect())
    }

    /// Not reachable from everywhere.
    const SPECIAL: &str = "\
        0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 \
        169.254.0.1 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.0 \
        192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 \
        255.255.255.255 100.100.100.200 168.63.129.16 :: ::1 ::2 ::7f00:1 ::10.0.0.1 fc00::1 fd00::1 \
        fd00:ec2::254 fdff:ffff::1 fe80::1 febf::1 fec0::1 ff02::1 100::1 5f00::1 64:ff9b:1::1 2001::1 \
        2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 3fff::1 4000::1";

    /// Just beside those, and well known.
    const GLOBAL: &str = "\
        1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
        169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 \
        198.17.255.255 198.20.0.0 223.255.255.255 2606:4700::1111 2001:4860:4860::8888 2001:200::1 3ffe::1 \
        2a00::1";

    #[test]
    fn what_is_not_reachable_from_everywhere_is_refused() {
        let reach = Reach::default();
        assert_eq!((SPECIAL.split_whitespace().count(), GLOBAL.split_whitespace().count()), (51, 24));
        for address in SPECIAL.split_whitespace() {
            assert!(refuses(&reach, address), "{address}");
        }
        for address in GLOBAL.split_whitespace() {
            assert!(!refuses(&reach, address), "{address}");
        }
    }

    #[test]
    fn an_address_within_another_is_judged_as_itself() {
        let reach = Reach::default();
        for inner in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1"] {
            let v4: Ipv4Addr = inner.parse().unwrap();
            let [a, b, c, d] = v4.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            let forms = [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ];
            for form in forms {
                let refused = reach.check(form.into(), false).unwrap_err();
                assert_eq!(refused.address, IpAddr::V4(v4), "{form}");
                assert!(allowing(&[inner]).check(form.into(), false).is_ok(), "{form}");
                assert!(allowing(&["::/0"]).check(form.into(), false).is_err(), "{form}: what is allowed is of IPv6");
            }
        }
        assert!(!refuses(&reach, "::ffff:8.8.8.8") && !refuses(&reach, "64:ff9b::808:808"));
    }

    #[test]
    fn what_is_allowed_is_reached_and_nothing_else() {
        let reach = allowing(&["10.0.0.0/8", "fd00:1::/32"]);
        assert!(!refuses(&reach, "10.1.2.3") && !refuses(&reach, "fd00:1::5") && !refuses(&reach, "8.8.8.8"));
        assert!(refuses(&reach, "192.168.0.1") && refuses(&reach, "fd00:2::5") && refuses(&reach, "127.0.0.1"));
    }

    #[test]
    fn credentials_of_clouds_are_reached_by_their_own_address_alone() {
        let broad = allowing(&["0.0.0.0/0", "::/0", "169.254.0.0/16", "fd00::/8"]);
        for address in METADATA {
            assert!(broad.check(address, false).is_err(), "{address}");
            assert!(allowing(&[&address.to_string()]).check(address, false).is_ok(), "{address}");
        }
        assert!(broad.check("169.254.1.1".parse().unwrap(), false).is_ok());
    }

    #[test]
    fn in_clear_only_what_is_allowed_is_reached() {
        let address = "8.8.8.8".parse().unwrap();
        assert!(Reach::default().check(address, true).is_err() && Reach::default().check(address, false).is_ok());
        assert!(allowing(&["8.8.8.8"]).check(address, true).is_ok());
    }

    #[test]
    fn a_refusal_names_the_line_that_would_allow_it() {
        let refused = Reach::default().check("::ffff:10.0.0.7".parse().unwrap(), false).unwrap_err();
        let text = "the address 10.0.0.7 is private: `[outbound] allow = [\"10.0.0.7/32\"]` in the configuration would allow it";
        assert_eq!(refused.to_string(), text);
        assert!(allowing(&["10.0.0.7/32"]).check(refused.address, false).is_ok());
    }

    proptest::proptest! {
        /// Against the standard library's own idea of what is not global, as far as it is stable.
        #[test]
        fn no_special_address_is_missed(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let is_special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            let mapped = IpAddr::V6(v4.to_ipv6_mapped());
            proptest::prop_assert!(!is_special || Reach::default().check(v4.into(), false).is_err());
            proptest::prop_assert_eq!(Reach::default().check(v4.into(), false), Reach::default().check(mapped, false));
        }
    }
}

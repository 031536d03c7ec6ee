//! Networks, and which addresses belong to the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network in CIDR form. A bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cidr {
    V4(u32, u32),
    V6(u128, u128),
}

impl Cidr {
    pub(super) const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> Self {
        let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
        Self::V4(u32::from_be_bytes([a, b, c, d]) & mask, mask)
    }

    const fn v6(address: Ipv6Addr, bits: u32) -> Self {
        let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
        Self::V6(u128::from_be_bytes(address.octets()) & mask, mask)
    }

    const fn prefix(first: u16, second: u16, third: u16, bits: u32) -> Self {
        Self::v6(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), bits)
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4(network, mask), IpAddr::V4(ip)) => ip.to_bits() & mask == *network,
            (Self::V6(network, mask), IpAddr::V6(ip)) => ip.to_bits() & mask == *network,
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| ())?)),
            None => (text.trim(), None),
        };
        match address.parse().map_err(|_| ())? {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                Some(bits.unwrap_or(32)).filter(|n| *n <= 32).map(|n| Self::v4(a, b, c, d, n)).ok_or(())
            }
            IpAddr::V6(ip) => Some(bits.unwrap_or(128)).filter(|n| *n <= 128).map(|n| Self::v6(ip, n)).ok_or(()),
        }
    }
}

/// Everything that is not public, from `access.md` §15 rule 3, and a few later assignments of the same kind.
const NOT_PUBLIC: &[Cidr] = &[
    Cidr::v4(0, 0, 0, 0, 8),
    Cidr::v4(10, 0, 0, 0, 8),
    Cidr::v4(100, 64, 0, 0, 10),
    Cidr::v4(127, 0, 0, 0, 8),
    Cidr::v4(169, 254, 0, 0, 16),
    Cidr::v4(172, 16, 0, 0, 12),
    Cidr::v4(192, 0, 0, 0, 24),
    Cidr::v4(192, 0, 2, 0, 24),
    Cidr::v4(192, 168, 0, 0, 16),
    Cidr::v4(198, 18, 0, 0, 15),
    Cidr::v4(198, 51, 100, 0, 24),
    Cidr::v4(203, 0, 113, 0, 24),
    Cidr::v4(224, 0, 0, 0, 4),
    Cidr::v4(240, 0, 0, 0, 4),
    // Unspecified, loopback, and IPv4 addresses in the deprecated compatible form.
    Cidr::prefix(0, 0, 0, 96),
    // IPv4 behind NAT64, Teredo and 6to4: they reach addresses that would have to be checked again.
    Cidr::prefix(0x64, 0xff9b, 0, 96),
    Cidr::prefix(0x64, 0xff9b, 1, 48),
    Cidr::prefix(0x2001, 0, 0, 32),
    Cidr::prefix(0x2002, 0, 0, 16),
    Cidr::prefix(0x100, 0, 0, 64),
    Cidr::prefix(0x2001, 0xdb8, 0, 32),
    Cidr::prefix(0x3fff, 0, 0, 20),
    Cidr::prefix(0xfc00, 0, 0, 7),
    Cidr::prefix(0xfe80, 0, 0, 10),
    Cidr::prefix(0xfec0, 0, 0, 10),
    Cidr::prefix(0xff00, 0, 0, 8),
];

/// An IPv4 address that is written as IPv6 is that IPv4 address.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whether a (canonical) address belongs to the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    !NOT_PUBLIC.iter().any(|network| network.contains(address))
}

/// The address that names for this machine stand for.
pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_contain_their_addresses() {
        let network: Cidr = "10.1.0.0/16".parse().unwrap();
        assert!(network.contains("10.1.255.255".parse().unwrap()));
        assert!(!network.contains("10.2.0.0".parse().unwrap()));
        assert!("::/0".parse::<Cidr>().unwrap().contains("2600::1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Cidr>().unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!("127.0.0.1".parse::<Cidr>().unwrap().contains(LOOPBACK));
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host/8", "10.0.0.0/-1", "10.0.0.0/"] {
            assert_eq!(bad.parse::<Cidr>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn edges_of_the_denied_ranges() {
        for private in [
            "0.0.0.0",
            "0.255.255.255",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.255",
            "192.0.2.1",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.9",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.0.0.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1",
            "2001:4860:4860::8888",
            "2003::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}

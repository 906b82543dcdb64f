//! Who sent a request: the one who is connected, or the one for whom a trusted proxy says that it forwards.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName, USER_AGENT};
use tenko_core::Via;

use super::dispatch::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// As many characters of what a client calls itself are kept.
const MAX_AGENT: usize = 200;

/// Addresses that begin alike: `10.0.0.0/8`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// Whether an address is one of them. An IPv4 address that is written as IPv6 is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shared = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (ours.to_bits() ^ theirs.to_bits()).leading_zeros(),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits() ^ theirs.to_bits()).leading_zeros(),
            _ => return false,
        };
        shared >= u32::from(self.bits)
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address or prefix: 10.0.0.0/8, 192.0.2.1 and fd00::/8 are");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        if bits > all {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Knows whom to believe.
#[derive(Debug)]
pub(super) struct Senders {
    trusted: Vec<Prefix>,
}

impl Senders {
    pub(super) fn new(trusted: Vec<Prefix>) -> Self {
        Self { trusted }
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|prefix| prefix.contains(address))
    }

    /// How a request came here.
    pub(super) fn via(&self, peer: Peer, method: &str, headers: &HeaderMap) -> Via {
        let (from, https) = match peer.address {
            Some(address) if !self.trusts(address) => (Some(address), None),
            proxy => self.forwarded(proxy, headers),
        };
        let scheme = if https.unwrap_or(peer.tls) { "https" } else { "http" };
        Via {
            scheme: scheme.to_owned(),
            method: method.to_owned(),
            from: from.map(|from| from.to_string()).unwrap_or_default(),
            agent: agent(headers),
        }
    }

    /// For whom a proxy forwards, and whether that one speaks https with the proxy.
    fn forwarded(&self, proxy: Option<IpAddr>, headers: &HeaderMap) -> (Option<IpAddr>, Option<bool>) {
        let mut hops = listed(headers, &X_FORWARDED_FOR).peekable();
        if hops.peek().is_some() {
            return (self.nearest(proxy, hops), proto(listed(headers, &X_FORWARDED_PROTO).next()));
        }
        let elements = || listed(headers, &FORWARDED);
        let hops = elements().map(|element| parameter(element, "for").unwrap_or_default());
        let proto_of = |element| proto(parameter(element, "proto"));
        let https = proto(listed(headers, &X_FORWARDED_PROTO).next());
        (self.nearest(proxy, hops), https.or_else(|| elements().find_map(proto_of)))
    }

    /// Goes back from the nearest hop to the first that is not trusted; what is no address, nobody could have come from.
    fn nearest<'h>(&self, proxy: Option<IpAddr>, hops: impl Iterator<Item = &'h str>) -> Option<IpAddr> {
        let mut from = proxy;
        for hop in hops {
            let Some(address) = address(hop) else { break };
            from = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        from
    }
}

/// The items of a header that may be a list, the last first.
fn listed<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> + use<'h> {
    let mut values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.reverse();
    values.into_iter().flat_map(|value| value.rsplit(',')).map(str::trim)
}

/// A parameter of one element of `Forwarded`.
fn parameter<'e>(element: &'e str, name: &str) -> Option<&'e str> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim_matches('"'))
}

fn proto(said: Option<&str>) -> Option<bool> {
    match said? {
        https if https.eq_ignore_ascii_case("https") => Some(true),
        http if http.eq_ignore_ascii_case("http") => Some(false),
        _ => None,
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn agent(headers: &HeaderMap) -> String {
    let Some(said) = headers.get(USER_AGENT) else { return String::new() };
    match said.to_str() {
        Ok(text) if text.len() <= MAX_AGENT => text.to_owned(),
        _ => String::from_utf8_lossy(said.as_bytes()).chars().take(MAX_AGENT).collect(),
    }
}

#[cfg(test)]
mod tests;

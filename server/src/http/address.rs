//! The address that a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{HeaderMap, HeaderName, request::Parts};

/// Where the client's address is found. A header counts only if it is named here, because any client can send one.
///
/// ```
/// use tidings::ClientAddress;
/// let behind_nginx = ClientAddress::forwarded_for(1);
/// let behind_cloudflare = ClientAddress::header(http::HeaderName::from_static("cf-connecting-ip"));
/// # let _ = (behind_nginx, behind_cloudflare);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress(From);

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Peer,
    Header(HeaderName),
    ForwardedFor(usize),
}

impl ClientAddress {
    /// The other end of the socket. Right where no proxy stands in front.
    #[must_use]
    pub fn peer() -> Self {
        Self(From::Peer)
    }

    /// A header that holds one address (`X-Real-IP`, `CF-Connecting-IP`), which your proxy sets **whatever the client
    /// sent**.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self(From::Header(name))
    }

    /// `X-Forwarded-For`, to which each of this many proxies of yours has appended the address that called it. Earlier
    /// entries come from the client and are ignored.
    #[must_use]
    pub fn forwarded_for(proxies: usize) -> Self {
        Self(From::ForwardedFor(proxies))
    }

    /// The client's address. Where the header is missing or unreadable it is the peer's address, so that all such
    /// requests are counted together.
    pub(super) fn of(&self, parts: &Parts) -> Option<IpAddr> {
        let peer = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let told = match &self.0 {
            From::Peer => None,
            From::Header(name) => parts.headers.get(name).and_then(|value| address(value.to_str().ok()?)),
            From::ForwardedFor(proxies) => forwarded_for(&parts.headers, *proxies),
        };
        told.or_else(peer).map(network)
    }
}

fn forwarded_for(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let hops: Vec<_> = lines.flat_map(|line| line.split(',')).collect();
    address(hops.get(hops.len().checked_sub(proxies)?)?)
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

/// The unit that is counted: an IPv4 address, or the first 64 bits of an IPv6 address, which a provider assigns to one
/// customer.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &ClientAddress, headers: &[(&str, &str)]) -> String {
        let mut request = http::Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        parts.extensions.insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 9], 1234))));
        source.of(&parts).unwrap().to_string()
    }

    #[test]
    fn no_header_is_believed_unless_it_was_named() {
        let forged = [("x-forwarded-for", "1.1.1.1"), ("x-real-ip", "2.2.2.2"), ("forwarded", "for=3.3.3.3")];
        assert_eq!(of(&ClientAddress::peer(), &forged), "10.0.0.9");
        assert_eq!(of(&ClientAddress::header(HeaderName::from_static("x-real-ip")), &forged), "2.2.2.2");
    }

    #[test]
    fn forwarded_for_is_believed_only_where_own_proxies_added_it() {
        let hops = [("x-forwarded-for", "6.6.6.6, 1.1.1.1"), ("x-forwarded-for", "2.2.2.2")];
        assert_eq!(of(&ClientAddress::forwarded_for(1), &hops), "2.2.2.2");
        assert_eq!(of(&ClientAddress::forwarded_for(2), &hops), "1.1.1.1");
        assert_eq!(of(&ClientAddress::forwarded_for(4), &hops), "10.0.0.9", "fewer hops than proxies");
        assert_eq!(of(&ClientAddress::forwarded_for(1), &[("x-forwarded-for", "unknown")]), "10.0.0.9");
        assert_eq!(of(&ClientAddress::forwarded_for(1), &[]), "10.0.0.9");
        assert_eq!(of(&ClientAddress::forwarded_for(0), &hops), "10.0.0.9");
    }

    #[test]
    fn addresses_have_many_forms() {
        let real = |text| of(&ClientAddress::header(HeaderName::from_static("x-real-ip")), &[("x-real-ip", text)]);
        assert_eq!(real("1.1.1.1:80"), "1.1.1.1");
        assert_eq!(real("::ffff:1.1.1.1"), "1.1.1.1");
        for text in ["2001:db8:1:2:3::4", "[2001:db8:1:2::9]", "[2001:db8:1:2::9]:443"] {
            assert_eq!(real(text), "2001:db8:1:2::", "{text}");
        }
    }
}

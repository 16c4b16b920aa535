//! Who is at the other end: the client, seen through the proxies in front of this node.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The networks whose word on where a request came from is taken.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// `https` only if a proxy of ours says that the client came that way: this node itself speaks plain HTTP.
    pub fn scheme(&self, peer: IpAddr, headers: &HeaderMap) -> &'static str {
        let said = headers.get(FORWARDED_PROTO).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let nearest = said.rsplit(',').next().unwrap_or_default().trim();
        let trusted = self.contains(peer.to_canonical());
        if trusted && nearest.eq_ignore_ascii_case("https") { "https" } else { "http" }
    }

    /// The address nearest to us that no proxy of ours has. Each proxy adds the address it was asked from at the end of
    /// `X-Forwarded-For`; what stands before the first stranger, anybody could have written.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        let mut nearest = peer;
        for line in headers.get_all(FORWARDED_FOR).iter().rev() {
            for hop in line.to_str().unwrap_or_default().rsplit(',') {
                // Whatever is no address ends the trail: the hop that wrote it is as far as we know.
                let Some(address) = address(hop) else { return nearest };
                nearest = address;
                if !self.contains(address) {
                    return address;
                }
            }
        }
        nearest
    }
}

/// `192.0.2.1`, `192.0.2.1:1234`, `2001:db8::1`, `[2001:db8::1]:1234`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare.or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::new(vec!["172.28.0.0/16".parse().unwrap(), "10.0.0.1/32".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_stranger_can_not_choose_its_address() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(seen("172.28.0.5", &["198.51.100.1, 203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn proxies_of_ours_are_looked_through() {
        assert_eq!(seen("172.28.0.5", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("172.28.0.5", &["198.51.100.1", "203.0.113.9, 10.0.0.1"]), "203.0.113.9");
        assert_eq!(seen("172.28.0.5", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(seen("172.28.0.5", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(seen("::ffff:172.28.0.5", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn only_a_proxy_of_ours_knows_of_https() {
        let proxies = TrustedProxies::new(vec!["172.28.0.0/16".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        let scheme = |peer: &str, headers: &HeaderMap| proxies.scheme(peer.parse().unwrap(), headers);
        assert_eq!(scheme("172.28.0.5", &headers), "http");
        headers.insert(FORWARDED_PROTO, "HTTPS".parse().unwrap());
        assert_eq!(scheme("172.28.0.5", &headers), "https");
        assert_eq!(scheme("203.0.113.9", &headers), "http");
        headers.insert(FORWARDED_PROTO, "javascript".parse().unwrap());
        assert_eq!(scheme("172.28.0.5", &headers), "http");
    }

    #[test]
    fn without_a_word_or_with_nonsense_it_is_the_last_known_hop() {
        assert_eq!(seen("172.28.0.5", &[]), "172.28.0.5");
        assert_eq!(seen("172.28.0.5", &["203.0.113.9, unknown"]), "172.28.0.5");
        assert_eq!(seen("172.28.0.5", &["10.0.0.1"]), "10.0.0.1");
    }
}

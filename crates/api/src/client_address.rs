//! Where a request really comes from, behind however many proxies.
//!
//! Only who connects to us is certain. A proxy that the operator trusts (`server.trusted_networks`) is believed in what it
//! adds to `X-Forwarded-For`, and that is the rightmost entry: whatever stands left of the first address that is not a
//! trusted proxy's was written by that client, who may write anything. `Forwarded` (RFC 7239) is not read: a proxy that
//! keeps the one header passes the other on as the client sent it, so reading both would let clients choose.

use std::net::{IpAddr, SocketAddr};

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, X_FORWARDED_FOR, X_FORWARDED_PROTO},
};

use crate::settings::Network;

/// The networks whose word is taken; part of the server's `app_data`.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedNetworks(pub Vec<Network>);

impl TrustedNetworks {
    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).collect();
        // Several lines are one list.
        let hops = lines
            .into_iter()
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops {
            if !self.contain(client) {
                break;
            }
            let Some(address) = address(hop) else { break };
            client = address;
        }
        client
    }
}

/// The client's address. IPv4 stands as IPv4 even where a proxy writes it as IPv6.
pub(crate) fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let client = match request.app_data::<TrustedNetworks>() {
        Some(trusted) => trusted.client(peer, request.headers()),
        None => peer.to_canonical(),
    };
    Some(client)
}

/// Whether a trusted proxy says that the client speaks HTTPS with it.
pub(crate) fn came_by_https(request: &HttpRequest) -> bool {
    let trusted = request.app_data::<TrustedNetworks>();
    let peer = request.peer_addr().map(|peer| peer.ip());
    let said = request.headers().get_all(X_FORWARDED_PROTO).last();
    let said = said.and_then(|line| line.as_bytes().rsplit(|byte| *byte == b',').next());
    trusted
        .zip(peer)
        .is_some_and(|(trusted, peer)| trusted.contain(peer))
        && said.is_some_and(|said| said.trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// An address as proxies write it, with or without a port.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare
        .unwrap_or(text)
        .parse()
        .or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// What is made of a request from `peer` with these lines, where 10.0.0.0/8 and fd00::/8 are trusted.
    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap());
        let mut request = TestRequest::default()
            .app_data(TrustedNetworks(trusted.to_vec()))
            .peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        for line in lines {
            request = request.append_header((X_FORWARDED_FOR, *line));
        }
        client_address(&request.to_http_request())
            .unwrap()
            .to_string()
    }

    #[test]
    fn who_is_not_trusted_is_not_believed() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client("::ffff:203.0.113.9", &["1.1.1.1"]), "203.0.113.9");
        assert_eq!(client("2001:db8::9", &["1.1.1.1"]), "2001:db8::9");
    }

    #[test]
    fn the_first_address_from_the_right_that_is_no_proxy_is_the_client() {
        for (lines, expected) in [
            (&["198.51.100.1"][..], "198.51.100.1"),
            (&["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            (&["1.1.1.1, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            (
                &["1.1.1.1", "198.51.100.1", "10.9.9.9 ,10.8.8.8"],
                "198.51.100.1",
            ),
            (&["10.1.1.1,198.51.100.1,fd00::7"], "198.51.100.1"),
            (&["::ffff:198.51.100.1, ::ffff:10.1.1.1"], "198.51.100.1"),
            (&["2001:DB8::0:1"], "2001:db8::1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
        ] {
            assert_eq!(client("10.0.0.1", lines), expected, "{lines:?}");
            assert_eq!(client("::ffff:10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_address_ends_the_walk_at_the_proxy_that_let_it_through() {
        for lines in [
            &[][..],
            &[""],
            &["unknown"],
            &["_hidden"],
            &["1.1.1.1, "],
            &["1.1.1.1, 999.1.1.1"],
            &["1.1.1.1, 010.0.0.1"],
            &["1.1.1.1, fe80::1%eth0"],
            &["1.1.1.1, for=198.51.100.1"],
            &["1.1.1.1", "\u{e9}"],
            &["1.1.1.1 2.2.2.2"],
        ] {
            assert_eq!(client("10.0.0.1", lines), "10.0.0.1", "{lines:?}");
        }
        assert_eq!(client("10.0.0.1", &["1.1.1.1, x, 10.2.2.2"]), "10.2.2.2");
        assert_eq!(client("10.0.0.1", &["10.3.3.3, 10.2.2.2"]), "10.3.3.3");
    }

    #[test]
    fn the_scheme_is_what_the_nearest_trusted_proxy_says() {
        let https = |peer: &str, line: &str| {
            let trusted = TrustedNetworks(vec!["10.0.0.0/8".parse().unwrap()]);
            let request = TestRequest::default()
                .app_data(trusted)
                .peer_addr(SocketAddr::new(peer.parse().unwrap(), 1))
                .append_header((X_FORWARDED_PROTO, line));
            came_by_https(&request.to_http_request())
        };
        assert!(https("10.0.0.1", "https") && https("10.0.0.1", "http, HTTPS "));
        assert!(!https("10.0.0.1", "https, http") && !https("203.0.113.9", "https"));
    }
}

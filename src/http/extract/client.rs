//! Who is on the other end of a connection: address, program, and the id of the request.

use std::net::IpAddr;

use actix_web::http::header::USER_AGENT;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use actors::domain::id::RequestId;
use actors::domain::network::Network;

/// Networks whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Parses CIDR texts; the error is the first text that is none.
    pub fn parse(cidrs: &[String]) -> Result<Self, String> {
        cidrs.iter().map(|text| text.parse().map_err(|_| text.clone())).collect::<Result<_, _>>().map(Self)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client: the peer, or behind trusted proxies the last address that is none of them.
    pub fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        if !self.trusts(peer) {
            return Some(peer);
        }
        let headers: Vec<&str> =
            request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
        let hops = headers.iter().rev().flat_map(|value| value.rsplit(','));
        let mut addresses = hops.map_while(|hop| hop.trim().parse::<IpAddr>().ok()).map(|a| a.to_canonical());
        Some(addresses.find(|address| !self.trusts(*address)).unwrap_or(peer))
    }
}

/// Client address, program and request id, as the audit log keeps them.
#[derive(Debug, Clone, Default)]
pub struct ClientInfo {
    /// Address.
    pub ip: Option<IpAddr>,
    /// Program, at most 200 characters.
    pub user_agent: Option<String>,
    /// Request.
    pub request_id: Option<RequestId>,
}

/// The address of a request's client.
pub fn address(request: &HttpRequest) -> Option<IpAddr> {
    match request.app_data::<Data<TrustedProxies>>() {
        Some(trusted) => trusted.client(request),
        None => request.peer_addr().map(|peer| peer.ip().to_canonical()),
    }
}

impl ClientInfo {
    /// Of a request.
    pub fn of(request: &HttpRequest) -> Self {
        let agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        Self {
            ip: address(request),
            user_agent: agent.map(|agent| agent.chars().take(200).collect()),
            request_id: request.extensions().get::<RequestId>().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_trusted_peers_may_name_the_client() {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".into(), "::1".into()]).unwrap();
        let ask = |peer: &str, forwarded: &str| {
            let request = TestRequest::default().peer_addr(peer.parse().unwrap());
            let request = request.insert_header(("x-forwarded-for", forwarded)).to_http_request();
            trusted.client(&request).unwrap().to_string()
        };
        assert_eq!(ask("10.1.2.3:1", "1.1.1.1, 2.2.2.2, 10.9.9.9"), "2.2.2.2");
        assert_eq!(ask("[::1]:1", "::ffff:9.9.9.9"), "9.9.9.9");
        assert_eq!(ask("8.8.8.8:1", "1.1.1.1"), "8.8.8.8");
        assert_eq!(ask("10.1.2.3:1", "garbage"), "10.1.2.3");
        assert!(TrustedProxies::parse(&["10.0.0.0/33".into()]).is_err());
        assert!(TrustedProxies::parse(&["0.0.0.0/0".into()]).unwrap().trusts("4.4.4.4".parse().unwrap()));
    }
}

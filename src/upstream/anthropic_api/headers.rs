//! Which headers go to the vendor and which come back (`relay-api.md` §8, row A).

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Forwarded by name.
const FORWARD: [&str; 7] =
    ["accept", "accept-language", "content-type", "user-agent", "x-app", "sec-fetch-mode", "idempotency-key"];

/// Forwarded by pattern, so that new capability headers pass.
const FORWARD_PREFIXES: [&str; 3] = ["anthropic-", "x-claude-", "x-stainless-"];

/// Matches a pattern, but names something of ours: the account's own workspace counts.
const NEVER: &str = "anthropic-workspace-id";

/// Sent when the client named no version.
const DEFAULT_VERSION: &str = "2023-06-01";

const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// The client's headers as the vendor may see them, with the version filled in and `beta` added when it is missing.
/// Credentials are no part of it.
pub(in crate::upstream) fn request(client: &HeaderMap, beta: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
    let hop_by_hop = named_by_connection(client);
    let passes = |name: &HeaderName| {
        let name = name.as_str();
        let listed = FORWARD.contains(&name) || FORWARD_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        listed && name != NEVER && !hop_by_hop.iter().any(|hop| hop == name)
    };
    let mut headers: Vec<(HeaderName, HeaderValue)> =
        client.iter().filter(|(name, _)| passes(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    if !headers.iter().any(|(name, _)| *name == VERSION) {
        headers.push(default_version());
    }
    if let Some(beta) = beta {
        require_beta(&mut headers, beta);
    }
    // Some vendors' networks compress without saying so when they are offered it.
    headers.push((header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    headers
}

/// The version for a client that names none.
pub(in crate::upstream) fn default_version() -> (HeaderName, HeaderValue) {
    (VERSION, HeaderValue::from_static(DEFAULT_VERSION))
}

/// Adds a capability to the client's list unless it is there; the client's own entries keep their order.
fn require_beta(headers: &mut Vec<(HeaderName, HeaderValue)>, beta: &str) {
    let lists: Vec<String> = headers
        .iter()
        .filter(|(name, _)| *name == BETA)
        .map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    if lists.iter().flat_map(|list| list.split(',')).any(|entry| entry.trim() == beta) {
        return;
    }
    let joined = lists.iter().map(String::as_str).filter(|list| !list.trim().is_empty()).chain([beta]);
    let joined = joined.collect::<Vec<_>>().join(",");
    if let Ok(value) = HeaderValue::from_str(&joined) {
        headers.retain(|(name, _)| *name != BETA);
        headers.push((BETA, value));
    }
}

/// Names that the client declared as meant for the next hop only.
pub(in crate::upstream) fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::CONNECTION)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// The vendor's headers as the client may see them. `forward_limits` adds the unified plan windows, from which Claude Code
/// shows its usage; nothing else about the account passes.
pub(in crate::upstream) fn response(headers: &HeaderMap, forward_limits: bool) -> Vec<(HeaderName, HeaderValue)> {
    let passes = |name: &HeaderName| {
        matches!(
            name.as_str(),
            "content-type" | "retry-after" | "retry-after-ms" | "x-should-retry" | "anthropic-version"
        ) || (forward_limits && name.as_str().starts_with("anthropic-ratelimit-unified-"))
    };
    headers.iter().filter(|(name, _)| passes(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
        }
        map
    }

    fn names(headers: &[(HeaderName, HeaderValue)]) -> Vec<&str> {
        let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    fn value<'a>(headers: &'a [(HeaderName, HeaderValue)], name: &str) -> Vec<&'a str> {
        headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.to_str().unwrap()).collect()
    }

    #[test]
    fn nothing_outside_the_list_reaches_the_vendor() {
        let canaries = [
            "authorization",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "cookie",
            "host",
            "content-length",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "proxy-authorization",
            "proxy-connection",
            "sec-websocket-key",
            "expect",
            "origin",
            "referer",
            "forwarded",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-real-ip",
            "true-client-ip",
            "cf-connecting-ip",
            "cdn-loop",
            "x-quotalane-debug",
            "x-proxy-key",
            "openai-organization",
            "openai-project",
            "x-goog-user-project",
            "anthropic-workspace-id",
            "content-encoding",
            "x-request-id",
            "x-session-id",
            "sec-fetch-site",
        ];
        let mut client = map(&[("connection", "close, X-Stainless-Hop")]);
        client.append(HeaderName::from_static("x-stainless-hop"), HeaderValue::from_static("canary"));
        for name in canaries {
            client.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("canary"));
        }
        let sent = request(&client, None);
        assert_eq!(names(&sent), ["accept-encoding", "anthropic-version"]);
    }

    #[test]
    fn what_the_client_says_about_itself_passes_unchanged() {
        let client = map(&[
            ("User-Agent", "claude-cli/2.1.329 (external, sdk-cli)"),
            ("X-Claude-Code-Session-Id", "s"),
            ("X-Stainless-Timeout", "NOT_GIVEN"),
            ("anthropic-version", "2026-10-21"),
            ("anthropic-new-capability", "1"),
            ("anthropic-dangerous-direct-browser-access", "true"),
            ("accept", "application/json"),
            ("accept-encoding", "gzip, br"),
            ("sec-fetch-mode", "cors"),
        ]);
        let sent = request(&client, None);
        assert_eq!(sent.len(), client.len());
        assert_eq!(value(&sent, "anthropic-version"), ["2026-10-21"]);
        assert_eq!(value(&sent, "user-agent"), ["claude-cli/2.1.329 (external, sdk-cli)"]);
        assert_eq!(value(&sent, "accept-encoding"), ["identity"]);
    }

    #[test]
    fn a_required_beta_is_added_once() {
        for (lines, expected) in [
            (vec![], vec!["oauth"]),
            (vec![("anthropic-beta", "a,b")], vec!["a,b,oauth"]),
            (vec![("anthropic-beta", "a, oauth ,b")], vec!["a, oauth ,b"]),
            (vec![("anthropic-beta", "a"), ("anthropic-beta", "b")], vec!["a,b,oauth"]),
            (vec![("anthropic-beta", "a"), ("anthropic-beta", "oauth")], vec!["a", "oauth"]),
            (vec![("anthropic-beta", "xoauth")], vec!["xoauth,oauth"]),
        ] {
            assert_eq!(value(&request(&map(&lines), Some("oauth")), "anthropic-beta"), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_account_stays_hidden_from_the_client() {
        let answer = map(&[
            ("content-type", "text/event-stream"),
            ("retry-after", "3"),
            ("retry-after-ms", "2500"),
            ("x-should-retry", "true"),
            ("anthropic-ratelimit-unified-5h-utilization", "0.4"),
            ("anthropic-ratelimit-requests-remaining", "3"),
            ("anthropic-organization-id", "canary"),
            ("x-ratelimit-limit-requests", "canary"),
            ("request-id", "canary"),
            ("set-cookie", "canary"),
            ("server", "canary"),
            ("via", "canary"),
            ("cf-ray", "canary"),
            ("strict-transport-security", "canary"),
            ("content-length", "10"),
            ("content-encoding", "gzip"),
        ]);
        let plain = response(&answer, false);
        assert_eq!(names(&plain), ["content-type", "retry-after", "retry-after-ms", "x-should-retry"]);
        let dedicated = response(&answer, true);
        assert_eq!(dedicated.len(), 5);
        assert_eq!(value(&dedicated, "anthropic-ratelimit-unified-5h-utilization"), ["0.4"]);
    }
}

//! Who may come in at all: addresses and programs (`access.md` §10 rows 1, 5 and 6). One layer for every relay route.

use std::net::IpAddr;

use actix_web::http::header::HeaderMap;
use actors::billing::messages::LimitsLeft;
use actors::domain::client::{DROID, RouteFamily};
use actors::domain::id::KeyId;
use actors::domain::key::KeyPolicy;
use actors::domain::limit::RateDimension;
use actors::domain::route::{Endpoint, RefusalReason};
use actors::domain::settings::{ClientFilter, Settings};

use super::clients::Visit;
use super::{CallTarget, Relay, RelayError, RelayRequest};
use crate::dialect::{Dialect, Surface, Wire, peek};

/// Row 1: addresses that nobody may come from.
///
/// # Errors
/// [`RelayError::IpDenied`].
pub fn check_network(settings: &Settings, address: Option<IpAddr>) -> Result<(), RelayError> {
    let denied = address.is_some_and(|address| settings.ip_deny.iter().any(|network| network.contains(address)));
    if denied { Err(RelayError::IpDenied) } else { Ok(()) }
}

/// Row 5: addresses that the key may come from.
///
/// # Errors
/// [`RelayError::IpDenied`].
pub fn check_address(key: &KeyPolicy, address: Option<IpAddr>) -> Result<(), RelayError> {
    if key.allows_address(address) { Ok(()) } else { Err(RelayError::IpDenied) }
}

/// Row 6, as far as the head of a request tells.
///
/// # Errors
/// [`RelayError::ClientNotAllowed`].
pub fn check_client(
    relay: &Relay,
    key: &KeyPolicy,
    call: &CallTarget,
    headers: &HeaderMap,
    settings: &Settings,
) -> Result<(), RelayError> {
    let Some(family) = family(call).filter(|_| has_rules(key, settings)) else { return Ok(()) };
    let strict = settings.client_strict;
    let visit = Visit { headers, family, endpoint: call.endpoint, strict, user_id: None };
    admit(relay, key, settings, &visit)
}

/// Row 6, the part that only the body tells; in strict mode alone.
///
/// # Errors
/// [`RelayError::ClientNotAllowed`].
pub fn check_client_body(relay: &Relay, request: &RelayRequest, settings: &Settings) -> Result<(), RelayError> {
    let messages = request.client == Surface::plain(Dialect::Anthropic) && request.endpoint == Endpoint::Generate;
    if !settings.client_strict || !has_rules(&request.key, settings) || !messages || is_droid(request.arrival.route) {
        return Ok(());
    }
    let body = request.body();
    let peeked = peek::peek(&body).map_err(|error| RelayError::BadRequest(error.to_string()))?;
    let visit = Visit {
        headers: request.headers(),
        family: RouteFamily::Messages,
        endpoint: request.endpoint,
        strict: true,
        user_id: Some(peeked.metadata_user_id.as_deref()),
    };
    admit(relay, &request.key, settings, &visit)
}

fn has_rules(key: &KeyPolicy, settings: &Settings) -> bool {
    !key.allowed_clients.is_empty() || settings.client_filter != ClientFilter::Off
}

fn is_droid(route: &str) -> bool {
    route.starts_with("/droid/")
}

fn admit(relay: &Relay, key: &KeyPolicy, settings: &Settings, visit: &Visit<'_>) -> Result<(), RelayError> {
    let rules = relay.shared().clients.load();
    let filtered = settings.client_filter == ClientFilter::ClaudeCodeOnly && visit.family == RouteFamily::Messages;
    if (filtered && !rules.is("claude_code", visit)) || !rules.admit(&key.allowed_clients, visit) {
        return Err(RelayError::ClientNotAllowed);
    }
    Ok(())
}

/// What is left of a key's limits, for the refusal that one of them gave (`relay-api.md` §3.3); nothing for other refusals.
pub async fn limits_behind(relay: &Relay, error: &RelayError, key: Option<KeyId>) -> LimitsLeft {
    use RefusalReason as R;
    let RelayError::Refused(refusal) = error else { return LimitsLeft::default() };
    let of_key = matches!(
        refusal.reason,
        R::RateRequests | R::RateTokens | R::RateCostWindow | R::RequestExceedsLimit | R::ConcurrencyKey
    );
    let Some(key) = key.filter(|_| of_key) else { return LimitsLeft::default() };
    let Some(live) = relay.engine().billing.limits(key).await else { return LimitsLeft::default() };
    let tightest = |dim| {
        let of_dimension = live.rates.iter().filter(move |rate| rate.rule.dim == dim).map(|rate| rate.left);
        of_dimension.min_by_key(|left| left.remaining)
    };
    let requests = live.requests.into_iter().chain(tightest(RateDimension::Requests));
    LimitsLeft { requests: requests.min_by_key(|left| left.remaining), tokens: tightest(RateDimension::Tokens) }
}

/// The family of a call; `None` for those that client rules leave alone.
fn family(call: &CallTarget) -> Option<RouteFamily> {
    use RouteFamily as F;
    if call.endpoint == Endpoint::CountTokens {
        return None;
    }
    if call.pool.kinds() == DROID {
        return Some(F::Droid);
    }
    Some(match (call.client.wire, call.client.dialect, call.endpoint) {
        (Wire::Bedrock, ..) => F::Bedrock,
        (Wire::CodeAssist, ..) => F::CodeAssist,
        (_, Dialect::Anthropic | Dialect::Converse, _) => F::Messages,
        (_, Dialect::Responses, _) => F::Responses,
        (_, Dialect::Gemini, _) => F::Gemini,
        (_, Dialect::Chat, Endpoint::Embed) => F::Embeddings,
        (_, Dialect::Chat, Endpoint::Complete) => F::Completions,
        (_, Dialect::Chat, Endpoint::Image) => F::Images,
        (_, Dialect::Chat, Endpoint::Audio) => F::Audio,
        (_, Dialect::Chat, _) => F::Chat,
    })
}

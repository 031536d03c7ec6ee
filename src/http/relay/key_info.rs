//! What a key may ask about itself, in the shapes of claude-relay-service (`relay-api.md` §1).

use actix_web::{HttpRequest, HttpResponse};
use actors::domain::key::{CostWindow, KeyPolicy};
use actors::domain::limit::RateDimension;
use actors::domain::money::Nanos;
use serde_json::{Value, json};

use super::door;
use crate::dialect::{Dialect, Surface};
use crate::relay::lookup::{KeyUsage, UsageSum};
use crate::relay::{Relay, RelayError};

/// `GET /v1/key-info`.
pub async fn key_info(relay: &Relay, http: &HttpRequest, shape: Dialect) -> HttpResponse {
    if shape == Dialect::Chat {
        return openai_key_info(relay, http).await;
    }
    about(relay, http, "/v1/key-info", |key, usage, now| {
        json!({
            "keyInfo": {
                "id": key.id, "name": key.name,
                "tokenLimit": token_limit(key),
                "usage": sums(usage),
            },
            "timestamp": now,
        })
    })
    .await
}

/// The form of claude-relay-service's OpenAI routes.
async fn openai_key_info(relay: &Relay, http: &HttpRequest) -> HttpResponse {
    about(relay, http, "/openai/key-info", |key, usage, _| {
        let (limit, used) = (token_limit(key), i64::try_from(usage.total.tokens.total()).unwrap_or(i64::MAX));
        json!({
            "id": key.id, "name": key.name, "description": "",
            "permissions": key.permissions.iter().map(|platform| platform.as_str()).collect::<Vec<_>>(),
            "token_limit": limit, "tokens_used": used,
            "tokens_remaining": (limit > 0).then(|| limit.saturating_sub(used).max(0)),
            "rate_limit": {"window": 1, "requests": key.rpm_limit},
            "usage": sums(usage),
        })
    })
    .await
}

/// `GET /v1/usage`.
pub async fn usage(relay: &Relay, http: &HttpRequest) -> HttpResponse {
    about(relay, http, "/v1/usage", |key, usage, now| {
        json!({
            "usage": sums(usage),
            "limits": {"tokens": token_limit(key), "requests": key.rpm_limit},
            "timestamp": now,
        })
    })
    .await
}

/// `GET /v1/me`.
pub async fn me(relay: &Relay, http: &HttpRequest) -> HttpResponse {
    about(relay, http, "/v1/me", |key, _, now| {
        json!({"id": format!("user_{}", key.id), "type": "user", "display_name": key.name, "created_at": now})
    })
    .await
}

/// `GET /v1/organizations/{id}/usage`: what is left of the key's tightest money limit.
pub async fn organization_usage(relay: &Relay, http: &HttpRequest) -> HttpResponse {
    about(relay, http, "/v1/organizations/{id}/usage", |key, usage, _| {
        json!({"object": "usage", "data": [{"type": "credit_balance", "credit_balance": credit(key, usage)}]})
    })
    .await
}

async fn about(
    relay: &Relay,
    http: &HttpRequest,
    route: &'static str,
    shape: impl Fn(&KeyPolicy, &KeyUsage, String) -> Value,
) -> HttpResponse {
    let arrival = door::arrive(relay, route, Surface::plain(Dialect::Anthropic));
    let answer = async {
        let key = door::key(relay, http).await?;
        door::curious(relay, &key)?;
        let used = relay.shared().usage.of_key(key.id).await.map_err(|_| RelayError::KeysUnavailable)?;
        Ok::<_, RelayError>(HttpResponse::Ok().json(shape(&key, &used, arrival.at.to_rfc3339())))
    };
    answer.await.unwrap_or_else(|error| door::refuse(relay, &error, &arrival, http))
}

/// The tightest token window of a key; 0 = unlimited.
fn token_limit(key: &KeyPolicy) -> i64 {
    key.windows.iter().filter(|w| w.dim == RateDimension::Tokens).map(|w| w.limit).min().unwrap_or(0)
}

fn sums(usage: &KeyUsage) -> Value {
    json!({"total": sum(&usage.total), "daily": sum(&usage.daily), "monthly": sum(&usage.monthly)})
}

fn sum(used: &UsageSum) -> Value {
    let tokens = &used.tokens;
    json!({
        "requests": used.requests,
        "tokens": tokens.total(),
        "inputTokens": tokens.input,
        "outputTokens": tokens.output,
        "cacheCreateTokens": tokens.cache_w5m + tokens.cache_w1h,
        "cacheReadTokens": tokens.cache_read,
        "allTokens": tokens.total(),
        "cost": used.charge.to_string(),
    })
}

/// USD left, as a decimal text; null when no money limit is set.
fn credit(key: &KeyPolicy, usage: &KeyUsage) -> Option<String> {
    let used = |window| match window {
        CostWindow::Total => Some(usage.total.charge),
        CostWindow::Month => Some(usage.monthly.charge),
        CostWindow::Day => Some(usage.daily.charge),
        CostWindow::Week | CostWindow::WeekClaude | CostWindow::FiveHour => None,
    };
    let left = |(window, limit): &(CostWindow, Nanos)| Some(limit.saturating_sub(used(*window)?).max(Nanos::ZERO));
    key.cost_limits.iter().filter(|(_, limit)| *limit > Nanos::ZERO).filter_map(left).min().map(|n| n.to_string())
}

//! Anthropic's token endpoint: JSON, refresh tokens rotate.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::reply::Reply;
use super::super::state::{Call, Mock, locked};
use super::super::wire::Request;
use super::{Pair, refused};

const PREFIX: &str = "sk-ant-oat01";

/// `POST /v1/oauth/token`.
pub(in super::super) fn token(mock: &Mock, request: &Request) -> Reply {
    let Ok(body) = serde_json::from_slice::<BTreeMap<String, Value>>(&request.body) else {
        return refused("invalid_request", "a JSON body is required");
    };
    let text = |(name, value): (String, Value)| value.as_str().map(|value| (name, value.to_owned()));
    let asked_life = body.get("expires_in").and_then(Value::as_i64);
    let grant: BTreeMap<String, String> = body.into_iter().filter_map(text).collect();
    let value = |name: &str| grant.get(name).filter(|value| !value.is_empty());
    if value("client_id").is_none() {
        return refused("invalid_client", "client_id is required");
    }
    let now_ms = mock.now_ms();
    let mut tokens = locked(&mock.tokens);
    let issued = match (value("grant_type").map(String::as_str), value("refresh_token")) {
        (Some("refresh_token"), Some(token)) => tokens.rotate(token, PREFIX, now_ms),
        (Some("authorization_code"), _) => tokens.take_code(&grant).map(|code| tokens.issue(&code, PREFIX, now_ms)),
        _ => Err("the code or token cannot be used"),
    };
    match (issued, asked_life) {
        (Ok(pair), None) => Reply::json(200, answer(&pair).to_string()),
        // A setup token lives as long as was asked for, and cannot be refreshed.
        (Ok(pair), Some(life)) => {
            let pair = Pair { life, ..pair };
            tokens.remember(&pair, now_ms);
            let mut answer = answer(&pair);
            answer["refresh_token"] = Value::Null;
            Reply::json(200, answer.to_string())
        }
        (Err(why), _) => refused("invalid_grant", why),
    }
}

fn answer(pair: &Pair) -> Value {
    json!({
        "token_type": "Bearer",
        "access_token": pair.access,
        "refresh_token": pair.refresh,
        "expires_in": pair.life,
        "scope": "user:inference user:profile",
        "account": {"uuid": format!("account-{}", pair.family), "email_address": "mock@example.test"},
        "organization": {"uuid": "mock-organization", "name": "Mock"},
    })
}

/// `GET /api/oauth/profile`.
pub(in super::super) fn profile(mock: &Mock, call: &Call) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let account =
        json!({"uuid": "mock-account", "email": "mock@example.test", "has_claude_max": true, "has_claude_pro": false});
    let organization = json!({"uuid": "mock-organization", "organization_type": "claude_max"});
    Reply::json(200, json!({"account": account, "organization": organization}).to_string())
}

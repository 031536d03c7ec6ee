//! OpenAI's token endpoint: a form, refresh tokens rotate, an id token names the ChatGPT account.

use serde_json::json;

use super::super::reply::Reply;
use super::super::state::{Mock, locked};
use super::super::wire::Request;
use super::{Pair, form, jwt, refused};

const PREFIX: &str = "oai";

/// `POST /oauth/token`.
pub(in super::super) fn token(mock: &Mock, request: &Request) -> Reply {
    let Some(grant) = form(request) else { return refused("invalid_request", "a form body is required") };
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
    match issued {
        Ok(pair) => Reply::json(200, answer(&pair, now_ms / 1000).to_string()),
        Err("refresh token was already used") => refused("refresh_token_reused", "refresh token was already used"),
        Err(why) => refused("invalid_grant", why),
    }
}

fn answer(pair: &Pair, now: i64) -> serde_json::Value {
    let claims = json!({
        "iss": "https://auth.openai.com", "aud": ["mock-client"], "sub": "mock-user", "email": "mock@example.test",
        "iat": now, "exp": now + pair.life,
        "https://api.openai.com/auth": {
            "chatgpt_account_id": "acct_mock", "chatgpt_user_id": "user_mock", "chatgpt_plan_type": "plus",
            "organizations": [{"id": "org_mock", "is_default": true, "role": "owner", "title": "Mock"}],
        },
    });
    json!({"token_type": "Bearer", "access_token": pair.access, "refresh_token": pair.refresh,
        "id_token": jwt(&claims), "expires_in": pair.life, "scope": "openid profile email offline_access"})
}

//! Google's token endpoint: a form with the client's secret; refresh tokens stay and are not repeated.

use serde_json::json;

use super::super::reply::Reply;
use super::super::state::{Mock, locked};
use super::super::wire::Request;
use super::{form, refused};

const PREFIX: &str = "ya29";

/// `POST /token`.
pub(in super::super) fn token(mock: &Mock, request: &Request) -> Reply {
    let Some(grant) = form(request) else { return refused("invalid_request", "a form body is required") };
    let value = |name: &str| grant.get(name).filter(|value| !value.is_empty());
    if value("client_id").is_none() || value("client_secret").is_none() {
        return refused("invalid_client", "client_id and client_secret are required");
    }
    let now_ms = mock.now_ms();
    let mut tokens = locked(&mock.tokens);
    let (issued, first) = match (value("grant_type").map(String::as_str), value("refresh_token")) {
        (Some("refresh_token"), Some(token)) => (tokens.renew(token, PREFIX, now_ms), false),
        (Some("authorization_code"), _) => {
            (tokens.take_code(&grant).map(|code| tokens.issue(&code, PREFIX, now_ms)), true)
        }
        _ => (Err("the code or token cannot be used"), false),
    };
    let pair = match issued {
        Ok(pair) => pair,
        Err(why) => return refused("invalid_grant", why),
    };
    let mut answer = json!({"token_type": "Bearer", "access_token": pair.access, "expires_in": pair.life,
        "scope": "https://www.googleapis.com/auth/cloud-platform"});
    if first {
        answer["refresh_token"] = pair.refresh.into();
    }
    Reply::json(200, answer.to_string())
}

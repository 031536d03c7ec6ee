//! Anthropic's token endpoint: refresh tokens are single-use and rotate; using one twice revokes its whole family.

use std::collections::{HashMap, HashSet};

use actors::domain::time::SECOND;
use serde::Deserialize;
use serde_json::{Value, json};

use super::anthropic::error;
use super::reply::Reply;
use super::state::{Call, Mock, locked};
use super::wire::Request;

/// Seconds that an access token lives, unless a test says otherwise.
const LIFE: i64 = 28_800;

/// Issued tokens. A refresh token that the mock has never seen starts a family: accounts outlive a restart of the mock.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Refresh token → family.
    families: HashMap<String, String>,
    used: HashSet<String>,
    revoked: HashSet<String>,
    /// Access token → family and end, in Unix milliseconds.
    access: HashMap<String, (String, i64)>,
    life: Option<i64>,
    issued: u64,
    refreshes: u64,
    reuses: u64,
}

#[derive(Deserialize)]
struct Grant {
    grant_type: String,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
}

impl Tokens {
    /// True unless this mock issued the token and it ended or was revoked.
    pub(super) fn accepts(&self, access: &str, now_ms: i64) -> bool {
        self.access.get(access).is_none_or(|(family, end)| *end > now_ms && !self.revoked.contains(family))
    }

    pub(super) fn set_life(&mut self, seconds: i64) {
        self.life = Some(seconds);
    }

    /// Ends every access token that was issued so far, so that the next call gets a 401.
    pub(super) fn expire_all(&mut self) {
        self.access.values_mut().for_each(|(_, end)| *end = 0);
    }

    pub(super) fn counts(&self) -> Value {
        json!({"refreshes": self.refreshes, "reuses": self.reuses, "issued": self.issued, "revoked": self.revoked.len()})
    }

    fn refresh(&mut self, token: &str, now_ms: i64) -> Result<Value, &'static str> {
        let family = self.families.entry(token.to_owned()).or_insert_with(|| token.to_owned()).clone();
        if self.used.contains(token) {
            self.reuses += 1;
            self.revoked.insert(family);
            return Err("refresh token was already used");
        }
        if self.revoked.contains(&family) {
            return Err("refresh token was revoked");
        }
        self.used.insert(token.to_owned());
        self.refreshes += 1;
        Ok(self.issue(&family, now_ms))
    }

    fn issue(&mut self, family: &str, now_ms: i64) -> Value {
        self.issued += 1;
        let life = self.life.unwrap_or(LIFE);
        let access = format!("sk-ant-oat01-mock-{now_ms}-{}", self.issued);
        let refresh = format!("sk-ant-ort01-mock-{now_ms}-{}", self.issued);
        self.access.insert(access.clone(), (family.to_owned(), now_ms + life * SECOND));
        self.families.insert(refresh.clone(), family.to_owned());
        json!({
            "token_type": "Bearer",
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": life,
            "scope": "user:inference user:profile",
            "account": {"uuid": format!("account-{family}"), "email_address": "mock@example.test"},
        })
    }
}

/// `POST /v1/oauth/token`.
pub(super) fn token(mock: &Mock, request: &Request) -> Reply {
    let refused =
        |error: &str, why: &str| Reply::json(400, json!({"error": error, "error_description": why}).to_string());
    let Ok(grant) = serde_json::from_slice::<Grant>(&request.body) else {
        return refused("invalid_request", "a JSON body is required");
    };
    if grant.client_id.is_none_or(|id| id.is_empty()) {
        return refused("invalid_client", "client_id is required");
    }
    let now_ms = mock.now_ms();
    let mut tokens = locked(&mock.tokens);
    match (grant.grant_type.as_str(), grant.refresh_token, grant.code) {
        ("refresh_token", Some(token), _) if !token.is_empty() => match tokens.refresh(&token, now_ms) {
            Ok(answer) => Reply::json(200, answer.to_string()),
            Err(why) => refused("invalid_grant", why),
        },
        ("authorization_code", _, Some(code)) if tokens.used.insert(format!("code {code}")) => {
            Reply::json(200, tokens.issue(&code, now_ms).to_string())
        }
        _ => refused("invalid_grant", "the code or token cannot be used"),
    }
}

/// `GET /api/oauth/profile`.
pub(super) fn profile(mock: &Mock, call: &Call) -> Reply {
    if !mock.is_authorized(call) {
        return error(401, "authentication_error", "invalid bearer token");
    }
    let account =
        json!({"uuid": "mock-account", "email": "mock@example.test", "has_claude_max": true, "has_claude_pro": false});
    let organization = json!({"uuid": "mock-organization", "organization_type": "claude_max"});
    Reply::json(200, json!({"account": account, "organization": organization}).to_string())
}

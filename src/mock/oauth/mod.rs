//! Token endpoints. What the vendors share: codes that are used once, refresh tokens in families, access tokens that end.

use std::collections::{BTreeMap, HashMap, HashSet};

use actors::domain::time::SECOND;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::reply::Reply;
use super::wire::Request;

mod authorize;

pub(super) mod anthropic;
pub(super) mod google;
pub(super) mod openai;
pub(super) mod workos;

pub(super) use authorize::authorize;

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
    codes: authorize::Codes,
    devices: workos::Devices,
    life: Option<i64>,
    issued: u64,
    refreshes: u64,
    reuses: u64,
}

/// A pair as it was issued.
struct Pair {
    access: String,
    refresh: String,
    /// Seconds.
    life: i64,
    family: String,
}

impl Tokens {
    /// True unless this mock issued the token and it ended or was revoked.
    pub(super) fn accepts(&self, access: &str, now_ms: i64) -> bool {
        self.access.get(access).is_none_or(|(family, end)| *end > now_ms && !self.revoked.contains(family))
    }

    pub(super) fn set_life(&mut self, seconds: i64) {
        self.life = Some(seconds);
    }

    /// Polls of a device code that find it pending.
    pub(super) fn set_device_polls(&mut self, polls: u64) {
        self.devices.set_polls(polls);
    }

    /// Ends every access token that was issued so far, so that the next call gets a 401.
    pub(super) fn expire_all(&mut self) {
        self.access.values_mut().for_each(|(_, end)| *end = 0);
    }

    pub(super) fn counts(&self) -> Value {
        json!({"refreshes": self.refreshes, "reuses": self.reuses, "issued": self.issued, "revoked": self.revoked.len()})
    }

    /// Exchanges a refresh token that may be used once; using it twice revokes its whole family.
    fn rotate(&mut self, token: &str, prefix: &str, now_ms: i64) -> Result<Pair, &'static str> {
        let family = self.family(token)?;
        if self.used.contains(token) {
            self.reuses += 1;
            self.revoked.insert(family);
            return Err("refresh token was already used");
        }
        self.used.insert(token.to_owned());
        self.refreshes += 1;
        Ok(self.issue(&family, prefix, now_ms))
    }

    /// Exchanges a refresh token that stays valid.
    fn renew(&mut self, token: &str, prefix: &str, now_ms: i64) -> Result<Pair, &'static str> {
        let family = self.family(token)?;
        self.refreshes += 1;
        Ok(self.issue(&family, prefix, now_ms))
    }

    fn family(&mut self, token: &str) -> Result<String, &'static str> {
        let family = self.families.entry(token.to_owned()).or_insert_with(|| token.to_owned()).clone();
        let dead = self.revoked.contains(&family) && !self.used.contains(token);
        if dead { Err("refresh token was revoked") } else { Ok(family) }
    }

    fn issue(&mut self, family: &str, prefix: &str, now_ms: i64) -> Pair {
        self.issued += 1;
        let life = self.life.unwrap_or(LIFE);
        let name = |kind: &str| format!("{prefix}-{kind}-mock-{now_ms}-{}", self.issued);
        let pair = Pair { access: name("access"), refresh: name("refresh"), life, family: family.to_owned() };
        self.remember(&pair, now_ms);
        pair
    }

    fn remember(&mut self, pair: &Pair, now_ms: i64) {
        self.access.insert(pair.access.clone(), (pair.family.clone(), now_ms + pair.life * SECOND));
        self.families.insert(pair.refresh.clone(), pair.family.clone());
    }
}

/// The parameters of a form body; `None` for any other body.
fn form(request: &Request) -> Option<BTreeMap<String, String>> {
    let is_form = |value: &str| value.starts_with("application/x-www-form-urlencoded");
    request.header("content-type").filter(|value| is_form(value))?;
    let text = std::str::from_utf8(&request.body).ok()?;
    Some(actix_web::web::Query::<BTreeMap<String, String>>::from_query(text).ok()?.into_inner())
}

fn refused(error: &str, why: &str) -> Reply {
    Reply::json(400, json!({"error": error, "error_description": why}).to_string())
}

/// A token in JWT form with a signature that nobody can check.
fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.bW9jaw", part(&json!({"alg": "RS256", "typ": "JWT", "kid": "mock"})), part(claims))
}

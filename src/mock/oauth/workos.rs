//! WorkOS, which signs in Factory's users: a device code that stays pending for some polls, then rotating tokens.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::super::reply::Reply;
use super::super::state::{Call, Mock, locked};
use super::super::wire::Request;
use super::{Pair, form, refused};

const PREFIX: &str = "wos";

/// The grant of a device code.
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Device codes given so far, and how many polls still find each pending.
#[derive(Debug, Default)]
pub(super) struct Devices {
    pending: HashMap<String, u64>,
    count: u64,
    polls: Option<u64>,
}

impl Devices {
    pub(super) fn set_polls(&mut self, polls: u64) {
        self.polls = Some(polls);
    }

    fn give(&mut self) -> String {
        self.count += 1;
        let code = format!("mock-device-{}", self.count);
        self.pending.insert(code.clone(), self.polls.unwrap_or(2));
        code
    }

    /// Ready once it was found pending often enough; then it is gone.
    fn poll(&mut self, code: &str) -> Result<(), &'static str> {
        match self.pending.get_mut(code) {
            None => Err("expired_token"),
            Some(0) => {
                self.pending.remove(code);
                Ok(())
            }
            Some(left) => {
                *left -= 1;
                Err("authorization_pending")
            }
        }
    }
}

/// A form, or JSON.
fn parameters(request: &Request) -> BTreeMap<String, String> {
    form(request).or_else(|| serde_json::from_slice(&request.body).ok()).unwrap_or_default()
}

/// `POST /user_management/authorize/device`.
pub(in super::super) fn device(mock: &Mock, request: &Request) -> Reply {
    if parameters(request).get("client_id").is_none_or(String::is_empty) {
        return refused("invalid_client", "client_id is required");
    }
    let code = locked(&mock.tokens).devices.give();
    let answer = json!({"device_code": code, "user_code": "MOCK-CODE", "expires_in": 300, "interval": 5,
        "verification_uri": "https://mock.example.test/device",
        "verification_uri_complete": "https://mock.example.test/device?user_code=MOCK-CODE"});
    Reply::json(200, answer.to_string())
}

/// `POST /user_management/authenticate`.
pub(in super::super) fn authenticate(mock: &Mock, request: &Request) -> Reply {
    let grant = parameters(request);
    let value = |name: &str| grant.get(name).filter(|value| !value.is_empty()).map(String::as_str);
    if value("client_id").is_none() {
        return refused("invalid_client", "client_id is required");
    }
    let now_ms = mock.now_ms();
    let mut tokens = locked(&mock.tokens);
    let issued = match (value("grant_type"), value("device_code"), value("refresh_token")) {
        (Some(DEVICE), Some(code), _) => match tokens.devices.poll(code) {
            Ok(()) => Ok(tokens.issue(code, PREFIX, now_ms)),
            Err(word) => return refused(word, "the device is not authorized"),
        },
        (Some("refresh_token"), _, Some(token)) => tokens.rotate(token, PREFIX, now_ms),
        (Some("authorization_code"), ..) => tokens.take_code(&grant).map(|code| tokens.issue(&code, PREFIX, now_ms)),
        _ => Err("the code or token cannot be used"),
    };
    match issued {
        Ok(pair) => Reply::json(200, answer(&pair, value("organization_id")).to_string()),
        Err(why) => refused("invalid_grant", why),
    }
}

fn answer(pair: &Pair, organization: Option<&str>) -> Value {
    json!({"access_token": pair.access, "refresh_token": pair.refresh, "expires_in": pair.life,
        "organization_id": organization.unwrap_or("org_mock"), "authentication_method": "Passkey",
        "user": {"object": "user", "id": "user_mock", "email": "mock@example.test"}})
}

/// `GET /api/cli/org`.
pub(in super::super) fn organizations(mock: &Mock, call: &Call) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    Reply::json(200, r#"{"workosOrgIds":["org_mock"]}"#)
}

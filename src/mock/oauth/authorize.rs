//! The page on which a user consents: gives a code at once, and remembers what the code is bound to.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::super::reply::Reply;
use super::super::state::{Mock, locked};
use super::super::wire::Request;
use super::{Tokens, refused};

/// Codes given so far, and what each is bound to.
#[derive(Debug, Default)]
pub(super) struct Codes {
    given: HashMap<String, Bound>,
    count: u64,
}

#[derive(Debug, Clone)]
struct Bound {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    state: String,
}

/// `GET /authorize`, `/oauth/authorize`, `/o/oauth2/v2/auth`, `/cai/oauth/authorize`.
pub(in super::super) fn authorize(mock: &Mock, request: &Request) -> Reply {
    let query = request.target().split_once('?').map_or("", |(_, query)| query);
    let Ok(query) = actix_web::web::Query::<BTreeMap<String, String>>::from_query(query) else {
        return refused("invalid_request", "the query cannot be read");
    };
    let value = |name: &str| query.get(name).filter(|value| !value.is_empty()).cloned();
    let wanted = |name: &str, expected: &str| value(name).as_deref() == Some(expected);
    if !wanted("response_type", "code") || !wanted("code_challenge_method", "S256") {
        return refused("invalid_request", "response_type must be code, code_challenge_method S256");
    }
    let parts = (value("client_id"), value("redirect_uri"), value("code_challenge"), value("state"));
    let (Some(client_id), Some(redirect_uri), Some(challenge), Some(state)) = parts else {
        return refused("invalid_request", "client_id, redirect_uri, code_challenge and state are required");
    };
    let join = if redirect_uri.contains('?') { '&' } else { '?' };
    let mut tokens = locked(&mock.tokens);
    let code =
        tokens.codes.give(Bound { client_id, redirect_uri: redirect_uri.clone(), challenge, state: state.clone() });
    let mut reply = Reply::json(302, "");
    reply.headers.push(("location".into(), format!("{redirect_uri}{join}code={code}&state={state}")));
    reply
}

impl Codes {
    fn give(&mut self, bound: Bound) -> String {
        self.count += 1;
        let code = format!("mock-code-{}", self.count);
        self.given.insert(code.clone(), bound);
        code
    }
}

impl Tokens {
    /// Takes a code, once. A code that this mock did not give is taken without questions, for tests without a browser.
    pub(super) fn take_code(&mut self, grant: &BTreeMap<String, String>) -> Result<String, &'static str> {
        let code = grant.get("code").filter(|code| !code.is_empty()).ok_or("a code is required")?;
        if !self.used.insert(format!("code {code}")) {
            return Err("the code was already used");
        }
        let Some(bound) = self.codes.given.remove(code) else { return Ok(code.clone()) };
        let same = |name: &str, expected: &str| grant.get(name).is_some_and(|given| given == expected);
        if !same("client_id", &bound.client_id) {
            return Err("the code belongs to another client");
        }
        if !same("redirect_uri", &bound.redirect_uri) {
            return Err("redirect_uri is not the one of the authorization");
        }
        if grant.get("state").is_some_and(|state| *state != bound.state) {
            return Err("state is not the one of the authorization");
        }
        let verifier = grant.get("code_verifier").ok_or("code_verifier is required")?;
        if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) != bound.challenge {
            return Err("code_verifier does not fit the challenge");
        }
        Ok(code.clone())
    }
}

//! Requests as they leave for each kind of account: URL, credential, headers, body.

use actix_http::Method;
use actix_http::header::HeaderMap;
use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::credential::{Credential, Secret};
use actors::domain::route::Endpoint;
use bytes::Bytes;
use quotalane::dialect::peek::peek;
use quotalane::dialect::{Dialect, Surface};
use quotalane::upstream::{Inbound, Outbound, PrepareError, adapter};

use crate::sample::{ANTHROPIC, NOW, account, credential, headers};

const BODY: &str =
    r#"{"max_tokens": 64 ,"temperature":1.0,"model":"claude-a","messages":[{"role":"user","content":"hi"}]}"#;

struct Call {
    endpoint: Endpoint,
    query: Option<&'static str>,
    headers: HeaderMap,
    body: Bytes,
    strip_thinking: bool,
}

impl Call {
    fn new() -> Self {
        let headers = headers([("x-api-key", "cr_client"), ("authorization", "Bearer cr_client"), ("host", "relay")]);
        let body = Bytes::from(BODY);
        Self { endpoint: Endpoint::Generate, query: None, headers, body, strip_thinking: false }
    }

    fn prepare(&self, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
        let peek = peek(&self.body).unwrap();
        let model = actors::domain::model::split_routing_prefix(peek.model.as_deref().unwrap()).name;
        let inbound = Inbound {
            endpoint: self.endpoint,
            method: &Method::POST,
            client: Surface::plain(Dialect::Anthropic),
            translated: false,
            tail: "/messages",
            query: self.query,
            headers: &self.headers,
            body: &self.body,
            model,
            model_span: peek.model_span.clone(),
            stream: peek.stream,
            strip_thinking: self.strip_thinking,
            now: NOW,
        };
        (adapter(account.kind).prepare)(&inbound, account, credential)
    }

    fn send(&self, kind: AccountKind) -> Outbound {
        self.prepare(&account(kind), &credential(kind)).unwrap()
    }
}

fn value(out: &Outbound, name: &str) -> Option<String> {
    out.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.to_str().unwrap().to_owned())
}

#[test]
fn each_kind_presents_its_own_credential() {
    for (kind, bearer, key, beta) in [
        (AccountKind::ClaudeOfficial, Some("Bearer sk-ant-oat-POOL"), None, Some("oauth-2025-04-20")),
        (AccountKind::ClaudeConsole, None, Some("sk-ant-api-POOL"), None),
        (AccountKind::Ccr, Some("Bearer ccr-POOL"), None, None),
    ] {
        let out = Call::new().send(kind);
        assert_eq!(value(&out, "authorization").as_deref(), bearer, "{kind:?}");
        assert_eq!(value(&out, "x-api-key").as_deref(), key, "{kind:?}");
        assert_eq!(value(&out, "anthropic-beta").as_deref(), beta, "{kind:?}");
        assert_eq!(value(&out, "anthropic-version").as_deref(), Some("2023-06-01"));
        assert_eq!(value(&out, "accept-encoding").as_deref(), Some("identity"));
        let debug = format!("{out:?}");
        assert!(!debug.contains("POOL") && !debug.contains("cr_client"), "{debug}");
    }
}

#[test]
fn the_auth_style_can_be_chosen() {
    let key = |text: &str| Credential { secret: Secret::ApiKey(text.into()), expires_at: None, version: 1 };
    for (style, secret, x_api_key, bearer) in [
        (None, "sk-ant-1", true, false),
        (None, "cr_1", false, true),
        (Some("auto"), "cr_1", false, true),
        (Some("x-api-key"), "cr_1", true, false),
        (Some("bearer"), "sk-ant-1", false, true),
        (Some("both"), "k", true, true),
    ] {
        let mut console = account(AccountKind::ClaudeConsole);
        console.options.extend(style.map(|style| ("auth_style".to_owned(), style.to_owned())));
        let out = Call::new().prepare(&console, &key(secret)).unwrap();
        assert_eq!(value(&out, "x-api-key").is_some(), x_api_key, "{style:?}");
        assert_eq!(value(&out, "authorization").is_some(), bearer, "{style:?}");
    }
    let console = account(AccountKind::ClaudeConsole);
    let refused = |credential: &Credential| Call::new().prepare(&console, credential).err();
    assert_eq!(refused(&key("a\nb")), Some(PrepareError::BadCredential));
    assert_eq!(refused(&credential(AccountKind::ClaudeOfficial)), Some(PrepareError::BadCredential));
}

#[test]
fn urls_follow_the_account_and_the_client() {
    let mut call = Call::new();
    call.query = Some("beta=true");
    assert_eq!(call.send(AccountKind::ClaudeOfficial).url, "https://api.anthropic.com/v1/messages?beta=true");
    assert_eq!(call.send(AccountKind::Ccr).url, "http://ccr.test:3456/v1/messages?beta=true");
    call.endpoint = Endpoint::CountTokens;
    call.query = None;
    assert_eq!(call.send(AccountKind::ClaudeConsole).url, "https://api.anthropic.com/v1/messages/count_tokens");
    let ccr = |spec: &AccountSpec, call: &Call| call.prepare(spec, &credential(AccountKind::Ccr)).err();
    assert_eq!(ccr(&account(AccountKind::Ccr), &call), Some(PrepareError::Unsupported));
    let mut homeless = account(AccountKind::Ccr);
    homeless.base_url = None;
    assert_eq!(ccr(&homeless, &Call::new()), Some(PrepareError::BadBaseUrl));
}

#[test]
fn an_unmapped_body_is_the_clients_own_bytes() {
    for kind in ANTHROPIC {
        let call = Call::new();
        let out = call.send(kind);
        assert!(out.edits.is_empty());
        assert_eq!(out.body.as_ptr(), call.body.as_ptr(), "not even copied");
    }
}

#[test]
fn each_edit_applies_alone_and_is_named() {
    let mut mapped = account(AccountKind::ClaudeConsole);
    mapped.model_map.insert("claude-a".to_owned(), "vendor/b".to_owned());
    let key = credential(AccountKind::ClaudeConsole);
    let mut call = Call::new();
    let out = call.prepare(&mapped, &key).unwrap();
    assert_eq!(out.body, BODY.replace("claude-a", "vendor/b"));
    assert_eq!(out.edits, ["model.map"]);

    call.body = Bytes::from(BODY.replace("claude-a", "ccr,claude-a"));
    let out = call.send(AccountKind::Ccr);
    assert_eq!(out.body, BODY, "the routing prefix is ours");
    assert_eq!(out.edits, ["model.map"]);

    let thinking = r#"{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"}]},"#;
    call.body = Bytes::from(BODY.replace("{\"role\"", &format!("{thinking}{{\"role\"")));
    call.strip_thinking = true;
    let out = call.send(AccountKind::ClaudeConsole);
    assert_eq!(out.body, BODY);
    assert_eq!(out.edits, ["thinking.strip_foreign"]);
    let out = call.prepare(&mapped, &key).unwrap();
    assert_eq!(out.body, BODY.replace("claude-a", "vendor/b"));
    assert_eq!(out.edits, ["model.map", "thinking.strip_foreign"]);
    call.body = Bytes::from(BODY);
    assert!(call.send(AccountKind::ClaudeConsole).edits.is_empty(), "nothing to strip is no edit");
}

//! What real clients sent: the header policy and the peek on every recorded request.

use actix_http::Method;
use actors::domain::account::AccountKind;
use actors::domain::route::Endpoint;
use bytes::Bytes;
use quotalane::dialect::estimate::{has_cache_control, input_tokens};
use quotalane::dialect::peek::peek;
use quotalane::dialect::session::session_value;
use quotalane::dialect::{Dialect, Surface};
use quotalane::upstream::{Inbound, adapter};
use serde_json::Value;

use crate::recorded::lines;
use crate::sample::{ANTHROPIC, NOW, account, credential, headers};

struct Capture {
    name: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Value,
}

fn posts() -> Vec<Capture> {
    let captures: Vec<Capture> = lines("captures/anthropic.jsonl.gz")
        .into_iter()
        .filter(|line| line["method"] == "POST")
        .map(|line| Capture {
            name: line["name"].as_str().unwrap().to_owned(),
            target: line["target"].as_str().unwrap().to_owned(),
            headers: serde_json::from_value(line["headers"].clone()).unwrap(),
            body: line["body"].clone(),
        })
        .collect();
    assert!(captures.len() >= 30);
    captures
}

/// The policy, written down a second time: everything these clients send, and whether the vendor gets it.
fn is_forwarded(name: &str) -> bool {
    match name {
        "authorization" | "x-api-key" | "host" | "content-length" | "connection" | "accept-encoding" => false,
        "accept" | "accept-language" | "content-type" | "user-agent" | "x-app" | "sec-fetch-mode" => true,
        "x-claude-code-session-id" | "anthropic-version" | "anthropic-beta" => true,
        "anthropic-dangerous-direct-browser-access" => true,
        other if other.starts_with("x-stainless-") => true,
        other => panic!("a recorded client sends {other}: decide about it"),
    }
}

fn sorted(mut lines: Vec<(String, String)>) -> Vec<(String, String)> {
    lines.sort();
    lines
}

#[test]
fn every_recorded_header_set_leaves_by_policy() {
    for capture in posts() {
        for kind in ANTHROPIC {
            let (path, query) =
                capture.target.split_once('?').map_or((capture.target.as_str(), None), |(p, q)| (p, Some(q)));
            let endpoint = if path.ends_with("count_tokens") { Endpoint::CountTokens } else { Endpoint::Generate };
            if endpoint == Endpoint::CountTokens && !kind.counts_tokens() {
                continue;
            }
            let body = Bytes::from(capture.body.to_string());
            let peek = peek(&body).unwrap();
            let client = headers(capture.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            let call = Inbound {
                endpoint,
                method: &Method::POST,
                client: Surface::plain(Dialect::Anthropic),
                translated: false,
                tail: path,
                query,
                headers: &client,
                body: &body,
                model: peek.model.as_deref().unwrap(),
                model_span: peek.model_span.clone(),
                stream: peek.stream,
                strip_thinking: false,
                now: NOW,
            };
            let out = (adapter(kind).prepare)(&call, &account(kind), &credential(kind)).unwrap();
            let mut expected: Vec<(String, String)> = capture
                .headers
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
                .filter(|(name, _)| is_forwarded(name))
                .collect();
            expected.push(("accept-encoding".to_owned(), "identity".to_owned()));
            expected.push(match kind {
                AccountKind::ClaudeOfficial => ("authorization".to_owned(), "Bearer sk-ant-oat-POOL".to_owned()),
                AccountKind::ClaudeConsole => ("x-api-key".to_owned(), "sk-ant-api-POOL".to_owned()),
                _ => ("authorization".to_owned(), "Bearer ccr-POOL".to_owned()),
            });
            if kind == AccountKind::ClaudeOfficial {
                match expected.iter_mut().find(|(name, _)| name == "anthropic-beta") {
                    Some((_, list)) if list.contains("oauth-2025-04-20") => {}
                    Some((_, list)) => list.push_str(",oauth-2025-04-20"),
                    None => expected.push(("anthropic-beta".to_owned(), "oauth-2025-04-20".to_owned())),
                }
            }
            let sent =
                out.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.to_str().unwrap().to_owned())).collect();
            assert_eq!(sorted(sent), sorted(expected), "{} as {kind:?}", capture.name);
            assert_eq!(out.body, body);
            assert!(out.url.ends_with(&capture.target), "{} {}", out.url, capture.target);
        }
    }
}

#[test]
fn peek_reads_every_recorded_body() {
    for capture in posts() {
        let body = capture.body.to_string();
        let peek = peek(body.as_bytes()).unwrap();
        assert_eq!(peek.model.as_deref(), capture.body["model"].as_str(), "{}", capture.name);
        assert_eq!(body[peek.model_span.clone().unwrap()], capture.body["model"].to_string());
        assert_eq!(peek.stream, capture.body["stream"].as_bool().unwrap_or(false), "{}", capture.name);
        assert_eq!(peek.max_tokens, capture.body["max_tokens"].as_u64(), "{}", capture.name);
        assert_eq!(peek.metadata_user_id.as_deref(), capture.body["metadata"]["user_id"].as_str());
        assert_eq!(peek.prompts, ["messages"]);
        assert!(input_tokens(body.as_bytes()) > 0);
        assert_eq!(has_cache_control(body.as_bytes()), body.contains("\"cache_control\""));
    }
}

#[test]
fn claude_code_always_names_its_session() {
    let session = |capture: &Capture| {
        let body = capture.body.to_string();
        let client = headers(capture.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        session_value(&client, &peek(body.as_bytes()).unwrap(), body.as_bytes())
    };
    let captures = posts();
    let claude: Vec<&Capture> = captures.iter().filter(|c| c.name.starts_with("cc")).collect();
    assert!(claude.iter().all(|c| session(c).is_some_and(|s| s.len() == 36)), "a uuid each");
    let of = |name: &str| claude.iter().find(|c| c.name == name).and_then(|c| session(c)).unwrap();
    assert_eq!(of("cc2329-s1.01"), of("cc2329-s2.01"), "a resumed session is the same session");
    assert_ne!(of("cc2329-s1.01"), of("cc2329-p.01"));
}

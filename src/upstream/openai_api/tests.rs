//! Rows of `upstreams.md` §1.6 that OpenAI's API can show, and the header policy in both directions.

use actix_http::header::HeaderMap;
use actors::domain::account::{AccountKind, AccountSpec, ErrorRule};
use actors::domain::model::{Family, default_families, family_of};
use actors::domain::route::Endpoint;
use actors::domain::time::{DAY, HOUR, MINUTE, SECOND};
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;

use super::sample::{Call, NOW, account, headers, judge, key, sent};
use crate::dialect::Dialect;
use crate::dialect::error::EmbeddedError;
use crate::upstream::{AnswerHead, adapter};

fn openai() -> AccountSpec {
    account(AccountKind::OpenAi, "", &[])
}

fn fault(kind: &str, code: &str, message: &str) -> String {
    serde_json::json!({"error": {"type": kind, "code": code, "message": message, "param": null}}).to_string()
}

fn family() -> Scope {
    Scope::Family(Family("openai".into()))
}

#[test]
fn status_and_words_decide() {
    let invalid = |code: &str, message: &str| fault("invalid_request_error", code, message);
    let html = "<!DOCTYPE html><html>Just a moment...</html>".to_owned();
    for (status, body, expected) in [
        (400, invalid("unsupported_parameter", "Use 'max_completion_tokens' instead."), Verdict::Client),
        (400, invalid("previous_response_not_found", "not found"), Verdict::Client),
        (400, invalid("model_not_found", "The requested model does not exist."), Verdict::Client),
        (400, invalid("invalid_encrypted_content", "could not be verified"), Verdict::ThinkingSignature),
        (400, r#"{"code":"invalid-argument","error":"Incorrect API key provided."}"#.to_owned(), Verdict::AuthInvalid),
        (400, invalid("x", "Your organization has been disabled."), Verdict::Blocked),
        (404, invalid("model_not_found", "The model `x` does not exist"), Verdict::ModelUnknown),
        (404, r#"{"error":"Specified model not found: gpt-5."}"#.to_owned(), Verdict::ModelUnknown),
        (404, invalid("", "no such page"), Verdict::Client),
        (404, String::new(), Verdict::Client),
        (405, String::new(), Verdict::Client),
        (413, String::new(), Verdict::Client),
        (415, String::new(), Verdict::Client),
        (422, r#"{"detail":[{"msg":"field required"}]}"#.to_owned(), Verdict::Client),
        (401, invalid("invalid_api_key", "Incorrect API key provided"), Verdict::AuthInvalid),
        (401, "no".to_owned(), Verdict::AuthInvalid),
        (401, invalid("account_deactivated", "deactivated"), Verdict::Blocked),
        (402, r#"{"error":{"message":"Insufficient Balance"}}"#.to_owned(), Verdict::QuotaExhausted),
        (402, r#"{"error":{"code":"deactivated_workspace"}}"#.to_owned(), Verdict::Blocked),
        (403, invalid("unsupported_country_region_territory", "no"), Verdict::Forbidden),
        (403, fault("insufficient_quota", "insufficient_quota", "no"), Verdict::QuotaExhausted),
        (403, html.clone(), Verdict::Challenge),
        (429, html.clone(), Verdict::Challenge),
        (503, html.clone(), Verdict::Challenge),
        (429, fault("insufficient_quota", "insufficient_quota", "check your plan"), Verdict::QuotaExhausted),
        (429, fault("requests", "rate_limit_exceeded", "slow"), Verdict::RateLimitedUnknown),
        (429, fault("x", "x", "Extra usage is required for long context requests."), Verdict::NotALimit),
        (429, String::new(), Verdict::RateLimitedUnknown),
        (408, String::new(), Verdict::Timeout),
        (504, String::new(), Verdict::Timeout),
        (500, fault("server_error", "", "x"), Verdict::Server),
        (500, html.clone(), Verdict::Server),
        (501, fault("not_supported_error", "501", "x"), Verdict::Server),
        (502, fault("overloaded_error", "", "x"), Verdict::Overloaded),
        (503, fault("server_error", "", "The engine is currently overloaded"), Verdict::Unavailable),
        (529, String::new(), Verdict::Overloaded),
    ] {
        assert_eq!(judge(&openai(), status, &[], &body).verdict, expected, "{status} {body}");
    }
    let plain = [("content-type", "text/plain")];
    assert_eq!(judge(&openai(), 401, &plain, &invalid("invalid_api_key", "no")).verdict, Verdict::AuthInvalid);
}

#[test]
fn scopes_are_no_wider_than_the_fault() {
    let scope = |status, body: &str| judge(&openai(), status, &[], body).scope;
    let model = Scope::Model("gpt-5".into());
    assert_eq!(scope(404, &fault("x", "model_not_found", "x")), model);
    assert_eq!(scope(403, &fault("x", "", "no access to GPT-5")), family());
    assert_eq!(scope(403, &fault("x", "", "no")), Scope::All);
    assert_eq!(scope(429, &fault("requests", "rate_limit_exceeded", "x")), family());
    assert_eq!(scope(429, &fault("x", "insufficient_quota", "x")), Scope::All);
    assert_eq!(scope(503, &fault("x", "", "gpt-5 is overloaded")), model);
    assert_eq!(scope(503, &fault("x", "", "overloaded")), Scope::All);
}

#[test]
fn a_limit_lasts_as_long_as_is_said() {
    let limit = |kind: &str| fault(kind, "rate_limit_exceeded", "x");
    let requests = ("x-ratelimit-reset-requests", "2s");
    let tokens = ("x-ratelimit-reset-tokens", "6m0s");
    let empty = ("x-ratelimit-remaining-tokens", "0");
    for (lines, body, expected) in [
        (vec![("retry-after", "7"), requests], limit(""), Some(7 * SECOND)),
        (vec![("retry-after-ms", "250"), ("retry-after", "7")], limit(""), Some(250)),
        (vec![("retry-after", "Thu, 09 Oct 2025 08:55:00 GMT")], limit(""), Some(100_000)),
        (vec![requests, tokens, empty], limit(""), Some(6 * MINUTE)),
        (vec![requests, tokens], limit("tokens"), Some(6 * MINUTE)),
        (vec![requests, tokens], limit(""), Some(2 * SECOND)),
        (vec![("x-ratelimit-reset-tokens", "120ms")], limit("tokens"), Some(120)),
        (vec![("retry-after", "9")], r#"{"error":{"resets_in_seconds":90}}"#.to_owned(), Some(90 * SECOND)),
        (vec![], r#"{"resets_in":3}"#.to_owned(), Some(3 * SECOND)),
        (vec![], r#"{"error":{"resets_at":1760000100}}"#.to_owned(), Some(100_000)),
        (vec![], fault("tokens", "rate_limit_exceeded", "Please try again in 1.5s."), Some(1_500)),
        (vec![("retry-after", "86400")], limit(""), None),
        (vec![("retry-after", "-1")], r#"{"resets_at":1}"#.to_owned(), None),
    ] {
        let judgement = judge(&openai(), 429, &lines, &body);
        let verdict = if expected.is_some() { Verdict::RateLimited } else { Verdict::RateLimitedUnknown };
        assert_eq!((judgement.verdict, judgement.scope), (verdict, family()), "{lines:?} {body}");
        assert_eq!(judgement.until.map(|at| at.since(NOW)), expected, "{lines:?} {body}");
    }
}

#[test]
fn a_quota_lasts_until_it_is_said_to_return() {
    let quota = r#"{"error":{"code":"insufficient_quota","resets_in_seconds":86400}}"#;
    let stated = judge(&openai(), 429, &[], quota);
    assert_eq!((stated.verdict, stated.until), (Verdict::QuotaExhausted, Some(NOW.plus(DAY))));
    let by_header = judge(&openai(), 402, &[("retry-after", "7200")], "{}");
    assert_eq!((by_header.verdict, by_header.until), (Verdict::QuotaExhausted, Some(NOW.plus(2 * HOUR))));
    assert_eq!(judge(&openai(), 402, &[], "{}").until, None);
}

#[test]
fn an_outage_states_a_soft_wait() {
    let judgement = judge(&openai(), 503, &[("retry-after", "20")], "{}");
    assert_eq!((judgement.until, judgement.retry_after_ms), (None, Some(20 * SECOND)));
}

#[test]
fn the_operators_rules_come_first() {
    let mut account = openai();
    let rule = |status, keyword: &str, class: &str, minutes| ErrorRule {
        status,
        keywords: vec![keyword.to_owned()],
        class: class.to_owned(),
        scope: Some("model".to_owned()),
        minutes,
    };
    account.error_rules = vec![rule(Some(400), "Busy", "overloaded", Some(2)), rule(None, "pool", "client", None)];
    let ruled = judge(&account, 400, &[], r#"{"error":"BUSY now"}"#);
    assert_eq!((ruled.verdict, ruled.until), (Verdict::Overloaded, Some(NOW.plus(2 * MINUTE))));
    assert_eq!(judge(&account, 503, &[], "pool").verdict, Verdict::Client);
    assert_eq!(judge(&account, 400, &[], "other").verdict, Verdict::Client);
    let embedded = in_stream(&account, &HeaderMap::new(), "", "503", "the pool is empty");
    assert_eq!((embedded.verdict, embedded.embedded), (Verdict::Client, true));
}

fn in_stream(account: &AccountSpec, headers: &HeaderMap, kind: &str, code: &str, message: &str) -> Judgement {
    let family = family_of("gpt-5", &default_families());
    let answer =
        AnswerHead { status: 200, headers, body: b"", now: NOW, model: "gpt-5", family: &family, stream: true };
    let code = (!code.is_empty()).then(|| code.to_owned());
    let error = EmbeddedError { kind: kind.to_owned(), message: message.to_owned(), code, before_content: true };
    (adapter(account.kind).classify_embedded)(&error, &answer, account)
}

#[test]
fn an_error_in_a_stream_is_judged_by_its_words() {
    let headers = headers(&[("retry-after", "7"), ("x-ratelimit-reset-tokens", "9s")]);
    for (kind, code, expected) in [
        ("insufficient_quota", "insufficient_quota", Verdict::QuotaExhausted),
        ("", "rate_limit_exceeded", Verdict::RateLimitedUnknown),
        ("", "429", Verdict::RateLimitedUnknown),
        ("", "400", Verdict::Client),
        ("", "502", Verdict::Server),
        ("invalid_request_error", "", Verdict::Client),
        ("invalid_request_error", "invalid_api_key", Verdict::AuthInvalid),
        ("invalid_request_error", "model_not_found", Verdict::ModelUnknown),
        ("authentication_error", "", Verdict::AuthInvalid),
        ("permission_error", "", Verdict::Forbidden),
        ("overloaded_error", "", Verdict::Overloaded),
        ("", "slow_down", Verdict::Unavailable),
        ("", "invalid_image_format", Verdict::Client),
        ("", "context_length_exceeded", Verdict::Client),
        ("", "timeout", Verdict::Timeout),
        ("server_error", "server_error", Verdict::Server),
        ("api_error", "", Verdict::Server),
        ("", "", Verdict::Server),
    ] {
        let judgement = in_stream(&openai(), &headers, kind, code, "x");
        assert_eq!((judgement.verdict, judgement.until), (expected, None), "{kind} {code}");
        assert!(judgement.embedded);
    }
}

#[test]
fn a_success_can_be_none() {
    let json = [("content-type", "application/json")];
    let judged = |lines: &[(&str, &str)], body: &str| {
        let judgement = judge(&openai(), 200, lines, body);
        (judgement.verdict, judgement.embedded)
    };
    assert_eq!(judged(&json, r#"{"choices":[{"index":0}]}"#), (Verdict::Ok, false));
    assert_eq!(judged(&json, r#"{"error":{"code":429,"message":"x"}}"#), (Verdict::RateLimitedUnknown, true));
    assert_eq!(judged(&json, r#"{"status":"failed","error":{"code":"server_error"}}"#), (Verdict::Server, true));
    assert_eq!(judged(&json, "event: response.created\ndata: {}"), (Verdict::Ok, false));
    assert_eq!(judged(&[("content-type", "text/event-stream")], ""), (Verdict::Ok, false));
    assert_eq!(judged(&[("content-type", "audio/mpeg")], "\u{1}\u{2}"), (Verdict::Ok, false));
    assert_eq!(judged(&[("content-type", "text/html")], "hello"), (Verdict::Server, false));
    assert_eq!(judged(&[], "<html>"), (Verdict::Server, false));
    assert_eq!(judged(&[("content-length", "0")], ""), (Verdict::Server, false));
}

#[test]
fn nothing_on_the_strip_list_reaches_the_vendor() {
    let canaries = "authorization x-api-key api-key x-goog-api-key x-proxy-key cookie host content-length keep-alive te \
        trailer transfer-encoding upgrade proxy-authorization proxy-connection sec-websocket-key expect origin referer \
        forwarded via x-forwarded-for x-forwarded-host x-real-ip true-client-ip cf-connecting-ip cdn-loop \
        x-quotalane-debug openai-organization openai-project x-goog-user-project anthropic-workspace-id \
        chatgpt-account-id content-encoding x-hop";
    let mut call = Call::new(Dialect::Chat, Endpoint::Generate, "{}");
    call.headers = headers(&[("connection", "close, X-Hop"), ("accept-encoding", "gzip, br")]);
    for name in canaries.split_whitespace() {
        call.headers.append(name.parse().unwrap(), "canary".parse().unwrap());
    }
    let outbound = call.send(&openai(), &key()).unwrap();
    let names: Vec<&str> = outbound.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["accept-encoding", "authorization"]);
    assert_eq!(sent(&outbound, "accept-encoding"), ["identity"]);
}

#[test]
fn everything_else_passes_unchanged() {
    let lines = [
        ("user-agent", "OpenAI/Python 3.52.0"),
        ("x-stainless-lang", "python"),
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("idempotency-key", "i"),
        ("openai-beta", "assistants=v2"),
        ("x-request-id", "r"),
        ("x-anything", "new"),
    ];
    let mut call = Call::new(Dialect::Chat, Endpoint::Generate, "{}");
    call.headers = headers(&lines);
    let outbound = call.send(&openai(), &key()).unwrap();
    for (name, value) in lines {
        assert_eq!(sent(&outbound, name), [value]);
    }
    assert_eq!(outbound.headers.len(), lines.len() + 2);
}

#[test]
fn a_translated_call_says_who_we_are() {
    let mut call = Call::new(Dialect::Anthropic, Endpoint::Generate, "{}");
    (call.translated, call.stream) = (true, true);
    call.headers = headers(&[("user-agent", "claude-cli/2"), ("anthropic-beta", "b"), ("x-anything", "x")]);
    let outbound = call.send(&openai(), &key()).unwrap();
    let mut names: Vec<&str> = outbound.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "authorization", "content-type", "user-agent"]);
    assert_eq!(sent(&outbound, "accept"), ["text/event-stream"]);
    assert_eq!(sent(&outbound, "user-agent"), [concat!("QuotaLane/", env!("CARGO_PKG_VERSION"))]);
    call.stream = false;
    assert_eq!(sent(&call.send(&openai(), &key()).unwrap(), "accept"), ["application/json"]);
}

#[test]
fn the_account_stays_hidden_from_the_client() {
    let answer = headers(&[
        ("content-type", "text/event-stream"),
        ("retry-after", "3"),
        ("retry-after-ms", "2500"),
        ("x-should-retry", "true"),
        ("openai-version", "2020-10-01"),
        ("openai-processing-ms", "12"),
        ("openai-organization", "canary"),
        ("openai-project", "canary"),
        ("x-ratelimit-limit-requests", "canary"),
        ("x-codex-primary-used-percent", "canary"),
        ("x-request-id", "canary"),
        ("apim-request-id", "canary"),
        ("x-ms-region", "canary"),
        ("set-cookie", "canary"),
        ("cf-ray", "canary"),
        ("content-encoding", "gzip"),
    ]);
    for forward in [false, true] {
        let passed = super::headers::response(&answer, forward);
        assert_eq!(passed.len(), 6);
        assert!(passed.iter().all(|(_, value)| value != "canary"));
    }
}

//! Codex: addresses, what the client says about itself, the plan's windows, and errors with their ends.

use actix_http::header::HeaderMap;
use actors::domain::account::{AccountKind, AccountSpec, ErrorRule};
use actors::domain::model::{default_families, family_of};
use actors::domain::route::Endpoint;
use actors::domain::time::{DAY, HOUR, MINUTE};
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::{Scope, WindowKind};

use crate::dialect::Dialect;
use crate::dialect::error::EmbeddedError;
use crate::upstream::openai_api::sample::{Call, NOW, account, headers, judge, key, oauth, sent};
use crate::upstream::{AnswerHead, PrepareError};

/// A body that needs none of the backend's edits.
const BODY: &str = r#"{"model": "gpt-5","stream":true,"store":false,"instructions":"","input":[]}"#;
const COMPACT: &str = r#"{"model": "gpt-5","instructions":"","input":[]}"#;

fn codex(base: &str) -> AccountSpec {
    account(AccountKind::Codex, base, &[("chatgpt_account_id", "acct-1")])
}

fn call() -> Call {
    Call { stream: true, ..Call::new(Dialect::Responses, Endpoint::Generate, BODY) }
}

#[test]
fn every_form_of_base_gives_one_path() {
    for (base, root) in [
        ("", "https://chatgpt.com/backend-api/codex"),
        ("https://chatgpt.com", "https://chatgpt.com/backend-api/codex"),
        ("https://chatgpt.com/backend-api/", "https://chatgpt.com/backend-api/codex"),
        ("https://chatgpt.com/backend-api/codex/responses", "https://chatgpt.com/backend-api/codex"),
        ("http://127.0.0.1:9/x", "http://127.0.0.1:9/x"),
    ] {
        assert_eq!(call().send(&codex(base), &oauth()).unwrap().url, format!("{root}/responses"), "{base}");
        let compact = Call::new(Dialect::Responses, Endpoint::Compact, COMPACT).send(&codex(base), &oauth()).unwrap();
        assert_eq!(compact.url, format!("{root}/responses/compact"), "{base}");
    }
    for endpoint in [Endpoint::Stored, Endpoint::Embed, Endpoint::CountTokens] {
        let call = Call { endpoint, ..call() };
        assert_eq!(call.send(&codex(""), &oauth()).unwrap_err(), PrepareError::Unsupported);
    }
}

#[test]
fn the_token_and_the_workspace_are_the_accounts() {
    let mut call = call();
    call.headers = headers(&[("authorization", "Bearer cr_CLIENT"), ("chatgpt-account-id", "theirs")]);
    let outbound = call.send(&codex(""), &oauth()).unwrap();
    assert_eq!(sent(&outbound, "authorization"), ["Bearer at-SECRET"]);
    assert_eq!(sent(&outbound, "chatgpt-account-id"), ["acct-1"]);
    assert_eq!(outbound.body.as_ptr(), call.body.as_ptr());
    assert_eq!(call.send(&codex(""), &key()).unwrap_err(), PrepareError::BadCredential);
    let without = account(AccountKind::Codex, "", &[]);
    assert_eq!(sent(&call.send(&without, &oauth()).unwrap(), "chatgpt-account-id"), [""; 0]);
}

#[test]
fn codex_is_passed_on_as_it_is_and_nobody_else_is_made_one() {
    let lines = [
        ("originator", "codex_exec"),
        ("user-agent", "codex_exec/0.169.0 (Debian)"),
        ("version", "0.169.0"),
        ("session-id", "s"),
        ("session_id", "s"),
        ("thread-id", "t"),
        ("conversation_id", "c"),
        ("x-client-request-id", "r"),
        ("openai-beta", "responses=experimental"),
        ("accept-language", "en"),
        ("accept", "text/event-stream"),
        ("content-type", "application/json"),
        ("x-codex-window-id", "w:0"),
        ("x-codex-turn-metadata", "{}"),
    ];
    let mut call = call();
    call.headers = headers(&lines);
    let outbound = call.send(&codex(""), &oauth()).unwrap();
    for (name, value) in lines {
        assert_eq!(sent(&outbound, name), [value], "{name}");
    }
    assert_eq!(outbound.headers.len(), lines.len() + 3, "identity, bearer, workspace");

    call.headers =
        headers(&[("user-agent", "curl/8"), ("x-stainless-lang", "js"), ("cookie", "c"), ("x-real-ip", "i")]);
    let outbound = call.send(&codex(""), &oauth()).unwrap();
    assert_eq!(outbound.headers.len(), 4);
    assert_eq!(sent(&outbound, "user-agent"), ["curl/8"]);
    assert_eq!(sent(&outbound, "originator"), [""; 0]);
}

#[test]
fn the_backend_always_streams_except_a_compaction() {
    let mut call = Call { stream: false, ..call() };
    call.headers = headers(&[("accept", "application/json")]);
    assert_eq!(sent(&call.send(&codex(""), &oauth()).unwrap(), "accept"), ["text/event-stream"]);
    call.endpoint = Endpoint::Compact;
    assert_eq!(sent(&call.send(&codex(""), &oauth()).unwrap(), "accept"), ["application/json"]);
    (call.endpoint, call.translated) = (Endpoint::Generate, true);
    let outbound = call.send(&codex(""), &oauth()).unwrap();
    assert_eq!(sent(&outbound, "accept"), ["text/event-stream"]);
    assert!(sent(&outbound, "user-agent")[0].starts_with("QuotaLane/"));
}

#[test]
fn each_edit_is_made_alone_and_named() {
    let full = r#"{"model": "gpt-5","stream":true,"store":false,"instructions":"","input":[] }"#;
    let compact = r#"{"model": "gpt-5","instructions":"","input":[] }"#;
    for (endpoint, from, to, wanted, edits) in [
        (Endpoint::Generate, "", "", full, vec![]),
        (Endpoint::Generate, r#""store":false"#, r#""store":true"#, full, vec!["codex.store_false"]),
        (Endpoint::Generate, r#""stream":true"#, r#""stream":false"#, full, vec!["codex.stream_true"]),
        (Endpoint::Generate, r#","input":[]"#, r#","input":[],"top_p":1.0"#, full, vec!["codex.drop_unsupported"]),
        (Endpoint::Compact, "", "", compact, vec![]),
        (Endpoint::Compact, r#","input":[]"#, r#","store":true,"input":[]"#, compact, vec!["codex.drop_store"]),
    ] {
        let mut call = Call { endpoint, ..call() };
        call.body = wanted.replacen(from, to, usize::from(!from.is_empty())).into();
        let outbound = call.send(&codex(""), &oauth()).unwrap();
        assert_eq!((outbound.body.as_ref(), outbound.edits), (wanted.as_bytes(), edits), "{from}");
    }
}

#[test]
fn a_minimal_request_becomes_what_the_backend_takes() {
    let mut account = codex("");
    account.model_map.insert("gpt-5".to_owned(), "gpt-5.1-codex".to_owned());
    let mut call = call();
    call.body = r#"{"model":"gpt-5","input":"hi"}"#.into();
    let outbound = call.send(&account, &oauth()).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&outbound.body).unwrap();
    assert_eq!(
        (&body["model"], &body["stream"], &body["store"]),
        (&"gpt-5.1-codex".into(), &true.into(), &false.into())
    );
    assert_eq!(body["instructions"], "");
    assert!(body["input"].is_array());
    assert_eq!(outbound.edits[0], "model.map");
}

const PRIMARY: [(&str, &str); 3] = [
    ("x-codex-primary-used-percent", "41.5"),
    ("x-codex-primary-window-minutes", "300"),
    ("x-codex-primary-reset-after-seconds", "3600"),
];

fn windows(lines: &[(&str, &str)]) -> Vec<(WindowKind, i64, i64, Option<i64>)> {
    let seen = super::windows::windows(&headers(lines), NOW);
    seen.into_iter().map(|w| (w.kind, w.used_ppm, w.length_ms, w.resets_at.map(|at| at.since(NOW)))).collect()
}

#[test]
fn windows_are_told_by_their_length() {
    assert_eq!(windows(&PRIMARY), [(WindowKind::FiveHour, 415_000, 300 * MINUTE, Some(HOUR))]);
    let swapped = [
        ("x-codex-primary-used-percent", "12"),
        ("x-codex-primary-window-minutes", "10080"),
        ("x-codex-primary-reset-at", "1760086400"),
        ("x-codex-secondary-used-percent", "100"),
        ("x-codex-secondary-window-minutes", "299"),
    ];
    assert_eq!(
        windows(&swapped),
        [(WindowKind::SevenDay, 120_000, 7 * DAY, Some(DAY)), (WindowKind::FiveHour, 1_000_000, 299 * MINUTE, None)]
    );
}

#[test]
fn a_window_without_known_length_is_none() {
    for minutes in ["", "0", "-1", "361", "1439", "many", "9223372036854775807"] {
        let lines = [("x-codex-primary-used-percent", "5"), ("x-codex-primary-window-minutes", minutes)];
        assert_eq!(windows(&lines), [], "{minutes}");
    }
    assert_eq!(windows(&PRIMARY[..1]), []);
    let absurd = [PRIMARY[0], PRIMARY[1], ("x-codex-primary-reset-after-seconds", "99999999")];
    assert_eq!(windows(&absurd), [(WindowKind::FiveHour, 415_000, 300 * MINUTE, None)]);
    let twice = [
        ("x-codex-primary-used-percent", "10"),
        ("x-codex-primary-window-minutes", "10080"),
        ("x-codex-secondary-used-percent", "20"),
        ("x-codex-secondary-window-minutes", "43200"),
    ];
    assert_eq!(windows(&twice), [(WindowKind::SevenDay, 200_000, 30 * DAY, None)], "the tighter one");
}

const LIMIT: &str = r#"{"error":{"type":"usage_limit_reached","plan_type":"plus","resets_in_seconds":7200}}"#;

#[test]
fn an_exhausted_window_says_when_it_ends() {
    let used_up = [
        ("x-codex-primary-used-percent", "100"),
        ("x-codex-primary-window-minutes", "300"),
        ("x-codex-primary-reset-after-seconds", "600"),
        ("x-codex-secondary-used-percent", "100"),
        ("x-codex-secondary-window-minutes", "10080"),
        ("x-codex-secondary-reset-after-seconds", "86400"),
    ];
    let account = codex("");
    for (lines, body, verdict, after) in [
        (&used_up[..], LIMIT, Verdict::QuotaExhausted, Some(DAY)),
        (&used_up[..3], LIMIT, Verdict::QuotaExhausted, Some(10 * MINUTE)),
        (&PRIMARY[..], LIMIT, Verdict::QuotaExhausted, Some(2 * HOUR)),
        (&[], LIMIT, Verdict::QuotaExhausted, Some(2 * HOUR)),
        (&used_up[..3], r#"{"detail":"Too many"}"#, Verdict::RateLimited, Some(10 * MINUTE)),
        (&[], r#"{"detail":"Too many"}"#, Verdict::RateLimitedUnknown, None),
    ] {
        let judgement = judge(&account, 429, lines, body);
        let end = judgement.until.map(|at| at.since(NOW));
        assert_eq!((judgement.verdict, end), (verdict, after), "{lines:?} {body}");
    }
    let unstated = judge(&account, 429, &[], r#"{"error":{"type":"usage_limit_reached"}}"#);
    assert_eq!((unstated.verdict, unstated.retry_after_ms), (Verdict::RateLimitedUnknown, Some(MINUTE)));
    assert_eq!(unstated.scope, Scope::All);
}

#[test]
fn the_backends_own_words_are_understood() {
    let account = codex("");
    for (status, body, expected) in [
        (
            401,
            r#"{"detail":"Could not parse your authentication token. Please try signing in again."}"#,
            Verdict::AuthExpired,
        ),
        (402, r#"{"detail":{"code":"deactivated_workspace"}}"#, Verdict::Blocked),
        (404, r#"{"detail":"Not Found"}"#, Verdict::Client),
        (400, r#"{"detail":"Stream must be set to true"}"#, Verdict::Client),
        (403, "<html><title>Just a moment...</title></html>", Verdict::Challenge),
        (403, r#"{"detail":"Forbidden"}"#, Verdict::Forbidden),
        (500, r#"{"detail":"x"}"#, Verdict::Server),
    ] {
        assert_eq!(judge(&account, status, &[], body).verdict, expected, "{status} {body}");
    }
}

fn judge_embedded(account: &AccountSpec, headers: &HeaderMap, code: &str, message: &str) -> Judgement {
    let family = family_of("gpt-5", &default_families());
    let answer =
        AnswerHead { status: 200, headers, body: b"", now: NOW, model: "gpt-5", family: &family, stream: true };
    let error = EmbeddedError { message: message.to_owned(), code: Some(code.to_owned()), ..EmbeddedError::default() };
    super::classify::classify_embedded(&error, &answer, account)
}

#[test]
fn an_error_in_a_stream_is_judged_like_its_status() {
    let mut account = codex("");
    let none = HeaderMap::new();
    let limited = judge_embedded(&account, &none, "rate_limit_exceeded", "Please try again in 11.054s.");
    assert_eq!((limited.verdict, limited.until), (Verdict::RateLimited, Some(NOW.plus(11_054))));
    assert!(limited.embedded);
    for (code, expected) in [
        ("usage_limit_reached", Verdict::RateLimitedUnknown),
        ("context_length_exceeded", Verdict::Client),
        ("invalid_prompt", Verdict::Client),
        ("server_is_overloaded", Verdict::Unavailable),
        ("server_error", Verdict::Server),
    ] {
        assert_eq!(judge_embedded(&account, &none, code, "x").verdict, expected, "{code}");
    }
    account.error_rules = vec![ErrorRule {
        status: Some(429),
        keywords: Vec::new(),
        class: "rate_limited".to_owned(),
        scope: None,
        minutes: Some(3),
    }];
    let ruled = judge_embedded(&account, &headers(&PRIMARY), "usage_limit_reached", "x");
    assert_eq!(ruled.until, Some(NOW.plus(3 * MINUTE)), "the operator's word counts");
}

#[test]
fn a_dedicated_key_sees_the_plans_windows() {
    let mut lines = PRIMARY.to_vec();
    lines.extend([("content-type", "text/event-stream"), ("set-cookie", "c"), ("x-ratelimit-limit-requests", "1")]);
    let seen = |forward| (super::ADAPTER.response_headers)(&headers(&lines), forward).len();
    assert_eq!((seen(false), seen(true)), (1, 4));
}

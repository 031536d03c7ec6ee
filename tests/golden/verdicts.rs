//! Every row of `upstreams.md` §1.6 that Anthropic traffic can show, from recorded-style answers.

use actors::domain::account::{AccountKind, AccountSpec, ErrorRule};
use actors::domain::model::{default_families, family_of};
use actors::domain::time::{DAY, HOUR, MINUTE, SECOND};
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;
use quotalane::dialect::anthropic::error;
use quotalane::upstream::{AnswerHead, adapter};

use crate::sample::{NOW, account, headers};

const OFFICIAL: AccountKind = AccountKind::ClaudeOfficial;
const CONSOLE: AccountKind = AccountKind::ClaudeConsole;

fn judge_as(
    account: &AccountSpec,
    model: &str,
    status: u16,
    lines: &[(&str, &str)],
    body: &str,
    stream: bool,
) -> Judgement {
    let headers = headers(lines.iter().copied());
    let family = family_of(model, &default_families());
    let head =
        AnswerHead { status, headers: &headers, body: body.as_bytes(), now: NOW, model, family: &family, stream };
    (adapter(account.kind).classify)(&head, account)
}

fn judge(kind: AccountKind, status: u16, lines: &[(&str, &str)], body: &str) -> Judgement {
    judge_as(&account(kind), "claude-sonnet-4-5", status, lines, body, false)
}

fn fault(kind: &str, message: &str) -> String {
    serde_json::json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).to_string()
}

fn family(name: &str) -> Scope {
    Scope::Family(actors::domain::model::Family(name.into()))
}

#[test]
fn status_and_type_decide() {
    let invalid = |message| fault("invalid_request_error", message);
    let html = "<!DOCTYPE html><html>Just a moment...</html>".to_owned();
    for (kind, status, body, expected) in [
        (CONSOLE, 400, invalid("max_tokens: Field required"), Verdict::Client),
        (CONSOLE, 405, String::new(), Verdict::Client),
        (CONSOLE, 413, fault("request_too_large", "Request exceeds the maximum size"), Verdict::Client),
        (CONSOLE, 415, String::new(), Verdict::Client),
        (CONSOLE, 422, invalid("x"), Verdict::Client),
        (CONSOLE, 404, fault("not_found_error", "no such page"), Verdict::Client),
        (CONSOLE, 404, String::new(), Verdict::Client),
        (CONSOLE, 404, fault("not_found_error", "model: claude-sonnet-9"), Verdict::ModelUnknown),
        (CONSOLE, 404, fault("x", "claude-sonnet-4-5 does not exist"), Verdict::ModelUnknown),
        (
            CONSOLE,
            400,
            invalid("messages.1.content.0: Invalid `signature` in `thinking` block"),
            Verdict::ThinkingSignature,
        ),
        (CONSOLE, 400, invalid("thinking is bound to a different conversation"), Verdict::ThinkingSignature),
        (OFFICIAL, 401, fault("authentication_error", "OAuth token has expired"), Verdict::AuthExpired),
        (CONSOLE, 401, fault("authentication_error", "invalid x-api-key"), Verdict::AuthInvalid),
        (AccountKind::Ccr, 401, "unauthorized".to_owned(), Verdict::AuthInvalid),
        (OFFICIAL, 400, invalid("This organization has been disabled."), Verdict::Blocked),
        (
            OFFICIAL,
            403,
            fault("permission_error", "OAuth authentication is currently not allowed for this organization."),
            Verdict::Blocked,
        ),
        (OFFICIAL, 403, fault("permission_error", "Identity verification is required"), Verdict::Blocked),
        (CONSOLE, 400, invalid("Your credit balance is too low to access the Anthropic API."), Verdict::Blocked),
        (CONSOLE, 402, r#"{"error":{"code":"deactivated_workspace"}}"#.to_owned(), Verdict::Blocked),
        (CONSOLE, 403, fault("permission_error", "not allowed"), Verdict::Forbidden),
        (CONSOLE, 403, html.clone(), Verdict::Challenge),
        (CONSOLE, 429, html.clone(), Verdict::Challenge),
        (CONSOLE, 503, html.clone(), Verdict::Challenge),
        (CONSOLE, 502, html.clone(), Verdict::Server),
        (CONSOLE, 200, html, Verdict::Server),
        (CONSOLE, 402, fault("billing_error", "payment required"), Verdict::QuotaExhausted),
        (CONSOLE, 429, r#"{"error":{"code":"insufficient_quota","message":"x"}}"#.to_owned(), Verdict::QuotaExhausted),
        (CONSOLE, 429, fault("usage_limit_reached", "x"), Verdict::QuotaExhausted),
        (
            CONSOLE,
            429,
            r#"{"error":{"type":"rate_limit_error","message":"x","details":{"error_code":"enforced_spend_limit_reached"}}}"#
                .to_owned(),
            Verdict::QuotaExhausted,
        ),
        (
            OFFICIAL,
            429,
            fault("rate_limit_error", "Extra usage is required for long context requests."),
            Verdict::NotALimit,
        ),
        (OFFICIAL, 429, fault("rate_limit_error", "Too many requests"), Verdict::RateLimitedUnknown),
        (CONSOLE, 529, fault("overloaded_error", "Overloaded"), Verdict::Overloaded),
        (CONSOLE, 500, fault("overloaded_error", "Overloaded"), Verdict::Overloaded),
        (CONSOLE, 503, fault("overloaded_error", "Overloaded"), Verdict::Overloaded),
        (CONSOLE, 503, fault("api_error", "maintenance"), Verdict::Unavailable),
        (CONSOLE, 500, fault("api_error", "Internal server error"), Verdict::Server),
        (CONSOLE, 502, String::new(), Verdict::Server),
        (CONSOLE, 301, String::new(), Verdict::Server),
        (CONSOLE, 504, String::new(), Verdict::Timeout),
        (CONSOLE, 408, String::new(), Verdict::Timeout),
        (CONSOLE, 200, r#"{"type":"message","content":[]}"#.to_owned(), Verdict::Ok),
        (CONSOLE, 200, fault("authentication_error", "x"), Verdict::AuthInvalid),
    ] {
        assert_eq!(judge(kind, status, &[], &body).verdict, expected, "{status} {body}");
    }
}

#[test]
fn a_success_without_an_answer_is_none() {
    let judge = |lines: &[(&str, &str)], body: &str, stream| {
        judge_as(&account(CONSOLE), "claude-sonnet-4-5", 200, lines, body, stream)
    };
    assert_eq!(judge(&[("content-type", "text/event-stream; charset=utf-8")], "", true).verdict, Verdict::Ok);
    assert_eq!(judge(&[("content-type", "application/json")], "", false).verdict, Verdict::Ok);
    assert_eq!(judge(&[("content-length", "0")], "", false).verdict, Verdict::Server);
    assert_eq!(judge(&[("content-type", "text/html")], "", true).verdict, Verdict::Server);
    assert_eq!(judge(&[("content-type", "application/json")], r#"{"content":[]}"#, true).verdict, Verdict::Server);
    let error = judge(&[("content-type", "application/json")], &fault("overloaded_error", "x"), true);
    assert_eq!((error.verdict, error.embedded), (Verdict::Overloaded, true));
}

#[test]
fn scopes_are_as_narrow_as_the_answer_says() {
    assert_eq!(judge(CONSOLE, 403, &[], &fault("permission_error", "no")).scope, Scope::All);
    let named = fault("permission_error", "claude-sonnet-4-5 is not available on your plan");
    assert_eq!(judge(CONSOLE, 403, &[], &named).scope, family("sonnet"));
    let model = Scope::Model("claude-sonnet-4-5".into());
    assert_eq!(judge(CONSOLE, 404, &[], &fault("not_found_error", "model: claude-sonnet-4-5")).scope, model);
    assert_eq!(judge(CONSOLE, 529, &[], &fault("overloaded_error", "claude-sonnet-4-5 is overloaded")).scope, model);
    assert_eq!(judge(CONSOLE, 529, &[], &fault("overloaded_error", "Overloaded")).scope, Scope::All);
    assert_eq!(judge(CONSOLE, 429, &[], "").scope, family("sonnet"));
}

/// Header lines of unified windows: `(name without the common prefix, value)`.
fn unified(lines: &[(&'static str, String)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| (format!("anthropic-ratelimit-unified-{name}"), value.clone())).collect()
}

fn judge_windows(model: &str, lines: &[(&'static str, String)]) -> Judgement {
    let lines = unified(lines);
    let lines: Vec<(&str, &str)> = lines.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let body = fault("rate_limit_error", "This request would exceed your account's rate limit.");
    judge_as(&account(OFFICIAL), model, 429, &lines, &body, true)
}

fn seconds(after_ms: i64) -> String {
    (NOW.plus(after_ms).0 / SECOND).to_string()
}

#[test]
fn a_429_ends_with_its_exhausted_window() {
    let text = str::to_owned;
    let (h2, d3) = (seconds(2 * HOUR), seconds(3 * DAY));
    let limited = |lines: &[(&'static str, String)], model: &str| {
        let judgement = judge_windows(model, lines);
        (judgement.verdict, judgement.scope, judgement.until.map(|at| at.since(NOW)))
    };
    let sonnet = "claude-sonnet-4-5";
    let both = |status_5h: &str, status_7d: &str| {
        [
            ("5h-status", text(status_5h)),
            ("5h-utilization", text("0.5")),
            ("5h-reset", h2.clone()),
            ("7d-status", text(status_7d)),
            ("7d-utilization", text("0.6")),
            ("7d-reset", d3.clone()),
        ]
    };
    let all = |ms| (Verdict::RateLimited, Scope::All, Some(ms));
    assert_eq!(limited(&both("rejected", "allowed"), sonnet), all(2 * HOUR));
    assert_eq!(limited(&both("allowed", "rejected"), sonnet), all(3 * DAY));
    assert_eq!(limited(&both("rejected", "rejected"), sonnet), all(3 * DAY), "7 d beats 5 h");
    assert_eq!(limited(&both("allowed", "allowed"), sonnet), all(2 * HOUR), "none marked: the sooner");
    let full = [("5h-utilization", text("1.01")), ("5h-reset", h2.clone())];
    assert_eq!(limited(&full, sonnet), all(2 * HOUR));
    let surpassed =
        [("7d-utilization", text("0.99")), ("7d-surpassed-threshold", text("true")), ("7d-reset", d3.clone())];
    assert_eq!(limited(&surpassed, sonnet), all(3 * DAY));

    let fable = [("7d_oi-status", text("rejected")), ("7d_oi-utilization", text("1.0")), ("7d_oi-reset", d3.clone())];
    assert_eq!(limited(&fable, "claude-fable-5"), (Verdict::RateLimited, family("fable"), Some(3 * DAY)));

    let aggregate = [("status", text("rejected")), ("reset", h2)];
    assert_eq!(limited(&aggregate, sonnet), (Verdict::RateLimited, family("sonnet"), Some(2 * HOUR)));
    assert_eq!(limited(&aggregate, "mystery"), all(2 * HOUR));

    let absurd = [("5h-status", text("rejected")), ("5h-utilization", text("1")), ("5h-reset", seconds(7 * HOUR))];
    assert_eq!(limited(&absurd, sonnet), (Verdict::RateLimitedUnknown, family("sonnet"), None));
    let past = [("reset", seconds(-HOUR))];
    assert_eq!(limited(&past, sonnet), (Verdict::RateLimitedUnknown, family("sonnet"), None));
}

#[test]
fn other_sources_of_a_wait_follow_in_order() {
    let limit = fault("rate_limit_error", "slow down");
    let wait = |lines: &[(&str, &str)], body: &str| {
        let judgement = judge(CONSOLE, 429, lines, body);
        assert_eq!(judgement.scope, family("sonnet"));
        (judgement.verdict, judgement.until.map(|at| at.since(NOW)), judgement.retry_after_ms)
    };
    let limited = |ms| (Verdict::RateLimited, Some(ms), Some(ms));
    assert_eq!(wait(&[("retry-after", "7")], &limit), limited(7_000));
    assert_eq!(wait(&[("retry-after", "7"), ("retry-after-ms", "1250")], &limit), limited(1_250));
    assert_eq!(wait(&[("retry-after", "Thu, 09 Oct 2025 08:54:20 GMT")], &limit), limited(60_000));
    let unknown = (Verdict::RateLimitedUnknown, None, None);
    assert_eq!(wait(&[("retry-after", "7200")], &limit), unknown, "more than an hour is not believed");
    assert_eq!(wait(&[], "<not json>"), unknown);
    let body = r#"{"error":{"type":"rate_limit_error","message":"m","resets_in_seconds":90}}"#;
    assert_eq!(wait(&[("retry-after", "7")], body), (Verdict::RateLimited, Some(90_000), None));
    let body = r#"{"error":{"message":"m"},"resets_at":1760000030}"#;
    assert_eq!(wait(&[], body), (Verdict::RateLimited, Some(30_000), None));
    let minute = [
        ("anthropic-ratelimit-requests-remaining", "0"),
        ("anthropic-ratelimit-requests-reset", "2025-10-09T08:53:50Z"),
        ("anthropic-ratelimit-tokens-remaining", "5"),
        ("anthropic-ratelimit-tokens-reset", "2025-10-09T08:59:00Z"),
    ];
    assert_eq!(wait(&minute, &limit), (Verdict::RateLimited, Some(30_000), None));
}

#[test]
fn overload_and_quota_keep_what_the_vendor_said() {
    let overloaded = judge(CONSOLE, 529, &[("retry-after", "20")], "");
    assert_eq!((overloaded.verdict, overloaded.retry_after_ms), (Verdict::Overloaded, Some(20_000)));
    let quota = r#"{"error":{"type":"usage_limit_reached","message":"m","resets_at":"2025-10-11T08:53:20Z"}}"#;
    assert_eq!(judge(CONSOLE, 429, &[], quota).until, Some(NOW.plus(2 * DAY)));
    assert_eq!(judge(CONSOLE, 402, &[], "{}").until, None);
}

#[test]
fn an_error_inside_a_200_is_judged_by_its_type() {
    let headers = headers([
        ("content-type", "text/event-stream"),
        ("anthropic-ratelimit-unified-5h-utilization", "0.2"),
        ("anthropic-ratelimit-unified-5h-reset", "1760007200"),
    ]);
    let model = "claude-sonnet-4-5";
    let family_name = family_of(model, &default_families());
    let head =
        AnswerHead { status: 200, headers: &headers, body: b"", now: NOW, model, family: &family_name, stream: true };
    for (kind, error_type, expected) in [
        (CONSOLE, "overloaded_error", Verdict::Overloaded),
        (CONSOLE, "rate_limit_error", Verdict::RateLimitedUnknown),
        (CONSOLE, "api_error", Verdict::Server),
        (CONSOLE, "invalid_request_error", Verdict::Client),
        (CONSOLE, "authentication_error", Verdict::AuthInvalid),
        (OFFICIAL, "authentication_error", Verdict::AuthExpired),
        (CONSOLE, "permission_error", Verdict::Forbidden),
        (CONSOLE, "timeout_error", Verdict::Timeout),
        (CONSOLE, "something_new", Verdict::Server),
    ] {
        let error = error::parse(fault(error_type, "m").as_bytes()).unwrap();
        let judgement = (adapter(kind).classify_embedded)(&error, &head, &account(kind));
        assert_eq!((judgement.verdict, judgement.embedded), (expected, true), "{error_type}");
    }
}

#[test]
fn the_operators_rules_come_first() {
    let rule = |status, keywords: &[&str], class: &str, scope: Option<&str>, minutes| ErrorRule {
        status,
        keywords: keywords.iter().map(ToString::to_string).collect(),
        class: class.to_owned(),
        scope: scope.map(str::to_owned),
        minutes,
    };
    let mut relay = account(CONSOLE);
    relay.error_rules = vec![
        rule(Some(400), &["no such class"], "nonsense", None, None),
        rule(Some(400), &["余额不足", "Out Of Funds"], "quota_exhausted", None, Some(30)),
        rule(None, &["busy"], "overloaded", Some("family"), None),
        rule(Some(418), &[], "client", Some("model"), None),
    ];
    let judge = |status, body: &str| judge_as(&relay, "claude-sonnet-4-5", status, &[], body, false);
    let quota = judge(400, "sorry: out of funds");
    assert_eq!((quota.verdict, quota.scope), (Verdict::QuotaExhausted, Scope::All));
    assert_eq!(quota.until, Some(NOW.plus(30 * MINUTE)));
    assert_eq!(judge(400, "余额不足").verdict, Verdict::QuotaExhausted);
    assert_eq!(judge(400, "no such class").verdict, Verdict::Client);
    assert_eq!((judge(500, "BUSY").verdict, judge(500, "BUSY").scope), (Verdict::Overloaded, family("sonnet")));
    assert_eq!(judge(418, "").scope, Scope::Model("claude-sonnet-4-5".into()));
    assert_eq!(judge(200, "busy").verdict, Verdict::Ok);
}

#[test]
fn an_account_may_name_its_own_rest() {
    let mut relay = account(CONSOLE);
    relay.options.insert("rate_limit_minutes".to_owned(), "10".to_owned());
    let judge = |lines: &[(&str, &str)]| judge_as(&relay, "claude-sonnet-4-5", 429, lines, "", false);
    assert_eq!((judge(&[]).verdict, judge(&[]).until), (Verdict::RateLimited, Some(NOW.plus(10 * MINUTE))));
    assert_eq!(judge(&[("retry-after", "3")]).until, Some(NOW.plus(3_000)), "the vendor's word wins");
}

//! What Google's answers mean, for both kinds, and which headers pass.

use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::model::Family;
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;
use serde_json::{Value, json};

use super::*;
use crate::upstream::sample::{self, NOW, account};

const PRO: &str = "gemini-2.5-pro";

fn key_account() -> AccountSpec {
    account(AccountKind::GeminiApi, "", &[])
}

fn oauth_account() -> AccountSpec {
    account(AccountKind::Gemini, "", &[])
}

fn error(code: u16, status: &str, message: &str, details: Value) -> String {
    json!({ "error": { "code": code, "message": message, "status": status, "details": details } }).to_string()
}

fn judge(account: &AccountSpec, code: u16, status: &str, message: &str, details: Value) -> Judgement {
    sample::judge(account, PRO, code, &[], &error(code, status, message, details))
}

fn info(reason: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com" })
}

fn retry(delay: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay })
}

fn quota(id: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{ "quotaMetric": "m", "quotaId": id }] })
}

fn family() -> Scope {
    Scope::Family(Family("gemini-pro".into()))
}

fn model() -> Scope {
    Scope::Model(PRO.into())
}

fn limited(ms: i64) -> Judgement {
    Judgement {
        scope: family(),
        until: Some(NOW.plus(ms)),
        retry_after_ms: Some(ms),
        ..Judgement::of(Verdict::RateLimited)
    }
}

#[test]
fn a_refused_key_is_known_under_a_400() {
    // Recorded.
    let body = r#"{"error":{"code":400,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"},"reason":"API_KEY_INVALID"},{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US","message":"API key not valid. Please pass a valid API key."}],"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#;
    let refused = Judgement::of(Verdict::AuthInvalid);
    assert_eq!(sample::judge(&key_account(), PRO, 400, &[], body), refused);
    assert_eq!(sample::judge(&key_account(), PRO, 400, &[], &format!("[{body}\n]")), refused, "as a list");
    assert_eq!(judge(&key_account(), 401, "UNAUTHENTICATED", "x", json!([])), refused);
    assert_eq!(judge(&oauth_account(), 401, "UNAUTHENTICATED", "x", json!([])), Judgement::of(Verdict::AuthExpired));
    assert_eq!(judge(&key_account(), 400, "INVALID_ARGUMENT", "contents", json!([])), Judgement::of(Verdict::Client));
}

#[test]
fn an_unknown_model_is_learnt() {
    let unknown = Judgement { scope: model(), ..Judgement::of(Verdict::ModelUnknown) };
    let text = "models/gemini-2.5-pro is not found for API version v1beta, or is not supported for generateContent.";
    assert_eq!(judge(&key_account(), 404, "NOT_FOUND", text, json!([])), unknown);
    assert_eq!(judge(&oauth_account(), 404, "NOT_FOUND", "Requested entity was not found.", json!([])), unknown);
    let file = judge(&key_account(), 404, "NOT_FOUND", "File files/x does not exist", json!([]));
    assert_eq!(file, Judgement::of(Verdict::Client));
}

#[test]
fn limits_end_when_the_details_say() {
    let judge = |message: &str, details: Value| judge(&key_account(), 429, "RESOURCE_EXHAUSTED", message, details);
    assert_eq!(judge("", json!([info("RATE_LIMIT_EXCEEDED"), retry("3.5s")])), limited(3_500));
    assert_eq!(judge("", json!([retry("900ms")])), limited(900));
    assert_eq!(judge("Quota exceeded. Please retry in 12.5s.", json!([])), limited(12_500));
    assert_eq!(judge("", json!([quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")])), limited(60_000));
    assert_eq!(judge("", json!([quota("GenerateRequestsPerMinutePerProject"), retry("7s")])), limited(7_000));
    let unknown = Judgement { scope: family(), ..Judgement::of(Verdict::RateLimitedUnknown) };
    assert_eq!(judge("Resource has been exhausted", json!([])), unknown);
    assert_eq!(judge("", json!([retry("0s")])), unknown);
    assert_eq!(judge("", json!([retry("7200s")])), unknown, "no rate limit lasts for hours");
    let body = error(429, "RESOURCE_EXHAUSTED", "", json!([]));
    assert_eq!(sample::judge(&key_account(), PRO, 429, &[("retry-after", "7")], &body), limited(7_000));
}

#[test]
fn a_quota_of_the_day_is_no_rate_limit() {
    let judge = |details: Value| judge(&oauth_account(), 429, "RESOURCE_EXHAUSTED", "", details);
    let exhausted = |after: Option<i64>| Judgement {
        scope: family(),
        until: after.map(|ms| NOW.plus(ms)),
        ..Judgement::of(Verdict::QuotaExhausted)
    };
    let daily = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
    assert_eq!(judge(json!([daily])), exhausted(None));
    assert_eq!(judge(json!([daily, retry("34s")])), exhausted(None), "the wait of the minute is no reset");
    assert_eq!(judge(json!([info("QUOTA_EXHAUSTED"), retry("76385s")])), exhausted(Some(76_385_000)));
    let stamped = json!({ "reason": "QUOTA_EXHAUSTED", "metadata": { "quotaResetTimeStamp": "2025-10-09T10:53:20Z" } });
    assert_eq!(judge(json!([stamped])), exhausted(Some(7_200_000)));
    let delayed = json!({ "reason": "QUOTA_EXHAUSTED", "metadata": { "quotaResetDelay": "1h0m0.5s" } });
    assert_eq!(judge(json!([delayed])), exhausted(Some(3_600_500)));
    assert_eq!(judge(json!([quota("TokensDailyLimit")])), exhausted(None));
}

#[test]
fn a_model_without_capacity_is_overloaded() {
    let overloaded = Judgement { scope: model(), ..Judgement::of(Verdict::Overloaded) };
    for status in [429, 499, 503] {
        for reason in ["MODEL_CAPACITY_EXHAUSTED", "MODEL_CAPACITY_EXCEEDED"] {
            assert_eq!(judge(&oauth_account(), status, "", "", json!([info(reason)])), overloaded, "{status} {reason}");
        }
    }
    let text = "The model is overloaded. Please try again later.";
    let unavailable = Judgement { scope: model(), ..Judgement::of(Verdict::Unavailable) };
    assert_eq!(judge(&key_account(), 503, "UNAVAILABLE", text, json!([])), unavailable);
    let timed = judge(&key_account(), 503, "UNAVAILABLE", "x", json!([retry("2s")]));
    assert_eq!((timed.verdict, &timed.scope, timed.until), (Verdict::Unavailable, &Scope::All, Some(NOW.plus(2_000))));
    assert_eq!(judge(&oauth_account(), 499, "", "", json!([info("RATE_LIMIT_EXCEEDED"), retry("1s")])), limited(1_000));
}

#[test]
fn other_statuses_have_their_verdicts() {
    for (code, status, reason, verdict) in [
        (403, "PERMISSION_DENIED", "VALIDATION_REQUIRED", Verdict::Blocked),
        (403, "PERMISSION_DENIED", "SERVICE_DISABLED", Verdict::Forbidden),
        (400, "FAILED_PRECONDITION", "", Verdict::Client),
        (413, "", "", Verdict::Client),
        (499, "CANCELLED", "", Verdict::Client),
        (500, "INTERNAL", "", Verdict::Server),
        (502, "", "", Verdict::Server),
        (504, "DEADLINE_EXCEEDED", "", Verdict::Timeout),
    ] {
        assert_eq!(judge(&oauth_account(), code, status, "", json!([info(reason)])), Judgement::of(verdict), "{code}");
    }
    let html = [("content-type", "text/html")];
    assert_eq!(sample::judge(&key_account(), PRO, 429, &html, "<html>").verdict, Verdict::Challenge);
}

#[test]
fn a_success_must_be_one() {
    let judge = |lines: &[(&str, &str)], body: &str| sample::judge(&key_account(), PRO, 200, lines, body);
    let json = [("content-type", "application/json; charset=UTF-8")];
    assert_eq!(judge(&json, r#"{"candidates":[]}"#).verdict, Verdict::Ok);
    assert_eq!(judge(&json, r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#).verdict, Verdict::Ok);
    assert_eq!(judge(&[("content-type", "text/event-stream")], "").verdict, Verdict::Ok);
    assert_eq!(judge(&json, "<html>").verdict, Verdict::Server);
    let hidden = judge(&json, &error(503, "UNAVAILABLE", "", json!([])));
    assert_eq!((hidden.verdict, hidden.embedded), (Verdict::Unavailable, true));
}

#[test]
fn errors_in_a_stream_are_known_by_their_state() {
    for (kind, message, verdict, scope, after) in [
        ("RESOURCE_EXHAUSTED", "Please retry in 3s.", Verdict::RateLimited, family(), Some(3_000)),
        ("RESOURCE_EXHAUSTED", "", Verdict::RateLimitedUnknown, family(), None),
        ("UNAVAILABLE", "The model is overloaded.", Verdict::Unavailable, model(), None),
        ("INTERNAL", "", Verdict::Server, Scope::All, None),
        ("INVALID_ARGUMENT", "", Verdict::Client, Scope::All, None),
        ("UNAUTHENTICATED", "", Verdict::AuthInvalid, Scope::All, None),
        ("", "", Verdict::Server, Scope::All, None),
    ] {
        let judged = sample::judge_embedded(&key_account(), PRO, kind, message);
        assert_eq!((judged.verdict, &judged.scope, judged.embedded), (verdict, &scope, true), "{kind}");
        assert_eq!(judged.until, after.map(|ms| NOW.plus(ms)), "{kind}");
    }
}

#[test]
fn the_operators_rules_come_first() {
    let rule = serde_json::from_value(json!({ "status": 400, "keywords": ["Region"], "class": "blocked" }));
    let mut account = key_account();
    account.error_rules = vec![rule.unwrap()];
    let judged = judge(&account, 400, "FAILED_PRECONDITION", "not in your region", json!([]));
    assert_eq!(judged, Judgement::of(Verdict::Blocked));
    let embedded = sample::judge_embedded(&account, PRO, "FAILED_PRECONDITION", "region");
    assert_eq!((embedded.verdict, embedded.embedded), (Verdict::Blocked, true));
}

#[test]
fn the_account_stays_hidden_from_the_client() {
    let answer = sample::headers(&[
        ("content-type", "text/event-stream"),
        ("retry-after", "3"),
        ("server", "canary"),
        ("x-goog-quota", "canary"),
        ("alt-svc", "canary"),
        ("set-cookie", "canary"),
    ]);
    assert_eq!(headers::response(&answer, true).len(), 2);
}

#[test]
fn a_model_is_renamed_wherever_the_body_repeats_it() {
    let body = r#"{"requests":[{ "model" : "models/a","content":{"parts":[{"text":"models/a"}]}},{"content":{}},{"model":"models/a"}]}"#;
    let renamed = members::rename_model(body.as_bytes(), "b").unwrap();
    let expected = r#"{"requests":[{ "model" : "models/b","content":{"parts":[{"text":"models/a"}]}},{"content":{}},{"model":"models/b"}]}"#;
    assert_eq!(renamed, expected.as_bytes());
    assert_eq!(members::rename_model(&renamed, "b"), None);
    assert_eq!(members::rename_model(br#"{"contents":[]}"#, "b"), None);
    let nested = members::rename_model(br#"{"generateContentRequest":{"model":"models/a"},"model":"x"}"#, "b").unwrap();
    assert_eq!(nested, &br#"{"generateContentRequest":{"model":"models/b"},"model":"models/b"}"#[..]);
}

//! The tables of `relay-api.md` §3, row by row.

use serde_json::{Value, json};

use super::*;
use crate::dialect::form::StreamError;

const SURFACES: [Dialect; 5] =
    [Dialect::Anthropic, Dialect::Chat, Dialect::Responses, Dialect::Gemini, Dialect::Converse];

/// Condition, then status and type in A, status, type and code in C and R, status and name in G.
type Row<'a> = (&'a [&'a str], (u16, &'a str), (u16, &'a str, Option<&'a str>), (u16, &'a str));

/// The table of `relay-api.md` §3 and §3.1; a code of `None` is the condition's own word.
const TABLE: &[Row<'_>] = &[
    (
        &["key_missing", "key_invalid", "key_disabled", "key_expired", "owner_disabled"],
        (401, "authentication_error"),
        (401, "invalid_request_error", Some("invalid_api_key")),
        (401, "UNAUTHENTICATED"),
    ),
    (
        &["ip_denied", "client_not_allowed", "permission_denied", "model_not_allowed"],
        (403, "permission_error"),
        (403, "permission_error", None),
        (403, "PERMISSION_DENIED"),
    ),
    (
        &[
            "bad_request",
            "unsupported_content",
            "translation_unsupported",
            "model_not_priced",
            "previous_response_not_found",
        ],
        (400, "invalid_request_error"),
        (400, "invalid_request_error", None),
        (400, "INVALID_ARGUMENT"),
    ),
    (
        &["model_not_found", "not_found"],
        (404, "not_found_error"),
        (404, "invalid_request_error", None),
        (404, "NOT_FOUND"),
    ),
    (
        &["body_too_large"],
        (413, "request_too_large"),
        (413, "invalid_request_error", Some("request_too_large")),
        (413, "INVALID_ARGUMENT"),
    ),
    (&["slow_body"], (408, "invalid_request_error"), (408, "invalid_request_error", None), (408, "INVALID_ARGUMENT")),
    (
        &["unsupported_encoding"],
        (415, "invalid_request_error"),
        (415, "invalid_request_error", None),
        (415, "INVALID_ARGUMENT"),
    ),
    (
        &[
            "daily_cost_limit_exceeded",
            "weekly_cost_limit_exceeded",
            "weekly_opus_cost_limit_exceeded",
            "monthly_cost_limit_exceeded",
            "five_hour_cost_limit_exceeded",
            "total_cost_limit_exceeded",
            "plan_quota_exceeded",
            "insufficient_balance",
            "quota_exhausted",
            "budget_usd",
        ],
        (402, "billing_error"),
        (429, "insufficient_quota", Some("insufficient_quota")),
        (402, "RESOURCE_EXHAUSTED"),
    ),
    (
        &[
            "rate_requests",
            "rate_tokens",
            "rate_cost_window",
            "concurrency_key",
            "concurrency_user",
            "queue_full",
            "queue_timeout",
            "pool_limited",
        ],
        (429, "rate_limit_error"),
        (429, "rate_limit_error", Some("rate_limit_exceeded")),
        (429, "RESOURCE_EXHAUSTED"),
    ),
    (
        &["no_account", "dedicated_account_unavailable", "shed", "retry_budget"],
        (503, "overloaded_error"),
        (503, "server_error", Some("no_available_account")),
        (503, "UNAVAILABLE"),
    ),
    (
        &["billing_unavailable"],
        (503, "api_error"),
        (503, "server_error", Some("no_available_account")),
        (503, "UNAVAILABLE"),
    ),
    (
        &["upstream_error", "upstream_refused"],
        (502, "api_error"),
        (502, "server_error", Some("upstream_error")),
        (502, "INTERNAL"),
    ),
    (
        &["upstream_overloaded"],
        (529, "overloaded_error"),
        (503, "server_error", Some("overloaded")),
        (503, "UNAVAILABLE"),
    ),
    (&["upstream_timeout"], (504, "timeout_error"), (504, "server_error", Some("timeout")), (504, "DEADLINE_EXCEEDED")),
    (&["client_cancelled"], (499, "api_error"), (499, "server_error", Some("client_cancelled")), (499, "CANCELLED")),
    (&["no such word"], (500, "api_error"), (500, "server_error", Some("internal_error")), (500, "INTERNAL")),
];

fn own(condition: &str) -> OwnError<'_> {
    OwnError {
        condition,
        message: "m \"q\"",
        reset_at: None,
        retry_after_ms: None,
        request_id: "req_1",
        money: crate::dialect::anthropic::error::is_out_of_money(condition),
    }
}

fn json_body(dialect: Dialect, error: &OwnError<'_>) -> Value {
    serde_json::from_slice(&body(Surface::plain(dialect), error)).unwrap()
}

#[test]
fn every_condition_has_its_words_in_every_dialect() {
    for (conditions, a, c, g) in TABLE {
        for condition in *conditions {
            let error = own(condition);
            assert_eq!(status(Dialect::Anthropic, condition), a.0, "{condition}");
            assert_eq!(json_body(Dialect::Anthropic, &error)["error"]["type"], a.1, "{condition}");
            for dialect in [Dialect::Chat, Dialect::Responses] {
                let body = json_body(dialect, &error);
                assert_eq!(status(dialect, condition), c.0, "{condition}");
                assert_eq!(body["error"]["type"], c.1, "{condition}");
                assert_eq!(body["error"]["code"], c.2.unwrap_or(condition), "{condition}");
                assert_eq!((&body["error"]["param"], &body["error"]["message"]), (&Value::Null, &json!("m \"q\"")));
            }
            let body = json_body(Dialect::Gemini, &error);
            assert_eq!(status(Dialect::Gemini, condition), g.0, "{condition}");
            assert_eq!((&body["error"]["code"], &body["error"]["status"]), (&json!(g.0), &json!(g.1)), "{condition}");
            assert_eq!(json_body(Dialect::Converse, &error), json!({"message": "m \"q\""}));
        }
    }
}

#[test]
fn out_of_money_names_its_word_and_its_end() {
    let error = OwnError { reset_at: Some(Timestamp(1_000)), ..own("daily_cost_limit_exceeded") };
    let at = "1970-01-01T00:00:01.000Z";
    let a = json_body(Dialect::Anthropic, &error);
    assert_eq!((&a["error"]["code"], &a["error"]["reset_at"]), (&json!("daily_cost_limit_exceeded"), &json!(at)));
    assert_eq!(json_body(Dialect::Chat, &error)["error"]["reset_at"], at);
    let g = json_body(Dialect::Gemini, &error);
    assert_eq!(g["error"]["reset_at"], at);
    assert_eq!(g["error"]["details"][0]["@type"], "type.googleapis.com/google.rpc.QuotaFailure");
    assert_eq!(g["error"]["details"][0]["violations"][0]["quotaId"], "QuotaLanePerDay");
    assert_eq!(g["error"]["details"].as_array().unwrap().len(), 1);
}

#[test]
fn gemini_is_told_how_long_to_wait_in_the_body() {
    for (wait, delay, forbidden) in
        [(None, "1s", false), (Some(1_500), "2s", false), (Some(60_000), "60s", false), (Some(60_001), "61s", true)]
    {
        let error = OwnError { retry_after_ms: wait, ..own("pool_limited") };
        let body = json_body(Dialect::Gemini, &error);
        let details = body["error"]["details"].as_array().unwrap();
        assert_eq!(details[0]["@type"], "type.googleapis.com/google.rpc.RetryInfo");
        assert_eq!(details[0]["retryDelay"], delay);
        assert_eq!(details.len() == 2, forbidden, "{wait:?}");
    }
    assert_eq!(json_body(Dialect::Gemini, &own("no_account"))["error"].get("details"), None);
}

#[test]
fn in_band_errors_have_the_form_that_the_sdks_read() {
    let error = own("upstream_overloaded");
    let text = |dialect| String::from_utf8(in_band(Surface::plain(dialect), &error)).unwrap();
    assert!(text(Dialect::Anthropic).starts_with("event: error\ndata: {\"type\":\"error\",\"error\":{"));
    let data = |text: &str, head: &str| -> Value {
        let data = text.strip_prefix(head).unwrap().strip_suffix("\n\n").unwrap();
        serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()
    };
    assert_eq!(data(&text(Dialect::Chat), "")["error"]["code"], "overloaded");
    let failed = data(&text(Dialect::Responses), "event: response.failed\n");
    assert_eq!((&failed["type"], &failed["response"]["status"]), (&json!("response.failed"), &json!("failed")));
    assert_eq!(failed["response"]["error"], json!({"code": "overloaded", "message": "m \"q\""}));
    assert_eq!((&failed["response"]["id"], &failed["response"]["output"]), (&json!("resp_1"), &json!([])));
    assert_eq!(data(&text(Dialect::Gemini), "")["error"]["code"], 503);
    for dialect in SURFACES {
        assert!(in_band(Surface { dialect, wire: Wire::Bedrock }, &error).is_empty());
        assert_eq!(keepalive(Surface { dialect, wire: Wire::Bedrock }), None);
    }
    assert_eq!(keepalive(Surface::plain(Dialect::Gemini)), Some(b": keepalive\n\n".as_slice()));
    assert_eq!(keepalive(Surface::plain(Dialect::Anthropic)), Some(anthropic::error::PING));
}

#[test]
fn bedrock_clients_of_both_kinds_find_the_message() {
    let surface = Surface { dialect: Dialect::Anthropic, wire: Wire::Bedrock };
    let read: Value = serde_json::from_slice(&body(surface, &own("bad_request"))).unwrap();
    assert_eq!((&read["message"], &read["error"]["message"]), (&json!("m \"q\""), &json!("m \"q\"")));
    assert_eq!(read["error"]["type"], "invalid_request_error");
    assert_eq!(amzn_error_type(400), "ValidationException");
    assert_eq!(amzn_error_type(529), "ServiceUnavailableException");
}

fn theirs_is(kind: &str, message: &str, code: Option<&str>) -> EmbeddedError {
    EmbeddedError {
        kind: kind.to_owned(),
        message: message.to_owned(),
        code: code.map(str::to_owned),
        before_content: false,
    }
}

fn reword_json(to: Dialect, status: u16, error: &EmbeddedError) -> (u16, Value) {
    let (status, body) = reword(Surface::plain(to), status, error, "req_1");
    (status, serde_json::from_slice(&body).unwrap())
}

#[test]
fn a_vendors_message_moves_into_the_other_envelope() {
    let error = theirs_is("invalid_request_error", "prompt is too long: 9 > 8", Some("context_length_exceeded"));
    let (status, a) = reword_json(Dialect::Anthropic, 400, &error);
    assert_eq!(
        (status, a),
        (
            400,
            json!({"type": "error", "request_id": "req_1",
            "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}})
        )
    );
    let (_, c) = reword_json(Dialect::Chat, 400, &error);
    assert_eq!(
        c["error"],
        json!({"message": "prompt is too long: 9 > 8", "type": "invalid_request_error", "param": null,
        "code": "context_length_exceeded"})
    );
    let (_, g) = reword_json(Dialect::Gemini, 404, &error);
    assert_eq!(g["error"], json!({"code": 404, "message": "prompt is too long: 9 > 8", "status": "NOT_FOUND"}));
    assert_eq!(reword_json(Dialect::Converse, 413, &error).1, json!({"message": "prompt is too long: 9 > 8"}));
}

#[test]
fn an_accounts_own_trouble_stays_hidden() {
    let error = theirs_is("authentication_error", "org-1 is disabled", Some("invalid_api_key"));
    for dialect in SURFACES {
        for status in [401, 402, 403, 200] {
            let (status, body) = reword(Surface::plain(dialect), status, &error, "req_1");
            let body = String::from_utf8(body).unwrap();
            assert!(status == 502 && !body.contains("org-1") && !body.contains("invalid_api_key"), "{body}");
        }
    }
    assert_eq!(reword_json(Dialect::Gemini, 529, &theirs_is("overloaded_error", "", None)).0, 503);
    let stream = |kind: &str, message: &str, code: Option<&str>| {
        let error = StreamError { kind: kind.to_owned(), message: message.to_owned(), code: code.map(str::to_owned) };
        let shown = shown(&error);
        (shown.status, shown.message.into_owned())
    };
    assert_eq!(stream("tokens", "in organization org-1", Some("rate_limit_exceeded")).1, "the upstream is limited");
    assert_eq!(stream("INVALID_ARGUMENT", "bad", None), (400, "bad".to_owned()));
    assert_eq!(stream("server_error", "x", Some("insufficient_quota")), (502, "the upstream failed".to_owned()));
}

#[test]
fn words_of_every_vendor_stand_for_a_status() {
    for (kind, code, expected) in [
        ("overloaded_error", None, 529),
        ("invalid_request_error", Some("model_not_found"), 404),
        ("invalid_request_error", Some("no such code"), 400),
        ("RESOURCE_EXHAUSTED", None, 429),
        ("UNAVAILABLE", None, 503),
        ("throttlingException", None, 429),
        ("server_error", Some("server_is_overloaded"), 503),
        ("server_error", None, 500),
        ("", None, 500),
    ] {
        assert_eq!(status_of_words(kind, code), expected, "{kind} {code:?}");
    }
}

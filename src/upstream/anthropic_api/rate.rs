//! Tells apart what a 429 or 402 means, and until when (`scheduling.md` §15, `upstreams.md` §2.1).

use actix_http::header::HeaderMap;
use actors::domain::time::{DAY, Timestamp};
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::{Scope, WindowKind, WindowSnapshot};
use serde_json::Value;

use super::classify::Reading;
use super::windows::{is_exhausted, windows};
use crate::upstream::reset::{LONGEST_RETRY, SEVEN_DAYS, believable, moment, retry_after};

/// Error codes that say that a quota or credit, not a rate, ran out.
const QUOTA_CODES: [&str; 5] = [
    "insufficient_quota",
    "usage_limit_reached",
    "quota_exhausted",
    "enforced_spend_limit_reached",
    "billing_hard_limit_reached",
];

/// Longest stated end of an exhausted quota: a month and a day.
const LONGEST_QUOTA: i64 = 32 * DAY;

/// Judges a 429.
pub(super) fn too_many(reading: &Reading<'_>) -> Judgement {
    if needs_entitlement(reading) {
        return Judgement::of(Verdict::NotALimit);
    }
    if is_quota(reading) {
        return exhausted(reading);
    }
    by_window(reading)
        .or_else(|| by_body(reading))
        .or_else(|| by_retry_headers(reading))
        .unwrap_or_else(|| Judgement { scope: reading.family(), ..Judgement::of(Verdict::RateLimitedUnknown) })
}

/// An exhausted quota: until the stated moment, when one is stated.
pub(super) fn exhausted(reading: &Reading<'_>) -> Judgement {
    let now = reading.answer.now;
    let until = body_reset(reading, LONGEST_QUOTA)
        .or_else(|| retry_after(reading.answer.headers, now, LONGEST_QUOTA).map(|ms| now.plus(ms)));
    Judgement { until, ..Judgement::of(Verdict::QuotaExhausted) }
}

/// The long-context opt-in: the account is fine, this request needs an entitlement.
fn needs_entitlement(reading: &Reading<'_>) -> bool {
    let text = reading.text();
    text.contains("extra usage")
        || (text.contains("long context") && (text.contains("not available") || text.contains("not yet available")))
}

fn is_quota(reading: &Reading<'_>) -> bool {
    let listed = |word: &str| QUOTA_CODES.iter().any(|code| word.eq_ignore_ascii_case(code));
    reading.error.is_some_and(|error| listed(&error.kind) || error.code.as_deref().is_some_and(listed))
}

/// Windows marked as used up, 7 d before 5 h before one family's; else the sooner reset; else the aggregate one.
fn by_window(reading: &Reading<'_>) -> Option<Judgement> {
    let now = reading.answer.now;
    let seen: Vec<(WindowSnapshot, Timestamp)> = windows(reading.answer.headers, now)
        .into_iter()
        .filter_map(|window| window.resets_at.filter(|at| *at > now).map(|at| (window, at)))
        .collect();
    let marked = |kind: WindowKind| seen.iter().find(|(w, _)| w.kind == kind && is_exhausted(w)).map(|(_, at)| *at);
    if let Some(at) = marked(WindowKind::SevenDay).or_else(|| marked(WindowKind::FiveHour)) {
        return Some(limited(Scope::All, at));
    }
    if let Some(scope_and_end) = marked_family(reading, &seen) {
        return Some(limited(scope_and_end.0, scope_and_end.1));
    }
    if reading.embedded {
        // The headers are those of a 200: unmarked windows say nothing about this refusal.
        return None;
    }
    let whole = |w: &WindowSnapshot| matches!(w.kind, WindowKind::FiveHour | WindowKind::SevenDay);
    let sooner = seen.iter().filter(|(w, _)| whole(w)).map(|(_, at)| *at).min();
    sooner.map(|at| limited(Scope::All, at)).or_else(|| aggregate(reading))
}

/// A window of one family: the request's own family first; another family's window then stands for the request's.
fn marked_family(reading: &Reading<'_>, seen: &[(WindowSnapshot, Timestamp)]) -> Option<(Scope, Timestamp)> {
    let own = Scope::Family(reading.answer.family.clone());
    let marked = || seen.iter().filter(|(w, _)| w.kind == WindowKind::SevenDayModel && is_exhausted(w));
    marked().find(|(w, _)| w.scope == own).or_else(|| marked().next()).map(|(_, at)| (own.clone(), *at))
}

/// Only the aggregate reset is known: the request's family, and everything when the family is unknown.
fn aggregate(reading: &Reading<'_>) -> Option<Judgement> {
    let now = reading.answer.now;
    let text = reading.answer.headers.get("anthropic-ratelimit-unified-reset")?.to_str().ok()?;
    let at = moment(text).and_then(|at| believable(at, SEVEN_DAYS, now)).filter(|at| *at > now)?;
    let known = reading.answer.family.label() != "other";
    Some(limited(if known { reading.family() } else { Scope::All }, at))
}

fn by_body(reading: &Reading<'_>) -> Option<Judgement> {
    body_reset(reading, SEVEN_DAYS + DAY).map(|at| limited(reading.family(), at))
}

fn by_retry_headers(reading: &Reading<'_>) -> Option<Judgement> {
    let (headers, now) = (reading.answer.headers, reading.answer.now);
    if let Some(wait) = retry_after(headers, now, LONGEST_RETRY) {
        return Some(Judgement { retry_after_ms: Some(wait), ..limited(reading.family(), now.plus(wait)) });
    }
    minute_limits(headers, now).map(|at| limited(reading.family(), at))
}

fn limited(scope: Scope, until: Timestamp) -> Judgement {
    Judgement { scope, until: Some(until), ..Judgement::of(Verdict::RateLimited) }
}

/// `resets_at` or `resets_in_seconds` of the body or of its error, when it lies ahead and within `longest` ms.
fn body_reset(reading: &Reading<'_>, longest: i64) -> Option<Timestamp> {
    let now = reading.answer.now;
    let body: Value = serde_json::from_slice(reading.answer.body).ok()?;
    [body.get("error"), Some(&body)].into_iter().flatten().find_map(|object| {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let at = object.get("resets_at").and_then(|value| moment(&plain(value)));
        let after = object.get("resets_in_seconds").or_else(|| object.get("resets_in")).and_then(Value::as_i64);
        at.or_else(|| after.map(|seconds| now.plus(seconds.saturating_mul(1_000))))
            .filter(|at| (1..=longest).contains(&at.since(now)))
    })
}

/// The latest reset of the per-minute limits that are used up, when it lies within the next hour.
fn minute_limits(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = |name: String| headers.get(name.as_str()).and_then(|value| value.to_str().ok());
    ["requests", "tokens", "input-tokens", "output-tokens"]
        .into_iter()
        .filter(|dim| text(format!("anthropic-ratelimit-{dim}-remaining")).is_some_and(|left| left.trim() == "0"))
        .filter_map(|dim| text(format!("anthropic-ratelimit-{dim}-reset")).and_then(moment))
        .filter(|at| (1..=LONGEST_RETRY).contains(&at.since(now)))
        .max()
}

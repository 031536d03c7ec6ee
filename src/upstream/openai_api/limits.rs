//! Tells apart what a 429 or 402 means, and until when (`scheduling.md` §15, `upstreams.md` §2.7).

use actors::domain::time::DAY;
use actors::domain::verdict::{Judgement, Verdict};

use super::classify::Reading;
use super::{duration, windows};
use crate::upstream::reset::{LONGEST_RETRY, SEVEN_DAYS, retry_after};

/// Words that say that a quota or credit, not a rate, ran out.
pub(super) const QUOTA_CODES: [&str; 8] = [
    "insufficient_quota",
    "usage_limit_reached",
    "usage_not_included",
    "quota_exhausted",
    "quota_exceeded",
    "insufficient_balance",
    "enforced_spend_limit_reached",
    "billing_hard_limit_reached",
];

/// Longest stated end of an exhausted quota: a month and a day.
pub(super) const LONGEST_QUOTA: i64 = 32 * DAY;

/// Longest stated end of a rate limit: a subscription's week and a day.
const LONGEST_LIMIT: i64 = SEVEN_DAYS + DAY;

/// Judges a 429.
pub(super) fn too_many(reading: &Reading<'_>) -> Judgement {
    if reading.refusal.text.contains("extra usage") {
        return Judgement::of(Verdict::NotALimit);
    }
    if is_quota(reading) {
        return exhausted(reading);
    }
    let now = reading.answer.now;
    let scope = reading.family();
    if let Some(at) = reading.refusal.reset(now, LONGEST_LIMIT) {
        return Judgement { scope, until: Some(at), ..Judgement::of(Verdict::RateLimited) };
    }
    match wait(reading) {
        Some(ms) => Judgement {
            scope,
            until: Some(now.plus(ms)),
            retry_after_ms: Some(ms),
            ..Judgement::of(Verdict::RateLimited)
        },
        None => Judgement { scope, ..Judgement::of(Verdict::RateLimitedUnknown) },
    }
}

/// `retry-after(-ms)`, else the reset of the window that refused, else what the text says. Headers of a 200 say nothing
/// about an error that came later.
fn wait(reading: &Reading<'_>) -> Option<i64> {
    let (headers, now) = (reading.answer.headers, reading.answer.now);
    let told = (!reading.embedded).then(|| {
        retry_after(headers, now, LONGEST_RETRY).or_else(|| windows::wait(headers, &reading.refusal.kind, now))
    });
    told.flatten().or_else(|| duration::said(&reading.refusal.text).filter(|ms| *ms <= LONGEST_RETRY))
}

/// An exhausted quota: until the stated moment, when one is stated.
pub(super) fn exhausted(reading: &Reading<'_>) -> Judgement {
    let now = reading.answer.now;
    let headers = || retry_after(reading.answer.headers, now, LONGEST_QUOTA).map(|ms| now.plus(ms));
    let until = reading.refusal.reset(now, LONGEST_QUOTA).or_else(|| if reading.embedded { None } else { headers() });
    Judgement { until, ..Judgement::of(Verdict::QuotaExhausted) }
}

/// True when the words are those of a quota.
pub(super) fn is_quota(reading: &Reading<'_>) -> bool {
    reading.refusal.is(&QUOTA_CODES)
}

//! The table "verdict → state of the account" (`scheduling.md` §13, §15), one row per verdict.

use super::cooldown::Rest;
use super::health::Change;
use crate::domain::account::AccountSpec;
use crate::domain::time::{HOUR, MINUTE, SECOND, Timestamp};
use crate::domain::verdict::{Judgement, Verdict};

/// A wait that a vendor states by a duration is believed up to this.
const STATED_MAX: i64 = HOUR;
/// An overloaded vendor's own wait is believed up to the longest ramp.
const OUTAGE_MAX: i64 = 600 * SECOND;

/// What happens to the account besides its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Nothing,
    /// The judgement's scope rests.
    Rest(Rest),
    /// As `Rest`, and three within 180 minutes make it an error.
    Forbid(Rest),
    /// The model is learnt as unknown.
    LearnUnknown,
    /// The access token was refused.
    TokenRefused,
    /// The key was refused: status error.
    KeyRefused,
    /// The vendor disabled the account: status blocked.
    Block,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequence {
    /// What the score suffers.
    pub change: Option<Change>,
    /// What else happens.
    pub act: Act,
}

impl Consequence {
    /// Whether a probe of a half-open breaker is proven by the answer; `None` = it says nothing about the account.
    pub fn proof(verdict: Verdict) -> Option<bool> {
        match verdict {
            Verdict::Ok => Some(true),
            Verdict::Client
            | Verdict::ModelUnknown
            | Verdict::ThinkingSignature
            | Verdict::NotALimit
            | Verdict::Challenge
            | Verdict::Proxy
            | Verdict::Cancelled => None,
            _ => Some(false),
        }
    }

    /// The row of a judgement. Successes have none.
    pub fn of(now: Timestamp, judgement: &Judgement, spec: &AccountSpec) -> Self {
        let row = |change, act| Self { change, act };
        let ramp = |base: i64, cap: i64| Rest::Ramp { base: base * SECOND, cap: cap * SECOND };
        let outage = |base, cap| stated_outage(now, judgement).unwrap_or(ramp(base, cap));
        match judgement.verdict {
            Verdict::Ok
            | Verdict::Client
            | Verdict::ThinkingSignature
            | Verdict::NotALimit
            | Verdict::Challenge
            | Verdict::Proxy
            | Verdict::Cancelled => row(None, Act::Nothing),
            Verdict::ModelUnknown => row(None, Act::LearnUnknown),
            Verdict::AuthExpired => row(None, Act::TokenRefused),
            Verdict::AuthInvalid => row(Some(Change::KeyRefused), Act::KeyRefused),
            Verdict::Blocked => row(None, Act::Block),
            Verdict::Forbidden => row(Some(Change::Failed), Act::Forbid(outage(60, 1_800))),
            Verdict::RateLimited => row(Some(Change::Limited), Act::Rest(limited(now, judgement, ramp(5, 300)))),
            Verdict::RateLimitedUnknown => row(Some(Change::Limited), Act::Rest(unknown_limit(now, judgement, spec))),
            Verdict::QuotaExhausted => {
                row(Some(Change::Limited), Act::Rest(limited(now, judgement, Rest::Reset(now.plus(HOUR)))))
            }
            Verdict::Overloaded => row(Some(Change::Overloaded), Act::Rest(outage(15, 600))),
            Verdict::Unavailable => row(Some(Change::Failed), Act::Rest(outage(10, 60))),
            Verdict::Server => row(Some(Change::Failed), Act::Rest(outage(5, 300))),
            Verdict::Timeout => row(Some(Change::Failed), Act::Rest(outage(10, 300))),
            Verdict::Cut => row(Some(Change::Failed), Act::Nothing),
        }
    }
}

/// A stated end, or a stated wait of at most an hour; hard.
fn limited(now: Timestamp, judgement: &Judgement, otherwise: Rest) -> Rest {
    let stated = judgement.until.filter(|until| *until > now);
    let waited = judgement.retry_after_ms.filter(|ms| *ms > 0).map(|ms| now.plus(ms.min(STATED_MAX)));
    stated.or(waited).map_or(otherwise, Rest::Reset)
}

fn unknown_limit(now: Timestamp, judgement: &Judgement, spec: &AccountSpec) -> Rest {
    let ramp = Rest::Ramp { base: 5 * SECOND, cap: 300 * SECOND };
    let fixed = spec.options.get("rate_limit_minutes").and_then(|m| m.parse::<i64>().ok()).filter(|m| *m > 0);
    match fixed {
        Some(minutes) => Rest::Pause(minutes.min(1_440) * MINUTE),
        None => limited(now, judgement, ramp),
    }
}

/// An operator's rule gives a moment: hard. A `Retry-After` of an outage shortens or lengthens the rest but stays soft:
/// 5xx alone must never take the last account of a pool away (`reliability.md` R7).
fn stated_outage(now: Timestamp, judgement: &Judgement) -> Option<Rest> {
    if let Some(until) = judgement.until.filter(|until| *until > now) {
        return Some(Rest::Reset(until));
    }
    judgement.retry_after_ms.filter(|ms| *ms > 0).map(|ms| Rest::Pause(ms.min(OUTAGE_MAX)))
}

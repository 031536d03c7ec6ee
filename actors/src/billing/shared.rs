//! An admission in plain numbers, for the store that instances share.

use chrono_tz::Tz;

use super::admission::windows_of;
use super::limits::cost_of;
use super::messages::{Admit, LimitsLeft};
use super::windows::Calendar;
use crate::domain::limit::{RateDimension, RateWindow};
use crate::domain::time::{MINUTE, SECOND, Timestamp};
use crate::fleet::ask::{AdmissionAsk, CapAsk, RateAsk, RateOwner, Taken};
use crate::guard::Hold;

/// What a request takes of the limits of its key and owner; `None` when neither has any.
pub fn admission_ask(ask: &Admit, zone: Tz, now: Timestamp, ticket: u64) -> Option<AdmissionAsk> {
    let (key, owner) = (&ask.key, &ask.key.owner);
    let rpm = |owner, limit: u32| {
        (limit > 0).then(|| RateAsk {
            owner,
            dimension: RateDimension::Requests,
            window_ms: MINUTE,
            family: None,
            limit: i64::from(limit),
            cost: 1,
            smooth: true,
        })
    };
    let mut rates: Vec<RateAsk> = rpm(RateOwner::Key, key.rpm_limit).into_iter().collect();
    rates.extend(key.windows.iter().filter_map(|rule| rate(rule, ask)));
    rates.extend(rpm(RateOwner::User, owner.rpm_limit));
    let calendar = Calendar::of(zone, key);
    let limit_of = |window| key.cost_limits.iter().find(|(w, limit)| *w == window && limit.0 > 0);
    let caps: Vec<CapAsk> = windows_of(ask.platform)
        .filter_map(limit_of)
        .map(|(window, limit)| CapAsk { window: *window, limit: *limit, bounds: calendar.bounds(*window, now) })
        .collect();
    let shared = AdmissionAsk {
        request: ask.attempt.request,
        ticket,
        user: owner.id,
        key: key.id,
        key_slots: key.concurrency_limit,
        user_slots: owner.max_concurrency,
        amount: ask.charge_estimate,
        caps,
        rates,
    };
    let limited = shared.key_slots > 0 || shared.user_slots > 0 || !shared.caps.is_empty() || !shared.rates.is_empty();
    limited.then_some(shared)
}

fn rate(rule: &RateWindow, ask: &Admit) -> Option<RateAsk> {
    (rule.limit > 0 && rule.seconds > 0).then_some(())?;
    Some(RateAsk {
        owner: RateOwner::Key,
        dimension: rule.dim,
        window_ms: i64::from(rule.seconds) * SECOND,
        family: rule.family.clone(),
        limit: rule.limit,
        cost: cost_of(rule, ask)?,
        smooth: false,
    })
}

/// The store took an admission: its money windows are the ones to book in, and what it counted is what is left.
pub fn adopt(hold: &mut Hold, left: &mut LimitsLeft, ask: &AdmissionAsk, taken: &Taken) {
    for (cap, start) in ask.caps.iter().zip(&taken.starts) {
        if let Some((_, known)) = hold.windows.iter_mut().find(|(window, _)| *window == cap.window) {
            *known = *start;
        }
    }
    for (rate, (_, used)) in ask.rates.iter().zip(&taken.rates) {
        let of_rate = match rate.dimension {
            RateDimension::Requests => &mut left.requests,
            RateDimension::Tokens => &mut left.tokens,
            RateDimension::Cost => continue,
        };
        if let Some(left) = of_rate.as_mut().filter(|left| left.limit == rate.limit) {
            left.remaining = left.remaining.min(rate.limit.saturating_sub(*used).max(0));
        }
    }
}

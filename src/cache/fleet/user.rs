//! Slots, rates and holds of a key and its owner.

use std::fmt::Write;
use std::sync::Arc;

use actors::domain::limit::{RateDimension, SlidingWindow};
use actors::domain::money::Nanos;
use actors::domain::time::Timestamp;
use actors::fleet::ask::{AdmissionAnswer, AdmissionAsk, HeldAdmission, RateAsk, Resolution, Taken};
use actors::ports::PortError;
use futures_util::future::try_join_all;
use redis::RedisResult;

use super::scripts::{ADMIT, RENEW_ADMISSION, RETURN_PERMIT, SETTLE};
use super::{CHANNEL, DECISION, GRACE_MS, Link, Redis, Spending, keys, port_error};

/// Takes everything of an admission, or nothing. `spent` tells what every money window has used; `None` as the answer = it must
/// be told.
pub(super) async fn admit(
    link: &Link,
    ask: &AdmissionAsk,
    ttl_ms: i64,
    spent: Option<&[Nanos]>,
) -> RedisResult<Option<AdmissionAnswer>> {
    let mut call = ADMIT.prepare_invoke();
    for key in keys::user(ask) {
        call.key(key);
    }
    for rate in &ask.rates {
        call.key(keys::rate(ask, rate));
    }
    call.arg(ask.member()).arg(ttl_ms).arg(GRACE_MS).arg(ask.key_slots).arg(ask.user_slots).arg(ask.amount.0);
    call.arg(ask.key.0).arg(ask.rates.len()).arg(ask.caps.len());
    for rate in &ask.rates {
        let (size, rings) = SlidingWindow::rings(rate.window_ms);
        call.arg(size).arg(rings).arg(rate.window_ms).arg(rate.limit).arg(rate.cost).arg(u8::from(rate.smooth));
    }
    for (index, cap) in ask.caps.iter().enumerate() {
        call.arg(cap.window.as_str()).arg(cap.limit.0).arg(cap.bounds.start.0);
        call.arg(cap.bounds.end.map_or(0, |end| end.0));
        call.arg(spent.and_then(|spent| spent.get(index)).map(|used| used.0.to_string()).unwrap_or_default());
    }
    let answer: Vec<i64> = call.invoke_async(&mut link.clone()).await?;
    Ok(read(ask, &answer))
}

fn read(ask: &AdmissionAsk, answer: &[i64]) -> Option<AdmissionAnswer> {
    let at = |index: usize| answer.get(index).copied().unwrap_or_default();
    let position = || usize::try_from(at(1)).unwrap_or_default();
    Some(match at(0) {
        0 => {
            let starts = answer.iter().skip(1).take(ask.caps.len()).map(|start| Timestamp(*start)).collect();
            let rates = answer.get(1 + ask.caps.len()..).unwrap_or_default();
            let rates = rates.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
            AdmissionAnswer::Granted(Taken { starts, rates })
        }
        1 => AdmissionAnswer::KeyBusy,
        2 => AdmissionAnswer::UserBusy,
        3 => AdmissionAnswer::Rate(position(), Some(at(2)).filter(|ms| *ms >= 0)),
        4 => AdmissionAnswer::Money(ask.caps.get(position())?.window, Some(Timestamp(at(2))).filter(|end| end.0 > 0)),
        _ => return None,
    })
}

/// As [`admit`], after telling the store what every money window has used.
pub(super) async fn admit_told(
    redis: &Redis,
    spending: &dyn Spending,
    ask: &Arc<AdmissionAsk>,
    ttl_ms: i64,
) -> Result<AdmissionAnswer, PortError> {
    let used = ask.caps.iter().map(|cap| spending.of_key(ask.key, cap.window, cap.bounds.start));
    let (used, ask) = (try_join_all(used).await?, Arc::clone(ask));
    let told = move |link| async move { admit(&link, &ask, ttl_ms, Some(&used)).await };
    let answer = redis.call(DECISION, told).await.map_err(port_error)?;
    answer.ok_or_else(|| PortError("the shared store forgot what it was told".to_owned()))
}

/// Ends a hold: its charge is booked, its rates are corrected by what was really used.
pub(super) async fn settle(link: &Link, ask: &AdmissionAsk, taken: &Taken, how: Resolution) -> RedisResult<()> {
    let charge = if let Resolution::Settle { charge, .. } = how { charge } else { Nanos::ZERO };
    let mut call = SETTLE.prepare_invoke();
    for key in keys::user(ask) {
        call.key(key);
    }
    for rate in &ask.rates {
        call.key(keys::rate(ask, rate));
    }
    call.arg(ask.member()).arg(charge.0).arg(u8::from(how == Resolution::Withdraw));
    for (index, rate) in ask.rates.iter().enumerate() {
        let bucket = taken.rates.get(index).map_or(0, |(bucket, _)| *bucket);
        call.arg(bucket).arg(used(rate, how).saturating_sub(rate.cost)).arg(rate.cost);
        call.arg(rate.limit).arg(rate.window_ms).arg(u8::from(rate.smooth));
    }
    call.invoke_async(&mut link.clone()).await
}

/// What a request really used of a rate.
fn used(rate: &RateAsk, how: Resolution) -> i64 {
    match (how, rate.dimension) {
        (Resolution::Withdraw, _) => 0,
        (_, RateDimension::Requests) => 1,
        (Resolution::Settle { tokens, .. }, RateDimension::Tokens) => i64::try_from(tokens).unwrap_or(i64::MAX),
        (Resolution::Settle { charge, .. }, RateDimension::Cost) => charge.0,
        (Resolution::Release, _) => 0,
    }
}

/// Gives slots back.
pub(super) async fn give_back(link: &Link, ask: &AdmissionAsk) -> RedisResult<()> {
    let [key_slots, user_slots, ..] = keys::user(ask);
    let mut call = RETURN_PERMIT.key(key_slots);
    call.key(user_slots).arg(ask.member()).arg(ask.key_slots).arg(ask.user_slots);
    call.arg(CHANNEL).arg(format!("k:{}:{}", ask.user, ask.key));
    call.invoke_async(&mut link.clone()).await
}

/// Renews admissions. Returns the indexes of those that were lost.
pub(super) async fn renew(link: &Link, held: &[HeldAdmission], ttl_ms: i64) -> RedisResult<Vec<usize>> {
    let renewals = held.iter().map(|held| async move {
        let ask = &held.ask;
        let mut call = RENEW_ADMISSION.prepare_invoke();
        for key in keys::user(ask) {
            call.key(key);
        }
        call.arg(ask.member()).arg(ttl_ms).arg(GRACE_MS).arg(ask.key_slots).arg(ask.user_slots);
        call.arg(u8::from(held.hold)).arg(u8::from(held.permit)).arg(record(ask, &held.taken));
        call.invoke_async::<i64>(&mut link.clone()).await
    });
    let renewed = try_join_all(renewals).await?;
    Ok(renewed.iter().enumerate().filter(|(_, kept)| **kept == 0).map(|(index, _)| index).collect())
}

/// What a hold holds, as the scripts write it. A hold that the store never heard of counts in the windows of its own moment.
fn record(ask: &AdmissionAsk, taken: &Taken) -> String {
    let mut text = format!("{}|{}|", ask.key, ask.amount.0);
    for (index, cap) in ask.caps.iter().enumerate() {
        let start = taken.starts.get(index).copied().unwrap_or(cap.bounds.start);
        // Writing to a text cannot fail.
        let _ = write!(text, "{}={};", cap.window.as_str(), start.0);
    }
    text
}

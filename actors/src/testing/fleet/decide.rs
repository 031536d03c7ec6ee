//! What the scripts decide, one function for each.

use std::collections::BTreeMap;

use super::{AccountState, Cap, OpenHold, RateName, Shared, UserState, tell};
use crate::domain::id::{AccountId, KeyId};
use crate::domain::limit::{RateDimension, SlidingWindow, TokenBucket};
use crate::domain::money::Nanos;
use crate::domain::time::{MINUTE, Timestamp};
use crate::fleet::ask::{
    AdmissionAnswer, AdmissionAsk, HeldAdmission, LeaseAnswer, LeaseAsk, Missing, News, RateAsk, RateOwner, Resolution,
    SharedEnd, StickyAsk, StickyMove, Taken,
};

fn window(slot: &mut Option<SlidingWindow>, limit: i64) -> Option<&mut SlidingWindow> {
    if limit == 0 {
        return None;
    }
    let window = slot.get_or_insert_with(|| SlidingWindow::new(MINUTE, limit));
    window.set_limit(limit);
    Some(window)
}

fn expire_leases(account: &mut AccountState, now: Timestamp) {
    let over: Vec<u128> = account.leases.iter().filter(|(_, (end, ..))| *end <= now).map(|(id, _)| *id).collect();
    for id in over {
        if let Some((_, cost, day)) = account.leases.remove(&id) {
            release_cost(account, day, cost);
        }
    }
    account.probe = account.probe.filter(|(_, end)| *end > now);
}

fn release_cost(account: &mut AccountState, day: Timestamp, cost: Nanos) {
    if account.day == day {
        account.reserved = Nanos(account.reserved.saturating_sub(cost).0.max(0));
    }
}

pub(super) fn lease(s: &mut Shared, now: Timestamp, ask: &LeaseAsk, ttl_ms: i64) -> LeaseAnswer {
    let account = s.accounts.entry(ask.account).or_default();
    expire_leases(account, now);
    if account.day < ask.day {
        (account.day, account.spent, account.reserved) = (ask.day, Nanos::ZERO, Nanos::ZERO);
    }
    let slots = u32::try_from(account.leases.len()).unwrap_or(u32::MAX);
    let spent = account.spent.saturating_add(account.reserved);
    let used = |w: Option<&mut SlidingWindow>| w.map_or(0, |w| w.used(now.0));
    let (requests, tokens) = (used(window(&mut account.rpm, ask.rpm)), used(window(&mut account.tpm, ask.tpm)));
    let bucket = now.0.div_euclid(1_000);
    let seen = LeaseAnswer { slots, requests, tokens, spent, bucket, ..LeaseAnswer::default() };
    if account.leases.contains_key(&ask.lease.0) {
        return seen;
    }
    let wait = |w: Option<&mut SlidingWindow>, cost| w.map_or(Some(0), |w| w.wait_for(now.0, cost)).unwrap_or(i64::MAX);
    let first_end = || account.leases.values().map(|(end, ..)| end.since(now)).min().unwrap_or(1);
    let missing = |missing, wait_ms| LeaseAnswer { missing: Some(missing), wait_ms, ..seen };
    if ask.slots > 0 && slots >= ask.slots {
        return missing(Missing::Slots, first_end());
    }
    match wait(window(&mut account.rpm, ask.rpm), 1) {
        0 => {}
        ms => return missing(Missing::Rpm, ms),
    }
    match wait(window(&mut account.tpm, ask.tpm), ask.tokens) {
        0 => {}
        ms => return missing(Missing::Tpm, ms),
    }
    if ask.budget.0 > 0 && account.day == ask.day && spent.saturating_add(ask.cost) > ask.budget {
        return missing(Missing::Budget, ask.day.since(now));
    }
    if ask.probe {
        if let Some((_, end)) = account.probe {
            return missing(Missing::Probe, end.since(now));
        }
        account.probe = Some((ask.lease.0, now.plus(ttl_ms)));
    }
    account.leases.insert(ask.lease.0, (now.plus(ttl_ms), ask.cost, ask.day));
    if account.day == ask.day {
        account.reserved = account.reserved.saturating_add(ask.cost);
    }
    let added = |w: Option<&mut SlidingWindow>, cost| w.map_or(0, |w| w.add(now.0, cost));
    added(window(&mut account.rpm, ask.rpm), 1);
    added(window(&mut account.tpm, ask.tpm), ask.tokens);
    let counted = |limit: i64, n: i64| if limit > 0 { n } else { 0 };
    LeaseAnswer {
        slots: slots + 1,
        requests: requests + counted(ask.rpm, 1),
        tokens: tokens + counted(ask.tpm, ask.tokens),
        spent: spent.saturating_add(ask.cost),
        ..seen
    }
}

pub(super) fn renew_lease(s: &mut Shared, now: Timestamp, ask: &LeaseAsk, until: Timestamp) -> bool {
    let account = s.accounts.entry(ask.account).or_default();
    expire_leases(account, now);
    if let Some(lease) = account.leases.get_mut(&ask.lease.0) {
        lease.0 = until;
        return true;
    }
    let room = ask.slots == 0 || account.leases.len() < usize::try_from(ask.slots).unwrap_or(usize::MAX);
    if room {
        account.leases.insert(ask.lease.0, (until, ask.cost, ask.day));
        if account.day == ask.day {
            account.reserved = account.reserved.saturating_add(ask.cost);
        }
    }
    room
}

fn expire_admissions(user: &mut UserState, now: Timestamp) {
    user.slots.retain(|_, end| *end > now);
    user.key_slots.values_mut().for_each(|slots| slots.retain(|_, end| *end > now));
    let over: Vec<String> = user.holds.iter().filter(|(_, h)| h.ends <= now).map(|(id, _)| id.clone()).collect();
    for id in over {
        if let Some(hold) = user.holds.remove(&id) {
            book(user, &hold, Nanos::ZERO);
        }
    }
}

/// Frees a hold and books a charge in the windows of the hold that still last.
fn book(user: &mut UserState, hold: &OpenHold, charge: Nanos) {
    for (window, start) in &hold.starts {
        if let Some(cap) = user.caps.get_mut(&(hold.key, *window)).filter(|cap| cap.start == *start) {
            cap.held = Nanos(cap.held.saturating_sub(hold.amount).0.max(0));
            cap.used = cap.used.saturating_add(charge);
        }
    }
}

fn rate_name(ask: &AdmissionAsk, rate: &RateAsk) -> RateName {
    let key = if rate.owner == RateOwner::Key { ask.key } else { KeyId(0) };
    (rate.owner, key, rate.dimension, rate.window_ms, rate.family.clone())
}

fn rate_of<'a>(
    user: &'a mut UserState,
    now: Timestamp,
    ask: &AdmissionAsk,
    rate: &RateAsk,
) -> &'a mut (SlidingWindow, TokenBucket) {
    let fresh = || {
        let bucket = TokenBucket::new(rate.limit, rate.window_ms, rate.limit, now.0);
        (SlidingWindow::new(rate.window_ms, rate.limit), bucket)
    };
    let entry = user.rates.entry(rate_name(ask, rate)).or_insert_with(fresh);
    entry.0.set_limit(rate.limit);
    entry
}

pub(super) fn admit(s: &mut Shared, now: Timestamp, ask: &AdmissionAsk, ttl_ms: i64) -> AdmissionAnswer {
    let spent = s.spent.clone();
    let user = s.users.entry(ask.user).or_default();
    expire_admissions(user, now);
    let member = ask.member();
    for (index, rate) in ask.rates.iter().enumerate() {
        let (window, bucket) = rate_of(user, now, ask, rate);
        let level = if rate.smooth { bucket.wait_for(now.0, rate.cost) } else { Some(0) };
        match window.wait_for(now.0, rate.cost).zip(level).map(|(a, b)| a.max(b)) {
            Some(0) => {}
            wait => return AdmissionAnswer::Rate(index, wait),
        }
    }
    let key_slots = user.key_slots.entry(ask.key).or_default();
    if ask.key_slots > 0 && key_slots.len() >= usize::try_from(ask.key_slots).unwrap_or(usize::MAX) {
        return AdmissionAnswer::KeyBusy;
    }
    if ask.user_slots > 0 && user.slots.len() >= usize::try_from(ask.user_slots).unwrap_or(usize::MAX) {
        return AdmissionAnswer::UserBusy;
    }
    for cap in &ask.caps {
        let known = user.caps.entry((ask.key, cap.window)).or_insert_with(|| Cap {
            start: cap.bounds.start,
            end: cap.bounds.end,
            used: spent.get(&(ask.key, cap.window)).copied().unwrap_or_default(),
            held: Nanos::ZERO,
        });
        if known.end.is_some_and(|end| end <= now) {
            *known = Cap { start: cap.bounds.start, end: cap.bounds.end, used: Nanos::ZERO, held: Nanos::ZERO };
        }
        let total = known.used.saturating_add(known.held).saturating_add(ask.amount);
        if ask.amount.0 > 0 && cap.limit.0 > 0 && total > cap.limit {
            return AdmissionAnswer::Money(cap.window, known.end);
        }
    }
    take(user, now, ask, &member, ttl_ms)
}

fn take(user: &mut UserState, now: Timestamp, ask: &AdmissionAsk, member: &str, ttl_ms: i64) -> AdmissionAnswer {
    let until = now.plus(ttl_ms);
    let mut taken = Taken::default();
    for rate in &ask.rates {
        let (window, bucket) = rate_of(user, now, ask, rate);
        bucket.take(now.0, rate.cost);
        let at = window.add(now.0, rate.cost);
        taken.rates.push((at, window.used(now.0)));
    }
    let mut starts = Vec::new();
    for cap in &ask.caps {
        if let Some(known) = user.caps.get_mut(&(ask.key, cap.window)) {
            known.held = known.held.saturating_add(ask.amount);
            taken.starts.push(known.start);
            starts.push((cap.window, known.start));
        }
    }
    user.key_slots.entry(ask.key).or_default().insert(member.to_owned(), until);
    user.slots.insert(member.to_owned(), until);
    user.holds.insert(member.to_owned(), OpenHold { ends: until, key: ask.key, amount: ask.amount, starts });
    AdmissionAnswer::Granted(taken)
}

pub(super) fn renew_admission(s: &mut Shared, now: Timestamp, held: &HeldAdmission, until: Timestamp) -> bool {
    let (ask, member) = (&held.ask, held.ask.member());
    let user = s.users.entry(ask.user).or_default();
    expire_admissions(user, now);
    if held.hold && !user.holds.contains_key(&member) {
        let starts: Vec<_> = ask.caps.iter().map(|c| c.window).zip(held.taken.starts.iter().copied()).collect();
        for (window, start) in &starts {
            if let Some(cap) = user.caps.get_mut(&(ask.key, *window)).filter(|cap| cap.start == *start) {
                cap.held = cap.held.saturating_add(ask.amount);
            }
        }
        user.holds.insert(member.clone(), OpenHold { ends: until, key: ask.key, amount: ask.amount, starts });
    }
    if let Some(hold) = user.holds.get_mut(&member) {
        hold.ends = until;
    }
    if !held.permit {
        return true;
    }
    let full = |slots: &BTreeMap<String, Timestamp>, limit: u32| {
        limit > 0 && !slots.contains_key(&member) && slots.len() >= usize::try_from(limit).unwrap_or(usize::MAX)
    };
    let key_slots = user.key_slots.entry(ask.key).or_default();
    if full(key_slots, ask.key_slots) || full(&user.slots, ask.user_slots) {
        return false;
    }
    key_slots.insert(member.clone(), until);
    user.slots.insert(member, until);
    true
}

pub(super) fn take_back(s: &mut Shared, now: Timestamp, end: &SharedEnd) {
    let news = match end {
        SharedEnd::Lease { ask, bucket, tokens, cost, withdrawn } => {
            let account = s.accounts.entry(ask.account).or_default();
            let before = account.leases.len();
            let gone = account.leases.remove(&ask.lease.0);
            if let Some((_, reserved, day)) = gone {
                release_cost(account, day, reserved);
                if let Some(tpm) = &mut account.tpm {
                    tpm.correct(*bucket, *tokens);
                }
                if let Some(rpm) = account.rpm.as_mut().filter(|_| *withdrawn) {
                    rpm.correct(*bucket, -1);
                }
            }
            if gone.is_some() && account.day == ask.day {
                account.spent = account.spent.saturating_add(*cost);
            }
            account.probe = account.probe.filter(|(lease, _)| *lease != ask.lease.0);
            let full = ask.slots > 0 && before >= usize::try_from(ask.slots).unwrap_or(usize::MAX);
            (gone.is_some() && full).then_some(News::AccountSlot(ask.account))
        }
        SharedEnd::Hold { ask, taken, resolution } => {
            end_hold(s, now, ask, taken, *resolution);
            None
        }
        SharedEnd::Permit { ask } => {
            let user = s.users.entry(ask.user).or_default();
            let member = ask.member();
            let slots = user.key_slots.entry(ask.key).or_default();
            let full = |held: usize, limit: u32| limit > 0 && held >= usize::try_from(limit).unwrap_or(usize::MAX);
            let was_full = full(slots.len(), ask.key_slots) || full(user.slots.len(), ask.user_slots);
            let gone = slots.remove(&member).is_some() | user.slots.remove(&member).is_some();
            (gone && was_full).then_some(News::KeySlot(ask.user, ask.key))
        }
    };
    if let Some(news) = news {
        tell(s, &news);
    }
}

fn end_hold(s: &mut Shared, now: Timestamp, ask: &AdmissionAsk, taken: &Taken, resolution: Resolution) {
    let user = s.users.entry(ask.user).or_default();
    let charge = match resolution {
        Resolution::Settle { charge, .. } => charge,
        Resolution::Release | Resolution::Withdraw => Nanos::ZERO,
    };
    let Some(hold) = user.holds.remove(&ask.member()) else { return };
    book(user, &hold, charge);
    for (rate, (bucket, _)) in ask.rates.iter().zip(&taken.rates) {
        let used = match (resolution, rate.dimension) {
            (Resolution::Withdraw, _) => 0,
            (_, RateDimension::Requests) => 1,
            (Resolution::Settle { tokens, .. }, RateDimension::Tokens) => i64::try_from(tokens).unwrap_or(i64::MAX),
            (_, RateDimension::Cost) => charge.0,
            (Resolution::Release, RateDimension::Tokens) => 0,
        };
        let (window, level) = rate_of(user, now, ask, rate);
        window.correct(*bucket, used.saturating_sub(rate.cost));
        if resolution == Resolution::Withdraw && rate.smooth {
            level.give_back(now.0, rate.cost);
        }
    }
}

pub(super) fn stick(s: &mut Shared, now: Timestamp, ask: &StickyAsk) -> AccountId {
    let full = now.plus(ask.ttl_ms);
    let known = s.sticky.get(&ask.session.0).filter(|(_, until)| *until > now).copied();
    let moves = matches!((ask.way, known), (StickyMove::Leave(from), Some((bound, _))) if bound == from);
    match known.filter(|_| !moves) {
        None => {
            s.sticky.insert(ask.session.0, (ask.account, full));
            ask.account
        }
        Some((bound, until)) => {
            let until = if bound == ask.account && until.since(now) < ask.renew_below_ms { full } else { until };
            s.sticky.insert(ask.session.0, (bound, until));
            bound
        }
    }
}

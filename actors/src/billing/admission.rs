//! Admission of one request, all or nothing: rate windows of key and owner, their slots, then the money windows
//! (`access.md` §10 rows 9, 10 and 12). Everything is checked before anything is taken.

use chrono_tz::Tz;

use super::ledger::{Held, Key, LIFE, Ledger, Owner, Permitted};
use super::messages::{Admit, AdmitRefused, Admitted, LimitsLeft};
use super::money::Starts;
use super::windows::Calendar;
use crate::domain::account::Platform;
use crate::domain::id::RequestId;
use crate::domain::key::CostWindow;
use crate::domain::limit::RateDimension;
use crate::domain::route::RefusalReason;
use crate::domain::settings::Settings;
use crate::domain::time::{MINUTE, Timestamp};
use crate::fleet::Share;
use crate::guard::{Hold, Permit, PermitReturned};
use crate::outbox::Outbox;

/// What an admitted request gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) windows: Vec<(CostWindow, Timestamp)>,
    pub(super) permit: PermitReturned,
    pub(super) limits: LimitsLeft,
}

impl Ledger {
    /// Decides an admission and wraps what it took in guards that speak to `outbox`.
    pub(super) fn admit_guarded(
        &mut self,
        ask: &Admit,
        settings: &Settings,
        now: Timestamp,
        outbox: &Outbox,
    ) -> Result<Admitted, AdmitRefused> {
        let expires = now.plus(LIFE.max(2 * settings.stream_total_min * MINUTE));
        let granted = self.admit(ask, settings.timezone.0, now, expires)?;
        Ok(Admitted {
            hold: Hold::new(ask.attempt.request, granted.permit.key, granted.windows, outbox.clone()),
            permit: Permit::new(granted.permit, outbox.clone()),
            limits: granted.limits,
        })
    }

    /// Decides an admission. A request that already holds gets the same answer and takes nothing again. What is taken and
    /// never given back is freed at `expires`.
    pub(super) fn admit(
        &mut self,
        ask: &Admit,
        zone: Tz,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Granted, AdmitRefused> {
        let request = ask.attempt.request;
        let share = self.share.clone();
        let repeated = self.holds.get(&request).map(|held| held.starts);
        let (key, owner) = self.parties(&ask.key, zone, now);
        let permit = PermitReturned { request, key: key.policy.id, user: key.policy.owner.id };
        if let Some(starts) = repeated {
            return Ok(granted(key, permit, &starts, now));
        }
        check_rates(key, owner, ask, now, &share)?;
        check_slots(key, owner, &share)?;
        check_price(ask)?;
        // In a fleet others spend too, and the windows may be others' by now: the shared store decides.
        if !share.is_together() {
            check_money(key, ask, zone, now)?;
        }
        let held = take(key, owner, ask, zone, now, expires);
        let answer = granted(key, permit, &held.starts, now);
        self.keep(request, held, Permitted { returned: permit, expires });
        Ok(answer)
    }

    fn keep(&mut self, request: RequestId, held: Held, permit: Permitted) {
        self.holds.insert(request, held);
        self.permits.insert(request, permit);
    }
}

fn check_rates(key: &Key, owner: &Owner, ask: &Admit, now: Timestamp, share: &Share) -> Result<(), AdmitRefused> {
    let limited = |reason, retry_after_ms| Err(AdmitRefused::Limited { reason, retry_after_ms, reset_at: None });
    match key.rpm.as_ref().map_or(0, |rpm| rpm.wait(now, share)) {
        0 => {}
        wait => return limited(RefusalReason::RateRequests, Some(wait)),
    }
    if let Some((reason, wait)) = key.rates.refuses(ask, now, share) {
        return limited(reason, wait);
    }
    match owner.rpm.as_ref().map_or(0, |rpm| rpm.wait(now, share)) {
        0 => Ok(()),
        wait => limited(RefusalReason::RateRequests, Some(wait)),
    }
}

fn check_slots(key: &Key, owner: &Owner, share: &Share) -> Result<(), AdmitRefused> {
    let full = |used: u32, limit: u32| limit > 0 && used >= share.of_slots(limit);
    if full(key.slots, key.policy.concurrency_limit) {
        return Err(AdmitRefused::KeyBusy);
    }
    if full(owner.slots, key.policy.owner.max_concurrency) {
        return Err(AdmitRefused::UserBusy);
    }
    Ok(())
}

fn check_price(ask: &Admit) -> Result<(), AdmitRefused> {
    let refused = AdmitRefused::Limited { reason: RefusalReason::ModelNotPriced, retry_after_ms: None, reset_at: None };
    if ask.priced { Ok(()) } else { Err(refused) }
}

fn check_money(key: &Key, ask: &Admit, zone: Tz, now: Timestamp) -> Result<(), AdmitRefused> {
    let windows = windows_of(ask.platform);
    let Some(window) = key.money.without_room(&key.policy.cost_limits, windows, ask.charge_estimate, now) else {
        return Ok(());
    };
    let open = key.money.now(window, now).bounds;
    // Five hours that have not begun are too short for the request itself: no moment helps.
    let next = || (window != CostWindow::FiveHour).then(|| Calendar::of(zone, &key.policy).bounds(window, now));
    let reset_at = open.or_else(next).and_then(|bounds| bounds.end);
    Err(AdmitRefused::Limited { reason: RefusalReason::OutOfMoney(window.condition()), retry_after_ms: None, reset_at })
}

fn take(key: &mut Key, owner: &mut Owner, ask: &Admit, zone: Tz, now: Timestamp, expires: Timestamp) -> Held {
    let calendar = Calendar::of(zone, &key.policy);
    key.slots += 1;
    key.open += 1;
    owner.slots += 1;
    Held {
        key: key.policy.id,
        owner: key.policy.owner.id,
        amount: ask.charge_estimate,
        starts: key.money.hold(windows_of(ask.platform), ask.charge_estimate, calendar, now),
        reserved: key.rates.take(ask, now),
        counted: [key.rpm.as_mut().map(|rpm| rpm.take(now)), owner.rpm.as_mut().map(|rpm| rpm.take(now))],
        expires,
        expired: false,
    }
}

fn granted(key: &Key, permit: PermitReturned, starts: &Starts, now: Timestamp) -> Granted {
    let windows = CostWindow::ALL.into_iter().zip(starts).filter_map(|(window, start)| Some((window, (*start)?)));
    let rpm = key.rpm.as_ref().map(|rpm| rpm.left(now));
    let requests = rpm.into_iter().chain(key.rates.tightest(RateDimension::Requests, now));
    let limits = LimitsLeft {
        requests: requests.min_by_key(|left| left.remaining),
        tokens: key.rates.tightest(RateDimension::Tokens, now),
    };
    Granted { windows: windows.collect(), permit, limits }
}

/// The money windows that traffic of a platform counts in, in reporting order.
pub(super) fn windows_of(platform: Platform) -> impl Iterator<Item = CostWindow> {
    let counts = move |window: &CostWindow| *window != CostWindow::WeekClaude || platform == Platform::Claude;
    CostWindow::ALL.into_iter().filter(counts)
}

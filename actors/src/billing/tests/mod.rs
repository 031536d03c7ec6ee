//! Builders and the ledger's tests: what is admitted, how holds end, and that no interleaving breaks a limit.

mod actor;
mod admission;
mod holds;
mod races;

use std::sync::Arc;

use chrono_tz::Tz;

use super::ledger::{LIFE, Ledger};
use super::messages::{Admit, AdmitRefused};
use super::windows::Calendar;
use crate::domain::account::Platform;
use crate::domain::id::{AttemptId, KeyId, RequestId};
use crate::domain::key::{CostWindow, KeyPolicy};
use crate::domain::model::Family;
use crate::domain::money::Nanos;
use crate::domain::time::{DAY, HOUR, Timestamp};
use crate::guard::{HoldEnded, PermitReturned, Resolution};
use crate::testing::policy;

/// A Tuesday, 06:00 UTC.
const NOW: Timestamp = Timestamp(20_046 * DAY + 6 * HOUR);

fn limited(id: i64, window: CostWindow, limit: i64) -> Arc<KeyPolicy> {
    Arc::new(KeyPolicy { cost_limits: vec![(window, Nanos(limit))], ..policy(id) })
}

fn ask(request: u128, key: &Arc<KeyPolicy>, charge: i64) -> Admit {
    Admit {
        attempt: AttemptId { request: RequestId(request), number: 1 },
        key: Arc::clone(key),
        platform: Platform::Claude,
        family: Family("sonnet".into()),
        tokens_estimate: 1_000,
        charge_estimate: Nanos(charge),
        priced: true,
    }
}

fn admit(
    ledger: &mut Ledger,
    request: u128,
    key: &Arc<KeyPolicy>,
    charge: i64,
    now: Timestamp,
) -> Result<(), AdmitRefused> {
    ledger.admit(&ask(request, key, charge), Tz::UTC, now, now.plus(LIFE)).map(|_| ())
}

fn end(ledger: &mut Ledger, request: u128, key: &KeyPolicy, resolution: Resolution, now: Timestamp) {
    ledger.resolve(&HoldEnded { request: RequestId(request), key: key.id, resolution }, now);
}

fn settle(ledger: &mut Ledger, request: u128, key: &KeyPolicy, charge: i64, now: Timestamp) {
    end(ledger, request, key, Resolution::Settle { charge: Nanos(charge), tokens: 400 }, now);
}

fn permit(request: u128, key: &KeyPolicy) -> PermitReturned {
    PermitReturned { request: RequestId(request), key: key.id, user: key.owner.id }
}

/// Used and held of a window.
fn amounts(ledger: &Ledger, key: &KeyPolicy, window: CostWindow, now: Timestamp) -> (i64, i64) {
    let limits = ledger.limits(key.id, now).unwrap();
    let found = limits.windows.into_iter().find(|w| w.window == window).unwrap();
    (found.used.0, found.held.0)
}

fn utc() -> Calendar {
    Calendar { zone: Tz::UTC, weekly_reset_day: 1, weekly_reset_hour: 0 }
}

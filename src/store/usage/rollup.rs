//! Sums of a batch, made in memory and added to their tables in key order, so that two instances never wait for each other
//! in a circle.

use std::collections::BTreeMap;

use actors::domain::id::{AccountId, KeyId, UserId};
use actors::domain::key::CostWindow;
use actors::domain::settings::Zone;
use actors::domain::time::{HOUR, Timestamp};
use actors::domain::usage::{AttemptRow, RequestRow, RequestStatus};
use chrono::TimeZone;

use super::super::error::StoreError;
use super::super::pools::Tx;
use super::super::sql::{Value, clip};
use super::batch::insert;

/// Columns that every rollup of requests has.
const COUNTS: [&str; 9] = [
    "requests",
    "errors",
    "input_tokens",
    "cache_read_tokens",
    "cache_w5m_tokens",
    "cache_w1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_search",
];
const MONEY: [&str; 2] = ["list_nanos", "charge_nanos"];
/// Upper bounds of the histogram of the time to the first content byte, in ms; the last bucket has none.
pub(super) const TTFT_MS: [i64; 5] = [100, 300, 1_000, 3_000, 10_000];
/// Upper bounds of the histogram of the whole time, in ms.
pub(super) const TOTAL_MS: [i64; 5] = [300, 1_000, 3_000, 10_000, 30_000];
/// Columns of the two histograms.
pub(super) const HISTOGRAMS: [&str; 12] = [
    "ttft_100",
    "ttft_300",
    "ttft_1000",
    "ttft_3000",
    "ttft_10000",
    "ttft_more",
    "total_300",
    "total_1000",
    "total_3000",
    "total_10000",
    "total_30000",
    "total_more",
];

type HourKey = (i64, UserId, KeyId, i64, String, &'static str);

/// What a batch adds.
pub(super) struct Rollups {
    zone: Zone,
    hourly: BTreeMap<HourKey, Hour>,
    daily: BTreeMap<(UserId, String, String), [i64; 11]>,
    accounts: BTreeMap<(i64, AccountId, String), [i64; 4]>,
    windows: BTreeMap<(KeyId, CostWindow, Timestamp), i64>,
    totals: BTreeMap<KeyId, [i64; 4]>,
}

#[derive(Default)]
struct Hour {
    sums: [i64; 11],
    upstream: i64,
    estimated: i64,
    histograms: [i64; 12],
}

/// The start of the UTC hour.
fn hour(at: Timestamp) -> i64 {
    at.0 - at.0.rem_euclid(HOUR)
}

/// The calendar day in the zone, `YYYY-MM-DD`.
pub fn day(zone: Zone, at: Timestamp) -> String {
    let local = zone.0.timestamp_millis_opt(at.0).single();
    local.map_or_else(|| "1970-01-01".to_owned(), |time| time.date_naive().to_string())
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn add<const N: usize>(sums: &mut [i64; N], more: [i64; N]) {
    sums.iter_mut().zip(more).for_each(|(sum, n)| *sum = sum.saturating_add(n));
}

fn bucket(bounds: [i64; 5], ms: i64) -> usize {
    bounds.iter().position(|bound| ms <= *bound).unwrap_or(bounds.len())
}

impl Rollups {
    pub fn new(zone: Zone) -> Self {
        Self {
            zone,
            hourly: BTreeMap::new(),
            daily: BTreeMap::new(),
            accounts: BTreeMap::new(),
            windows: BTreeMap::new(),
            totals: BTreeMap::new(),
        }
    }

    pub fn add_request(&mut self, row: &RequestRow) {
        let tokens = &row.usage.tokens;
        let failed = !matches!(row.status, RequestStatus::Ok | RequestStatus::Cancelled);
        let charge = row.cost.charge.0;
        let sums = [
            1,
            i64::from(failed),
            count(tokens.input),
            count(tokens.cache_read),
            count(tokens.cache_w5m),
            count(tokens.cache_w1h),
            count(tokens.output),
            count(tokens.reasoning),
            count(tokens.web_search),
            row.cost.list.0,
            charge,
        ];
        let model = clip(&row.model, 191).to_owned();
        self.add_hour(row, &model, sums);
        add(self.daily.entry((row.user, day(self.zone, row.started_at), model)).or_default(), sums);
        for (window, start) in &row.windows {
            let used = self.windows.entry((row.key, *window, *start)).or_default();
            *used = used.saturating_add(charge);
        }
        let totals = self.totals.entry(row.key).or_default();
        let last = totals[3].max(row.started_at.0);
        add(totals, [1, count(tokens.total()), charge, 0]);
        totals[3] = last;
    }

    fn add_hour(&mut self, row: &RequestRow, model: &str, sums: [i64; 11]) {
        // 0 and `none` stand for requests that no account served.
        let account = row.account.map_or(0, |id| id.0);
        let service = row.kind.map_or("none", |kind| kind.service().as_str());
        let key = (hour(row.started_at), row.user, row.key, account, model.to_owned(), service);
        let entry = self.hourly.entry(key).or_default();
        add(&mut entry.sums, sums);
        entry.upstream = entry.upstream.saturating_add(row.cost.upstream.0);
        entry.estimated += i64::from(row.usage.estimated);
        let first = row.ttft_ms.map(|ms| bucket(TTFT_MS, ms));
        let whole = TTFT_MS.len() + 1 + bucket(TOTAL_MS, row.total_ms);
        for slot in first.into_iter().chain([whole]) {
            if let Some(n) = entry.histograms.get_mut(slot) {
                *n += 1;
            }
        }
    }

    pub fn add_attempt(&mut self, row: &AttemptRow) {
        let tokens = row.usage.as_ref().map_or(0, |usage| usage.tokens.total());
        let key = (hour(row.started_at), row.account, clip(&row.model_upstream, 191).to_owned());
        let sums = [1, i64::from(row.verdict != "ok"), count(tokens), row.upstream_cost.0];
        add(self.accounts.entry(key).or_default(), sums);
    }

    pub async fn write(self, tx: &mut Tx) -> Result<(), StoreError> {
        write_hourly(tx, self.hourly).await?;
        write_daily(tx, self.daily).await?;
        write_accounts(tx, self.accounts).await?;
        write_windows(tx, self.windows).await?;
        write_totals(tx, self.totals).await
    }
}

fn ints(numbers: impl IntoIterator<Item = i64>) -> impl Iterator<Item = Value> {
    numbers.into_iter().map(Value::Int)
}

async fn write_hourly(tx: &mut Tx, hourly: BTreeMap<HourKey, Hour>) -> Result<(), StoreError> {
    let key = ["hour_start", "user_id", "key_id", "account_id", "model", "service"];
    let sums = [&COUNTS[..], &MONEY, &["upstream_nanos", "estimated"], &HISTOGRAMS].concat();
    let rows = hourly.into_iter().map(|((hour, user, id, account, model, service), sums)| {
        let head = [hour.into(), user.into(), id.into(), account.into(), model.into(), service.into()];
        let tail = ints(sums.sums).chain(ints([sums.upstream, sums.estimated])).chain(ints(sums.histograms));
        head.into_iter().chain(tail).collect()
    });
    let suffix = tx.flavor().upsert_add(&key.join(", "), &sums, &[]);
    insert(tx, "usage_hourly", &[&key[..], &sums].concat(), rows.collect(), &suffix).await
}

async fn write_daily(tx: &mut Tx, daily: BTreeMap<(UserId, String, String), [i64; 11]>) -> Result<(), StoreError> {
    let key = ["user_id", "day", "model"];
    let sums = [&COUNTS[..], &MONEY].concat();
    let rows = daily.into_iter().map(|((user, day, model), sums)| {
        [user.into(), day.into(), model.into()].into_iter().chain(ints(sums)).collect()
    });
    let suffix = tx.flavor().upsert_add(&key.join(", "), &sums, &[]);
    insert(tx, "daily_usages", &[&key[..], &sums].concat(), rows.collect(), &suffix).await
}

async fn write_accounts(tx: &mut Tx, accounts: BTreeMap<(i64, AccountId, String), [i64; 4]>) -> Result<(), StoreError> {
    let key = ["hour_start", "account_id", "model"];
    let sums = ["attempts", "failures", "tokens", "upstream_nanos"];
    let rows = accounts.into_iter().map(|((hour, account, model), sums)| {
        [hour.into(), account.into(), model.into()].into_iter().chain(ints(sums)).collect()
    });
    let suffix = tx.flavor().upsert_add(&key.join(", "), &sums, &[]);
    insert(tx, "account_hourly", &[&key[..], &sums].concat(), rows.collect(), &suffix).await
}

async fn write_windows(tx: &mut Tx, windows: BTreeMap<(KeyId, CostWindow, Timestamp), i64>) -> Result<(), StoreError> {
    let key = ["key_id", "window_kind", "window_start"];
    let rows = windows
        .into_iter()
        .map(|((id, window, start), used)| vec![id.into(), window.as_str().into(), start.into(), used.into()]);
    let suffix = tx.flavor().upsert_add(&key.join(", "), &["used_nanos"], &[]);
    insert(tx, "key_windows", &[&key[..], &["used_nanos"]].concat(), rows.collect(), &suffix).await
}

async fn write_totals(tx: &mut Tx, totals: BTreeMap<KeyId, [i64; 4]>) -> Result<(), StoreError> {
    let columns = ["key_id", "requests", "tokens", "charge_nanos", "last_used_at"];
    let rows = totals.into_iter().map(|(id, sums)| std::iter::once(id.into()).chain(ints(sums)).collect());
    let suffix = tx.flavor().upsert_add("key_id", &["requests", "tokens", "charge_nanos"], &["last_used_at"]);
    insert(tx, "key_totals", &columns, rows.collect(), &suffix).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_the_zone_and_hours_do_not() {
        let shanghai = Zone(chrono_tz::Asia::Shanghai);
        assert_eq!(day(shanghai, Timestamp(1_767_196_800_000)), "2026-01-01");
        assert_eq!(day(shanghai, Timestamp(1_767_196_799_999)), "2025-12-31");
        assert_eq!(day(shanghai, Timestamp(i64::MAX)), "1970-01-01");
        assert_eq!(hour(Timestamp(HOUR + 1)), HOUR);
        assert_eq!(hour(Timestamp(-1)), -HOUR);
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        assert_eq!((bucket(TTFT_MS, 100), bucket(TTFT_MS, 101), bucket(TTFT_MS, 10_001)), (0, 1, 5));
    }
}

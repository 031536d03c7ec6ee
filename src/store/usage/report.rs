//! Sums of usage by key, account, model, day or hour, read from the rollups and never from the rows.

use std::collections::BTreeMap;

use actors::domain::id::{AccountId, KeyId, UserId};
use actors::domain::money::Nanos;
use actors::domain::settings::Zone;
use actors::domain::time::Timestamp;
use actors::domain::usage::Tokens;

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::sql::{Row, Sql, built, sql};
use super::rollup::{HISTOGRAMS, day};

/// What a report has one row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// Key id.
    Key,
    /// Account id; 0 = no account served.
    Account,
    /// Owner id.
    User,
    /// Requested model.
    Model,
    /// Service; `none` = no account served.
    Service,
    /// UTC hour, as Unix ms of its start.
    Hour,
    /// Calendar day in a zone, `YYYY-MM-DD`.
    Day(Zone),
    /// One row for all.
    All,
}

/// Filters of a report, all optional. Times count by whole UTC hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Owner.
    pub user: Option<UserId>,
    /// Key.
    pub key: Option<KeyId>,
    /// Account.
    pub account: Option<AccountId>,
    /// Requested model, exactly.
    pub model: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Sums over requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageSum {
    /// Requests.
    pub requests: i64,
    /// Those that failed.
    pub errors: i64,
    /// Those whose usage is our estimate.
    pub estimated: i64,
    /// Tokens.
    pub tokens: Tokens,
    /// At list price.
    pub list: Nanos,
    /// Charged.
    pub charge: Nanos,
    /// What the answering accounts cost us; failed attempts are in [`account_usage`].
    pub upstream: Nanos,
    /// Requests by time to the first content byte: up to 100, 300, 1 000, 3 000, 10 000 ms, more.
    pub ttft: [i64; 6],
    /// Requests by whole time: up to 300, 1 000, 3 000, 10 000, 30 000 ms, more.
    pub total: [i64; 6],
}

/// One row of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// Value of the grouping, as text.
    pub group: String,
    /// Sums.
    pub sum: UsageSum,
}

/// Usage of a user on one day with one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayUsage {
    /// `YYYY-MM-DD` in the site zone.
    pub day: String,
    /// Requested model.
    pub model: String,
    /// Sums; histograms, upstream cost and estimates are not kept by day.
    pub sum: UsageSum,
}

/// Attempts of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountUsage {
    /// Attempts.
    pub attempts: i64,
    /// Those whose verdict was not `ok`.
    pub failures: i64,
    /// Tokens of every kind.
    pub tokens: i64,
    /// What they cost us.
    pub upstream: Nanos,
}

/// What the attempts of an account have cost us since a moment, exactly.
pub async fn spent_since(db: &Db, account: AccountId, since: Timestamp) -> Result<Nanos, StoreError> {
    let query = sql("SELECT CAST(COALESCE(SUM(upstream_nanos), 0) AS SIGNED) AS spent FROM usage_attempts \
         WHERE account_id = ? AND started_at >= ?");
    let row = db.read_one(query.bind(account).bind(since)).await?;
    row.map_or(Ok(Nanos::ZERO), |row| Ok(Nanos(row.int("spent")?)))
}

const SUMS: [&str; 13] = [
    "requests",
    "errors",
    "input_tokens",
    "cache_read_tokens",
    "cache_w5m_tokens",
    "cache_w1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_search",
    "list_nanos",
    "charge_nanos",
    "upstream_nanos",
    "estimated",
];

/// A report over the hours of the filter, in order of its grouping.
pub async fn report(db: &Db, filter: &UsageFilter, group: GroupBy) -> Result<Vec<ReportRow>, StoreError> {
    let column = match group {
        GroupBy::Key => "key_id",
        GroupBy::Account => "account_id",
        GroupBy::User => "user_id",
        GroupBy::Model => "model",
        GroupBy::Service => "service",
        GroupBy::Hour | GroupBy::Day(_) => "hour_start",
        GroupBy::All => "0",
    };
    // MySQL's SUM is a decimal, which only a cast makes a whole number again.
    let sums: Vec<String> =
        SUMS.iter().chain(&HISTOGRAMS).map(|c| format!("CAST(SUM({c}) AS SIGNED) AS {c}")).collect();
    let query = built(format!("SELECT {column} AS grouping_value, {} FROM usage_hourly WHERE 1 = 1", sums.join(", ")));
    let query = conditions(query, filter).push(" GROUP BY grouping_value ORDER BY grouping_value");
    let mut rows = Vec::new();
    for row in db.read(query).await? {
        let group_value = match group {
            GroupBy::Model | GroupBy::Service => row.text("grouping_value")?,
            GroupBy::Day(zone) => day(zone, row.time("grouping_value")?),
            GroupBy::All => "all".to_owned(),
            _ => row.int("grouping_value")?.to_string(),
        };
        rows.push(ReportRow { group: group_value, sum: read_sum(&row)? });
    }
    Ok(if matches!(group, GroupBy::Day(_)) { fold(rows) } else { rows })
}

fn conditions(query: Sql, filter: &UsageFilter) -> Sql {
    query
        .push_if(" AND user_id = ?", filter.user)
        .push_if(" AND key_id = ?", filter.key)
        .push_if(" AND account_id = ?", filter.account)
        .push_if(" AND model = ?", filter.model.clone())
        .push_if(" AND hour_start >= ?", filter.from)
        .push_if(" AND hour_start < ?", filter.until)
}

/// What one key used, in one row.
pub async fn key_usage(db: &Db, key: KeyId, from: Option<Timestamp>) -> Result<UsageSum, StoreError> {
    let filter = UsageFilter { key: Some(key), from, ..UsageFilter::default() };
    Ok(report(db, &filter, GroupBy::All).await?.pop().map(|row| row.sum).unwrap_or_default())
}

/// Days of a user in the site zone, `from` and `until` inclusive as `YYYY-MM-DD`.
pub async fn day_usage(db: &Db, user: UserId, from: &str, until: &str) -> Result<Vec<DayUsage>, StoreError> {
    let query = sql("SELECT day, model, requests, errors, input_tokens, cache_read_tokens, cache_w5m_tokens, \
         cache_w1h_tokens, output_tokens, reasoning_tokens, web_search, list_nanos, charge_nanos FROM daily_usages \
         WHERE user_id = ? AND day >= ? AND day <= ? ORDER BY day, model");
    let rows = db.read(query.bind(user).bind(from).bind(until)).await?;
    rows.iter()
        .map(|row| Ok(DayUsage { day: row.text("day")?, model: row.text("model")?, sum: read_counts(row)? }))
        .collect()
}

/// Attempts of every account since a moment, by whole UTC hours.
pub async fn account_usage(db: &Db, from: Timestamp) -> Result<BTreeMap<AccountId, AccountUsage>, StoreError> {
    let query = sql("SELECT account_id, CAST(SUM(attempts) AS SIGNED) AS attempts, \
         CAST(SUM(failures) AS SIGNED) AS failures, CAST(SUM(tokens) AS SIGNED) AS tokens, \
         CAST(SUM(upstream_nanos) AS SIGNED) AS upstream_nanos FROM account_hourly WHERE hour_start >= ? \
         GROUP BY account_id");
    let rows = db.read(query.bind(from)).await?;
    rows.iter()
        .map(|row| {
            let usage = AccountUsage {
                attempts: row.int("attempts")?,
                failures: row.int("failures")?,
                tokens: row.int("tokens")?,
                upstream: row.nanos("upstream_nanos")?,
            };
            Ok((AccountId(row.int("account_id")?), usage))
        })
        .collect()
}

fn read_counts(row: &Row) -> Result<UsageSum, StoreError> {
    Ok(UsageSum {
        requests: row.int("requests")?,
        errors: row.int("errors")?,
        tokens: Tokens {
            input: row.fit("input_tokens")?,
            cache_read: row.fit("cache_read_tokens")?,
            cache_w5m: row.fit("cache_w5m_tokens")?,
            cache_w1h: row.fit("cache_w1h_tokens")?,
            output: row.fit("output_tokens")?,
            reasoning: row.fit("reasoning_tokens")?,
            web_search: row.fit("web_search")?,
        },
        list: row.nanos("list_nanos")?,
        charge: row.nanos("charge_nanos")?,
        ..UsageSum::default()
    })
}

fn read_sum(row: &Row) -> Result<UsageSum, StoreError> {
    let mut sum =
        UsageSum { upstream: row.nanos("upstream_nanos")?, estimated: row.int("estimated")?, ..read_counts(row)? };
    let slots = sum.ttft.iter_mut().chain(&mut sum.total);
    for (slot, column) in slots.zip(HISTOGRAMS) {
        *slot = row.int(column)?;
    }
    Ok(sum)
}

/// Hours of one day become one row; a day of any zone is a run of consecutive hours.
fn fold(hours: Vec<ReportRow>) -> Vec<ReportRow> {
    let mut days: Vec<ReportRow> = Vec::new();
    for hour in hours {
        match days.last_mut() {
            Some(day) if day.group == hour.group => day.sum.add(&hour.sum),
            _ => days.push(hour),
        }
    }
    days
}

impl UsageSum {
    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.estimated += other.estimated;
        let (ours, theirs) = (&mut self.tokens, &other.tokens);
        ours.input = ours.input.saturating_add(theirs.input);
        ours.cache_read = ours.cache_read.saturating_add(theirs.cache_read);
        ours.cache_w5m = ours.cache_w5m.saturating_add(theirs.cache_w5m);
        ours.cache_w1h = ours.cache_w1h.saturating_add(theirs.cache_w1h);
        ours.output = ours.output.saturating_add(theirs.output);
        ours.reasoning = ours.reasoning.saturating_add(theirs.reasoning);
        ours.web_search = ours.web_search.saturating_add(theirs.web_search);
        self.list = self.list.saturating_add(other.list);
        self.charge = self.charge.saturating_add(other.charge);
        self.upstream = self.upstream.saturating_add(other.upstream);
        let slots = self.ttft.iter_mut().chain(&mut self.total);
        slots.zip(other.ttft.iter().chain(&other.total)).for_each(|(slot, n)| *slot += n);
    }
}

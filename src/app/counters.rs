//! Repairs real-time counters from SQL: late events mark the counters that they belong to, and SQL wins.

use std::time::Duration;

use actors::domain::id::{KeyId, UserId};
use actors::domain::time::Timestamp;
use actors::settings::SettingsHandle;
use chrono::{Days, Months, NaiveDate, TimeZone};
use chrono_tz::Tz;

use super::storage::Storage;
use crate::cache::Cache;
use crate::cache::counters::{Counts, Scope};
use crate::store::usage::{self, GroupBy, UsageFilter, UsageSum};
use crate::store::{Db, StoreError};

/// How often marked counters are looked for.
const EVERY: Duration = Duration::from_secs(5);
/// Scopes recomputed per round.
const ROUND: usize = 200;

/// Recomputes counters.
#[derive(Clone)]
pub struct Recount {
    db: Db,
    cache: Cache,
    settings: SettingsHandle,
}

impl Recount {
    /// Over this storage.
    pub fn new(storage: &Storage, settings: SettingsHandle) -> Self {
        Self { db: storage.db.clone(), cache: storage.cache.clone(), settings }
    }

    /// Repairs for as long as it is polled.
    pub async fn run(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            let source = |scope| {
                let this = self.clone();
                async move { this.read(scope).await }
            };
            if let Err(error) = self.cache.recount(ROUND, source).await {
                tracing::debug!(%error, "counters could not be repaired");
            }
        }
    }

    async fn read(&self, scope: Scope) -> Result<Counts, StoreError> {
        let zone = self.settings.current().timezone.0;
        match scope {
            Scope::User(user) => self.sum(of_user(user)).await,
            Scope::UserDay(user, day) => self.sum(within(of_user(user), day_range(zone, &day)?)).await,
            Scope::UserMonth(user, month) => self.sum(within(of_user(user), month_range(zone, &month)?)).await,
            Scope::UserModel(user, model) => self.sum(UsageFilter { model: Some(model), ..of_user(user) }).await,
            Scope::Key(_, key) => self.sum(of_key(key)).await,
            Scope::KeyDay(_, key, day) => self.sum(within(of_key(key), day_range(zone, &day)?)).await,
            Scope::KeyMonth(_, key, month) => self.sum(within(of_key(key), month_range(zone, &month)?)).await,
            Scope::Account(account) => self.account(account, Timestamp(0)).await,
            Scope::AccountDay(account, day) => self.account(account, day_range(zone, &day)?.0).await,
        }
    }

    async fn sum(&self, filter: UsageFilter) -> Result<Counts, StoreError> {
        let sum = usage::report(&self.db, &filter, GroupBy::All).await?.pop().map(|row| row.sum).unwrap_or_default();
        Ok(counts(&sum))
    }

    /// Attempts since a moment. Only the running day and the total are ever late.
    async fn account(&self, account: actors::domain::id::AccountId, from: Timestamp) -> Result<Counts, StoreError> {
        let found = usage::account_usage(&self.db, from).await?.remove(&account).unwrap_or_default();
        Ok(Counts {
            requests: found.attempts,
            errors: found.failures,
            total_tokens: found.tokens,
            total_cost: found.upstream.0,
            ..Counts::default()
        })
    }
}

fn of_user(user: UserId) -> UsageFilter {
    UsageFilter { user: Some(user), ..UsageFilter::default() }
}

fn of_key(key: KeyId) -> UsageFilter {
    UsageFilter { key: Some(key), ..UsageFilter::default() }
}

fn within(filter: UsageFilter, (from, until): (Timestamp, Timestamp)) -> UsageFilter {
    UsageFilter { from: Some(from), until: Some(until), ..filter }
}

fn counts(sum: &UsageSum) -> Counts {
    let n = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
    let tokens = &sum.tokens;
    Counts {
        requests: sum.requests,
        errors: sum.errors,
        input_tokens: n(tokens.input),
        output_tokens: n(tokens.output),
        cache_creation_input_tokens: n(tokens.cache_w5m.saturating_add(tokens.cache_w1h)),
        cache_creation_1h_input_tokens: n(tokens.cache_w1h),
        cache_read_input_tokens: n(tokens.cache_read),
        reasoning_tokens: n(tokens.reasoning),
        total_tokens: n(tokens.total()),
        list_cost: sum.list.0,
        total_cost: sum.charge.0,
    }
}

/// A calendar day of 23 to 25 hours.
fn day_range(zone: Tz, day: &str) -> Result<(Timestamp, Timestamp), StoreError> {
    let date = NaiveDate::parse_from_str(day, "%Y-%m-%d").map_err(|_| unknown(day))?;
    let next = date.checked_add_days(Days::new(1)).ok_or_else(|| unknown(day))?;
    Ok((midnight(zone, date), midnight(zone, next)))
}

fn month_range(zone: Tz, month: &str) -> Result<(Timestamp, Timestamp), StoreError> {
    let date = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").map_err(|_| unknown(month))?;
    let next = date.checked_add_months(Months::new(1)).ok_or_else(|| unknown(month))?;
    Ok((midnight(zone, date), midnight(zone, next)))
}

fn unknown(period: &str) -> StoreError {
    StoreError::Data(format!("{period} is no calendar period"))
}

/// The first moment of a day; zones that skip midnight begin later.
fn midnight(zone: Tz, date: NaiveDate) -> Timestamp {
    let hours = (0..24).filter_map(|hour| date.and_hms_opt(hour, 0, 0));
    let first = hours.filter_map(|time| zone.from_local_datetime(&time).earliest()).next();
    first.map_or(Timestamp(0), |at| Timestamp(at.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use actors::domain::time::HOUR;

    use super::*;

    #[test]
    fn periods_are_calendar_ones_of_the_zone() {
        let berlin = chrono_tz::Europe::Berlin;
        let length = |(from, until): (Timestamp, Timestamp)| until.since(from) / HOUR;
        assert_eq!(length(day_range(berlin, "2026-03-29").unwrap()), 23);
        assert_eq!(length(day_range(berlin, "2026-10-25").unwrap()), 25);
        assert_eq!(length(month_range(chrono_tz::UTC, "2028-02").unwrap()), 29 * 24);
        assert!(day_range(berlin, "yesterday").is_err());
    }
}

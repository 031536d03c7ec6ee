//! Which scopes an event counts in, and with what.

use actors::domain::settings::Zone;
use actors::domain::time::Timestamp;
use actors::domain::usage::{AttemptRow, RequestRow, RequestStatus, Tokens, UsageEvent};
use chrono::{NaiveDate, TimeZone};

use super::{Counts, Scope};

/// One thing to count, once, in several scopes that live together.
pub(super) struct Mark {
    /// Unique name of what is counted.
    pub event: String,
    /// When it ended.
    pub at: Timestamp,
    pub scopes: Vec<Scope>,
    pub counts: Counts,
}

fn date(zone: Zone, at: Timestamp) -> NaiveDate {
    zone.0.timestamp_millis_opt(at.0).single().map(|time| time.date_naive()).unwrap_or_default()
}

/// The calendar day in the zone, `YYYY-MM-DD`.
pub fn day(zone: Zone, at: Timestamp) -> String {
    date(zone, at).format("%Y-%m-%d").to_string()
}

/// The month in the zone, `YYYY-MM`.
pub fn month(zone: Zone, at: Timestamp) -> String {
    date(zone, at).format("%Y-%m").to_string()
}

/// A request counts for its user and key, every attempt for its account.
pub(super) fn marks(event: &UsageEvent, zone: Zone) -> Vec<Mark> {
    match event {
        UsageEvent::Attempt(attempt) => vec![of_attempt(attempt, zone)],
        UsageEvent::Request(request, attempt) => {
            let attempt = attempt.as_deref().map(|attempt| of_attempt(attempt, zone));
            std::iter::once(of_request(request, zone)).chain(attempt).collect()
        }
    }
}

fn of_request(row: &RequestRow, zone: Zone) -> Mark {
    let (user, key) = (row.user, row.key);
    let (day, month) = (day(zone, row.started_at), month(zone, row.started_at));
    let failed = !matches!(row.status, RequestStatus::Ok | RequestStatus::Cancelled);
    Mark {
        event: row.request.to_string(),
        at: row.ended_at,
        scopes: vec![
            Scope::User(user),
            Scope::UserDay(user, day.clone()),
            Scope::UserMonth(user, month.clone()),
            Scope::UserModel(user, row.model.clone()),
            Scope::Key(user, key),
            Scope::KeyDay(user, key, day),
            Scope::KeyMonth(user, key, month),
        ],
        counts: Counts {
            requests: 1,
            errors: i64::from(failed),
            list_cost: row.cost.list.0,
            total_cost: row.cost.charge.0,
            ..of_tokens(&row.usage.tokens)
        },
    }
}

fn of_attempt(row: &AttemptRow, zone: Zone) -> Mark {
    let tokens = row.usage.as_ref().map(|usage| of_tokens(&usage.tokens)).unwrap_or_default();
    Mark {
        event: row.attempt.to_string(),
        at: row.started_at.plus(row.total_ms),
        scopes: vec![Scope::Account(row.account), Scope::AccountDay(row.account, day(zone, row.started_at))],
        counts: Counts {
            requests: 1,
            errors: i64::from(row.verdict != "ok"),
            total_cost: row.upstream_cost.0,
            ..tokens
        },
    }
}

fn of_tokens(tokens: &Tokens) -> Counts {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Counts {
        input_tokens: count(tokens.input),
        output_tokens: count(tokens.output),
        cache_creation_input_tokens: count(tokens.cache_w5m.saturating_add(tokens.cache_w1h)),
        cache_creation_1h_input_tokens: count(tokens.cache_w1h),
        cache_read_input_tokens: count(tokens.cache_read),
        reasoning_tokens: count(tokens.reasoning),
        total_tokens: count(tokens.total()),
        ..Counts::default()
    }
}

//! `/usage-stats`: sums of usage and money from the rollups, never from a scan of the journal.

use actix_web::get;
use actix_web::web::Data as State;
use actors::domain::id::{AccountId, KeyId, UserId};
use actors::domain::money::PPM;
use serde::{Deserialize, Serialize};

use super::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Params, Session, User};
use crate::onboarding::json::{Moment, Money};
use crate::store::usage::{self, GroupBy, UsageFilter, UsageSum};

/// What to sum.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Not before; rounded to the hour.
    from: Option<Moment>,
    /// Before.
    to: Option<Moment>,
    /// `user`, `key`, `account`, `model`, `service`, `day` or `hour`; absent = one sum.
    group_by: Option<String>,
    /// Of this user.
    user_id: Option<i64>,
    /// Of this key.
    key_id: Option<i64>,
    /// Served by this account.
    account_id: Option<i64>,
    /// Of this model.
    model: Option<String>,
}

/// Sums of one group.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UsageRow {
    /// The group's value.
    pub group: String,
    /// Requests.
    pub requests: i64,
    /// Of them failed.
    pub errors: i64,
    /// Uncached prompt tokens.
    pub input: u64,
    /// Generated tokens.
    pub output: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache.
    pub cache_write: u64,
    /// The reasoning part of the output.
    pub reasoning: u64,
    /// At list price.
    pub list: Money,
    /// Charged.
    pub charge: Money,
    /// Cost at the upstreams; administrators only.
    pub upstream: Option<Money>,
    /// Part of the prompt that came from a cache, in ppm.
    pub hit_ppm: u64,
}

/// Sums by group, and in all.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UsageReport {
    /// One row per group.
    pub rows: Vec<UsageRow>,
    /// Everything together.
    pub totals: UsageRow,
    /// Zone of days and hours.
    pub timezone: String,
}

fn row(group: String, sum: &UsageSum, shows_cost: bool) -> UsageRow {
    let tokens = sum.tokens;
    let context = tokens.context();
    let ppm = PPM.unsigned_abs();
    let hit = tokens.cache_read.saturating_mul(ppm).checked_div(context).unwrap_or(0);
    UsageRow {
        group,
        requests: sum.requests,
        errors: sum.errors,
        input: tokens.input,
        output: tokens.output,
        cache_read: tokens.cache_read,
        cache_write: tokens.cache_w5m.saturating_add(tokens.cache_w1h),
        reasoning: tokens.reasoning,
        list: Money(sum.list),
        charge: Money(sum.charge),
        upstream: shows_cost.then_some(Money(sum.upstream)),
        hit_ppm: hit,
    }
}

/// Sums usage: all for administrators, one's own for users.
#[utoipa::path(tag = "usage", security(("session" = ["user"])), params(UsageQuery),
    responses((status = 200, body = Envelope<UsageReport>)))]
#[get("/usage-stats")]
pub async fn sum_usage(
    session: Session<User>,
    state: State<AdminState>,
    query: Params<UsageQuery>,
) -> Result<Data<UsageReport>, ApiError> {
    let query = query.0;
    if let (Some(from), Some(to)) = (query.from, query.to)
        && from > to
    {
        return Err(ApiError::invalid("from", "must not be after to"));
    }
    let zone = state.engine.settings.current().timezone;
    let group = match query.group_by.as_deref() {
        None | Some("") => GroupBy::All,
        Some("user") => GroupBy::User,
        Some("key") => GroupBy::Key,
        Some("account") if !session.sees_own_only() => GroupBy::Account,
        Some("model") => GroupBy::Model,
        Some("service") => GroupBy::Service,
        Some("day") => GroupBy::Day(zone),
        Some("hour") => GroupBy::Hour,
        Some(_) => {
            return Err(ApiError::invalid("group_by", "must be user, key, account, model, service, day or hour"));
        }
    };
    let own = session.sees_own_only();
    let filter = UsageFilter {
        user: if own { Some(session.user.id) } else { query.user_id.map(UserId) },
        key: query.key_id.map(KeyId),
        account: query.account_id.filter(|_| !own).map(AccountId),
        model: query.model,
        from: query.from.map(|moment| moment.0),
        until: query.to.map(|moment| moment.0),
    };
    let found = usage::report(&state.db, &filter, group).await?;
    let mut totals = UsageSum::default();
    for one in &found {
        totals.add(&one.sum);
    }
    Ok(Data::ok(UsageReport {
        totals: row("all".to_owned(), &totals, !own),
        rows: found.iter().map(|one| row(one.group.clone(), &one.sum, !own)).collect(),
        timezone: zone.0.name().to_owned(),
    }))
}

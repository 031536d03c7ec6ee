//! `/api-keys/{id}/limits`: what a key has used of its limits, now.

use actix_web::get;
use actix_web::web::{Data as State, Path};
use actors::domain::id::KeyId;
use actors::domain::key::CostWindow;
use serde::Serialize;

use super::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Session, User};
use crate::onboarding::json::{Moment, Money};
use crate::store::keys;

/// One money window.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MoneyUse {
    /// Which window.
    pub window: CostWindow,
    /// The limit; absent = unlimited.
    pub limit: Option<Money>,
    /// Charged so far.
    pub used: Money,
    /// Reserved by requests in flight.
    pub held: Money,
    /// When the window began.
    pub started_at: Option<Moment>,
    /// When it starts again.
    pub resets_at: Option<Moment>,
}

/// One rate window.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RateUse {
    /// `requests`, `tokens` or `cost`.
    pub dim: actors::domain::limit::RateDimension,
    /// Length in seconds.
    pub seconds: u32,
    /// The limit.
    pub limit: i64,
    /// What is left of it.
    pub remaining: i64,
    /// When it is whole again.
    pub reset_at: Moment,
}

/// Everything that limits a key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LimitsView {
    /// Money windows.
    pub money: Vec<MoneyUse>,
    /// Rate windows; empty while the key has made no request since the start.
    pub rates: Vec<RateUse>,
    /// Live requests of the key.
    pub slots_used: u32,
    /// Live requests that it may have; 0 = unlimited.
    pub slots_max: u32,
    /// Live requests of its owner over all keys.
    pub owner_slots_used: u32,
}

/// Live use of every window.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), responses((status = 200, body = Envelope<LimitsView>)))]
#[get("/api-keys/{id}/limits")]
pub async fn key_limits(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<LimitsView>, ApiError> {
    let owner = session.sees_own_only().then_some(session.user.id);
    let row = keys::get(&state.db, KeyId(*id), owner).await?.ok_or_else(|| ApiError::not_found("key"))?;
    let Some(live) = state.engine.billing.limits(row.id).await else {
        let policy = keys::load(&state.db, row.id).await?.ok_or_else(|| ApiError::not_found("key"))?;
        return Ok(Data::ok(stored(&policy)));
    };
    let money = live.windows.iter().map(|window| MoneyUse {
        window: window.window,
        limit: window.limit.map(Money),
        used: Money(window.used),
        held: Money(window.held),
        started_at: window.start.map(Moment),
        resets_at: window.resets_at.map(Moment),
    });
    let minute = live.requests.map(|left| RateUse {
        dim: actors::domain::limit::RateDimension::Requests,
        seconds: 60,
        limit: left.limit,
        remaining: left.remaining,
        reset_at: Moment(left.reset_at),
    });
    let rates = live.rates.iter().map(|rate| RateUse {
        dim: rate.rule.dim,
        seconds: rate.rule.seconds,
        limit: rate.left.limit,
        remaining: rate.left.remaining,
        reset_at: Moment(rate.left.reset_at),
    });
    Ok(Data::ok(LimitsView {
        money: money.collect(),
        rates: minute.into_iter().chain(rates).collect(),
        slots_used: live.slots_used,
        slots_max: row.config.concurrency_limit,
        owner_slots_used: live.owner_slots_used,
    }))
}

/// A key that has made no request since the start: what SQL knows.
fn stored(policy: &actors::domain::key::KeyPolicy) -> LimitsView {
    let one = |window: CostWindow| {
        let spent = policy.spent.iter().find(|spent| spent.window == window);
        let limit = policy.cost_limits.iter().find(|(w, limit)| *w == window && limit.0 > 0);
        MoneyUse {
            window,
            limit: limit.map(|(_, limit)| Money(*limit)),
            used: Money(spent.map_or(actors::domain::money::Nanos::ZERO, |spent| spent.used)),
            held: Money::default(),
            started_at: spent.map(|spent| Moment(spent.start)),
            resets_at: None,
        }
    };
    LimitsView {
        money: CostWindow::ALL.into_iter().map(one).collect(),
        rates: Vec::new(),
        slots_used: 0,
        slots_max: policy.concurrency_limit,
        owner_slots_used: 0,
    }
}

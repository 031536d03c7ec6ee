//! `/scheduler/simulate`: where a request would go now, why there, and why nowhere else (`scheduling.md` §6).

use std::sync::Arc;

use actix_web::post;
use actix_web::web::Data as State;
use actors::domain::account::{AccountKind, KindSet, Platform};
use actors::domain::id::{AccountId, AttemptId, GroupId, KeyId};
use actors::domain::key::{BindingTarget, KeyPolicy};
use actors::domain::model::{RoutedModel, family_of, lookup_name, platform_of_model, split_routing_prefix};
use actors::domain::money::Nanos;
use actors::domain::route::{Endpoint, RouteRequest, SessionHash};
use actors::domain::sticky::session_hash;
use actors::domain::time::MINUTE;
use serde::Deserialize;
use serde_json::Value;

use super::AdminState;
use crate::http::envelope::Data;
use crate::http::error::ApiError;
use crate::http::extract::{Auditor, Body, Session};
use crate::http::relay::path::{Target, target};
use crate::onboarding::json::Money;
use crate::relay::target::{Routing, routing};
use crate::store::keys;

/// A request to imagine.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// Whose request.
    key_id: i64,
    /// Requested model, with routing prefix if any.
    model: String,
    /// Path that the client would call, such as `/v1/messages`; it tells which accounts can serve. Absent = any account of the
    /// model's service.
    #[serde(default)]
    path: Option<String>,
    /// Sticky hash of a session.
    #[serde(default)]
    session: Option<String>,
    /// What names the client's session, instead of its hash.
    #[serde(default)]
    session_id: Option<String>,
    /// Tokens of prompt and answer together, for token limits.
    #[serde(default)]
    tokens: u64,
    /// What the request would cost us, for daily budgets.
    #[serde(default)]
    cost: Option<Money>,
    /// Accounts that were tried already.
    #[serde(default)]
    excluded: Vec<i64>,
}

/// Explains what would be decided now, account by account. Reserves nothing.
#[utoipa::path(tag = "scheduler", security(("session" = ["auditor"])), request_body = Simulation,
    responses((status = 200, body = Envelope<Object>)))]
#[post("/scheduler/simulate")]
pub async fn simulate(
    _session: Session<Auditor>,
    state: State<AdminState>,
    body: Body<Simulation>,
) -> Result<Data<Value>, ApiError> {
    let body = body.0;
    let key = keys::load(&state.db, KeyId(body.key_id)).await?;
    let key = Arc::new(key.ok_or_else(|| ApiError::invalid("key_id", "names no key"))?);
    let record = state.engine.scheduler.simulate(imagined(&state, &body, key)?).await;
    let record = record.ok_or_else(|| ApiError::unavailable(&"the scheduler is being rebuilt"))?;
    Ok(Data::ok(serde_json::to_value(record).map_err(|e| ApiError::internal(&e))?))
}

fn imagined(state: &AdminState, body: &Simulation, key: Arc<KeyPolicy>) -> Result<RouteRequest, ApiError> {
    let (now, settings) = (state.clock.now(), state.engine.settings.current());
    let routed = split_routing_prefix(&body.model);
    let (endpoint, pool) = match body.path.as_deref() {
        None => (Endpoint::Generate, anywhere(&routed)),
        Some(path) => {
            let Ok(Target::Call(call)) = target(path) else {
                return Err(ApiError::invalid("path", "is no path of a call"));
            };
            let pool = routing(&call, &routed, &settings).map_err(|e| ApiError::invalid("path", e.to_string()))?;
            (call.endpoint, pool)
        }
    };
    let number = u32::try_from(body.excluded.len()).unwrap_or(u32::MAX).saturating_add(1);
    Ok(RouteRequest {
        attempt: AttemptId { request: super::new_request_id(now), number },
        platform: pool.platform,
        forced: routed.forced,
        kinds: pool.kinds,
        native: pool.native,
        only: None,
        endpoint,
        family: family_of(lookup_name(routed.name), &settings.families),
        model: Arc::from(routed.name),
        session: session_of(body, &key, pool.platform)?,
        key,
        admission: None,
        tokens_estimate: body.tokens,
        cost_estimate: body.cost.map_or(Nanos::ZERO, |cost| cost.0),
        excluded: body.excluded.iter().copied().map(AccountId).collect(),
        may_wait: true,
        deadline: now.plus(MINUTE),
    })
}

/// The model's pool, whoever asks.
fn anywhere(routed: &RoutedModel<'_>) -> Routing {
    let forced = routed.forced.map(AccountKind::platform);
    let platform = forced.or_else(|| platform_of_model(routed.name)).unwrap_or(Platform::Claude);
    Routing { platform, kinds: KindSet::ALL, native: KindSet::ALL }
}

fn session_of(body: &Simulation, key: &KeyPolicy, platform: Platform) -> Result<Option<SessionHash>, ApiError> {
    if let Some(hash) = &body.session {
        return hash.parse().map(Some).map_err(|_| ApiError::invalid("session", "is not a sticky hash"));
    }
    let group: Option<GroupId> = key.binding(platform).and_then(|binding| match binding.target {
        BindingTarget::Group(group) => Some(group),
        BindingTarget::Account(_) => None,
    });
    Ok(body.session_id.as_deref().map(|value| session_hash(platform, key.id, group, value)))
}

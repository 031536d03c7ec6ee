//! `/system/…`, `/version`, `/openapi.json`: the process itself.

use actix_web::web::Data as State;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use serde_json::Value;

use super::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Auditor, Session};
use crate::http::probes::Probes;
use crate::observe::build::Build;
use crate::onboarding::json::Moment;
use crate::store::instances;

/// The process.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InfoView {
    /// What was built.
    #[serde(flatten)]
    pub build: Build,
    /// `embedded` or `fleet`.
    pub mode: &'static str,
    /// Name of this instance.
    pub instance: String,
    /// Start of the process.
    pub started_at: Moment,
    /// Seconds since then.
    pub uptime_seconds: i64,
    /// Every instance that serves this database.
    pub instances: Vec<InstanceView>,
    /// Accounts by run-time presence.
    pub accounts: usize,
}

/// An instance.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InstanceView {
    /// Its name.
    pub instance: String,
    /// Version of its binary.
    pub version: String,
    /// Start.
    pub started_at: Moment,
    /// Last sign of life.
    pub heartbeat_at: Moment,
    /// The last sign of life is recent.
    pub alive: bool,
}

/// Version, mode, instances.
#[utoipa::path(tag = "system", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<InfoView>)))]
#[get("/system/info")]
pub async fn system_info(_session: Session<Auditor>, state: State<AdminState>) -> Result<Data<InfoView>, ApiError> {
    let now = state.clock.now();
    let view = |row: instances::InstanceRow| InstanceView {
        alive: now.since(row.heartbeat_at) < instances::DEAD_AFTER_MS,
        instance: row.instance,
        version: row.version,
        started_at: Moment(row.started_at),
        heartbeat_at: Moment(row.heartbeat_at),
    };
    Ok(Data::ok(InfoView {
        build: Build::current(),
        mode: state.mode,
        instance: state.instance.to_string(),
        started_at: Moment(state.started_at),
        uptime_seconds: now.since(state.started_at) / 1_000,
        instances: instances::list(&state.db).await?.into_iter().map(view).collect(),
        accounts: state.engine.accounts.ids().len(),
    }))
}

/// Every readiness check with its time.
#[utoipa::path(tag = "system", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Object>)))]
#[get("/system/health")]
pub async fn system_health(_session: Session<Auditor>, probes: State<Probes>) -> Result<Data<Value>, ApiError> {
    Ok(Data::ok(probes.report().await.verbose()))
}

/// A kind of actor.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ActorView {
    /// Which.
    pub actor: &'static str,
    /// False while one of them is being rebuilt.
    pub up: bool,
    /// Messages that wait.
    pub mailbox_depth: i64,
    /// Messages that it is sized for.
    pub mailbox_capacity: i64,
}

/// The actors: up, mailbox.
#[utoipa::path(tag = "system", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<ActorView>>)))]
#[get("/system/actors")]
pub async fn system_actors(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<Vec<ActorView>>, ApiError> {
    let view = |gauge: actors::published::ActorGauge| ActorView {
        actor: gauge.actor,
        up: gauge.up,
        mailbox_depth: gauge.depth,
        mailbox_capacity: gauge.capacity,
    };
    Ok(Data::ok(state.engine.actors.gauges().into_iter().map(view).collect()))
}

/// What was built.
#[utoipa::path(tag = "system", responses((status = 200, body = Envelope<Build>)))]
#[get("/version")]
pub async fn show_version() -> Data<Build> {
    Data::ok(Build::current())
}

/// This document.
#[utoipa::path(tag = "system", responses((status = 200, body = Object)))]
#[get("/openapi.json")]
pub async fn openapi_json() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(super::openapi_text())
}

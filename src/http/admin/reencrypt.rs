//! `/system/reencrypt`: after the master key was changed, everything that the old one sealed is sealed with the new one.

use actix_web::web::Data as State;
use actix_web::{get, post};
use serde::Serialize;
use serde_json::{Map, Value};

use super::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Auditor, Session, SuperAdmin};
use crate::onboarding::json::Moment;
use crate::store::sealed;

/// Where a change of the master key stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReencryptView {
    /// Values are being sealed anew.
    pub running: bool,
    /// Begin of the last run of this process.
    pub started_at: Option<Moment>,
    /// Its end.
    pub finished_at: Option<Moment>,
    /// Values that it sealed anew.
    pub resealed: u64,
    /// Values that did not open and stay as they are; the log names their rows.
    pub failed: u64,
    /// Why it stopped before its end.
    pub error: Option<String>,
    /// Values that the sealing key has not sealed yet.
    pub remaining: i64,
    /// The keys, and what each of them has sealed. A key without values may be removed.
    pub keys: Vec<KeyUse>,
}

/// A master key and its values.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeyUse {
    /// Its id; empty for values in the form of QuotaLane's predecessor.
    pub key: String,
    /// It seals; exactly one does.
    pub seals: bool,
    /// It is configured.
    pub configured: bool,
    /// Stored values that only it opens.
    pub values: i64,
}

async fn view(state: &AdminState) -> Result<ReencryptView, ApiError> {
    let progress = state.reseal.progress();
    let mut uses = sealed::keys_in_use(&state.db).await?;
    let ids = state.reseal.key_ids();
    let configured = ids.iter().enumerate().map(|(at, key)| KeyUse {
        key: key.clone(),
        seals: at == 0,
        configured: true,
        values: uses.remove(key).unwrap_or(0),
    });
    let mut keys: Vec<KeyUse> = configured.collect();
    keys.extend(uses.into_iter().map(|(key, values)| KeyUse { key, seals: false, configured: false, values }));
    Ok(ReencryptView {
        running: progress.running,
        started_at: progress.started_at.map(Moment),
        finished_at: progress.finished_at.map(Moment),
        resealed: progress.resealed,
        failed: progress.failed,
        error: progress.error,
        remaining: keys.iter().filter(|key| !key.seals).map(|key| key.values).sum(),
        keys,
    })
}

/// Shows which master keys stored secrets still need, and where a run stands.
#[utoipa::path(tag = "system", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<ReencryptView>)))]
#[get("/system/reencrypt")]
pub async fn show_reencryption(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<ReencryptView>, ApiError> {
    Ok(Data::ok(view(&state).await?))
}

/// Seals every stored secret with the first master key, in the background. Nothing stops meanwhile; a run that is
/// interrupted goes on at the next start.
#[utoipa::path(tag = "system", security(("session" = ["super_admin"])), responses((status = 202, body = Envelope<ReencryptView>)))]
#[post("/system/reencrypt")]
pub async fn reencrypt(
    session: Session<SuperAdmin>,
    state: State<AdminState>,
) -> Result<Data<ReencryptView>, ApiError> {
    let entry = session.entry(&state, "reencrypt_started", "master_key", None, Value::Object(Map::new()));
    let started = state.reseal.start(entry).await?;
    started.map_err(|error| ApiError::new(Reason::IllegalTransition, error.to_string()))?;
    Ok(Data::accepted(view(&state).await?))
}

//! `/audit-logs`: who did what. Append-only: there is no route that changes or deletes an entry.

use actix_web::web::{Data as State, Path};
use actix_web::{HttpRequest, HttpResponse, Responder as _, get};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AdminState;
use super::audit_export::{ExportForm, export};
use crate::http::envelope::{Data, Envelope, Stretch};
use crate::http::error::ApiError;
use crate::http::extract::{Auditor, Cursor, Params, Session};
use crate::onboarding::json::Moment;
use crate::store::audit::{self, AuditFilter, AuditRow};

/// Filters of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Who.
    actor_id: Option<i64>,
    /// Exact action.
    action: Option<String>,
    /// Id of a request, as in its header `x-request-id`.
    request_id: Option<String>,
    /// Kind of object.
    target_type: Option<String>,
    /// Which one.
    target_id: Option<String>,
    /// `ok`, `denied` or `failed`.
    result: Option<String>,
    /// Not before.
    from: Option<Moment>,
    /// Before.
    to: Option<Moment>,
    /// Absent = one stretch as JSON. Otherwise every entry that fits, newest first, as a stream of lines.
    #[param(inline)]
    format: Option<ExportForm>,
}

impl AuditQuery {
    fn filter(self) -> AuditFilter {
        AuditFilter {
            actor_id: self.actor_id,
            action: self.action,
            request_id: self.request_id,
            target_type: self.target_type,
            target_id: self.target_id,
            result: self.result,
            from: self.from.map(|moment| moment.0),
            until: self.to.map(|moment| moment.0),
            before_id: None,
        }
    }
}

/// An entry.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AuditView {
    /// Rising id.
    pub id: i64,
    /// When.
    pub at: Moment,
    /// Request that asked for it.
    pub request_id: Option<String>,
    /// `user`, `api_key`, `system` or `setup`.
    pub actor_type: String,
    /// Who.
    pub actor_id: Option<i64>,
    /// The actor's role then.
    pub actor_role: Option<String>,
    /// Client address.
    pub ip: Option<String>,
    /// Client program.
    pub user_agent: Option<String>,
    /// What was done.
    pub action: String,
    /// Kind of object.
    pub target_type: Option<String>,
    /// Which one.
    pub target_id: Option<String>,
    /// `ok`, `denied` or `failed`.
    pub result: String,
    /// Old and new values; secrets are `***`.
    #[schema(value_type = Object)]
    pub changes: Value,
    /// Hash of the entry before; empty for the first.
    pub prev_hash: String,
    /// Hash of this entry, which holds the one before: nothing can be altered or taken out unnoticed.
    pub hash: String,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: Moment(row.created_at),
            request_id: row.request_id,
            actor_type: row.actor_type,
            actor_id: row.actor_id,
            actor_role: row.actor_role,
            ip: row.ip,
            user_agent: row.user_agent,
            action: row.action,
            target_type: row.target_type,
            target_id: row.target_id,
            result: row.result,
            changes: row.changes,
            prev_hash: row.prev_hash,
            hash: row.row_hash,
        }
    }
}

/// Lists entries, newest first; with `format` as a file.
#[utoipa::path(tag = "audit", security(("session" = ["auditor"])), params(Cursor, AuditQuery),
    responses((status = 200, content(
        (Envelope<Stretch<AuditView>> = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    ))))]
#[get("/audit-logs")]
pub async fn list_audit_logs(
    _session: Session<Auditor>,
    state: State<AdminState>,
    cursor: Params<Cursor>,
    query: Params<AuditQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let limit = cursor.0.limit()?;
    let before = cursor.0.cursor.as_deref().map(str::parse::<i64>).transpose();
    let before_id = before.map_err(|_| ApiError::invalid("cursor", "is not a cursor of this list"))?;
    let form = query.0.format;
    let filter = AuditFilter { before_id, ..query.0.filter() };
    if let Some(form) = form {
        return Ok(export(state.db.clone(), filter, form));
    }
    let rows = audit::list(&state.db, &filter, i64::from(limit) + 1).await?;
    let keep = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > keep;
    let items: Vec<AuditView> = rows.into_iter().take(keep).map(AuditView::from).collect();
    let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Data::ok(Stretch { items, next_cursor }).respond_to(&request))
}

/// Shows an entry.
#[utoipa::path(tag = "audit", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<AuditView>)))]
#[get("/audit-logs/{id}")]
pub async fn get_audit_log(
    _session: Session<Auditor>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<AuditView>, ApiError> {
    let row = audit::get(&state.db, *id).await?;
    Ok(Data::ok(row.ok_or_else(|| ApiError::not_found("entry"))?.into()))
}

/// Whether the chain of entries is whole.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ChainView {
    /// Nothing was altered or removed.
    pub intact: bool,
    /// The first entry that does not follow from the one before it.
    pub broken_at: Option<i64>,
}

/// Checks the chain.
#[utoipa::path(tag = "audit", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<ChainView>)))]
#[get("/audit-logs/verify")]
pub async fn verify_audit_logs(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<ChainView>, ApiError> {
    let broken_at = audit::verify(&state.db).await?;
    Ok(Data::ok(ChainView { intact: broken_at.is_none(), broken_at }))
}

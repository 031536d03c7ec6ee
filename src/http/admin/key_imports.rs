//! `/imports`: keys of predecessors. Nothing is written unless `dry_run` is false.

use actix_web::post;
use actix_web::web::Data as State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, Session, SuperAdmin};
use crate::onboarding::key_import::{Import, ImportOptions, KeySource, Report};

/// What to import.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyImport {
    /// From where.
    source: KeySource,
    /// The file, as text or as the JSON itself.
    #[schema(value_type = Object, write_only)]
    content: Value,
    /// How the predecessor's things are called here.
    #[serde(default)]
    options: ImportOptions,
    /// Only say what would become of each row.
    #[serde(default = "yes")]
    dry_run: bool,
    /// Set keys that were imported before anew.
    #[serde(default)]
    overwrite: bool,
}

const fn yes() -> bool {
    true
}

/// Takes over keys that a predecessor issued; they go on working unchanged.
#[utoipa::path(tag = "api-keys", security(("session" = ["super_admin"])), request_body = KeyImport,
    responses((status = 200, body = Envelope<Report>)))]
#[post("/imports")]
pub async fn import_keys(
    session: Session<SuperAdmin>,
    state: State<AdminState>,
    body: Body<KeyImport>,
) -> Result<Data<Report>, ApiError> {
    let wanted = body.0;
    if !state.keyring.knows(wanted.source.scheme()) {
        let text = "migration.crs_encryption_key is not set: imported keys would never be found";
        return Err(ApiError::new(Reason::InvalidArgument, text));
    }
    let content = match wanted.content {
        Value::String(text) => serde_json::from_str(&text).map_err(|_| ApiError::invalid("content", "is no JSON"))?,
        content => content,
    };
    let owner = wanted.options.user_id.unwrap_or(session.user.id);
    let known = crate::store::users::get(&state.db, owner).await?.filter(|row| row.deleted_at.is_none());
    known.ok_or_else(|| ApiError::invalid("options", "user_id names no user"))?;
    let import = Import::read(wanted.source, &content, &wanted.options)?;
    let audited = |action: &str, name: &str| {
        let changes = json!({ "name": [null, name], "source": [null, wanted.source] });
        state.db.audited(session.entry(&state, action, "api_key", None, changes))
    };
    let now = state.clock.now();
    let report = import.run(&state.db, owner, wanted.dry_run, wanted.overwrite, audited, now).await?;
    if !report.dry_run {
        // Keys that were set anew are to keep none of their old limits.
        state.keyring.poll().await?;
    }
    Ok(Data::ok(report))
}

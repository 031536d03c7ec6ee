//! The audit log as a file: read and sent in stretches, so that its length costs no memory.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value;

use super::audit_logs::AuditView;
use crate::store::audit::{self, AuditFilter};
use crate::store::{Db, StoreError};

/// Entries read at once.
const STRETCH: i64 = 500;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportForm {
    /// A table with a line of names.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl ExportForm {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/x-ndjson",
        }
    }

    const fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "attachment; filename=\"audit-log.csv\"",
            Self::Jsonl => "attachment; filename=\"audit-log.jsonl\"",
        }
    }
}

/// Where an export stands; `None` after its last stretch.
type Position = Option<(AuditFilter, bool)>;

/// Every entry that fits, newest first.
pub fn export(db: Db, filter: AuditFilter, form: ExportForm) -> HttpResponse {
    let stretches = stream::try_unfold(Some((filter, true)), move |position: Position| {
        let db = db.clone();
        async move {
            let Some((filter, first)) = position else { return Ok::<_, StoreError>(None) };
            let rows = audit::list(&db, &filter, STRETCH).await?;
            let next = rows.last().map(|row| row.id).filter(|_| rows.len() == usize::try_from(STRETCH).unwrap_or(0));
            let views: Vec<AuditView> = rows.into_iter().map(AuditView::from).collect();
            let text = match form {
                ExportForm::Csv => csv_lines(&views, first)?,
                ExportForm::Jsonl => json_lines(&views)?,
            };
            let next = next.map(|id| (AuditFilter { before_id: Some(id), ..filter }, false));
            Ok(Some((Bytes::from(text), next)))
        }
    });
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, form.content_type()))
        .insert_header((CONTENT_DISPOSITION, form.file_name()))
        .streaming(stretches)
}

fn json_lines(views: &[AuditView]) -> Result<Vec<u8>, StoreError> {
    let mut text = Vec::new();
    for view in views {
        serde_json::to_writer(&mut text, view)?;
        text.push(b'\n');
    }
    Ok(text)
}

fn csv_lines(views: &[AuditView], with_names: bool) -> Result<Vec<u8>, StoreError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let unwritable = |_| StoreError::Data("an entry cannot be written as csv".to_owned());
    if with_names {
        writer.write_record(NAMES).map_err(unwritable)?;
    }
    for view in views {
        let value = serde_json::to_value(view)?;
        let cells = NAMES.iter().map(|name| match value.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => harmless(text),
            Some(other) => other.to_string(),
        });
        writer.write_record(cells).map_err(unwritable)?;
    }
    writer.into_inner().map_err(|_| StoreError::Data("an entry cannot be written as csv".to_owned()))
}

/// The columns, which are the fields of an entry.
const NAMES: [&str; 15] = [
    "id",
    "at",
    "request_id",
    "actor_type",
    "actor_id",
    "actor_role",
    "ip",
    "user_agent",
    "action",
    "target_type",
    "target_id",
    "result",
    "changes",
    "prev_hash",
    "hash",
];

/// A text that a spreadsheet would take for a formula gets a quote in front (`admin-api.md` §1).
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_only_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)"] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        assert_eq!(harmless("curl/8"), "curl/8");
    }
}

//! Keys of predecessors, so that their users change nothing but the host (`admin-api.md` §9). A key comes as the digest that
//! the predecessor kept; its first use here moves it to our own scheme.
//!
//! Importing twice changes nothing: every row is known by `import:<source>:<id>`.

mod aiproxy;
mod crs;

use std::collections::BTreeMap;

use actors::domain::id::{KeyId, UserId};
use actors::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Invalid;
use super::key::KeyInput;
use crate::store::keys::{self, Digest, Imported, KeyConfig, KeyStatus};
use crate::store::{Db, StoreError};

/// Where keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeySource {
    /// An export file of claude-relay-service.
    ClaudeRelayService,
    /// The rows of go-aiproxy's table of keys, as JSON.
    GoAiproxy,
}

impl KeySource {
    /// The name in JSON and in the references of rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeRelayService => "claude-relay-service",
            Self::GoAiproxy => "go-aiproxy",
        }
    }

    /// How it keeps its keys.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::ClaudeRelayService => "crs",
            Self::GoAiproxy => "sha256",
        }
    }
}

/// How the predecessor's things are called here.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImportOptions {
    /// Owner of the keys; absent = the caller.
    #[schema(value_type = Option<i64>)]
    pub user_id: Option<UserId>,
    /// Ids of accounts there and here, for keys that are bound to one.
    pub accounts: BTreeMap<String, i64>,
    /// Ids of groups there and here.
    pub groups: BTreeMap<String, i64>,
    /// Take keys over without bindings that name nothing here; otherwise such keys fail.
    pub drop_bindings: bool,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A key was made.
    Created,
    /// A key that was imported before was set anew.
    Updated,
    /// Nothing had to be done.
    Skipped,
    /// The row cannot be taken over.
    Failed,
}

/// One row of the report.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct RowResult {
    /// The key's id there.
    pub source_id: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The key here.
    #[schema(value_type = Option<i64>)]
    pub key_id: Option<KeyId>,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// What has no counterpart here.
    pub notes: Vec<String>,
}

/// What came of an import.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Report {
    /// From where.
    pub source: KeySource,
    /// Nothing was written.
    pub dry_run: bool,
    /// Keys made.
    pub created: usize,
    /// Keys set anew.
    pub updated: usize,
    /// Rows that needed nothing.
    pub skipped: usize,
    /// Rows that could not be taken over.
    pub failed: usize,
    /// Every row.
    pub results: Vec<RowResult>,
}

/// A row as read from the predecessor, before its limits are checked.
#[derive(Debug, Default)]
struct Row {
    id: String,
    /// Fields of [`KeyInput`].
    key: Map<String, Value>,
    digest: Option<String>,
    shown: (String, String),
    disabled: bool,
    deleted: bool,
    notes: Vec<String>,
}

/// A file of keys, read. A row that is wrong is in it with its fault.
pub struct Import {
    source: KeySource,
    rows: Vec<Result<Row, RowResult>>,
}

impl Import {
    /// Reads what a predecessor exported.
    ///
    /// # Errors
    /// When it is not what the source exports, or has no digests in it.
    pub fn read(source: KeySource, content: &Value, options: &ImportOptions) -> Result<Self, Invalid> {
        let rows = match source {
            KeySource::ClaudeRelayService => crs::rows(content, options)?,
            KeySource::GoAiproxy => aiproxy::rows(content)?,
        };
        Ok(Self { source, rows })
    }

    /// Takes the rows over, one transaction each. `audited` makes the handle for a row's change.
    ///
    /// # Errors
    /// When the database fails; rows taken over until then stay.
    pub async fn run(
        self,
        db: &Db,
        owner: UserId,
        dry_run: bool,
        overwrite: bool,
        audited: impl Fn(&str, &str) -> Db,
        now: Timestamp,
    ) -> Result<Report, StoreError> {
        let mut results = Vec::new();
        for row in self.rows {
            results.push(match row {
                Ok(row) => {
                    let write = (!dry_run).then_some((&audited as &dyn Fn(&str, &str) -> Db, owner));
                    one(self.source, row, db, write, overwrite, now).await?
                }
                Err(failed) => failed,
            });
        }
        let count = |outcome| results.iter().filter(|row| row.outcome == outcome).count();
        Ok(Report {
            source: self.source,
            dry_run,
            created: count(Outcome::Created),
            updated: count(Outcome::Updated),
            skipped: count(Outcome::Skipped),
            failed: count(Outcome::Failed),
            results,
        })
    }
}

/// Makes audited handles, and the owner of new keys.
type Write<'a> = (&'a dyn Fn(&str, &str) -> Db, UserId);

async fn one(
    source: KeySource,
    row: Row,
    db: &Db,
    write: Option<Write<'_>>,
    overwrite: bool,
    now: Timestamp,
) -> Result<RowResult, StoreError> {
    let mut result = row.result();
    if row.deleted {
        return Ok(result.ended(Outcome::Skipped, "deleted there"));
    }
    let Some(hex) = row.digest.clone() else {
        return Ok(result.ended(Outcome::Failed, "has no digest: the export was sanitised"));
    };
    let status = if row.disabled { KeyStatus::Disabled } else { KeyStatus::Active };
    let config = match row.config() {
        Ok(config) => config,
        Err(fault) => return Ok(result.ended(Outcome::Failed, fault)),
    };
    let reference = format!("import:{}:{}", source.as_str(), row.id);
    let digest = Digest { scheme: source.scheme().to_owned(), hex };
    if let Some(known) = keys::imported(db, &reference).await? {
        result.key_id = Some(known.id);
        if !overwrite {
            return Ok(result.ended(Outcome::Skipped, "imported before"));
        }
        if let Some((audited, _)) = write {
            let db = audited("key_updated", &result.name);
            keys::update_imported(&db, known.id, known.version, config, status, now).await?;
        }
        return Ok(RowResult { outcome: Outcome::Updated, ..result });
    }
    if keys::digest_is_known(db, &digest).await? {
        return Ok(result.ended(Outcome::Failed, "another key here has the same text"));
    }
    if let Some((audited, user)) = write {
        let (prefix, last4) = row.shown;
        let new = Imported { user, config, status, digest, prefix, last4, reference };
        result.key_id = Some(keys::import(&audited("key_created", &result.name), new, now).await?);
    }
    Ok(result)
}

impl Row {
    fn result(&self) -> RowResult {
        RowResult {
            source_id: self.id.clone(),
            name: self.key.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            outcome: Outcome::Created,
            key_id: None,
            reason: None,
            notes: self.notes.clone(),
        }
    }

    /// The key as its limits allow it; the fault otherwise.
    fn config(&self) -> Result<KeyConfig, String> {
        let input: KeyInput = serde_json::from_value(Value::Object(self.key.clone())).map_err(|e| e.to_string())?;
        input.checked().map_err(|fault| fault.to_string())
    }
}

impl RowResult {
    fn ended(self, outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: Some(reason.into()), ..self }
    }
}

/// A SHA-256 in hex, lower-cased; anything else is no digest.
fn digest(text: &str) -> Option<String> {
    let hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| text.to_ascii_lowercase())
}

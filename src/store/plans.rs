//! Plans and their versions. A version never changes; an edit makes a new one.

use actors::domain::billing::PlanTerms;
use actors::domain::id::{PlanId, PlanVersionId};
use actors::domain::time::Timestamp;
use serde_json::Value as Json;

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, built, json, sql};

/// Who sees a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody.
    #[default]
    Public,
    /// Whoever has its id.
    Hidden,
    /// Nobody buys it; running subscriptions go on.
    Archived,
}

impl Visibility {
    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Hidden => "hidden",
            Self::Archived => "archived",
        }
    }

    /// The visibility with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Public, Self::Hidden, Self::Archived].into_iter().find(|one| one.as_str() == name)
    }
}

/// What a plan says about itself, beside its terms.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanConfig {
    /// One live subscription per user and family.
    pub family: String,
    /// Unique name for programs.
    pub code: String,
    /// A higher one is an upgrade.
    pub rank: i64,
    /// `{"zh": …, "en": …}`.
    pub names: Json,
    /// Who sees it.
    pub visibility: Visibility,
    /// `[{"zh": …, "en": …}]`.
    pub features: Json,
    /// A short mark.
    pub badge: Option<String>,
    /// Smaller comes first in lists.
    pub sort: i64,
}

/// A plan with one version of its terms.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRow {
    /// Row id.
    pub id: PlanId,
    /// What it says about itself, now.
    pub config: PlanConfig,
    /// The version.
    pub version_id: PlanVersionId,
    /// Its number, from 1.
    pub number: i64,
    /// True for the version that is sold.
    pub current: bool,
    /// Its terms.
    pub terms: PlanTerms,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
}

const SELECT: &str = "SELECT p.id AS id, p.family AS family, p.code AS code, p.rank_no AS rank_no, p.names AS names, \
     p.visibility AS visibility, p.features AS features, p.badge AS badge, p.sort_no AS sort_no, v.id AS version_id, \
     v.number AS number, p.number AS current_number, v.terms AS terms, p.version AS version, \
     p.created_at AS created_at, p.updated_at AS updated_at FROM plans p JOIN plan_versions v ON v.plan_id = p.id WHERE ";

/// Creates a plan with its first version. [`StoreError::Conflict`] when the code is taken.
pub async fn create(
    db: &Db,
    config: PlanConfig,
    terms: PlanTerms,
    by: &str,
    now: Timestamp,
) -> Result<PlanId, StoreError> {
    let by = by.to_owned();
    db.change(move |tx| {
        let (config, terms, by) = (config.clone(), terms.clone(), by.clone());
        Box::pin(async move {
            let insert = sql("INSERT INTO plans (family, code, rank_no, names, visibility, features, badge, sort_no, \
                 number, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 1, ?, ?)");
            let insert = insert.bind(config.family).bind(config.code).bind(config.rank).bind(json(&config.names)?);
            let insert = insert.bind(config.visibility.as_str()).bind(json(&config.features)?).bind(config.badge);
            let id = PlanId(tx.write(insert.bind(config.sort).bind(now).bind(now)).await?.insert_id);
            tx.created(id.0);
            add_version(tx, id, 1, &terms, &by, now).await?;
            Ok(id)
        })
    })
    .await
}

async fn add_version(
    tx: &mut Tx,
    plan: PlanId,
    number: i64,
    terms: &PlanTerms,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let insert =
        sql("INSERT INTO plan_versions (plan_id, number, terms, created_by, created_at) VALUES (?, ?, ?, ?, ?)");
    tx.write(insert.bind(plan).bind(number).bind(json(terms)?).bind(by).bind(now)).await.map(drop)
}

/// Changes a plan; other terms make a new version.
pub async fn update(
    db: &Db,
    seen: &PlanRow,
    config: PlanConfig,
    terms: PlanTerms,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (seen, by) = (seen.clone(), by.to_owned());
    db.change(move |tx| {
        let (seen, config, terms, by) = (seen.clone(), config.clone(), terms.clone(), by.clone());
        Box::pin(async move {
            let number = seen.number + i64::from(terms != seen.terms);
            let update = sql("UPDATE plans SET family = ?, code = ?, rank_no = ?, names = ?, visibility = ?, \
                 features = ?, badge = ?, sort_no = ?, number = ?, version = version + 1, updated_at = ? \
                 WHERE id = ? AND version = ?");
            let update = update.bind(config.family).bind(config.code).bind(config.rank).bind(json(&config.names)?);
            let update = update.bind(config.visibility.as_str()).bind(json(&config.features)?).bind(config.badge);
            let update = update.bind(config.sort).bind(number).bind(now).bind(seen.id).bind(seen.version);
            if tx.write(update).await?.affected == 0 {
                return Err(StoreError::VersionConflict);
            }
            if number != seen.number {
                add_version(tx, seen.id, number, &terms, &by, now).await?;
            }
            Ok(())
        })
    })
    .await
}

/// Every plan with the terms that are sold, in the order of lists.
pub async fn list(db: &Db) -> Result<Vec<PlanRow>, StoreError> {
    let query = built(format!("{SELECT}v.number = p.number ORDER BY p.sort_no, p.id"));
    db.read(query).await?.iter().map(read).collect()
}

/// A plan with the terms that are sold.
pub async fn get(db: &Db, id: PlanId) -> Result<Option<PlanRow>, StoreError> {
    let query = built(format!("{SELECT}v.number = p.number AND p.id = ?")).bind(id);
    db.read_one(query).await?.as_ref().map(read).transpose()
}

/// The same inside a transaction.
pub async fn current(tx: &mut Tx, id: PlanId) -> Result<PlanRow, StoreError> {
    let query = built(format!("{SELECT}v.number = p.number AND p.id = ?")).bind(id);
    tx.read(query).await?.first().map_or(Err(StoreError::NotFound), read)
}

/// A plan with the terms of one version, inside a transaction.
pub async fn pinned(tx: &mut Tx, version: PlanVersionId) -> Result<PlanRow, StoreError> {
    let query = built(format!("{SELECT}v.id = ?")).bind(version);
    tx.read(query).await?.first().map_or(Err(StoreError::NotFound), read)
}

fn read(row: &Row) -> Result<PlanRow, StoreError> {
    let number = row.int("number")?;
    Ok(PlanRow {
        id: PlanId(row.int("id")?),
        config: PlanConfig {
            family: row.text("family")?,
            code: row.text("code")?,
            rank: row.int("rank_no")?,
            names: row.json("names")?,
            visibility: row.word("visibility", Visibility::parse)?,
            features: row.json("features")?,
            badge: row.opt_text("badge")?,
            sort: row.int("sort_no")?,
        },
        version_id: PlanVersionId(row.int("version_id")?),
        number,
        current: number == row.int("current_number")?,
        terms: row.json("terms")?,
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

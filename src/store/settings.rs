//! Dynamic settings: only values that differ from the built-in default have a row; every change is kept.

use actors::domain::settings::Settings;
use actors::domain::time::Timestamp;
use serde_json::Value as Json;

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{built, sql};

/// One change of one setting; `None` stands for the default.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingChange {
    /// Rising id.
    pub id: i64,
    /// Key of the setting.
    pub name: String,
    /// Before.
    pub old: Option<Json>,
    /// After.
    pub new: Option<Json>,
    /// Who.
    pub changed_by: String,
    /// When.
    pub changed_at: Timestamp,
}

/// Stored values by key.
pub async fn stored(db: &Db) -> Result<Vec<(String, Json)>, StoreError> {
    let rows = db.read(sql("SELECT name, value FROM settings ORDER BY name")).await?;
    rows.iter().map(|row| Ok((row.text("name")?, row.json("value")?))).collect()
}

/// A number that changes with every change of any setting.
pub async fn version(db: &Db) -> Result<i64, StoreError> {
    // Counted, not the largest id: ids can become visible out of order.
    let row = db.read_one(sql("SELECT COUNT(*) AS version FROM settings_history")).await?;
    row.map_or(Ok(0), |row| row.int("version"))
}

/// The settings in force over `base`, and their version. A stored value that this binary does not accept is left out
/// with a warning, so that an update or a downgrade cannot keep it from starting.
pub async fn load(db: &Db, base: &Settings) -> Result<(Settings, i64), StoreError> {
    let version = version(db).await?;
    let mut settings = base.clone();
    for (name, value) in stored(db).await? {
        if let Err(error) = settings.set(&name, &value) {
            tracing::warn!(setting = name, %error, "stored setting ignored");
        }
    }
    Ok((settings, version))
}

/// Stores values, all or nothing; `None` goes back to the default. The caller has validated them.
pub async fn put(
    db: &Db,
    values: Vec<(String, Option<Json>)>,
    changed_by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed_by = changed_by.to_owned();
    db.change(move |tx| {
        let (values, changed_by) = (values.clone(), changed_by.clone());
        Box::pin(async move {
            for (name, value) in values {
                put_one(tx, &name, value, &changed_by, now).await?;
            }
            Ok(())
        })
    })
    .await
}

async fn put_one(
    tx: &mut Tx,
    name: &str,
    value: Option<Json>,
    changed_by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let query = built(format!("SELECT value FROM settings WHERE name = ?{}", tx.flavor().for_update())).bind(name);
    let old = tx.read(query).await?.first().map(|row| row.text("value")).transpose()?;
    let new = value.map(|value| value.to_string());
    if old == new {
        return Ok(());
    }
    match &new {
        None => tx.write(sql("DELETE FROM settings WHERE name = ?").bind(name)).await?,
        Some(new) => {
            let columns = ["value", "updated_by", "updated_at"];
            let text = format!(
                "INSERT INTO settings (name, value, updated_by, updated_at) VALUES (?, ?, ?, ?){}",
                tx.flavor().upsert_set("name", &columns)
            );
            tx.write(built(text).bind(name).bind(new.as_str()).bind(changed_by).bind(now)).await?
        }
    };
    let history = sql("INSERT INTO settings_history (name, old_value, new_value, changed_by, changed_at) \
         VALUES (?, ?, ?, ?, ?)");
    tx.write(history.bind(name).bind(old).bind(new).bind(changed_by).bind(now)).await.map(drop)
}

/// Changes of one setting, newest first.
pub async fn history(db: &Db, name: &str, limit: i64) -> Result<Vec<SettingChange>, StoreError> {
    let query = sql("SELECT id, name, old_value, new_value, changed_by, changed_at FROM settings_history \
         WHERE name = ? ORDER BY id DESC LIMIT ?");
    let rows = db.read(query.bind(name).bind(limit)).await?;
    rows.iter()
        .map(|row| {
            Ok(SettingChange {
                id: row.int("id")?,
                name: row.text("name")?,
                old: row.opt_json("old_value")?,
                new: row.opt_json("new_value")?,
                changed_by: row.text("changed_by")?,
                changed_at: row.time("changed_at")?,
            })
        })
        .collect()
}

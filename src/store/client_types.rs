//! The operator's own client rules (`access.md` §7.1).

use actors::domain::client::ClientType;
use actors::domain::time::Timestamp;

use super::db::Db;
use super::error::StoreError;
use super::sql::{Row, json, sql};

/// Every rule, by id.
pub async fn list(db: &Db) -> Result<Vec<ClientType>, StoreError> {
    let query = sql("SELECT id, name, ua_regex, required_headers, route_families FROM client_types ORDER BY id");
    db.read(query).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<ClientType, StoreError> {
    Ok(ClientType {
        id: row.text("id")?,
        name: row.text("name")?,
        ua_regex: row.text("ua_regex")?,
        required_headers: row.json("required_headers")?,
        route_families: row.json("route_families")?,
    })
}

/// Stores a new rule. [`StoreError::Conflict`] when the id is taken.
pub async fn create(db: &Db, rule: &ClientType, now: Timestamp) -> Result<(), StoreError> {
    let statement = sql("INSERT INTO client_types (id, name, ua_regex, required_headers, route_families, created_at, \
         updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)");
    let statement = statement.bind(rule.id.as_str()).bind(rule.name.as_str()).bind(rule.ua_regex.as_str());
    let statement = statement.bind(json(&rule.required_headers)?).bind(json(&rule.route_families)?);
    db.write(statement.bind(now).bind(now)).await.map(drop)
}

/// Replaces the rule with this id.
pub async fn update(db: &Db, rule: &ClientType, now: Timestamp) -> Result<(), StoreError> {
    let statement = sql("UPDATE client_types SET name = ?, ua_regex = ?, required_headers = ?, route_families = ?, \
         updated_at = ? WHERE id = ?");
    let statement = statement.bind(rule.name.as_str()).bind(rule.ua_regex.as_str());
    let statement = statement.bind(json(&rule.required_headers)?).bind(json(&rule.route_families)?);
    db.write(statement.bind(now).bind(rule.id.as_str())).await.map(drop)
}

/// Deletes a rule.
pub async fn delete(db: &Db, id: &str) -> Result<(), StoreError> {
    let done = db.write(sql("DELETE FROM client_types WHERE id = ?").bind(id)).await?;
    if done.affected == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

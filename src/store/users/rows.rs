//! Users in SQL.

use actors::domain::id::UserId;
use actors::domain::time::Timestamp;

use super::{AuthSource, Newcomer, PasswordHash, Role, UserConfig, UserFilter, UserRow, UserStatus};
use crate::store::db::{Db, Page};
use crate::store::error::StoreError;
use crate::store::fragments::like;
use crate::store::keys::bump_generation;
use crate::store::sql::{Row, Sql, built, json, sql};
use crate::store::{identities, invites};

const SELECT: &str = "SELECT id, external_id, username, email, password_hash, pw_scheme, auth_source, role, status, \
     max_concurrency, rpm_limit, max_api_keys, price_rate_ppm, display_name, profile, default_key_limits, inviter_id, \
     second_factor_at, token_version, version, last_login_at, created_at, updated_at, deleted_at FROM users WHERE ";

/// Creates a user. [`StoreError::Conflict`] names `username_key`, `email` or `external_id` when one is taken.
pub async fn create(
    db: &Db,
    config: UserConfig,
    password: Option<PasswordHash>,
    now: Timestamp,
) -> Result<UserId, StoreError> {
    let source = if password.is_some() { AuthSource::Local } else { AuthSource::Ldap };
    admit(db, Newcomer { config, password, source, invite: None, identity: None }, now).await
}

/// Creates a user together with what brought the user in. [`StoreError::NotFound`] when the invite code cannot be used.
pub async fn admit(db: &Db, newcomer: Newcomer, now: Timestamp) -> Result<UserId, StoreError> {
    let Newcomer { config, password, source, invite, identity } = newcomer;
    let (hash, scheme) = password.map(|p| (p.hash, p.scheme)).unzip();
    let statement = sql("INSERT INTO users (external_id, username, username_key, email, display_name, role, status, \
         max_concurrency, rpm_limit, max_api_keys, price_rate_ppm, profile, default_key_limits, password_hash, \
         pw_scheme, auth_source, inviter_id, token_version, version, created_at, updated_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, ?, ?)");
    let statement = bind_config(statement, &config)?.bind(hash).bind(scheme).bind(source.as_str());
    db.change(move |tx| {
        let (statement, invite, identity) = (statement.clone(), invite.clone(), identity.clone());
        Box::pin(async move {
            let inviter = match invite {
                Some(code) => Some(invites::redeem(tx, &code, now).await?),
                None => None,
            };
            let id = tx.write(statement.bind(inviter).bind(now).bind(now)).await?.insert_id;
            if let Some((issuer, subject)) = identity {
                identities::link(tx, UserId(id), &issuer, &subject, now).await?;
            }
            tx.created(id);
            Ok(UserId(id))
        })
    })
    .await
}

fn bind_config(statement: Sql, config: &UserConfig) -> Result<Sql, StoreError> {
    Ok(statement
        .bind(config.external_id.clone())
        .bind(config.username.as_str())
        .bind(config.username.to_lowercase())
        .bind(config.email.as_deref().map(str::to_lowercase))
        .bind(config.display_name.as_str())
        .bind(config.role.as_str())
        .bind(config.status.as_str())
        .bind(config.max_concurrency)
        .bind(config.rpm_limit)
        .bind(config.max_api_keys)
        .bind(config.price_rate_ppm)
        .bind(json(&config.profile)?)
        .bind(json(&config.default_key_limits)?))
}

/// One user, deleted ones too.
pub async fn get(db: &Db, id: UserId) -> Result<Option<UserRow>, StoreError> {
    let row = db.read_one(built(format!("{SELECT} id = ?")).bind(id)).await?;
    row.as_ref().map(read).transpose()
}

/// The user with this name (ignoring case) or e-mail; not deleted ones.
pub async fn find_login(db: &Db, login: &str) -> Result<Option<UserRow>, StoreError> {
    let login = login.to_lowercase();
    let query = built(format!("{SELECT} deleted_at IS NULL AND (username_key = ? OR email = ?)"));
    let row = db.read_one(query.bind(login.as_str()).bind(login.as_str())).await?;
    row.as_ref().map(read).transpose()
}

/// A page of users that are not deleted, by id, and how many match in all.
pub async fn list(db: &Db, filter: &UserFilter, page: Page) -> Result<(Vec<UserRow>, i64), StoreError> {
    let total = db.read_one(filtered("SELECT COUNT(*) AS total FROM users WHERE ", filter)).await?;
    let total = total.map_or(Ok(0), |row| row.int("total"))?;
    let query = filtered(SELECT, filter).push(" ORDER BY id LIMIT ? OFFSET ?").bind(page.limit).bind(page.offset);
    let rows = db.read(query).await?.iter().map(read).collect::<Result<_, _>>()?;
    Ok((rows, total))
}

fn filtered(select: &str, filter: &UserFilter) -> Sql {
    let query = built(format!("{select} deleted_at IS NULL"))
        .push_if(" AND role = ?", filter.role.map(Role::as_str))
        .push_if(" AND status = ?", filter.status.map(UserStatus::as_str));
    match filter.text.as_deref().map(|text| like(&text.to_lowercase())) {
        None => query,
        Some(text) => query
            .push(" AND (username_key LIKE ? ESCAPE '!' OR email LIKE ? ESCAPE '!' OR LOWER(display_name) LIKE ? ESCAPE '!')")
            .bind_all([text.clone(), text.clone(), text]),
    }
}

/// Stores a configuration. `seen_version` guards against changes since it was read; `end_sessions` raises the token version.
pub async fn update(
    db: &Db,
    id: UserId,
    seen_version: i64,
    config: UserConfig,
    end_sessions: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement =
        sql("UPDATE users SET external_id = ?, username = ?, username_key = ?, email = ?, display_name = ?, \
         role = ?, status = ?, max_concurrency = ?, rpm_limit = ?, max_api_keys = ?, price_rate_ppm = ?, \
         profile = ?, default_key_limits = ?, token_version = token_version + ?, version = version + 1, updated_at = ? \
         WHERE id = ? AND version = ? AND deleted_at IS NULL");
    let statement = bind_config(statement, &config)?.bind(end_sessions).bind(now).bind(id).bind(seen_version);
    db.change(move |tx| {
        let statement = statement.clone();
        Box::pin(async move {
            if tx.write(statement).await?.affected == 0 {
                let found = tx.read(sql("SELECT id FROM users WHERE id = ? AND deleted_at IS NULL").bind(id)).await?;
                return Err(if found.is_empty() { StoreError::NotFound } else { StoreError::VersionConflict });
            }
            bump_generation(tx).await
        })
    })
    .await
}

/// Stores a new password and ends every session; with `rehash`, the same password under a newer cost: sessions go on.
pub async fn set_password(
    db: &Db,
    id: UserId,
    password: PasswordHash,
    rehash: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement = sql("UPDATE users SET password_hash = ?, pw_scheme = ?, token_version = token_version + ?, \
         updated_at = ? WHERE id = ? AND deleted_at IS NULL");
    let statement = statement.bind(password.hash).bind(password.scheme).bind(!rehash).bind(now).bind(id);
    db.change(move |tx| {
        let statement = statement.clone();
        Box::pin(async move { tx.write_one(statement).await })
    })
    .await
}

/// Notes a login.
pub async fn touch_login(db: &Db, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    db.write(sql("UPDATE users SET last_login_at = ? WHERE id = ?").bind(now).bind(id)).await.map(drop)
}

/// Deletes a user softly and revokes the user's keys; usage and audit rows stay. Name and e-mail become free.
pub async fn delete(db: &Db, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            let gone = sql("UPDATE users SET deleted_at = ?, updated_at = ?, token_version = token_version + 1, \
                 version = version + 1, email = NULL, external_id = NULL, username_key = ? \
                 WHERE id = ? AND deleted_at IS NULL");
            // No user name starts with #, so the old one can be given away.
            tx.write_one(gone.bind(now).bind(now).bind(format!("#{id}")).bind(id)).await?;
            let keys =
                sql("UPDATE api_keys SET status = 'revoked', revoked_at = ?, updated_at = ?, version = version + 1 \
                 WHERE user_id = ? AND status <> 'revoked'");
            tx.write(keys.bind(now).bind(now).bind(id)).await?;
            tx.write(sql("DELETE FROM user_identities WHERE user_id = ?").bind(id)).await?;
            tx.write(sql("DELETE FROM user_second_factors WHERE user_id = ?").bind(id)).await?;
            bump_generation(tx).await
        })
    })
    .await
}

/// Ends every session of a user.
pub async fn end_sessions(db: &Db, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    let statement = sql("UPDATE users SET token_version = token_version + 1, updated_at = ? \
         WHERE id = ? AND deleted_at IS NULL");
    let statement = statement.bind(now).bind(id);
    db.change(move |tx| {
        let statement = statement.clone();
        Box::pin(async move { tx.write_one(statement).await })
    })
    .await
}

/// How many users have this role, deleted ones not counted; setup is over once there is a super_admin.
pub async fn count_role(db: &Db, role: Role) -> Result<i64, StoreError> {
    let query = sql("SELECT COUNT(*) AS total FROM users WHERE role = ? AND deleted_at IS NULL").bind(role.as_str());
    db.read_one(query).await?.map_or(Ok(0), |row| row.int("total"))
}

fn read(row: &Row) -> Result<UserRow, StoreError> {
    let password = match (row.opt_text("password_hash")?, row.opt_text("pw_scheme")?) {
        (Some(hash), Some(scheme)) => Some(PasswordHash { hash, scheme }),
        _ => None,
    };
    Ok(UserRow {
        id: UserId(row.int("id")?),
        config: UserConfig {
            external_id: row.opt_text("external_id")?,
            username: row.text("username")?,
            email: row.opt_text("email")?,
            display_name: row.text("display_name")?,
            role: row.word("role", Role::parse)?,
            status: row.word("status", UserStatus::parse)?,
            max_concurrency: row.fit("max_concurrency")?,
            rpm_limit: row.fit("rpm_limit")?,
            max_api_keys: row.fit("max_api_keys")?,
            price_rate_ppm: row.int("price_rate_ppm")?,
            profile: row.opt_json("profile")?.unwrap_or_default(),
            default_key_limits: row.opt_json("default_key_limits")?.unwrap_or_default(),
        },
        password,
        auth_source: row.word("auth_source", AuthSource::parse)?,
        inviter: row.opt_int("inviter_id")?.map(UserId),
        second_factor_at: row.opt_time("second_factor_at")?,
        token_version: row.int("token_version")?,
        version: row.int("version")?,
        last_login_at: row.opt_time("last_login_at")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        deleted_at: row.opt_time("deleted_at")?,
    })
}

//! People and tenants who own keys.

use actors::domain::id::UserId;
use actors::domain::key::OwnerPolicy;
use actors::domain::time::Timestamp;

use super::db::{Db, Page};
use super::error::StoreError;
use super::fragments::like;
use super::keys::bump_generation;
use super::sql::{Row, Sql, built, sql};

/// What a user may do; later roles include earlier ones except that an auditor cannot write.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Own objects.
    User,
    /// Reads everything.
    Auditor,
    /// Manages everything but roles and security settings.
    Admin,
    /// Everything.
    SuperAdmin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 4] = [Self::User, Self::Auditor, Self::Admin, Self::SuperAdmin];

    /// The name in JSON, SQL and tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
            Self::SuperAdmin => "super_admin",
        }
    }

    /// The role with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// Whether a user may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// Yes.
    Active,
    /// Closed by the user, or not yet approved.
    Inactive,
    /// Shut out.
    Banned,
}

impl UserStatus {
    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Banned => "banned",
        }
    }

    /// The status with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Inactive, Self::Banned].into_iter().find(|status| status.as_str() == name)
    }
}

/// What an administrator sets about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    /// Id in an outside system, unique.
    pub external_id: Option<String>,
    /// 3 to 64 characters, unique ignoring case.
    pub username: String,
    /// Lower-case, unique.
    pub email: Option<String>,
    /// Shown name.
    pub display_name: String,
    /// Role.
    pub role: Role,
    /// Status.
    pub status: UserStatus,
    /// Live requests over all keys; 0 = unlimited.
    pub max_concurrency: u32,
    /// Requests per minute over all keys; 0 = unlimited.
    pub rpm_limit: u32,
    /// Keys that the user may have; 0 = unlimited.
    pub max_api_keys: u32,
    /// Multiplier of charges in ppm; 0 = free.
    pub price_rate_ppm: i64,
}

/// A stored password; never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// bcrypt text.
    pub hash: String,
    /// `bcrypt` or `bcrypt-sha256`.
    pub scheme: String,
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

/// A user as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Row id.
    pub id: UserId,
    /// What is configured.
    pub config: UserConfig,
    /// `None` for users of an outside directory.
    pub password: Option<PasswordHash>,
    /// `local` or `ldap`.
    pub auth_source: String,
    /// Raised when sessions must end.
    pub token_version: i64,
    /// Counts up with each change.
    pub version: i64,
    /// Last login.
    pub last_login_at: Option<Timestamp>,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
    /// Deleted; such users are found by id only.
    pub deleted_at: Option<Timestamp>,
}

impl UserRow {
    /// The owner's part of a key policy.
    pub fn owner(&self) -> OwnerPolicy {
        OwnerPolicy {
            id: self.id,
            max_concurrency: self.config.max_concurrency,
            rpm_limit: self.config.rpm_limit,
            price_rate_ppm: self.config.price_rate_ppm,
            active: self.config.status == UserStatus::Active && self.deleted_at.is_none(),
        }
    }
}

/// Filters of a list, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Part of the name, e-mail or shown name.
    pub text: Option<String>,
    /// Role.
    pub role: Option<Role>,
    /// Status.
    pub status: Option<UserStatus>,
}

const SELECT: &str = "SELECT id, external_id, username, email, password_hash, pw_scheme, auth_source, role, status, \
     max_concurrency, rpm_limit, max_api_keys, price_rate_ppm, display_name, token_version, version, last_login_at, \
     created_at, updated_at, deleted_at FROM users WHERE ";

/// Creates a user. [`StoreError::Conflict`] names `username_key`, `email` or `external_id` when one is taken.
pub async fn create(
    db: &Db,
    config: UserConfig,
    password: Option<PasswordHash>,
    now: Timestamp,
) -> Result<UserId, StoreError> {
    let local = if password.is_some() { "local" } else { "ldap" };
    let (hash, scheme) = password.map(|p| (p.hash, p.scheme)).unzip();
    let statement = sql("INSERT INTO users (external_id, username, username_key, email, display_name, role, status, \
         max_concurrency, rpm_limit, max_api_keys, price_rate_ppm, password_hash, pw_scheme, auth_source, token_version, \
         version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, ?, ?)");
    let statement = bind_config(statement, &config).bind(hash).bind(scheme).bind(local).bind(now).bind(now);
    db.change(move |tx| {
        let statement = statement.clone();
        Box::pin(async move {
            let id = tx.write(statement).await?.insert_id;
            tx.created(id);
            Ok(UserId(id))
        })
    })
    .await
}

fn bind_config(statement: Sql, config: &UserConfig) -> Sql {
    statement
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
         token_version = token_version + ?, version = version + 1, updated_at = ? \
         WHERE id = ? AND version = ? AND deleted_at IS NULL");
    let statement = bind_config(statement, &config).bind(end_sessions).bind(now).bind(id).bind(seen_version);
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
            bump_generation(tx).await
        })
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
        },
        password,
        auth_source: row.text("auth_source")?,
        token_version: row.int("token_version")?,
        version: row.int("version")?,
        last_login_at: row.opt_time("last_login_at")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        deleted_at: row.opt_time("deleted_at")?,
    })
}

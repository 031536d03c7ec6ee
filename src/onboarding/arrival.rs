//! What becomes of a person whom a directory or provider vouches for: the user of an earlier login, a new one, or a
//! conflict. A user with a password of ours is never taken over, however alike name or address are (`access.md` §6).

use actors::domain::id::UserId;
use actors::domain::time::Timestamp;

use super::user::{check_email, check_username, username_from};
use crate::identity::person::Person;
use crate::store::audit::AuditEntry;
use crate::store::users::{self, AuthSource, Newcomer, Role, UserConfig, UserRow};
use crate::store::{Db, StoreError, identities};

/// How the person was recognised.
#[derive(Debug, Clone, Copy)]
pub enum Vouched<'a> {
    /// By name, in the LDAP directory.
    Ldap,
    /// By issuer and subject.
    Oidc {
        /// Who says so.
        issuer: &'a str,
        /// The person there.
        subject: &'a str,
        /// A person who was never here gets a user.
        create: bool,
    },
}

/// Why the person is not let in.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalError {
    /// Another user has this name or address.
    #[error("another user has this name or e-mail address")]
    Conflict,
    /// The person has no user here, and none is made.
    #[error("this person has no user here")]
    Unknown,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Vouched<'_> {
    const fn source(self) -> AuthSource {
        match self {
            Self::Ldap => AuthSource::Ldap,
            Self::Oidc { .. } => AuthSource::Oidc,
        }
    }
}

/// The user of a person, made or brought up to date. `entry` makes the audit entry of a change.
///
/// # Errors
/// When the name or address belongs to somebody else, or the database fails.
pub async fn arrive(
    db: &Db,
    person: Person,
    vouched: Vouched<'_>,
    entry: impl Fn(&str, Option<UserId>) -> AuditEntry,
    now: Timestamp,
) -> Result<UserRow, ArrivalError> {
    let username = match check_username(&person.username) {
        Ok(()) => person.username.clone(),
        Err(_) => username_from(&person.username),
    };
    let email = person.email.as_deref().map(|email| email.trim().to_lowercase());
    let email = email.filter(|email| check_email(email).is_ok());
    let mut known = find(db, vouched, &username).await?;
    if known.is_none() {
        match admit(db, username.clone(), &person, email.clone(), vouched, entry("user_created", None), now).await {
            Ok(id) => return Ok(users::get(db, id).await?.ok_or(StoreError::NotFound)?),
            // Another login of the same person may have been faster.
            Err(ArrivalError::Conflict) => known = find(db, vouched, &username).await?,
            Err(error) => return Err(error),
        }
    }
    let row = known.filter(|row| row.auth_source == vouched.source()).ok_or(ArrivalError::Conflict)?;
    refresh(db, &row, &person, email, entry("user_updated", Some(row.id)), now).await?;
    Ok(users::get(db, row.id).await?.ok_or(StoreError::NotFound)?)
}

/// The user of an earlier login, or whoever has the person's name.
async fn find(db: &Db, vouched: Vouched<'_>, username: &str) -> Result<Option<UserRow>, StoreError> {
    let Vouched::Oidc { issuer, subject, .. } = vouched else { return users::find_login(db, username).await };
    match identities::find(db, issuer, subject).await? {
        Some(id) => Ok(users::get(db, id).await?.filter(|row| row.deleted_at.is_none())),
        None => Ok(None),
    }
}

async fn admit(
    db: &Db,
    username: String,
    person: &Person,
    email: Option<String>,
    vouched: Vouched<'_>,
    entry: AuditEntry,
    now: Timestamp,
) -> Result<UserId, ArrivalError> {
    let identity = match vouched {
        Vouched::Ldap => None,
        Vouched::Oidc { create: false, .. } => return Err(ArrivalError::Unknown),
        Vouched::Oidc { issuer, subject, .. } => Some((issuer.to_owned(), subject.to_owned())),
    };
    let config =
        UserConfig { email, display_name: shown(person), ..UserConfig::new(username, person.role.min(Role::Admin)) };
    let newcomer = Newcomer { config, password: None, source: vouched.source(), invite: None, identity };
    match users::admit(&db.audited(entry), newcomer, now).await {
        Ok(id) => Ok(id),
        Err(StoreError::Conflict(_)) => Err(ArrivalError::Conflict),
        Err(error) => Err(error.into()),
    }
}

/// Takes over what the directory says now. A role from groups replaces the stored one, except that of a super_admin, which no
/// directory gives or takes. Sessions end when the role changes.
async fn refresh(
    db: &Db,
    row: &UserRow,
    person: &Person,
    email: Option<String>,
    entry: AuditEntry,
    now: Timestamp,
) -> Result<(), ArrivalError> {
    let mapped = person.role_is_mapped && row.config.role != Role::SuperAdmin;
    let config = UserConfig {
        display_name: shown(person),
        email: email.or_else(|| row.config.email.clone()),
        role: if mapped { person.role.min(Role::Admin) } else { row.config.role },
        ..row.config.clone()
    };
    if config == row.config {
        return Ok(());
    }
    let new_role = config.role != row.config.role;
    let changes = serde_json::json!({
        "display_name": [row.config.display_name, config.display_name],
        "email": [row.config.email, config.email],
        "role": [row.config.role, config.role],
    });
    let db = db.audited(AuditEntry { changes, ..entry });
    match users::update(&db, row.id, row.version, config, new_role, now).await {
        // Another login of the same person was faster and stored the same.
        Ok(()) | Err(StoreError::VersionConflict) => Ok(()),
        Err(StoreError::Conflict(_)) => Err(ArrivalError::Conflict),
        Err(error) => Err(error.into()),
    }
}

fn shown(person: &Person) -> String {
    person.display_name.chars().filter(|c| !c.is_control()).take(100).collect()
}

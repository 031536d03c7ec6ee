//! Sessions as they are checked at each call: the token, whether it was ended, and the user as stored now.

use std::sync::Arc;
use std::time::Duration;

use actors::domain::id::UserId;
use moka::future::Cache as Memory;

use super::AdminState;
use crate::cache::Cache;
use crate::http::error::{ApiError, Reason};
use crate::identity::revocation;
use crate::identity::token::Claims;
use crate::store::users::{self, UserRow, UserStatus};

/// A change of a user reaches every instance within this time (`access.md` §4).
const USER_KEPT: Duration = Duration::from_secs(5);
/// Users kept at once.
const USERS: u64 = 10_000;
/// Users of recent sessions, and sessions that were ended before their token.
pub struct Sessions {
    users: Memory<UserId, Arc<UserRow>>,
    ended: Cache,
}

impl Sessions {
    /// Nothing known yet; ended sessions are kept in the cache, which instances share.
    pub fn new(ended: Cache) -> Self {
        Self { users: Memory::builder().max_capacity(USERS).time_to_live(USER_KEPT).build(), ended }
    }

    /// The user of a token that is valid now.
    pub async fn check(&self, state: &AdminState, token: &str) -> Result<(Arc<UserRow>, Claims), ApiError> {
        let claims = state.tokens.check(token).inspect_err(|_| state.metrics.auth_total("session", "invalid").inc())?;
        // Without the cache a session that was ended lives on until its token ends; nobody is locked out.
        if matches!(revocation::is_revoked(&self.ended, &claims).await, Ok(true)) {
            return Err(ApiError::new(Reason::TokenExpired, "the session has ended"));
        }
        let user = self.user(state, claims.user()).await?;
        if user.token_version != claims.ver || user.config.status != UserStatus::Active || user.deleted_at.is_some() {
            return Err(ApiError::new(Reason::TokenExpired, "the session has ended"));
        }
        Ok((user, claims))
    }

    async fn user(&self, state: &AdminState, id: UserId) -> Result<Arc<UserRow>, ApiError> {
        if let Some(user) = self.users.get(&id).await {
            return Ok(user);
        }
        let row = users::get(&state.db, id).await?;
        let user = Arc::new(row.ok_or_else(|| ApiError::new(Reason::TokenExpired, "the session has ended"))?);
        self.users.insert(id, Arc::clone(&user)).await;
        Ok(user)
    }

    /// Forgets a user who was changed here.
    pub async fn forget(&self, id: UserId) {
        self.users.invalidate(&id).await;
    }

    /// Ends a session.
    pub async fn end(&self, state: &AdminState, claims: &Claims) -> Result<(), ApiError> {
        let ended = revocation::revoke(&self.ended, claims, &state.clock).await;
        ended.map_err(|error| ApiError::unavailable(&error))
    }
}

//! Tokens that were logged out before their end.

use actors::clock::Clock;
use actors::domain::time::SECOND;

use super::token::Claims;
use crate::cache::{Cache, CacheError};

/// Remembered a little longer than the token, whose end is forgiven a clock skew.
const MARGIN_MS: i64 = 60 * SECOND;

fn name(claims: &Claims) -> String {
    format!("jti:{}", claims.jti)
}

/// Ends a token now.
pub async fn revoke(cache: &Cache, claims: &Claims, clock: &Clock) -> Result<(), CacheError> {
    let left = claims.exp.saturating_mul(SECOND).saturating_sub(clock.now().0).max(0);
    cache.put(&name(claims), "1", left.saturating_add(MARGIN_MS)).await
}

/// True when the token was ended. An error means that nobody can tell now: the user's token version still decides.
pub async fn is_revoked(cache: &Cache, claims: &Claims) -> Result<bool, CacheError> {
    Ok(cache.get(&name(claims)).await?.is_some())
}

//! The one-time token that creates the first super_admin; only its SHA-256 is stored.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::store::users::{self, Role};
use crate::store::{Db, StoreError, meta};

fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// True until there is a super_admin.
pub async fn pending(db: &Db) -> Result<bool, StoreError> {
    Ok(users::count_role(db, Role::SuperAdmin).await? == 0)
}

/// Makes a token that replaces any earlier one. Printed once by the caller.
pub async fn issue(db: &Db) -> Result<SecretString, StoreError> {
    let token = hex::encode(rand::random::<[u8; 32]>());
    meta::put(db, meta::SETUP_TOKEN, &digest(&token)).await?;
    Ok(SecretString::from(token))
}

/// Uses the token up; true when it was the right one and nobody used it before.
pub async fn redeem(db: &Db, token: &SecretString) -> Result<bool, StoreError> {
    let Some(stored) = meta::get(db, meta::SETUP_TOKEN).await? else { return Ok(false) };
    let given = digest(token.expose_secret());
    if !bool::from(given.as_bytes().ct_eq(stored.as_bytes())) {
        return Ok(false);
    }
    meta::take(db, meta::SETUP_TOKEN, &stored).await
}

/// True when the token is the right one; it stays valid. For checking before a form is validated.
pub async fn matches(db: &Db, token: &SecretString) -> Result<bool, StoreError> {
    let stored = meta::get(db, meta::SETUP_TOKEN).await?.unwrap_or_default();
    let given = digest(token.expose_secret());
    Ok(bool::from(given.as_bytes().ct_eq(stored.as_bytes())))
}

/// Forgets the token, once a super_admin exists by another way.
pub async fn forget(db: &Db) -> Result<(), StoreError> {
    meta::remove(db, meta::SETUP_TOKEN).await
}

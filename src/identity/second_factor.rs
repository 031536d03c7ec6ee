//! The second factor of a user: enrolment, proof, recovery codes. Seeds are stored sealed, recovery codes as digests.

use actors::domain::id::UserId;
use actors::domain::time::Timestamp;
use data_encoding::BASE32_NOPAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::totp;
use crate::store::vault::Vault;
use crate::store::{Db, StoreError, second_factors};

/// Recovery codes of a user.
const CODES: usize = 10;
/// 80 random bits each: too many to be found from a digest.
const CODE_BYTES: usize = 10;

/// What a person puts into an authenticator.
pub struct Enrolment {
    /// Seed as base32.
    pub secret: Zeroizing<String>,
    /// Text of the QR code.
    pub uri: Zeroizing<String>,
}

/// Makes a seed for a user. It counts once [`confirm`] has seen a code of it.
///
/// # Errors
/// [`StoreError::Conflict`] when the user has a second factor already.
pub async fn begin(
    db: &Db,
    vault: &dyn Vault,
    user: UserId,
    username: &str,
    now: Timestamp,
) -> Result<Enrolment, StoreError> {
    let secret = totp::new_seed();
    let sealed = vault.seal(second_factors::place(user), &secret)?;
    second_factors::begin(db, user, sealed, now).await?;
    Ok(Enrolment { uri: totp::uri(&secret, username), secret })
}

/// Turns the second factor on when the code is right, and gives the recovery codes, which nobody sees again.
///
/// # Errors
/// When the database fails, or the seed cannot be opened.
pub async fn confirm(
    db: &Db,
    vault: &dyn Vault,
    user: UserId,
    code: &SecretString,
    now: Timestamp,
) -> Result<Option<Vec<String>>, StoreError> {
    let Some(row) = second_factors::get(db, user).await? else { return Ok(None) };
    let seed = vault.open(second_factors::place(user), &row.secret)?;
    let step = totp::matching_step(seed.expose_secret(), code.expose_secret(), now);
    let Some(step) = step.filter(|_| row.confirmed_at.is_none()) else { return Ok(None) };
    let codes = recovery_codes();
    let digests = codes.iter().map(|code| digest(code)).collect();
    Ok(second_factors::confirm(db, user, step, digests, now).await?.then_some(codes))
}

/// New recovery codes in place of the old ones.
///
/// # Errors
/// When the database fails.
pub async fn renew_codes(db: &Db, user: UserId) -> Result<Vec<String>, StoreError> {
    let codes = recovery_codes();
    second_factors::renew_codes(db, user, codes.iter().map(|code| digest(code)).collect()).await?;
    Ok(codes)
}

/// True when the code is one of the authenticator that was not used before, or an unused recovery code. Either is used up.
///
/// # Errors
/// When the database fails, or the seed cannot be opened.
pub async fn prove(
    db: &Db,
    vault: &dyn Vault,
    user: UserId,
    code: &SecretString,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(row) = second_factors::get(db, user).await? else { return Ok(false) };
    if row.confirmed_at.is_none() {
        return Ok(false);
    }
    let seed = vault.open(second_factors::place(user), &row.secret)?;
    match totp::matching_step(seed.expose_secret(), code.expose_secret(), now) {
        Some(step) => second_factors::accept_step(db, user, step).await,
        None => second_factors::take_code(db, user, &digest(code.expose_secret())).await,
    }
}

fn recovery_codes() -> Vec<String> {
    let code = || {
        let text = BASE32_NOPAD.encode(&rand::random::<[u8; CODE_BYTES]>()).to_ascii_lowercase();
        let groups: Vec<&str> = text.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        groups.join("-")
    };
    (0..CODES).map(|_| code()).collect()
}

/// Hyphens, spaces and case are for reading only.
fn digest(code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hex::encode(Sha256::digest(plain.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_differ_and_read_in_any_spelling() {
        let codes = recovery_codes();
        let distinct: std::collections::BTreeSet<_> = codes.iter().collect();
        assert_eq!((codes.len(), distinct.len(), codes[0].len()), (CODES, CODES, 19));
        assert_eq!(digest(&codes[0]), digest(&codes[0].replace('-', " ").to_uppercase()));
    }
}

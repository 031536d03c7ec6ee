//! The credential column: one sealed JSON text, replaced only by whoever saw the version that is stored.

use std::sync::Arc;

use actors::domain::credential::{Credential, Secret};
use actors::domain::id::AccountId;
use actors::domain::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::pools::Tx;
use super::super::sql::{Row, sql};
use super::super::vault::{Place, Vault};
use super::lock_credential;

/// What may be shown of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialHint {
    /// First and last four characters of the key or access token.
    pub masked: Option<String>,
    /// End of the access token.
    pub expires_at: Option<Timestamp>,
    /// Version.
    pub version: i64,
}

/// What is sealed, on its way in: borrowed, so that no copy of a secret is left behind.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Written<'a> {
    ApiKey { key: &'a str },
    OAuth { access: &'a str, refresh: Option<&'a str> },
    Aws { access_key_id: &'a str, secret_access_key: &'a str, session_token: Option<&'a str> },
}

/// The same on its way out: texts that are wiped when they are dropped.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Opened {
    ApiKey { key: SecretString },
    OAuth { access: SecretString, refresh: Option<SecretString> },
    Aws { access_key_id: SecretString, secret_access_key: SecretString, session_token: Option<SecretString> },
}

impl<'a> Written<'a> {
    fn of(secret: &'a Secret) -> Self {
        let optional = |text: &'a Option<SecretString>| text.as_ref().map(ExposeSecret::expose_secret);
        match secret {
            Secret::ApiKey(key) => Self::ApiKey { key: key.expose_secret() },
            Secret::OAuth { access, refresh } => {
                Self::OAuth { access: access.expose_secret(), refresh: optional(refresh) }
            }
            Secret::Aws { access_key_id, secret_access_key, session_token } => Self::Aws {
                access_key_id: access_key_id.expose_secret(),
                secret_access_key: secret_access_key.expose_secret(),
                session_token: optional(session_token),
            },
        }
    }
}

impl From<Opened> for Secret {
    fn from(opened: Opened) -> Self {
        match opened {
            Opened::ApiKey { key } => Self::ApiKey(key),
            Opened::OAuth { access, refresh } => Self::OAuth { access, refresh },
            Opened::Aws { access_key_id, secret_access_key, session_token } => {
                Self::Aws { access_key_id, secret_access_key, session_token }
            }
        }
    }
}

const fn place(id: AccountId) -> Place<'static> {
    Place { table: "accounts", column: "credential", row: id.0 }
}

/// First and last four characters; short secrets show nothing (`access.md` §12).
pub fn mask(secret: &str) -> String {
    let characters: Vec<char> = secret.chars().collect();
    match (characters.get(..4), characters.len().checked_sub(4).and_then(|from| characters.get(from..))) {
        (Some(head), Some(tail)) if characters.len() >= 12 => {
            head.iter().copied().chain("****".chars()).chain(tail.iter().copied()).collect()
        }
        _ => "****".to_owned(),
    }
}

pub(super) async fn write(
    tx: &mut Tx,
    vault: &dyn Vault,
    id: AccountId,
    credential: &Credential,
    version: i64,
) -> Result<(), StoreError> {
    let shown = match &credential.secret {
        Secret::ApiKey(key) => mask(key.expose_secret()),
        Secret::OAuth { access, .. } => mask(access.expose_secret()),
        Secret::Aws { access_key_id, .. } => mask(access_key_id.expose_secret()),
    };
    let plain = Zeroizing::new(serde_json::to_string(&Written::of(&credential.secret))?);
    let sealed = vault.seal(place(id), &plain)?;
    let statement = sql("UPDATE accounts SET credential = ?, credential_hint = ?, credential_expires_at = ?, \
         credential_version = ? WHERE id = ?");
    tx.write_one(statement.bind(sealed).bind(shown).bind(credential.expires_at).bind(version).bind(id)).await
}

pub(super) fn read(row: &Row, vault: &dyn Vault) -> Result<Option<Credential>, StoreError> {
    let Some(sealed) = row.opt_text("credential")? else { return Ok(None) };
    let plain = vault.open(place(AccountId(row.int("id")?)), &sealed)?;
    let secret: Opened = serde_json::from_str(plain.expose_secret())?;
    Ok(Some(Credential {
        secret: secret.into(),
        expires_at: row.opt_time("credential_expires_at")?,
        version: row.int("credential_version")?,
    }))
}

/// Stores `new` when the stored version still is `seen_version`. Otherwise another process was first: what it stored is
/// returned and `new` is dropped.
pub async fn save_credential(
    db: &Db,
    vault: &Arc<dyn Vault>,
    id: AccountId,
    seen_version: i64,
    new: Credential,
) -> Result<Credential, StoreError> {
    replace(db, vault, id, Some(seen_version), new).await
}

/// Stores a credential that a person entered, over whatever was there.
pub async fn set_credential(
    db: &Db,
    vault: &Arc<dyn Vault>,
    id: AccountId,
    new: Credential,
) -> Result<Credential, StoreError> {
    replace(db, vault, id, None, new).await
}

async fn replace(
    db: &Db,
    vault: &Arc<dyn Vault>,
    id: AccountId,
    seen_version: Option<i64>,
    new: Credential,
) -> Result<Credential, StoreError> {
    let vault = Arc::clone(vault);
    db.change(move |tx| {
        let (vault, mut new) = (Arc::clone(&vault), new.clone());
        Box::pin(async move {
            let row = lock_credential(tx, id).await?;
            let stored = row.int("credential_version")?;
            if seen_version.is_some_and(|seen| seen != stored) {
                return read(&row, vault.as_ref())?.ok_or(StoreError::NotFound);
            }
            new.version = stored.saturating_add(1);
            write(tx, vault.as_ref(), id, &new, new.version).await?;
            Ok(new)
        })
    })
    .await
}

/// What may be shown of an account's credential.
pub async fn hint(db: &Db, id: AccountId) -> Result<Option<CredentialHint>, StoreError> {
    let query = sql("SELECT credential_hint, credential_expires_at, credential_version FROM accounts WHERE id = ?");
    let Some(row) = db.read_one(query.bind(id)).await? else { return Ok(None) };
    Ok(Some(CredentialHint {
        masked: row.opt_text("credential_hint")?,
        expires_at: row.opt_time("credential_expires_at")?,
        version: row.int("credential_version")?,
    }))
}

/// The opened credential, for account tests.
pub async fn export(db: &Db, vault: &dyn Vault, id: AccountId) -> Result<Option<Credential>, StoreError> {
    let query = sql("SELECT id, credential, credential_version, credential_expires_at FROM accounts \
         WHERE id = ? AND deleted_at IS NULL");
    match db.read_one(query.bind(id)).await? {
        Some(row) => read(&row, vault),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use actors::domain::credential::Secret;

    use super::{Opened, Written, mask};

    #[test]
    fn what_is_sealed_has_one_form() {
        let access = || "a".to_owned().into();
        for (secret, text) in [
            (Secret::ApiKey(access()), r#"{"kind":"api_key","key":"a"}"#),
            (Secret::OAuth { access: access(), refresh: None }, r#"{"kind":"o_auth","access":"a","refresh":null}"#),
            (
                Secret::Aws { access_key_id: access(), secret_access_key: access(), session_token: Some(access()) },
                r#"{"kind":"aws","access_key_id":"a","secret_access_key":"a","session_token":"a"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&Written::of(&secret)).unwrap(), text);
            let read = Secret::from(serde_json::from_str::<Opened>(text).unwrap());
            assert_eq!(serde_json::to_string(&Written::of(&read)).unwrap(), text);
        }
    }

    #[test]
    fn short_secrets_show_nothing() {
        assert_eq!(mask("sk-ant-123456"), "sk-a****3456");
        assert_eq!(mask("123456789012"), "1234****9012");
        assert_eq!(mask("12345678901"), "****");
        assert_eq!(mask(""), "****");
    }
}

//! Where the pepper of API key digests comes from: the configuration, or the database, sealed.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::key_text::Pepper;
use super::seal::parse_key;
use crate::store::vault::{Place, Vault};
use crate::store::{Db, StoreError, meta, sealed};

/// The pepper that the database keeps when the configuration names none.
const STORED_ID: &str = "p1";
const PLACE: Place<'static> = sealed::named_place(meta::KEY_PEPPER);

/// Peppers in use: the first makes digests, all find keys. `setting` is `security.key_pepper`, `id:value,id:value` or one
/// value called `p1`. The stored pepper stays valid beside configured ones. Made at first start, it survives changes of
/// the master key.
pub async fn load(db: &Db, vault: &dyn Vault, setting: Option<&SecretString>) -> Result<Vec<Pepper>, StoreError> {
    let mut peppers = setting.map_or_else(|| Ok(Vec::new()), configured)?;
    let known = meta::get(db, meta::KEY_PEPPER).await?;
    if known.is_some() || peppers.is_empty() {
        let stored = stored(db, vault, known).await?;
        if peppers.iter().all(|pepper| pepper.id != stored.id) {
            peppers.push(stored);
        }
    }
    Ok(peppers)
}

fn configured(setting: &SecretString) -> Result<Vec<Pepper>, StoreError> {
    let refused = |_| StoreError::Data("security.key_pepper has no accepted form".to_owned());
    let text = setting.expose_secret().trim();
    if let Ok(bytes) = parse_key(text) {
        return Ok(vec![Pepper::new(STORED_ID, &bytes)]);
    }
    text.split(',')
        .map(|entry| {
            let (id, value) = entry.trim().split_once(':').unwrap_or_default();
            parse_key(value).map(|bytes| Pepper::new(id, &bytes)).map_err(refused)
        })
        .collect()
}

async fn stored(db: &Db, vault: &dyn Vault, known: Option<String>) -> Result<Pepper, StoreError> {
    let sealed = match known {
        Some(sealed) => sealed,
        None => {
            let fresh = Zeroizing::new(hex::encode(rand::random::<[u8; 32]>()));
            // Of several instances that start at once, one pepper wins.
            meta::put_first(db, meta::KEY_PEPPER, &vault.seal(PLACE, &fresh)?).await?
        }
    };
    let text = vault.open(PLACE, &sealed)?;
    let bytes = parse_key(text.expose_secret()).map_err(|_| StoreError::Data("stored key pepper".to_owned()))?;
    Ok(Pepper::new(STORED_ID, &bytes))
}

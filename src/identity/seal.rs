//! Encryption of secrets at rest: AES-256-GCM, bound to table, column and row (`access.md` §12).

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::store::vault::{Place, Vault, VaultError};
use crate::store::{Db, StoreError, meta, sealed};

/// Version of the text format.
const FORMAT: &str = "ql1";
/// What the check value hides.
const CHECK_TEXT: &str = "quotalane master key";
const NONCE: usize = 12;
const TAG: usize = 16;

/// Why a master key setting is refused. Never shows the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// A key has none of the accepted forms.
    #[error("a master key must be 32 ASCII characters, 64 hex digits, or base64 of 32 bytes")]
    Form,
    /// The list has an entry without an id, a bad id, or an id twice.
    #[error("several master keys are written id:key,id:key with distinct ids of 1 to 16 letters, digits, - or _")]
    List,
}

/// Why the database does not belong to this master key.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Another key sealed the stored check value.
    #[error("the master key does not match the database: {0}")]
    Mismatch(VaultError),
    /// Stored values need a key that is not there any more.
    #[error(
        "{values} stored values are sealed with master key {key}, which is not configured; put it back and run `quotalane secrets reencrypt`"
    )]
    MissingKey {
        /// Its id.
        key: String,
        /// How many.
        values: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seals with the first master key, opens with every one.
pub struct Sealer {
    keys: Vec<(String, Aes256Gcm)>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

/// The 32 bytes of a key in one of its forms.
pub fn parse_key(text: &str) -> Result<Zeroizing<[u8; 32]>, MasterKeyError> {
    let bytes = match text.len() {
        32 if text.is_ascii() => Zeroizing::new(text.as_bytes().to_vec()),
        64 => Zeroizing::new(hex::decode(text).map_err(|_| MasterKeyError::Form)?),
        _ => Zeroizing::new(STANDARD.decode(text).map_err(|_| MasterKeyError::Form)?),
    };
    <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| MasterKeyError::Form)
}

impl Sealer {
    /// Reads `security.master_key`: one key, called `k1`, or `id:key,id:key`.
    pub fn new(setting: &SecretString) -> Result<Self, MasterKeyError> {
        let text = setting.expose_secret().trim();
        if let Ok(key) = parse_key(text) {
            return Ok(Self { keys: vec![("k1".to_owned(), Aes256Gcm::new((&*key).into()))] });
        }
        if !text.contains(':') {
            return Err(MasterKeyError::Form);
        }
        let mut keys: Vec<(String, Aes256Gcm)> = Vec::new();
        for entry in text.split(',') {
            let (id, key) = entry.trim().split_once(':').ok_or(MasterKeyError::List)?;
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if !(1..=16).contains(&id.len()) || !id.bytes().all(plain) || keys.iter().any(|(other, _)| other == id) {
                return Err(MasterKeyError::List);
            }
            let key = parse_key(key)?;
            keys.push((id.to_owned(), Aes256Gcm::new((&*key).into())));
        }
        Ok(Self { keys })
    }

    /// Ids of the keys, the sealing one first.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// How texts begin that the first key sealed.
    pub fn current(&self) -> String {
        format!("{FORMAT}:{}:", self.key_ids().next().unwrap_or_default())
    }

    /// The key id that sealed a text; `None` for the legacy form.
    pub fn sealed_with(sealed: &str) -> Option<&str> {
        sealed.strip_prefix(FORMAT)?.strip_prefix(':')?.split_once(':').map(|(id, _)| id)
    }

    /// Refuses to go on when the database was sealed with other keys, or holds a value that none of ours opens; on a new
    /// database it leaves the check value.
    pub async fn check(&self, db: &Db) -> Result<(), CheckError> {
        let ours = self.seal(CHECK_PLACE, CHECK_TEXT).map_err(StoreError::from)?;
        let stored = meta::put_first(db, meta::CHECK_VALUE, &ours).await?;
        match self.open(CHECK_PLACE, &stored) {
            Ok(text) if text.expose_secret() == CHECK_TEXT => {}
            Ok(_) => return Err(CheckError::Mismatch(VaultError::Refused)),
            Err(error) => return Err(CheckError::Mismatch(error)),
        }
        let missing = sealed::keys_in_use(db).await?.into_iter();
        let missing = missing.filter(|(key, _)| !key.is_empty()).find(|(key, _)| self.key_ids().all(|id| id != key));
        missing.map_or(Ok(()), |(key, values)| Err(CheckError::MissingKey { key, values }))
    }

    fn seal_with_nonce(&self, place: Place<'_>, plain: &str, nonce: [u8; NONCE]) -> Result<String, VaultError> {
        let (id, cipher) = self.keys.first().ok_or(VaultError::Failed)?;
        let aad = aad(place);
        let payload = Payload { msg: plain.as_bytes(), aad: aad.as_bytes() };
        let sealed = cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| VaultError::Failed)?;
        Ok(format!("{FORMAT}:{id}:{}", STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// The form of QuotaLane's Go predecessor: no id, no place. Rewritten on the next save.
    fn open_legacy(&self, sealed: &str) -> Result<SecretString, VaultError> {
        let mut result = Err(VaultError::Malformed);
        for (_, cipher) in &self.keys {
            result = open_with(cipher, sealed, "");
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

/// Sealed, but not to a row: there is one per database.
const CHECK_PLACE: Place<'static> = sealed::named_place(meta::CHECK_VALUE);

fn aad(place: Place<'_>) -> String {
    format!("{}|{}|{}", place.table, place.column, place.row)
}

fn open_with(cipher: &Aes256Gcm, encoded: &str, aad: &str) -> Result<SecretString, VaultError> {
    let bytes = STANDARD.decode(encoded).map_err(|_| VaultError::Malformed)?;
    if bytes.len() < NONCE + TAG {
        return Err(VaultError::Malformed);
    }
    let (nonce, sealed) = bytes.split_at(NONCE);
    let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| VaultError::Malformed)?;
    let payload = Payload { msg: sealed, aad: aad.as_bytes() };
    let plain = cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_| VaultError::Refused)?;
    String::from_utf8(plain).map(SecretString::from).map_err(|_| VaultError::Malformed)
}

impl Vault for Sealer {
    fn seal(&self, place: Place<'_>, plain: &str) -> Result<String, VaultError> {
        self.seal_with_nonce(place, plain, rand::random())
    }

    fn open(&self, place: Place<'_>, sealed: &str) -> Result<SecretString, VaultError> {
        let Some(rest) = sealed.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix(':')) else {
            return self.open_legacy(sealed);
        };
        let (id, encoded) = rest.split_once(':').ok_or(VaultError::Malformed)?;
        let key = self.keys.iter().find(|(known, _)| known == id);
        let (_, cipher) = key.ok_or_else(|| VaultError::UnknownKey(id.to_owned()))?;
        open_with(cipher, encoded, &aad(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const PLACE: Place<'static> = Place { table: "accounts", column: "api_key", row: 42 };

    fn sealer(setting: &str) -> Sealer {
        Sealer::new(&SecretString::from(setting)).unwrap()
    }

    fn opened(sealer: &Sealer, place: Place<'_>, sealed: &str) -> Result<String, VaultError> {
        sealer.open(place, sealed).map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn sealing_gives_the_vector_of_the_reference() {
        let mut nonce = [0; NONCE];
        nonce.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
        let sealed = sealer(KEY).seal_with_nonce(PLACE, "sk-test-123456", nonce).unwrap();
        assert_eq!(sealed, "ql1:k1:AAECAwQFBgcICQoLXo6WCLxrpoGZ7kKKRPn0DefvxMSCrem++mFI3iQ5");
        let legacy = "AAECAwQFBgcICQoLXo6WCLxrpoGZ7kKKRPlI/8h9tbMx3RGtj8RIE+Vi";
        assert_eq!(opened(&sealer(KEY), PLACE, legacy).as_deref(), Ok("sk-test-123456"));
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_with_its_key() {
        let ours = sealer(KEY);
        let sealed = ours.seal(PLACE, "秘密").unwrap();
        assert_eq!(opened(&ours, PLACE, &sealed).as_deref(), Ok("秘密"));
        for other in [Place { row: 43, ..PLACE }, Place { column: "x", ..PLACE }, Place { table: "x", ..PLACE }] {
            assert_eq!(opened(&ours, other, &sealed), Err(VaultError::Refused));
        }
        assert_eq!(opened(&sealer(&"x".repeat(32)), PLACE, &sealed), Err(VaultError::Refused));
        assert_eq!(opened(&sealer(&format!("k2:{KEY}")), PLACE, &sealed), Err(VaultError::UnknownKey("k1".to_owned())));
        assert_eq!(opened(&ours, PLACE, "not sealed"), Err(VaultError::Malformed));
        assert_ne!(ours.seal(PLACE, "秘密").unwrap(), sealed, "every write has its own nonce");
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let old = sealer(KEY).seal(PLACE, "v").unwrap();
        let both = sealer(&format!("k2:{},k1:{KEY}", "ab".repeat(32)));
        assert_eq!(opened(&both, PLACE, &old).as_deref(), Ok("v"));
        assert_eq!(Sealer::sealed_with(&both.seal(PLACE, "v").unwrap()), Some("k2"));
        assert_eq!(both.key_ids().collect::<Vec<_>>(), ["k2", "k1"]);
    }

    #[test]
    fn every_other_form_of_a_master_key_is_refused() {
        for (setting, error) in [
            ("", MasterKeyError::Form),
            ("short", MasterKeyError::Form),
            ("0123456789abcdef0123456789abcdeé", MasterKeyError::Form),
            ("k1:short", MasterKeyError::Form),
            (":0123456789abcdef0123456789abcdef", MasterKeyError::List),
        ] {
            assert_eq!(Sealer::new(&SecretString::from(setting)).map(drop), Err(error), "{setting}");
        }
        let twice = format!("k1:{KEY},k1:{KEY}");
        assert_eq!(Sealer::new(&SecretString::from(twice)).map(drop), Err(MasterKeyError::List));
        let base64 = STANDARD.encode([7_u8; 32]);
        assert!(Sealer::new(&SecretString::from(base64)).is_ok());
    }
}

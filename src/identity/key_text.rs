//! The text of an API key: how it is made, what of it may be shown, and its digests (`access.md` §7).

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

use crate::store::keys::Digest;

/// What our keys start with.
pub const PREFIX: &str = "cr_";
/// Shortest text that can be a key.
pub const SHORTEST: usize = 10;
/// Longest text that can be a key.
pub const LONGEST: usize = 512;

/// A new key: `cr_` and 32 random bytes in lower-case hex. Shown once, then only its digest exists.
pub fn make() -> SecretString {
    let bytes: [u8; 32] = rand::random();
    SecretString::from(format!("{PREFIX}{}", hex::encode(bytes)))
}

/// What may be shown of a key: its first seven and its last four characters.
pub fn shown(raw: &SecretString) -> (String, String) {
    let raw = raw.expose_secret();
    let head: String = raw.chars().take(7).collect();
    let tail = raw.char_indices().rev().nth(3).and_then(|(from, _)| raw.get(from..)).unwrap_or_default();
    (head, tail.to_owned())
}

/// The key with which digests of API keys are made. `Debug` shows its id only.
#[derive(Clone)]
pub struct Pepper {
    /// Its id, part of the scheme name.
    pub id: String,
    key: hmac::Key,
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pepper({})", self.id)
    }
}

impl Pepper {
    /// A pepper of 32 bytes.
    pub fn new(id: &str, bytes: &[u8; 32]) -> Self {
        Self { id: id.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, bytes) }
    }

    /// HMAC-SHA-256 of the whole text; also the key of every cache, so that no two texts ever share an entry.
    pub fn tag(&self, raw: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.key, raw.as_bytes());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// The digest as it is stored, scheme `hmac1:<pepper id>`.
    pub fn digest(&self, raw: &str) -> Digest {
        Digest { scheme: format!("hmac1:{}", self.id), hex: hex::encode(self.tag(raw)) }
    }
}

/// Scheme `crs`: keys imported from claude-relay-service, whose encryption key is part of the digest.
pub fn crs_digest(raw: &str, encryption_key: &SecretString) -> Digest {
    let hash = Sha256::new().chain_update(raw).chain_update(encryption_key.expose_secret()).finalize();
    Digest { scheme: "crs".to_owned(), hex: hex::encode(hash) }
}

/// Scheme `sha256`: keys imported from go-aiproxy.
pub fn sha256_digest(raw: &str) -> Digest {
    Digest { scheme: "sha256".to_owned(), hex: hex::encode(Sha256::digest(raw)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn digests_are_those_of_the_reference() {
        let raw = format!("cr_{HEX}");
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
        let digest = Pepper::new("p1", &bytes).digest(&raw);
        assert_eq!(digest.scheme, "hmac1:p1");
        assert_eq!(digest.hex, "9743ee5f17d0fbaa2566dd3e2765f39f53a1fc4e356cc45bc317f0d91fabb508");
        let crs = crs_digest(&raw, &SecretString::from("0123456789abcdef0123456789abcdef"));
        assert_eq!(crs.hex, "e4c97944dde6e22bfebed1258f73a676f0e43bd9c352bf634eb33d3e15071bef");
        let sha256 = sha256_digest(&format!("sk-{HEX}"));
        assert_eq!(sha256.hex, "04f729e6f7f0cb35c5ace17e62edda10cca530b9f0982799e7db9e24887fa7e4");
    }

    #[test]
    fn new_keys_have_the_form_and_differ() {
        let (one, other) = (make(), make());
        assert_eq!(one.expose_secret().len(), 67);
        assert_ne!(one.expose_secret(), other.expose_secret());
        let (head, tail) = shown(&one);
        assert!(one.expose_secret().starts_with(&head) && one.expose_secret().ends_with(&tail));
        assert_eq!((head.len(), tail.len()), (7, 4));
    }
}

//! The name of a session in the sticky map: a hash that two tenants can never share (`scheduling.md` §8).

use sha2::{Digest, Sha256};

use super::account::Platform;
use super::id::{GroupId, KeyId};
use super::route::SessionHash;

/// Between the parts, so that no two different lists of parts make the same text.
const SEPARATOR: &[u8] = &[0x1F];

/// The hash of a session: the first 16 bytes of SHA-256 over `v1`, service, key, group (`-` without one) and the value
/// that the client's session was recognised by.
pub fn session_hash(service: Platform, key: KeyId, group: Option<GroupId>, value: &str) -> SessionHash {
    let group = group.map_or_else(|| "-".to_owned(), |g| g.to_string());
    let mut hasher = Sha256::new();
    for part in ["v1", service.as_str(), &key.to_string(), &group] {
        hasher.update(part.as_bytes());
        hasher.update(SEPARATOR);
    }
    hasher.update(value.as_bytes());
    let digest = hasher.finalize();
    let mut hash = [0; 16];
    hash.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
    SessionHash(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_the_reference_holds() {
        let hash = session_hash(Platform::Claude, KeyId(12), None, "abc");
        assert_eq!(hash.to_string(), "3570d365fdf1ef5140263b5fe22c12da");
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }

    #[test]
    fn keys_and_groups_never_share_a_session() {
        let of = |key, group| session_hash(Platform::Claude, KeyId(key), group, "abc");
        assert_ne!(of(1, None), of(2, None));
        assert_ne!(of(1, None), of(1, Some(GroupId(1))));
        assert_ne!(of(1, Some(GroupId(1))), of(1, Some(GroupId(2))));
    }
}

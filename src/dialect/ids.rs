//! Tool-call ids that every vendor takes.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Longest id that every vendor takes.
const LONGEST: usize = 64;

/// Bytes of the hash that stand for a replaced id: no two ids of a conversation will ever share them.
const HASHED: usize = 16;

/// The id itself when it matches `^[A-Za-z0-9_-]{1,64}$`, else `call_` and a hash of it. The same id gives the same
/// replacement, so calls and their results still find each other (`relay-api.md` §9.1).
pub fn portable(id: &str) -> Cow<'_, str> {
    if is_portable(id) {
        return Cow::Borrowed(id);
    }
    let hash = Sha256::digest(id.as_bytes());
    Cow::Owned(format!("call_{}", hex::encode(hash.get(..HASHED).unwrap_or_default())))
}

/// True for an id that needs no replacement.
fn is_portable(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ids_stay_and_others_are_replaced_alike() {
        for id in ["toolu_01Fake", "call-1", "a", &"x".repeat(64)] {
            assert_eq!(portable(id), id);
        }
        for id in ["", "functions.get:0", "call 1", "é", &"x".repeat(65)] {
            let new = portable(id);
            assert!(is_portable(&new) && new.starts_with("call_") && new.len() == 37, "{id:?} -> {new}");
            assert_eq!(new, portable(id));
        }
        assert_ne!(portable("a b"), portable("a c"));
    }
}

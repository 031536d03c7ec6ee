//! Names and ids from other vendors that do not fit: replaced by a hash, so that equal ones stay equal.

use sha2::{Digest, Sha256};

/// The longest id of a tool call that OpenAI takes, in bytes; shorter than what other vendors make.
const CALL_ID: usize = 40;

/// The longest end-user id and cache key, in bytes.
const LABEL: usize = 64;

/// The id of a tool call: as it is when it fits, else `call_` and a hash, the same for the call and its result.
pub(super) fn call_id(id: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !id.is_empty() && id.len() <= CALL_ID && id.bytes().all(plain) {
        return id.to_owned();
    }
    let hash = hash(id);
    format!("call_{}", hash.get(..24).unwrap_or(&hash))
}

/// A label that only tells apart: as it is when it fits, else its hash.
pub(super) fn label(text: &str) -> String {
    if text.len() <= LABEL { text.to_owned() } else { hash(text) }
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_stays_equal() {
        assert_eq!(call_id("toolu_01A-b"), "toolu_01A-b");
        for id in ["", "a b", "é", &"x".repeat(41)] {
            let new = call_id(id);
            assert!(new.starts_with("call_") && new.len() == 29, "{id}");
            assert_eq!(new, call_id(id));
        }
        assert_ne!(call_id("a b"), call_id("a c"));
        assert_eq!(label("user"), "user");
        assert_eq!(label(&"x".repeat(65)).len(), 64);
    }
}

//! Refuses secrets that protect nothing: samples, words everybody knows, and values of the wrong form (`access.md` §1).

/// Words that only stand where a secret should be.
const PLACEHOLDERS: [&str; 11] = [
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "your-",
    "your_",
    "replace",
    "example",
    "insert-",
    "secret-key",
    "default",
];

/// True when the text is a sample and not a secret.
pub fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    distinct.len() < 5 || lower.starts_with('<') || PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

/// Why a master key cannot be one; it may hold several as `k2:…,k1:…`.
pub fn master_key_fault(text: &str) -> Option<String> {
    let keys = text.split(',').map(|part| part.split_once(':').map_or(part, |(_, key)| key).trim());
    keys.into_iter().find_map(|key| {
        if is_placeholder(key) {
            return Some("is a placeholder; make one with `quotalane secrets generate`".to_owned());
        }
        let hex = key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit());
        let plain = key.len() == 32 && key.is_ascii();
        let base64 = matches!(key.len(), 43 | 44) && !key.contains(char::is_whitespace);
        let fits = hex || plain || base64;
        (!fits).then(|| "must be 32 characters, 64 hex digits, or base64 of 32 bytes".to_owned())
    })
}

/// Why a session secret cannot be one; it may hold several as `kid:secret`.
pub fn jwt_secret_fault(text: &str) -> Option<String> {
    text.split(',').map(|part| part.split_once(':').map_or(part, |(_, secret)| secret)).find_map(|secret| {
        if is_placeholder(secret) {
            return Some("is a placeholder; make one with `quotalane secrets generate`".to_owned());
        }
        (secret.len() < 32).then(|| "must be at least 32 bytes".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_no_secrets() {
        for text in ["changeme-changeme-changeme-12345", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "<32 characters>"] {
            assert!(is_placeholder(text), "{text}");
        }
        assert!(!is_placeholder("0123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn keys_have_one_of_three_forms() {
        assert_eq!(master_key_fault("0123456789abcdef0123456789abcdef"), None);
        assert_eq!(master_key_fault("k2:0123456789abcdef0123456789abcdef,k1:fedcba9876543210fedcba9876543210"), None);
        assert!(master_key_fault("0123456789abcdef").is_some());
        assert!(jwt_secret_fault("too short but varied").is_some());
        assert_eq!(jwt_secret_fault("k1:0123456789abcdefghijklmnopqrstuv"), None);
    }
}

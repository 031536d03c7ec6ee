//! What must hold of user names and e-mail addresses (`access.md` §2); passwords: `identity::password`.

use super::{Invalid, must};

/// 3 to 64 of `[A-Za-z0-9_.-]`, not starting or ending with `-`.
pub fn check_username(name: &str) -> Result<(), Invalid> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let fits = (3..=64).contains(&name.len()) && plain && !name.starts_with('-') && !name.ends_with('-');
    must(fits, "username", "must have 3 to 64 letters, digits, _ . - and no - at its ends")
}

/// One `@` with something on both sides and a dot or `localhost` behind it, at most 254 bytes.
pub fn check_email(email: &str) -> Result<(), Invalid> {
    let parts = email.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.contains('@'));
    let domain =
        parts.is_some_and(|(_, d)| d == "localhost" || (d.contains('.') && !d.starts_with('.') && !d.ends_with('.')));
    let plain = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    must(domain && plain && email.len() <= 254, "email", "is not an e-mail address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_have_rules() {
        assert!(check_username("a.b-c_1").is_ok());
        assert!(["ab", "-abc", "abc-", "a b c", "é-name"].iter().all(|name| check_username(name).is_err()));
        assert!(check_email("a@b.example").is_ok() && check_email("a@localhost").is_ok());
        assert!(["a", "@b.c", "a@b", "a@b@c.d", "a b@c.d"].iter().all(|email| check_email(email).is_err()));
    }
}

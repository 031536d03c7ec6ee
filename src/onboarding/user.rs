//! What must hold of user names, e-mail addresses and passwords (`access.md` §1, §2, §4).

use super::{Invalid, must};

/// Passwords that everybody tries first.
const KNOWN_PASSWORDS: [&str; 5] = ["admin", "admin123", "123456", "password", "changeme"];

/// 3 to 64 of `[A-Za-z0-9_.-]`, not starting or ending with `-`.
pub fn check_username(name: &str) -> Result<(), Invalid> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let fits = (3..=64).contains(&name.len()) && plain && !name.starts_with('-') && !name.ends_with('-');
    must(fits, "username", "must have 3 to 64 letters, digits, _ . - and no - at its ends")
}

/// One `@` with something on both sides and a dot or `localhost` behind it, at most 254 bytes.
pub fn check_email(email: &str) -> Result<(), Invalid> {
    let parts = email.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.contains('@'));
    let domain = parts.is_some_and(|(_, d)| d == "localhost" || (d.contains('.') && !d.starts_with('.') && !d.ends_with('.')));
    let plain = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    must(domain && plain && email.len() <= 254, "email", "is not an e-mail address")
}

/// 8 to 128 characters, no NUL, not the user's name or address, none that everybody tries.
pub fn check_password(password: &str, username: &str, email: Option<&str>) -> Result<(), Invalid> {
    let length = password.chars().count();
    must((8..=128).contains(&length) && !password.contains('\0'), "password", "must have 8 to 128 characters")?;
    let lower = password.to_lowercase();
    let same = lower == username.to_lowercase() || email.is_some_and(|email| lower == email.to_lowercase());
    must(!same, "password", "must differ from the name and the e-mail address")?;
    must(!KNOWN_PASSWORDS.contains(&lower.as_str()), "password", "is one that everybody tries")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_passwords_have_rules() {
        assert!(check_username("a.b-c_1").is_ok());
        assert!(["ab", "-abc", "abc-", "a b c", "é-name"].iter().all(|name| check_username(name).is_err()));
        assert!(check_email("a@b.example").is_ok() && check_email("a@localhost").is_ok());
        assert!(["a", "@b.c", "a@b", "a@b@c.d", "a b@c.d"].iter().all(|email| check_email(email).is_err()));
        assert!(check_password("correct horse", "bob", None).is_ok());
        for bad in ["short", "password", "bobby-the-user", "B@example.org"] {
            assert!(check_password(bad, "bobby-the-user", Some("b@example.org")).is_err(), "{bad}");
        }
    }
}

//! Time-based one-time passwords (RFC 6238: HMAC-SHA-1, 6 digits, 30 s) as authenticator apps make them.

use actors::domain::time::{SECOND, Timestamp};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const STEP_MS: i64 = 30 * SECOND;
const SEED_BYTES: usize = 20;
/// Steps before and after the present one that count too, for clocks that differ.
const AROUND: i64 = 1;
const ISSUER: &str = "QuotaLane";

/// A fresh seed, as base32: what a person types when the QR code cannot be read.
pub fn new_seed() -> Zeroizing<String> {
    let bytes = Zeroizing::new(rand::random::<[u8; SEED_BYTES]>());
    Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()))
}

/// The text of the QR code.
pub fn uri(seed: &str, username: &str) -> Zeroizing<String> {
    let name = utf8_percent_encode(username, NON_ALPHANUMERIC);
    Zeroizing::new(format!(
        "otpauth://totp/{ISSUER}:{name}?secret={seed}&issuer={ISSUER}&algorithm=SHA1&digits=6&period=30"
    ))
}

/// The step of a moment.
const fn step_of(now: Timestamp) -> i64 {
    now.0.div_euclid(STEP_MS)
}

/// The six digits of a step; `None` for a seed that is not base32.
fn code(seed: &str, step: i64) -> Option<String> {
    let key = Zeroizing::new(BASE32_NOPAD.decode(seed.as_bytes()).ok()?);
    let mut mac = Hmac::<Sha1>::new_from_slice(&key).ok()?;
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest.last()? & 0x0f);
    let word: [u8; 4] = digest.get(offset..offset + 4)?.try_into().ok()?;
    let number = (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000;
    Some(format!("{number:06}"))
}

/// The step that a code belongs to, if it is of now or of a step beside it. Looks at each of them, whichever fits.
pub fn matching_step(seed: &str, given: &str, now: Timestamp) -> Option<i64> {
    let given: String = given.chars().filter(|c| !c.is_whitespace()).collect();
    let present = step_of(now);
    let mut found = None;
    for step in present - AROUND..=present + AROUND {
        let right = code(seed, step)?;
        if bool::from(right.as_bytes().ct_eq(given.as_bytes())) {
            found = Some(step);
        }
    }
    found
}

/// The code of a moment, as an authenticator shows it.
pub fn code_at(seed: &str, now: Timestamp) -> Option<String> {
    code(seed, step_of(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix B of RFC 6238, cut to six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let seed = BASE32_NOPAD.encode(b"12345678901234567890");
        let table = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (seconds, right) in table {
            assert_eq!(code_at(&seed, Timestamp(seconds * SECOND)).as_deref(), Some(right));
        }
    }

    #[test]
    fn one_step_to_each_side_counts_and_no_further() {
        let seed = new_seed();
        let at = |s: i64| Timestamp(1_700_000_000_000 + s * SECOND);
        let shown = code_at(&seed, at(0)).unwrap();
        let step = step_of(at(0));
        for (later, found) in [(-60, None), (-30, Some(step)), (0, Some(step)), (30, Some(step)), (60, None)] {
            assert_eq!(matching_step(&seed, &shown, at(later)), found, "{later} s");
        }
        assert_eq!(matching_step(&seed, &format!("{} {}", &shown[..3], &shown[3..]), at(0)), Some(step));
        assert_eq!(matching_step(&seed, "", at(0)), None);
        assert_eq!(matching_step("not base32!", &shown, at(0)), None);
    }

    #[test]
    fn the_uri_names_the_user_safely() {
        let text = uri("ABC", "a&b c");
        assert!(text.starts_with("otpauth://totp/QuotaLane:a%26b%20c?secret=ABC&"), "{}", text.as_str());
    }
}

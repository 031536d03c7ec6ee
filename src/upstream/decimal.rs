//! Reads decimal text as parts per million, without floats.

/// `0.41` → 410 000. Accepts an exponent, as languages write small floats; `None` for anything else, also for a sign.
pub(super) fn fraction_to_ppm(text: &str) -> Option<i64> {
    scaled(text, 6)
}

/// `41.5` percent → 415 000 ppm.
pub(super) fn percent_to_ppm(text: &str) -> Option<i64> {
    scaled(text, 4)
}

/// `2.5` → 2 500 for a shift of 3; digits beyond the shift are cut off.
pub(super) fn scaled(text: &str, shift: i32) -> Option<i64> {
    let text = text.trim();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok().filter(|e| (-30..=18).contains(e))?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || mantissa.len() > 24 || !digits().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = digits().fold(0_i128, |n, b| n * 10 + i128::from(b - b'0'));
    let power = shift + exponent - i32::try_from(fraction.len()).ok()?;
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    let value = if power >= 0 { number.checked_mul(factor)? } else { number / factor };
    i64::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_whole_numbers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0.41", Some(410_000)),
            ("1.0", Some(1_000_000)),
            ("1.234567899", Some(1_234_567)),
            ("12", Some(12_000_000)),
            ("1e-05", Some(10)),
            ("2.5E-1", Some(250_000)),
            (" 0.5 ", Some(500_000)),
            ("-0.1", None),
            ("", None),
            (".5", None),
            ("abc", None),
            ("1.2.3", None),
            ("NaN", None),
            ("1e99", None),
        ] {
            assert_eq!(fraction_to_ppm(text), expected, "{text:?}");
        }
        assert_eq!(percent_to_ppm("41.5"), Some(415_000));
        assert_eq!(percent_to_ppm("107"), Some(1_070_000));
        assert_eq!(scaled("2.5", 3), Some(2_500));
    }
}

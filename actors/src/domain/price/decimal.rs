//! Decimal numbers from JSON text to scaled integers, never through a float (`metering.md` §12).

/// `text × 10^scale` as an integer, rounded half away from zero; `None` when it is no JSON number or out of range.
pub(super) fn scaled(text: &str, scale: i32) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || digits.len() > 60 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let shift = exponent.checked_add(scale)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let magnitude = shifted(digits.trim_start_matches('0'), shift)?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// `digits × 10^shift`, rounded half up.
fn shifted(digits: &str, shift: i32) -> Option<i128> {
    let number = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    if digits.is_empty() {
        return Some(0);
    }
    if shift >= 0 {
        return number(digits)?.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?);
    }
    let kept = digits.len().saturating_sub(usize::try_from(shift.unsigned_abs()).ok()?);
    let whole = number(digits.get(..kept)?)?;
    let dropped = digits.len() - kept;
    let half = dropped == usize::try_from(shift.unsigned_abs()).ok()? && digits.as_bytes().get(kept) >= Some(&b'5');
    Some(whole + i128::from(half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_keep_every_digit() {
        for (text, scale, value) in [
            ("2.5e-07", 15, Some(250_000_000)),
            ("3e-06", 15, Some(3_000_000_000)),
            ("0.000015", 15, Some(15_000_000_000)),
            ("6.25E-8", 15, Some(62_500_000)),
            ("1.25e+0", 6, Some(1_250_000)),
            ("0.01", 9, Some(10_000_000)),
            ("-1e-6", 15, Some(-1_000_000_000)),
            ("0", 15, Some(0)),
            ("0e999", 15, Some(0)),
            ("0.0000000000000004", 15, Some(0)),
            ("0.0000000000000005", 15, Some(1)),
            ("0.0000000000000014999", 15, Some(1)),
            ("5e-17", 15, Some(0)),
            ("200000", 0, Some(200_000)),
            ("1e30", 15, None),
            ("NaN", 15, None),
            ("\"1\"", 15, None),
            ("", 15, None),
            (".5", 15, None),
            ("true", 15, None),
        ] {
            assert_eq!(scaled(text, scale), value, "{text}");
        }
    }
}

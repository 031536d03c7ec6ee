//! Reads the waits of `x-ratelimit-reset-*` (`120ms`, `6m0s`) and of error texts, in whole milliseconds.

use actors::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};

use crate::upstream::decimal::scaled;
use crate::upstream::reset::moment;

/// Numbers from here on are moments, not waits.
const MOMENTS: i64 = 1_000_000_000;

/// Milliseconds from now: a duration with units, plain seconds, a Unix moment, or RFC 3339. `None` for what is past or none.
pub(super) fn until_reset(text: &str, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    let seconds = scaled(text, 0);
    let ms = match seconds {
        Some(number) if number < MOMENTS => scaled(text, 3)?,
        Some(_) => moment(text)?.since(now),
        None => with_units(text).or_else(|| moment(text).map(|at| at.since(now)))?,
    };
    (ms > 0).then_some(ms)
}

/// `1h2m3.5s`, `6m0s`, `8.64s`, `120ms`, `1d`.
fn with_units(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(letters)?;
        total = total.checked_add(scaled(number, 3)?.checked_mul(unit_ms(unit)?)?.checked_div(1_000)?)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

fn unit_ms(unit: &str) -> Option<i64> {
    match unit {
        "ms" => Some(1),
        "s" => Some(SECOND),
        "m" => Some(MINUTE),
        "h" => Some(HOUR),
        "d" => Some(DAY),
        _ => None,
    }
}

/// The wait in "Please try again in 1.5s", as errors inside of streams state it. The text is in lower case.
pub(super) fn said(text: &str) -> Option<i64> {
    let (_, after) = text.split_once("try again in ")?;
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(after.len());
    let word = after.get(..end)?.trim_end_matches('.');
    if let Some(ms) = with_units(word) {
        return Some(ms).filter(|ms| *ms > 0);
    }
    let unit = after.get(end..)?.trim_start();
    let seconds = unit.starts_with("second").then(|| scaled(word, 3)).flatten();
    seconds.or_else(|| unit.starts_with("minute").then(|| scaled(word, 3)?.checked_mul(60)).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_760_000_000_000);

    #[test]
    fn every_form_of_a_reset_is_read() {
        for (text, expected) in [
            ("120ms", Some(120)),
            ("1s", Some(1_000)),
            ("8.64s", Some(8_640)),
            ("6m0s", Some(360_000)),
            ("1h2m3.5s", Some(3_723_500)),
            ("1d", Some(DAY)),
            ("60", Some(60_000)),
            ("0.5", Some(500)),
            ("1760000100", Some(100_000)),
            ("1760000100000", Some(100_000)),
            ("2025-10-09T08:55:00Z", Some(100_000)),
            ("1759999999", None),
            ("2025-10-09T08:50:00Z", None),
            ("0s", None),
            ("0", None),
            ("", None),
            ("soon", None),
            ("5x", None),
            ("-5", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(until_reset(text, NOW), expected, "{text:?}");
        }
    }

    #[test]
    fn a_text_may_state_the_wait() {
        for (text, expected) in [
            ("limit 3. please try again in 1.898s. visit", Some(1_898)),
            ("please try again in 28ms.", Some(28)),
            ("please try again in 6m0s.", Some(360_000)),
            ("try again in 35 seconds.", Some(35_000)),
            ("try again in 2 minutes", Some(120_000)),
            ("please try again in a moment", None),
            ("please try again later", None),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }
}

//! Reads the waits that Google states: durations of its JSON (`3.5s`, `900ms`), those of its texts (`21h13m5s`), and the
//! phrases around them. In whole milliseconds.

use actors::domain::time::{DAY, HOUR, MINUTE, SECOND};

use crate::upstream::decimal::scaled;

/// What stands before a wait in a message, in lower case.
const PHRASES: [&str; 4] = ["retry in ", "retry after ", "reset after ", "reset in "];

/// A duration with units; `None` for anything else.
pub(super) fn duration(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i64;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| c.is_ascii_alphabetic())?)?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(letters)?;
        let millionths = scaled(number, 6)?.checked_mul(milliseconds(unit)?)?;
        // Up, so that nobody comes back too early.
        total = total.checked_add(millionths.checked_add(999_999)? / 1_000_000)?;
        rest = next;
    }
    Some(total)
}

fn milliseconds(unit: &str) -> Option<i64> {
    Some(match unit {
        "ms" => 1,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    })
}

/// The wait in "Please retry in 34.07s." or "Your quota will reset after 21h13m5s."; the text is in lower case.
pub(super) fn said(text: &str) -> Option<i64> {
    let after = PHRASES.iter().find_map(|phrase| text.split_once(phrase)).map(|(_, after)| after)?;
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(after.len());
    duration(after.get(..end)?.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_duration_is_read() {
        for (text, expected) in [
            ("3.5s", Some(3_500)),
            ("900ms", Some(900)),
            ("539.477544ms", Some(540)),
            ("34.074824224s", Some(34_075)),
            ("21h13m5s", Some(76_385_000)),
            ("1d", Some(DAY)),
            ("0s", Some(0)),
            ("", None),
            ("12", None),
            ("s", None),
            ("-3s", None),
            ("5 parsecs", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn texts_state_waits() {
        for (text, expected) in [
            ("quota exceeded.\nplease retry in 12.5s.", Some(12_500)),
            ("your quota will reset after 21h13m5s.", Some(76_385_000)),
            ("please retry in a moment", None),
            ("retry", None),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }
}

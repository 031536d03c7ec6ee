//! Reads moments and durations from headers and bodies, and believes only those within bounds (`scheduling.md` §4, §15).

use actix_http::header::HeaderMap;
use actors::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use chrono::DateTime;

use super::decimal::scaled;

/// The short subscription window.
pub(super) const FIVE_HOURS: i64 = 5 * HOUR;
/// The long subscription window.
pub(super) const SEVEN_DAYS: i64 = 7 * DAY;

/// Length of the per-minute windows.
pub(super) const ONE_MINUTE: i64 = MINUTE;

/// Numbers above this are milliseconds, not seconds.
const SECONDS_END: i64 = 1_000_000_000_000;

/// Longest wait that a `retry-after` may impose on an account.
pub(super) const LONGEST_RETRY: i64 = HOUR;

/// A moment: Unix seconds (also with decimals), Unix milliseconds, or RFC 3339.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(ms) = scaled(text, 3) {
        let seconds = ms / SECOND;
        return Some(Timestamp(if seconds > SECONDS_END { seconds } else { ms }));
    }
    DateTime::parse_from_rfc3339(text).ok().map(|time| Timestamp(time.timestamp_millis()))
}

/// The moment, when a window of this length can end then: at most an hour (5 h), a day (7 d) or a fifth (others) later than
/// its length allows.
pub(super) fn believable(at: Timestamp, length_ms: i64, now: Timestamp) -> Option<Timestamp> {
    let slack = match length_ms {
        FIVE_HOURS => HOUR,
        SEVEN_DAYS => DAY,
        other => other / 5,
    };
    (at.since(now) <= length_ms + slack).then_some(at)
}

/// How long to wait, in milliseconds, from `retry-after-ms`, else `retry-after` (seconds, decimals or HTTP date). Only
/// waits above zero and up to `longest` are believed.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp, longest: i64) -> Option<i64> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let believed = |ms: &i64| (1..=longest).contains(ms);
    let exact = text("retry-after-ms").and_then(|ms| scaled(ms, 0)).filter(believed);
    exact.or_else(|| text("retry-after").and_then(|value| duration(value, now)).filter(believed))
}

fn duration(value: &str, now: Timestamp) -> Option<i64> {
    if let Some(ms) = scaled(value, 3) {
        return Some(ms);
    }
    // An HTTP date is RFC 2822 with the zone written as GMT.
    DateTime::parse_from_rfc2822(value).ok().map(|time| Timestamp(time.timestamp_millis()).since(now))
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderName, HeaderValue};

    use super::*;

    const NOW: Timestamp = Timestamp(1_760_000_000_000);

    #[test]
    fn every_form_of_a_moment_is_read() {
        for (text, expected) in [
            ("1760000100", Some(1_760_000_100_000)),
            ("1760000100.5", Some(1_760_000_100_500)),
            ("1760000100000", Some(1_760_000_100_000)),
            ("2025-10-09T08:55:00Z", Some(1_760_000_100_000)),
            ("2025-10-09T10:55:00.250+02:00", Some(1_760_000_100_250)),
            ("soon", None),
            ("", None),
            ("-5", None),
        ] {
            assert_eq!(moment(text), expected.map(Timestamp), "{text}");
        }
    }

    #[test]
    fn only_possible_ends_are_believed() {
        for (after, length, believed) in [
            (6 * HOUR, FIVE_HOURS, true),
            (6 * HOUR + 1, FIVE_HOURS, false),
            (8 * DAY, SEVEN_DAYS, true),
            (8 * DAY + 1, SEVEN_DAYS, false),
            (72 * SECOND, ONE_MINUTE, true),
            (73 * SECOND, ONE_MINUTE, false),
            (-DAY, SEVEN_DAYS, true),
        ] {
            assert_eq!(believable(NOW.plus(after), length, NOW).is_some(), believed, "{after}");
        }
    }

    #[test]
    fn retry_after_has_many_forms() {
        let read = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            retry_after(&headers, NOW, LONGEST_RETRY)
        };
        assert_eq!(read("retry-after", "7"), Some(7_000));
        assert_eq!(read("retry-after", "0.25"), Some(250));
        assert_eq!(read("retry-after", "Thu, 09 Oct 2025 08:55:00 GMT"), Some(100_000));
        assert_eq!(read("retry-after-ms", "1500"), Some(1_500));
        for value in ["0", "-1", "3601", "99999999999", "Thu, 09 Oct 2025 08:50:00 GMT", "later"] {
            assert_eq!(read("retry-after", value), None, "{value}");
        }
    }
}

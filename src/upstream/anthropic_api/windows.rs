//! Reads the vendor's own windows from answer headers (`upstreams.md` §1.5, §2.1; `scheduling.md` §4).

use std::sync::Arc;

use actix_http::header::HeaderMap;
use actors::domain::model::Family;
use actors::domain::time::Timestamp;
use actors::domain::window::{Scope, WindowKind, WindowSnapshot, WindowStatus};

use crate::upstream::decimal::fraction_to_ppm;
use crate::upstream::reset::{FIVE_HOURS, ONE_MINUTE, SEVEN_DAYS, believable, moment};

const FULL: i64 = 1_000_000;

/// A subscription window by the name in its headers; the family is the one whose requests it limits.
const UNIFIED: [(&str, WindowKind, Option<&str>, i64); 5] = [
    ("5h", WindowKind::FiveHour, None, FIVE_HOURS),
    ("7d", WindowKind::SevenDay, None, SEVEN_DAYS),
    ("7d_oi", WindowKind::SevenDayModel, Some("fable"), SEVEN_DAYS),
    ("7d_opus", WindowKind::SevenDayModel, Some("opus"), SEVEN_DAYS),
    ("7d_sonnet", WindowKind::SevenDayModel, Some("sonnet"), SEVEN_DAYS),
];

/// What every limit header begins with.
const PREFIX: &str = "anthropic-ratelimit-";

/// Every window that the headers describe.
pub(in crate::upstream) fn windows(headers: &HeaderMap, now: Timestamp) -> Vec<WindowSnapshot> {
    let fields = Fields::of(headers);
    let mut found = Vec::new();
    if fields.0.is_empty() {
        return found;
    }
    for (name, kind, family, length) in UNIFIED {
        found.extend(unified(&fields, name, kind, family, length, now));
    }
    found.extend(minute(&fields, WindowKind::Requests, &["requests"], now));
    found.extend(minute(&fields, WindowKind::Tokens, &["tokens", "input-tokens", "output-tokens"], now));
    found
}

/// The limit headers, without what they all begin with. Answers have a dozen of them or none, and forty names are asked
/// for: comparing is cheaper than making each name to look it up.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let limits = headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix(PREFIX)?;
            Some((name, value.to_str().ok()?.trim()))
        });
        Self(limits.collect())
    }

    /// The value of `<group><name>-<field>`.
    fn get(&self, group: &str, name: &str, field: &str) -> Option<&'a str> {
        let wanted = |header: &str| {
            let rest = header.strip_prefix(group).and_then(|rest| rest.strip_prefix(name));
            rest.and_then(|rest| rest.strip_prefix('-')) == Some(field)
        };
        self.0.iter().find(|(header, _)| wanted(header)).map(|(_, value)| *value)
    }
}

/// The scope of a window: a family, or everything.
pub(in crate::upstream) fn scope(family: Option<&str>) -> Scope {
    family.map_or(Scope::All, |name| Scope::Family(Family(Arc::from(name))))
}

/// True when the vendor says that the window is used up.
pub(super) fn is_exhausted(window: &WindowSnapshot) -> bool {
    window.status == Some(WindowStatus::Rejected) || window.surpassed || window.used_ppm >= FULL
}

fn unified(
    fields: &Fields<'_>,
    name: &str,
    kind: WindowKind,
    family: Option<&str>,
    length_ms: i64,
    now: Timestamp,
) -> Option<WindowSnapshot> {
    let field = |field: &str| fields.get("unified-", name, field);
    let status = field("status").and_then(status);
    // `true`, or the threshold itself as a number; only a whole window counts as exhausted then.
    let surpassed =
        field("surpassed-threshold").is_some_and(|v| v == "true" || fraction_to_ppm(v).is_some_and(|ppm| ppm >= FULL));
    let told = (status == Some(WindowStatus::Rejected) || surpassed).then_some(FULL);
    let used_ppm = field("utilization").and_then(fraction_to_ppm).or(told)?;
    let resets_at = field("reset").and_then(moment).and_then(|at| believable(at, length_ms, now));
    let scope = scope(family);
    Some(WindowSnapshot { kind, scope, used_ppm, status, surpassed, resets_at, length_ms, observed_at: now })
}

fn status(name: &str) -> Option<WindowStatus> {
    match name {
        "allowed" => Some(WindowStatus::Allowed),
        "allowed_warning" => Some(WindowStatus::AllowedWarning),
        "rejected" => Some(WindowStatus::Rejected),
        _ => None,
    }
}

/// The tightest of the per-minute limits of one kind.
fn minute(fields: &Fields<'_>, kind: WindowKind, dims: &[&str], now: Timestamp) -> Option<WindowSnapshot> {
    let tightest = dims.iter().filter_map(|dim| minute_usage(fields, dim, now)).max_by_key(|(used, _)| *used)?;
    Some(WindowSnapshot {
        kind,
        scope: Scope::All,
        used_ppm: tightest.0,
        status: None,
        surpassed: false,
        resets_at: tightest.1,
        length_ms: ONE_MINUTE,
        observed_at: now,
    })
}

fn minute_usage(fields: &Fields<'_>, dim: &str, now: Timestamp) -> Option<(i64, Option<Timestamp>)> {
    let field = |field: &str| fields.get("", dim, field);
    let number = |name: &str| field(name).and_then(|v| v.parse::<i64>().ok()).filter(|n| *n >= 0);
    let (limit, remaining) = (number("limit").filter(|limit| *limit > 0)?, number("remaining")?);
    let used = i128::from(limit.saturating_sub(remaining).max(0)) * i128::from(FULL) / i128::from(limit);
    let resets_at = field("reset").and_then(moment).and_then(|at| believable(at, ONE_MINUTE, now));
    Some((i64::try_from(used).unwrap_or(FULL), resets_at))
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderName, HeaderValue};
    use actors::domain::time::HOUR;

    use super::*;

    const NOW: Timestamp = Timestamp(1_760_000_000_000);

    fn read(lines: &[(&str, &str)]) -> Vec<WindowSnapshot> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = format!("anthropic-ratelimit-{name}");
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        windows(&headers, NOW)
    }

    #[test]
    fn subscription_windows_are_read() {
        let seen = read(&[
            ("unified-status", "allowed"),
            ("unified-5h-status", "allowed_warning"),
            ("unified-5h-utilization", "0.41"),
            ("unified-5h-reset", "1760003600"),
            ("unified-7d-utilization", "1.02"),
            ("unified-7d-reset", "9999999999"),
            ("unified-7d_oi-status", "rejected"),
            ("unified-7d_oi-surpassed-threshold", "0.9"),
            ("unified-7d_oi-reset", "1760003600000"),
        ]);
        assert_eq!(seen.len(), 3);
        assert_eq!((seen[0].kind, seen[0].used_ppm), (WindowKind::FiveHour, 410_000));
        assert_eq!((seen[0].status, seen[0].resets_at), (Some(WindowStatus::AllowedWarning), Some(NOW.plus(HOUR))));
        assert_eq!((seen[1].used_ppm, seen[1].resets_at), (1_020_000, None), "an absurd reset is not believed");
        assert_eq!((&seen[2].scope, seen[2].used_ppm), (&scope(Some("fable")), FULL));
        assert!(!seen[2].surpassed);
        assert_eq!(seen[2].resets_at, Some(NOW.plus(HOUR)));
        assert!(read(&[("unified-5h-surpassed-threshold", "true")])[0].surpassed);
        assert!(read(&[("unified-5h-status", "allowed")]).is_empty(), "no utilisation, no observation");
    }

    #[test]
    fn minute_limits_take_the_tightest() {
        let seen = read(&[
            ("requests-limit", "50"),
            ("requests-remaining", "49"),
            ("tokens-limit", "1000"),
            ("tokens-remaining", "900"),
            ("output-tokens-limit", "1000"),
            ("output-tokens-remaining", "250"),
            ("output-tokens-reset", "2025-10-09T08:54:00Z"),
            ("input-tokens-limit", "0"),
            ("input-tokens-remaining", "0"),
        ]);
        assert_eq!(
            seen.iter().map(|w| (w.kind, w.used_ppm)).collect::<Vec<_>>(),
            [(WindowKind::Requests, 20_000), (WindowKind::Tokens, 750_000)]
        );
        assert_eq!(seen[1].resets_at, Some(NOW.plus(40_000)));
    }
}

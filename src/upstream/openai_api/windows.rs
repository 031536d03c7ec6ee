//! Reads the vendor's own windows from `x-ratelimit-*` (`upstreams.md` §1.5, §2.7).

use actix_http::header::HeaderMap;
use actors::domain::time::Timestamp;
use actors::domain::window::{Scope, WindowKind, WindowSnapshot};

use super::duration::until_reset;
use crate::upstream::reset::{LONGEST_RETRY, ONE_MINUTE, believable};

const FULL: i64 = 1_000_000;

/// A window by the word in its headers.
struct Named {
    kind: WindowKind,
    word: &'static str,
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
}

const WINDOWS: [Named; 2] = [
    Named {
        kind: WindowKind::Requests,
        word: "requests",
        limit: "x-ratelimit-limit-requests",
        remaining: "x-ratelimit-remaining-requests",
        reset: "x-ratelimit-reset-requests",
    },
    Named {
        kind: WindowKind::Tokens,
        word: "tokens",
        limit: "x-ratelimit-limit-tokens",
        remaining: "x-ratelimit-remaining-tokens",
        reset: "x-ratelimit-reset-tokens",
    },
];

/// Every window that the headers describe. Without limit and remainder there is none.
pub(in crate::upstream) fn windows(headers: &HeaderMap, now: Timestamp) -> Vec<WindowSnapshot> {
    WINDOWS.iter().filter_map(|named| window(headers, named, now)).collect()
}

fn window(headers: &HeaderMap, named: &Named, now: Timestamp) -> Option<WindowSnapshot> {
    let number = |name: &str| text(headers, name)?.parse::<i64>().ok().filter(|n| *n >= 0);
    let (limit, remaining) = (number(named.limit).filter(|limit| *limit > 0)?, number(named.remaining)?);
    let used = i128::from(limit.saturating_sub(remaining).max(0)) * i128::from(FULL) / i128::from(limit);
    let resets_at = text(headers, named.reset)
        .and_then(|reset| until_reset(reset, now))
        .and_then(|ms| believable(now.plus(ms), ONE_MINUTE, now));
    Some(WindowSnapshot {
        kind: named.kind,
        scope: Scope::All,
        used_ppm: i64::try_from(used).unwrap_or(FULL),
        status: None,
        surpassed: false,
        resets_at,
        length_ms: ONE_MINUTE,
        observed_at: now,
    })
}

/// How long a refused request has to wait by these headers, in milliseconds, at most an hour: for the windows that are used
/// up or that `word` names, the longest; when nothing is marked, the shortest.
pub(super) fn wait(headers: &HeaderMap, word: &str, now: Timestamp) -> Option<i64> {
    let resets: Vec<(bool, i64)> = WINDOWS
        .iter()
        .filter_map(|named| {
            let ms = until_reset(text(headers, named.reset)?, now).filter(|ms| *ms <= LONGEST_RETRY)?;
            Some((named.word == word || text(headers, named.remaining) == Some("0"), ms))
        })
        .collect();
    let marked = resets.iter().filter(|(marked, _)| *marked).map(|(_, ms)| *ms).max();
    marked.or_else(|| resets.iter().map(|(_, ms)| *ms).min())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::openai_api::sample::{NOW, headers};

    #[test]
    fn minute_limits_are_read() {
        let seen = windows(
            &headers(&[
                ("x-ratelimit-limit-requests", "500"),
                ("x-ratelimit-remaining-requests", "499"),
                ("x-ratelimit-reset-requests", "120ms"),
                ("x-ratelimit-limit-tokens", "200000"),
                ("x-ratelimit-remaining-tokens", "50000"),
                ("x-ratelimit-reset-tokens", "6m0s"),
                ("x-ratelimit-limit-input-images", "50000"),
                ("x-ratelimit-remaining-input-images", "0"),
            ]),
            NOW,
        );
        let told: Vec<_> = seen.iter().map(|w| (w.kind, w.used_ppm, w.resets_at)).collect();
        assert_eq!(
            told,
            [(WindowKind::Requests, 2_000, Some(NOW.plus(120))), (WindowKind::Tokens, 750_000, None)],
            "a minute's window cannot end in six"
        );
    }

    #[test]
    fn half_of_a_window_is_none() {
        for lines in [
            &[("x-ratelimit-limit-requests", "500")][..],
            &[("x-ratelimit-remaining-requests", "3")],
            &[("x-ratelimit-limit-requests", "0"), ("x-ratelimit-remaining-requests", "0")],
            &[("x-ratelimit-limit-requests", "many"), ("x-ratelimit-remaining-requests", "1")],
            &[],
        ] {
            assert_eq!(windows(&headers(lines), NOW), [], "{lines:?}");
        }
    }

    #[test]
    fn the_window_that_refused_says_how_long() {
        let requests = ("x-ratelimit-reset-requests", "2s");
        let tokens = ("x-ratelimit-reset-tokens", "40s");
        for (lines, word, expected) in [
            (vec![requests, tokens], "", Some(2_000)),
            (vec![requests, tokens], "tokens", Some(40_000)),
            (vec![requests, tokens, ("x-ratelimit-remaining-tokens", "0")], "", Some(40_000)),
            (vec![requests, tokens, ("x-ratelimit-remaining-requests", "0")], "", Some(2_000)),
            (vec![("x-ratelimit-reset-tokens", "3h")], "tokens", None),
            (vec![], "tokens", None),
        ] {
            assert_eq!(wait(&headers(&lines), word, NOW), expected, "{lines:?} {word}");
        }
    }
}

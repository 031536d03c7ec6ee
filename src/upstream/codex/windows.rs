//! Reads a subscription's windows from `x-codex-*` (`upstreams.md` §1.5, §2.8).

use actix_http::header::HeaderMap;
use actors::domain::time::{MINUTE, SECOND, Timestamp};
use actors::domain::window::{Scope, WindowKind, WindowSnapshot};

use crate::upstream::decimal::{percent_to_ppm, scaled};
use crate::upstream::reset::{believable, moment};

const FULL: i64 = 1_000_000;

/// Up to here a window counts as the short one, in minutes.
const SHORT: i64 = 360;

/// From here on a window counts as the long one, in minutes.
const LONG: i64 = 1_440;

/// A window by the names of its headers. The vendor's word for it says nothing: its length decides which one it is.
struct Named {
    used: &'static str,
    minutes: &'static str,
    reset_after: &'static str,
    reset_at: &'static str,
}

const WINDOWS: [Named; 2] = [
    Named {
        used: "x-codex-primary-used-percent",
        minutes: "x-codex-primary-window-minutes",
        reset_after: "x-codex-primary-reset-after-seconds",
        reset_at: "x-codex-primary-reset-at",
    },
    Named {
        used: "x-codex-secondary-used-percent",
        minutes: "x-codex-secondary-window-minutes",
        reset_after: "x-codex-secondary-reset-after-seconds",
        reset_at: "x-codex-secondary-reset-at",
    },
];

/// Every window that the headers describe; of two of one kind the tighter.
pub(super) fn windows(headers: &HeaderMap, now: Timestamp) -> Vec<WindowSnapshot> {
    let mut found: Vec<WindowSnapshot> = Vec::new();
    for window in WINDOWS.iter().filter_map(|named| window(headers, named, now)) {
        match found.iter_mut().find(|other| other.kind == window.kind) {
            Some(other) if other.used_ppm >= window.used_ppm => {}
            Some(other) => *other = window,
            None => found.push(window),
        }
    }
    found
}

/// When the windows that are used up let requests through again: the long one before the short one.
pub(super) fn exhausted(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let seen = windows(headers, now);
    let end = |kind: WindowKind| {
        let used_up = seen.iter().find(|window| window.kind == kind && window.used_ppm >= FULL)?;
        used_up.resets_at.filter(|at| *at > now)
    };
    end(WindowKind::SevenDay).or_else(|| end(WindowKind::FiveHour))
}

fn window(headers: &HeaderMap, named: &Named, now: Timestamp) -> Option<WindowSnapshot> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let minutes: i64 = text(named.minutes)?.parse().ok()?;
    let kind = match minutes {
        1..=SHORT => WindowKind::FiveHour,
        LONG.. => WindowKind::SevenDay,
        _ => return None,
    };
    let length_ms = minutes.checked_mul(MINUTE)?;
    let after = || text(named.reset_after).and_then(|seconds| scaled(seconds, 0)?.checked_mul(SECOND));
    let resets_at = after().map(|ms| now.plus(ms)).or_else(|| text(named.reset_at).and_then(moment));
    Some(WindowSnapshot {
        kind,
        scope: Scope::All,
        used_ppm: percent_to_ppm(text(named.used)?)?,
        status: None,
        surpassed: false,
        resets_at: resets_at.and_then(|at| believable(at, length_ms, now)),
        length_ms,
        observed_at: now,
    })
}

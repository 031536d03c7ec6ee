//! The vendor windows that the mock reports, in headers and at the usage endpoints. Fixed until a test sets them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actors::domain::time::{DAY, HOUR, SECOND, Timestamp};
use serde::Deserialize;

use super::dialect::Dialect;
use super::reply::Reply;
use super::state::{Call, Mock, locked};

/// A window as a test sets it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    /// Fraction, as decimal text.
    utilization: String,
    #[serde(default)]
    status: Option<String>,
    /// Seconds from each answer to the reset.
    #[serde(default)]
    resets_in: Option<i64>,
}

/// `POST /__mock/windows`: `{credential?, windows: {"5h": {utilization, status?, resets_in?}, "7d": …, "7d_oi": …}}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetWindows {
    #[serde(default)]
    credential: Option<String>,
    windows: BTreeMap<String, Window>,
}

/// Windows per credential; the empty name holds those of everybody else.
#[derive(Debug, Default)]
pub(super) struct Windows(BTreeMap<String, BTreeMap<String, Window>>);

/// Per-minute limits of OpenAI keys.
const OPENAI: [(&str, &str); 7] = [
    ("openai-processing-ms", "12"),
    ("x-ratelimit-limit-requests", "5000"),
    ("x-ratelimit-remaining-requests", "4999"),
    ("x-ratelimit-reset-requests", "12ms"),
    ("x-ratelimit-limit-tokens", "2000000"),
    ("x-ratelimit-remaining-tokens", "1999000"),
    ("x-ratelimit-reset-tokens", "30ms"),
];

fn percent(window: &Window) -> f64 {
    window.utilization.parse::<f64>().unwrap_or(0.0) * 100.0
}

fn default_windows() -> BTreeMap<String, Window> {
    let window = |utilization: &str, resets_in: i64| Window {
        utilization: utilization.to_owned(),
        status: None,
        resets_in: Some(resets_in / SECOND),
    };
    [("5h".to_owned(), window("0.10", 3 * HOUR)), ("7d".to_owned(), window("0.20", 4 * DAY))].into()
}

impl Windows {
    pub(super) fn set(&mut self, set: SetWindows) {
        self.0.insert(set.credential.unwrap_or_default(), set.windows);
    }

    fn of(&self, credential: &str) -> BTreeMap<String, Window> {
        self.0.get(credential).or_else(|| self.0.get("")).cloned().unwrap_or_else(default_windows)
    }

    /// What each vendor tells of its limits on an answer. Google and AWS tell nothing.
    pub(super) fn headers(&self, call: &Call, now_ms: i64) -> Vec<(Cow<'static, str>, String)> {
        match call.dialect {
            Dialect::Anthropic => self.anthropic(&call.credential, call.oauth, now_ms),
            Dialect::Chat | Dialect::Responses => OPENAI.map(|(name, value)| (name.into(), value.to_owned())).into(),
            Dialect::Codex => self.codex(&call.credential),
            _ => Vec::new(),
        }
    }

    /// The windows by length: the shorter is told as the primary one.
    fn codex(&self, credential: &str) -> Vec<(Cow<'static, str>, String)> {
        let mut headers = vec![("x-codex-credits-has-credits".into(), "false".to_owned())];
        for (name, window) in self.of(credential) {
            let (rank, minutes) = if name == "5h" { ("primary", 300) } else { ("secondary", 10_080) };
            let mut push = |field: &str, value: String| headers.push((format!("x-codex-{rank}-{field}").into(), value));
            push("used-percent", percent(&window).to_string());
            push("window-minutes", minutes.to_string());
            if let Some(seconds) = window.resets_in {
                push("reset-after-seconds", seconds.to_string());
            }
        }
        headers
    }

    /// Unified windows for OAuth tokens, per-minute limits for API keys.
    fn anthropic(&self, credential: &str, oauth: bool, now_ms: i64) -> Vec<(Cow<'static, str>, String)> {
        if !oauth {
            let reset = Timestamp(now_ms + 60 * SECOND).to_rfc3339();
            return vec![
                ("anthropic-ratelimit-requests-limit".into(), "4000".to_owned()),
                ("anthropic-ratelimit-requests-remaining".into(), "3999".to_owned()),
                ("anthropic-ratelimit-requests-reset".into(), reset),
            ];
        }
        let windows = self.of(credential);
        let rejected = windows.values().any(|window| window.status.as_deref() == Some("rejected"));
        let status = if rejected { "rejected" } else { "allowed" };
        let mut headers = vec![("anthropic-ratelimit-unified-status".into(), status.to_owned())];
        for (name, window) in &windows {
            let mut push = |field: &str, value: String| {
                headers.push((format!("anthropic-ratelimit-unified-{name}-{field}").into(), value));
            };
            push("status", window.status.clone().unwrap_or_else(|| "allowed".to_owned()));
            push("utilization", window.utilization.clone());
            if let Some(seconds) = window.resets_in {
                push("reset", (now_ms / SECOND + seconds).to_string());
            }
        }
        headers
    }
}

/// `GET /api/oauth/usage`: the same windows, in percent.
pub(super) fn usage(mock: &Mock, call: &Call) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let now_ms = mock.now_ms();
    let mut fields = serde_json::Map::new();
    for (name, window) in locked(&mock.windows).of(&call.credential) {
        let name = match name.as_str() {
            "5h" => "five_hour",
            "7d" => "seven_day",
            "7d_oi" => "seven_day_overage_included",
            other => other,
        };
        let resets_at = window.resets_in.map(|seconds| Timestamp(now_ms + seconds * SECOND).to_rfc3339());
        let window = serde_json::json!({"utilization": percent(&window), "resets_at": resets_at});
        fields.insert(name.to_owned(), window);
    }
    Reply::json(200, serde_json::Value::Object(fields).to_string())
}

/// `GET /backend-api/wham/usage`: the same windows as Codex tells them.
pub(super) fn codex_usage(mock: &Mock, call: &Call) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let now = mock.now_ms() / SECOND;
    let mut limit = serde_json::json!({"allowed": true, "limit_reached": false});
    for (name, window) in locked(&mock.windows).of(&call.credential) {
        let (rank, seconds) = if name == "5h" { ("primary_window", 18_000) } else { ("secondary_window", 604_800) };
        if percent(&window) >= 100.0 {
            limit["limit_reached"] = true.into();
            limit["allowed"] = false.into();
        }
        limit[rank] = serde_json::json!({"used_percent": percent(&window), "limit_window_seconds": seconds,
            "reset_after_seconds": window.resets_in, "reset_at": window.resets_in.map(|after| now + after)});
    }
    Reply::json(200, serde_json::json!({"plan_type": "plus", "rate_limit": limit}).to_string())
}

/// What `retrieveUserQuota` tells: one bucket a model, as full as the 5-hour window.
pub(super) fn google_quota(mock: &Mock, call: &Call) -> serde_json::Value {
    let windows = locked(&mock.windows).of(&call.credential);
    let used = windows.get("5h").map_or(0.0, percent) / 100.0;
    let reset = windows.get("5h").and_then(|window| window.resets_in).unwrap_or_default();
    let reset = Timestamp(mock.now_ms() + reset * SECOND).to_rfc3339();
    let bucket = |model: &str| serde_json::json!({"modelId": model, "remainingAmount": "900", "remainingFraction": 1.0 - used, "resetTime": reset});
    let buckets = ["gemini-2.5-pro", "gemini-2.5-flash"].map(bucket);
    serde_json::json!({"buckets": buckets})
}

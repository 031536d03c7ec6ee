//! The vendor windows that the mock reports, in headers and at the usage endpoint. Fixed until a test sets them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actors::domain::time::{DAY, HOUR, SECOND, Timestamp};
use serde::Deserialize;

use super::anthropic::error;
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

    /// Unified windows for OAuth tokens, per-minute limits for API keys.
    pub(super) fn headers(&self, credential: &str, oauth: bool, now_ms: i64) -> Vec<(Cow<'static, str>, String)> {
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
        return error(401, "authentication_error", "invalid bearer token");
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
        let percent = window.utilization.parse::<f64>().unwrap_or(0.0) * 100.0;
        fields.insert(name.to_owned(), serde_json::json!({"utilization": percent, "resets_at": resets_at}));
    }
    Reply::json(200, serde_json::Value::Object(fields).to_string())
}

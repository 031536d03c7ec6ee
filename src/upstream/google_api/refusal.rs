//! Reads Google's error bodies: the status, and what the details say about quotas and waits.

use actors::domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::delay;
use crate::dialect::error::EmbeddedError;
use crate::upstream::reset::moment;

/// An error as far as it is judged.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// `error.status`, like `RESOURCE_EXHAUSTED`.
    pub(super) status: String,
    /// `error.message` in lower case.
    pub(super) text: String,
    /// `ErrorInfo.reason`.
    reasons: Vec<String>,
    /// `QuotaFailure.violations[].quotaId`, in lower case.
    quotas: Vec<String>,
    /// `RetryInfo.retryDelay`, else what `ErrorInfo` says about the reset, else what the message says.
    wait_ms: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    // Without `alt=sse` even an error is an element of a list. Tried first: a list could be read as an object's fields.
    Many(Vec<Envelope>),
    One(Envelope),
}

#[derive(Deserialize)]
struct Envelope {
    error: Wire,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    status: Option<String>,
    message: Option<String>,
    details: Vec<Value>,
}

/// Any of the details: they share no field names.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    reason: Option<String>,
    metadata: Metadata,
    retry_delay: Option<String>,
    violations: Vec<Violation>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    quota_reset_delay: Option<String>,
    quota_reset_time_stamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Violation {
    quota_id: Option<String>,
}

impl Refusal {
    /// The error in a body; `None` when there is none.
    pub(super) fn parse(body: &[u8], now: Timestamp) -> Option<Self> {
        let wire = match serde_json::from_slice(body).ok()? {
            Body::One(envelope) => envelope.error,
            Body::Many(list) => list.into_iter().next()?.error,
        };
        let text = wire.message.unwrap_or_default().to_lowercase();
        // One detail of an unknown form must not hide the others.
        let details = wire.details.into_iter().filter_map(|detail| serde_json::from_value(detail).ok());
        let details: Vec<Detail> = details.collect();
        let retry = details.iter().find_map(|detail| detail.retry_delay.as_deref().and_then(delay::duration));
        let reset = || details.iter().find_map(|detail| detail.metadata.wait_ms(now));
        let wait_ms = retry.or_else(reset).or_else(|| delay::said(&text));
        let reasons = details.iter().filter_map(|detail| detail.reason.clone()).collect();
        let violations = details.iter().flat_map(|detail| &detail.violations);
        let quotas = violations.filter_map(|one| Some(one.quota_id.as_ref()?.to_lowercase())).collect();
        Some(Self { status: wire.status.unwrap_or_default(), text, reasons, quotas, wait_ms })
    }

    /// The error inside of a stream, of which only the words are left.
    pub(super) fn of(error: &EmbeddedError) -> Self {
        let text = error.message.to_lowercase();
        let wait_ms = delay::said(&text);
        let reasons = error.code.clone().into_iter().collect();
        Self { status: error.kind.clone(), text, reasons, quotas: Vec::new(), wait_ms }
    }

    /// True when one of the reasons is one of these.
    pub(super) fn has_reason(&self, reasons: &[&str]) -> bool {
        self.reasons.iter().any(|reason| reasons.contains(&reason.as_str()))
    }

    /// True when a quota of the day is used up.
    pub(super) fn is_daily(&self) -> bool {
        let daily = |quota: &str| quota.contains("perday") || quota.contains("daily");
        self.quotas.iter().any(|quota| daily(quota)) || self.text.contains("perday")
    }

    /// True when a quota of the minute is used up.
    pub(super) fn is_per_minute(&self) -> bool {
        self.quotas.iter().any(|quota| quota.contains("perminute")) || self.text.contains("perminute")
    }

    /// The stated wait, when it lies between the bounds.
    pub(super) fn wait_ms(&self, least: i64, most: i64) -> Option<i64> {
        self.wait_ms.filter(|ms| (least..=most).contains(ms))
    }
}

impl Metadata {
    fn wait_ms(&self, now: Timestamp) -> Option<i64> {
        let at = self.quota_reset_time_stamp.as_deref().and_then(moment).map(|at| at.since(now)).filter(|ms| *ms > 0);
        at.or_else(|| self.quota_reset_delay.as_deref().and_then(delay::duration))
    }
}

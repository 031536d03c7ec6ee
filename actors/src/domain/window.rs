//! What a vendor says about an account's own limits, as observed on its answers.

use serde::{Deserialize, Serialize};

use super::model::Family;
use super::time::Timestamp;

/// Part of an account's traffic that a limit, cooldown or window covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every request.
    All,
    /// Requests for one model family.
    Family(Family),
    /// Requests for one requested model.
    Model(std::sync::Arc<str>),
}

impl Scope {
    /// True when a request for this model and family falls inside the scope.
    pub fn covers(&self, model: &str, family: &Family) -> bool {
        match self {
            Self::All => true,
            Self::Family(f) => f == family,
            Self::Model(m) => **m == *model,
        }
    }
}

/// `all`, `family:<f>` or `model:<m>`, as reasons and records show a scope.
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Family(family) => write!(f, "family:{}", family.0),
            Self::Model(model) => write!(f, "model:{model}"),
        }
    }
}

/// Which vendor limit a window describes; also the key of `auto_pause_thresholds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum WindowKind {
    /// The rolling five hours of a subscription.
    #[serde(rename = "5h")]
    FiveHour,
    /// The rolling seven days of a subscription.
    #[serde(rename = "7d")]
    SevenDay,
    /// Seven days of one model family.
    #[serde(rename = "7d_model")]
    SevenDayModel,
    /// Requests per minute as the vendor counts them.
    #[serde(rename = "requests")]
    Requests,
    /// Tokens per minute as the vendor counts them.
    #[serde(rename = "tokens")]
    Tokens,
    /// What remains of one model's own bucket.
    #[serde(rename = "model")]
    Model,
}

impl WindowKind {
    /// The name in JSON, metrics and `vendor_window:<name>` reasons.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FiveHour => "5h",
            Self::SevenDay => "7d",
            Self::SevenDayModel => "7d_model",
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Model => "model",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::FiveHour, Self::SevenDay, Self::SevenDayModel, Self::Requests, Self::Tokens, Self::Model]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// The vendor's own word on a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowStatus {
    /// Below every threshold.
    Allowed,
    /// Above the vendor's warning threshold.
    AllowedWarning,
    /// Exhausted.
    Rejected,
}

/// One observation of one vendor window. A newer observation of the same kind and scope replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSnapshot {
    /// Which limit.
    pub kind: WindowKind,
    /// Whose requests it limits.
    pub scope: Scope,
    /// Used part in ppm; may exceed 1 000 000.
    pub used_ppm: i64,
    /// The vendor's word, when it gave one.
    pub status: Option<WindowStatus>,
    /// The vendor says that the threshold is surpassed: counts as exhausted.
    pub surpassed: bool,
    /// When the window starts again, when the vendor said so.
    pub resets_at: Option<Timestamp>,
    /// Length of the window in milliseconds, for the reset correction of Headroom.
    pub length_ms: i64,
    /// When we saw it.
    pub observed_at: Timestamp,
}

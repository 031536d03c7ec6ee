//! Why an account was passed over: the reason codes of `scheduling.md` §3 and their classes.

use std::fmt;
use std::sync::Arc;

use crate::account::view::Cooldown;
use crate::domain::account::AccountStatus;
use crate::domain::time::Timestamp;
use crate::domain::window::WindowKind;

/// Why an account cannot serve a request now. Shown as its reason code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the reason code of the same name, defined in `scheduling.md` §3")]
pub enum Exclusion {
    Deleted,
    Disabled,
    Status(AccountStatus),
    Unschedulable,
    AccountExpired,
    TypeNotAllowed,
    DedicatedToOther,
    NotBound,
    GroupMismatch,
    TagMismatch,
    AlreadyTried,
    ModelNotSupported,
    /// The key may not use the model under the account's name for it.
    ModelNotAllowed,
    EndpointNotSupported,
    /// The account's actor is being rebuilt, or refused for a reason that its view does not show; momentary.
    Restarting,
    TokenUnavailable,
    BreakerOpen,
    ProbeInFlight,
    /// The entry of the account's table, shared instead of copied because decisions are recorded on the hot path.
    Cooldown(Arc<[Cooldown]>, usize),
    VendorWindow(WindowKind),
    VendorThreshold(WindowKind),
    VendorWarning,
    BudgetExhausted,
    RpmExhausted,
    TpmExhausted,
    ConcurrencyFull,
}

impl Exclusion {
    /// Every label, by [`Self::ordinal`].
    pub const LABELS: [&'static str; 26] = [
        "deleted",
        "disabled",
        "status",
        "unschedulable",
        "account_expired",
        "type_not_allowed",
        "dedicated_to_other",
        "not_bound",
        "group_mismatch",
        "tag_mismatch",
        "already_tried",
        "model_not_supported",
        "model_not_allowed",
        "endpoint_not_supported",
        "restarting",
        "token_unavailable",
        "breaker_open",
        "probe_in_flight",
        "cooldown",
        "vendor_window",
        "vendor_threshold",
        "vendor_warning",
        "budget_exhausted",
        "rpm_exhausted",
        "tpm_exhausted",
        "concurrency_full",
    ];

    /// Position in [`Self::LABELS`].
    pub const fn ordinal(&self) -> usize {
        match self {
            Self::Deleted => 0,
            Self::Disabled => 1,
            Self::Status(_) => 2,
            Self::Unschedulable => 3,
            Self::AccountExpired => 4,
            Self::TypeNotAllowed => 5,
            Self::DedicatedToOther => 6,
            Self::NotBound => 7,
            Self::GroupMismatch => 8,
            Self::TagMismatch => 9,
            Self::AlreadyTried => 10,
            Self::ModelNotSupported => 11,
            Self::ModelNotAllowed => 12,
            Self::EndpointNotSupported => 13,
            Self::Restarting => 14,
            Self::TokenUnavailable => 15,
            Self::BreakerOpen => 16,
            Self::ProbeInFlight => 17,
            Self::Cooldown(..) => 18,
            Self::VendorWindow(_) => 19,
            Self::VendorThreshold(_) => 20,
            Self::VendorWarning => 21,
            Self::BudgetExhausted => 22,
            Self::RpmExhausted => 23,
            Self::TpmExhausted => 24,
            Self::ConcurrencyFull => 25,
        }
    }

    /// The reason code up to its first `:`; the metric label.
    pub fn label(&self) -> &'static str {
        Self::LABELS.get(self.ordinal()).copied().unwrap_or("other")
    }

    /// Rows 1–7: the account is not a candidate for this request, whatever time brings within a wait.
    pub const fn is_structural(&self) -> bool {
        self.ordinal() <= 13
    }

    /// A lack of room that the next finished request may end: worth the short wait of a session.
    pub const fn is_capacity(&self) -> bool {
        matches!(
            self,
            Self::ConcurrencyFull | Self::RpmExhausted | Self::TpmExhausted | Self::TokenUnavailable | Self::Restarting
        )
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())?;
        match self {
            Self::Status(status) => write!(f, ":{}", status.as_str()),
            Self::Cooldown(table, index) => match table.get(*index) {
                Some(entry) => write!(f, ":{}:{}", entry.scope, entry.reason),
                None => Ok(()),
            },
            Self::VendorWindow(kind) | Self::VendorThreshold(kind) => write!(f, ":{}", kind.as_str()),
            _ => Ok(()),
        }
    }
}

/// An exclusion with its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// The first reason that failed.
    pub by: Exclusion,
    /// Nothing but soft reasons failed: the pool floor may override them.
    pub soft: bool,
    /// Worth waiting for in the queue.
    pub momentary: bool,
    /// When the reason ends, where that is known.
    pub until: Option<Timestamp>,
}

impl Excluded {
    /// True for a lack of room that requests cause, which lasts no longer than they do.
    pub(super) fn is_crowd(&self) -> bool {
        self.momentary && !matches!(self.by, Exclusion::Cooldown(..))
    }

    pub(super) const fn hard(by: Exclusion, until: Option<Timestamp>) -> Self {
        Self { by, soft: false, momentary: false, until }
    }

    pub(super) const fn momentary(by: Exclusion, until: Option<Timestamp>) -> Self {
        Self { by, soft: false, momentary: true, until }
    }
}

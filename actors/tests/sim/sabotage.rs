//! Rules that are broken on purpose. The oracle goes by the plan; the engine under a sabotage is told something else, or not
//! at all. A simulator that does not notice proves nothing.

use std::sync::Arc;

use actors::billing::messages::Admit;
use actors::domain::account::AccountSpec;
use actors::domain::key::KeyPolicy;
use actors::domain::money::Nanos;
use actors::domain::route::RouteRequest;
use actors::domain::settings::Settings;
use actors::domain::verdict::Verdict;
use actors::guard::{HoldEnded, LeaseEnded, PermitReturned, Resolution};
use actors::outbox::Recorded;

use super::dice::Dice;

/// True for failures after which an account, or part of it, is left alone for a few seconds at least.
pub fn rests_after(verdict: Verdict) -> bool {
    use Verdict as V;
    matches!(verdict, V::Overloaded | V::Unavailable | V::Server | V::Timeout | V::RateLimitedUnknown)
}

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    None,
    /// Accounts grant one slot too many.
    AccountSlot,
    /// Accounts do not count requests.
    AccountRate,
    /// Accounts do not count tokens.
    AccountTokens,
    /// Accounts have no budget.
    AccountBudget,
    /// Accounts do not hear until when they are limited.
    StatedLimit,
    /// Keys get one slot too many.
    KeySlot,
    /// Keys get more money than they have.
    KeyMoney,
    /// Keys have no rate windows.
    KeyRate,
    /// Ends of leases are lost.
    LostLease,
    /// Ends of holds are lost.
    LostHold,
    /// Key slots are lost.
    LostPermit,
    /// Usage is lost.
    LostUsage,
    /// The scheduler's timer does not fire.
    Sleep,
    /// The scheduler allows any number of retries.
    RetryBudget,
    /// The death of an actor lets a second exchange begin beside its own.
    SecondExchange,
    /// Accounts are told no failures that call for a rest.
    Rest,
    /// Accounts are told nothing of the vendor's windows.
    VendorWindow,
    /// Accounts are told another priority.
    Tier,
    /// The scheduler is told no sessions.
    Session,
    /// The scheduler is told of no account that was tried.
    Tried,
    /// Views of accounts are lost.
    LostView,
    /// Owners get one slot too many.
    OwnerSlot,
    /// The ledger is told another charge than the usage.
    Charge,
    /// The journal's positions pass over what is still open.
    JournalPosition,
    /// Usage actors are told that everything is stored, and it is not.
    LostBatch,
}

impl Sabotage {
    pub const ALL: [Self; 25] = [
        Self::AccountSlot,
        Self::AccountRate,
        Self::AccountTokens,
        Self::AccountBudget,
        Self::StatedLimit,
        Self::KeySlot,
        Self::KeyMoney,
        Self::KeyRate,
        Self::LostLease,
        Self::LostHold,
        Self::LostPermit,
        Self::LostUsage,
        Self::Sleep,
        Self::RetryBudget,
        Self::SecondExchange,
        Self::Rest,
        Self::VendorWindow,
        Self::Tier,
        Self::Session,
        Self::Tried,
        Self::LostView,
        Self::OwnerSlot,
        Self::Charge,
        Self::JournalPosition,
        Self::LostBatch,
    ];

    pub fn settings_as(self, settings: &Settings) -> Settings {
        let mut told = settings.clone();
        if self == Self::RetryBudget {
            told.failover_budget_min = 1_000;
        }
        told
    }

    pub fn spec_as(self, mut spec: AccountSpec) -> AccountSpec {
        match self {
            Self::AccountSlot if spec.max_concurrency > 0 => spec.max_concurrency += 1,
            Self::AccountRate => spec.rpm_limit = 0,
            Self::AccountTokens => spec.tpm_limit = 0,
            Self::AccountBudget => spec.daily_budget = Nanos::ZERO,
            Self::Tier => spec.priority = 100 - spec.priority,
            _ => {}
        }
        spec
    }

    pub fn admit_as(self, admit: &Admit) -> Option<Admit> {
        let mut key: KeyPolicy = (*admit.key).clone();
        match self {
            Self::KeySlot if key.concurrency_limit > 0 => key.concurrency_limit += 1,
            Self::OwnerSlot if key.owner.max_concurrency > 0 => key.owner.max_concurrency += 1,
            Self::KeyMoney => key.cost_limits.clear(),
            Self::KeyRate => {
                key.rpm_limit = 0;
                key.windows.clear();
            }
            _ => return None,
        }
        Some(Admit { key: Arc::new(key), ..admit.clone() })
    }

    pub fn ended_as(self, mut ended: LeaseEnded) -> LeaseEnded {
        let Some(report) = ended.report.as_mut() else { return ended };
        match self {
            Self::StatedLimit => (report.judgement.until, report.judgement.retry_after_ms) = (None, None),
            Self::VendorWindow => report.windows.clear(),
            Self::Rest if rests_after(report.judgement.verdict) => report.judgement.verdict = Verdict::Cut,
            _ => {}
        }
        ended
    }

    /// What the scheduler is told instead of a question.
    pub fn route_as(self, mut request: Box<RouteRequest>) -> Box<RouteRequest> {
        match self {
            Self::Session => request.session = None,
            Self::Tried => request.excluded.clear(),
            _ => {}
        }
        request
    }

    /// What the ledger is told instead of a hold's end.
    pub fn hold_as(self, ended: &HoldEnded) -> HoldEnded {
        let mut told = *ended;
        if let (Self::Charge, Resolution::Settle { charge, .. }) = (self, &mut told.resolution) {
            charge.0 += 1;
        }
        told
    }

    /// What the usage actor is told instead of a settled record.
    pub fn record_as(self, mut recorded: Recorded) -> Recorded {
        if self == Self::JournalPosition {
            recorded.safe = recorded.end.clone();
        }
        recorded
    }

    pub fn loses_view(self, dice: &mut Dice) -> bool {
        self == Self::LostView && dice.chance(20)
    }

    /// Loses part of what guards say. True = nothing is left.
    pub fn loses_this(
        self,
        leases: &mut Vec<LeaseEnded>,
        holds: &mut Vec<HoldEnded>,
        permits: &mut Vec<PermitReturned>,
    ) -> bool {
        match self {
            Self::LostLease => leases.retain(|ended| ended.lease.0 % 8 != 0),
            Self::LostHold => holds.retain(|ended| ended.request.0 % 8 != 0),
            Self::LostPermit => permits.retain(|permit| permit.request.0 % 8 != 0),
            _ => {}
        }
        leases.is_empty() && holds.is_empty() && permits.is_empty()
    }

    pub fn forgets_usage(self, dice: &mut Dice) -> bool {
        self == Self::LostUsage && dice.chance(10)
    }

    pub fn sleeps_through(self, dice: &mut Dice) -> bool {
        self == Self::Sleep && dice.chance(50)
    }
}

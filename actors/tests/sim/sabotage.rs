//! Rules that are broken on purpose. The oracle goes by the plan; the engine under a sabotage is told something else, or not
//! at all. A simulator that does not notice proves nothing.

use std::sync::Arc;

use actors::billing::messages::Admit;
use actors::domain::account::AccountSpec;
use actors::domain::key::KeyPolicy;
use actors::domain::money::Nanos;
use actors::domain::settings::Settings;
use actors::guard::{HoldEnded, LeaseEnded, PermitReturned};

use super::dice::Dice;

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
}

impl Sabotage {
    pub const ALL: [Self; 15] = [
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
            _ => {}
        }
        spec
    }

    pub fn admit_as(self, admit: &Admit) -> Option<Admit> {
        let mut key: KeyPolicy = (*admit.key).clone();
        match self {
            Self::KeySlot if key.concurrency_limit > 0 => key.concurrency_limit += 1,
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
        if let Some(report) = ended.report.as_mut().filter(|_| self == Self::StatedLimit) {
            (report.judgement.until, report.judgement.retry_after_ms) = (None, None);
        }
        ended
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

//! Rate windows of one key or owner: check all, then take all (`access.md` §9).

use super::messages::{Admit, Left};
use crate::domain::limit::{RateDimension, RateWindow, SlidingWindow, TokenBucket};
use crate::domain::route::RefusalReason;
use crate::domain::time::{MINUTE, SECOND, Timestamp};
use crate::fleet::Share;

/// A request rate: the bucket smooths, the window is the hard cap.
#[derive(Debug)]
pub(super) struct Rpm {
    bucket: TokenBucket,
    window: SlidingWindow,
}

impl Rpm {
    /// Keeps what was counted when the limit changes; 0 = none.
    pub(super) fn adopt(rpm: &mut Option<Self>, limit: u32, now: Timestamp) {
        let limit = i64::from(limit);
        if rpm.as_ref().map_or(0, |rpm| rpm.window.limit()) == limit {
            return;
        }
        let bucket = TokenBucket::new(limit, MINUTE, limit, now.0);
        let counted = rpm.take().map(|rpm| rpm.window);
        *rpm = (limit > 0).then(|| {
            let mut window = counted.unwrap_or_else(|| SlidingWindow::new(MINUTE, limit));
            window.set_limit(limit);
            Self { bucket, window }
        });
    }

    /// Milliseconds until one more request passes; 0 = now.
    pub(super) fn wait(&self, now: Timestamp, share: &Share) -> i64 {
        let waits = [self.bucket.wait_for(now.0, 1), wait_within(&self.window, now, 1, share)];
        waits.into_iter().flatten().max().unwrap_or(MINUTE)
    }

    /// Counts a request that passes. Returns its bucket.
    pub(super) fn take(&mut self, now: Timestamp) -> i64 {
        self.bucket.take(now.0, 1);
        self.window.add(now.0, 1)
    }

    /// Uncounts a request.
    pub(super) fn give_back(&mut self, now: Timestamp, bucket: i64) {
        self.bucket.give_back(now.0, 1);
        self.window.correct(bucket, -1);
    }

    pub(super) fn left(&self, now: Timestamp) -> Left {
        left(&self.window, now)
    }

    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.window.used(now.0) == 0
    }
}

/// A reservation in a rate window. The window is named by its identity, because a policy change may move or drop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reserved {
    window: u32,
    dimension: RateDimension,
    bucket: i64,
    amount: i64,
}

/// What a resolved request really used of each dimension.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Actual {
    pub(super) requests: i64,
    pub(super) tokens: i64,
    pub(super) cost: i64,
}

#[derive(Debug)]
struct Rate {
    id: u32,
    rule: RateWindow,
    window: SlidingWindow,
}

/// What a request takes from a window; `None` when it does not count there.
pub(super) fn cost_of(rule: &RateWindow, ask: &Admit) -> Option<i64> {
    if rule.family.as_ref().is_some_and(|family| *family != ask.family) {
        return None;
    }
    match rule.dim {
        RateDimension::Requests => Some(1),
        RateDimension::Tokens => Some(i64::try_from(ask.tokens_estimate).unwrap_or(i64::MAX).max(1)),
        RateDimension::Cost => Some(ask.charge_estimate.0).filter(|cost| *cost > 0),
    }
}

/// Why a request is refused by a window of this dimension. No wait helps a request that is larger than the whole window.
pub const fn reason(dimension: RateDimension, wait_ms: Option<i64>) -> RefusalReason {
    match (dimension, wait_ms) {
        (RateDimension::Requests, _) => RefusalReason::RateRequests,
        (RateDimension::Tokens, None) => RefusalReason::RequestExceedsLimit,
        (RateDimension::Tokens, Some(_)) => RefusalReason::RateTokens,
        (RateDimension::Cost, _) => RefusalReason::RateCostWindow,
    }
}

/// The `windows[]` of a key.
#[derive(Debug, Default)]
pub(super) struct Rates {
    rates: Vec<Rate>,
    next_id: u32,
}

impl Rates {
    /// Follows the policy: a window that stays keeps its counts under its new limit. A limit of 0 is none.
    pub(super) fn adopt(&mut self, rules: &[RateWindow]) {
        let mut old = std::mem::take(&mut self.rates);
        for rule in rules.iter().filter(|rule| rule.limit > 0 && rule.seconds > 0) {
            let same = |rate: &Rate| {
                (rate.rule.dim, rate.rule.seconds, &rate.rule.family) == (rule.dim, rule.seconds, &rule.family)
            };
            let kept = old.iter().position(same).map(|at| old.swap_remove(at));
            let mut rate = kept.unwrap_or_else(|| {
                self.next_id += 1;
                let window = SlidingWindow::new(i64::from(rule.seconds) * SECOND, rule.limit);
                Rate { id: self.next_id, rule: rule.clone(), window }
            });
            rate.window.set_limit(rule.limit);
            rate.rule = rule.clone();
            self.rates.push(rate);
        }
    }

    /// The first window that a request does not pass: why, and the wait that helps (`None` = none does).
    pub(super) fn refuses(&self, ask: &Admit, now: Timestamp, share: &Share) -> Option<(RefusalReason, Option<i64>)> {
        self.rates.iter().find_map(|rate| {
            let wait = wait_within(&rate.window, now, cost_of(&rate.rule, ask)?, share);
            (wait != Some(0)).then(|| (reason(rate.rule.dim, wait), wait))
        })
    }

    /// Takes what the caller has checked.
    pub(super) fn take(&mut self, ask: &Admit, now: Timestamp) -> Vec<Reserved> {
        let mut reserved = Vec::new();
        for rate in &mut self.rates {
            if let Some(amount) = cost_of(&rate.rule, ask) {
                let bucket = rate.window.add(now.0, amount);
                reserved.push(Reserved { window: rate.id, dimension: rate.rule.dim, bucket, amount });
            }
        }
        reserved
    }

    /// Replaces reservations by what was really used, each in the bucket of its reservation; reservations then hold what
    /// counts now, so that a second correction starts from there.
    pub(super) fn correct(&mut self, reserved: &mut [Reserved], actual: Actual) {
        for entry in reserved {
            let used = match entry.dimension {
                RateDimension::Requests => actual.requests,
                RateDimension::Tokens => actual.tokens,
                RateDimension::Cost => actual.cost,
            };
            if let Some(rate) = self.rates.iter_mut().find(|rate| rate.id == entry.window) {
                rate.window.correct(entry.bucket, used.saturating_sub(entry.amount));
            }
            entry.amount = used;
        }
    }

    /// What is left in the window of a dimension that has the smallest rest.
    pub(super) fn tightest(&self, dimension: RateDimension, now: Timestamp) -> Option<Left> {
        let of_dimension = self.rates.iter().filter(|rate| rate.rule.dim == dimension);
        of_dimension.map(|rate| left(&rate.window, now)).min_by_key(|left| left.remaining)
    }

    /// Every window with its use.
    pub(super) fn uses(&self, now: Timestamp) -> impl Iterator<Item = (&RateWindow, Left)> {
        self.rates.iter().map(move |rate| (&rate.rule, left(&rate.window, now)))
    }

    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.rates.iter().all(|rate| rate.window.used(now.0) == 0)
    }
}

/// The wait until `cost` fits into this instance's share of a window; `None` = never. What is too large for the share alone
/// fits when the shared store is back.
fn wait_within(window: &SlidingWindow, now: Timestamp, cost: i64, share: &Share) -> Option<i64> {
    let spared = window.limit() - share.of(window.limit());
    let wait = window.wait_for(now.0, cost.saturating_add(spared));
    wait.or_else(|| (spared > 0 && cost <= window.limit()).then_some(SECOND))
}

fn left(window: &SlidingWindow, now: Timestamp) -> Left {
    let limit = window.limit();
    let whole_in = window.wait_for(now.0, limit).unwrap_or(0);
    Left { limit, remaining: limit.saturating_sub(window.used(now.0)).max(0), reset_at: now.plus(whole_in) }
}

//! The retry budget: extra attempts may add at most a fixed part to the traffic, so that a vendor's outage is not
//! amplified (`reliability.md` §2.2).

use std::collections::HashMap;

use crate::domain::account::Platform;
use crate::domain::id::GroupId;
use crate::domain::settings::Settings;
use crate::domain::time::{SECOND, Timestamp};

/// Length of the sliding window, in buckets of one second.
const BUCKETS: i64 = 10;

/// The pool that a budget belongs to: a platform, and the group that the key is bound to (0 = none).
pub(super) type PoolKey = (Platform, GroupId);

/// Requests and extra attempts of one pool.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    second: i64,
    arrived: i64,
    drawn: i64,
}

/// Every pool's budget.
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    pools: HashMap<PoolKey, [Bucket; 10]>,
}

impl RetryBudget {
    /// Counts a request's arrival.
    pub(super) fn arrived(&mut self, pool: PoolKey, now: Timestamp) {
        self.bucket(pool, now).arrived += 1;
    }

    /// Draws one extra attempt. False = the budget is empty: drawn ≤ max(minimum, percent of arrivals) over ten seconds.
    pub(super) fn draw(&mut self, pool: PoolKey, now: Timestamp, settings: &Settings) -> bool {
        let (arrived, drawn) = self.totals(pool, now);
        let allowed = settings.failover_budget_min.max(arrived * settings.failover_budget_percent / 100);
        if drawn >= allowed {
            return false;
        }
        self.bucket(pool, now).drawn += 1;
        true
    }

    /// Counts an extra attempt that was free, so that it is not granted once more to those that are not.
    pub(super) fn note(&mut self, pool: PoolKey, now: Timestamp) {
        self.bucket(pool, now).drawn += 1;
    }

    /// Undoes a [`Self::note`] of that moment, unless it has left the window.
    pub(super) fn take_back(&mut self, pool: PoolKey, at: Timestamp) {
        let second = at.0.div_euclid(SECOND);
        let noted = self.pools.get_mut(&pool).into_iter().flatten().find(|b| b.second == second && b.drawn > 0);
        if let Some(bucket) = noted {
            bucket.drawn -= 1;
        }
    }

    /// Milliseconds until the oldest draw leaves the window.
    pub(super) fn refills_in(&self, pool: PoolKey, now: Timestamp) -> i64 {
        let second = now.0.div_euclid(SECOND);
        let drawn = |b: &&Bucket| b.drawn > 0 && b.second > second - BUCKETS;
        let oldest = self.pools.get(&pool).and_then(|buckets| buckets.iter().filter(drawn).map(|b| b.second).min());
        oldest.map_or(SECOND, |oldest| ((oldest + BUCKETS) * SECOND - now.0).max(1))
    }

    fn totals(&self, pool: PoolKey, now: Timestamp) -> (i64, i64) {
        let second = now.0.div_euclid(SECOND);
        let live = self.pools.get(&pool).into_iter().flatten().filter(|b| b.second > second - BUCKETS);
        live.fold((0, 0), |(arrived, drawn), b| (arrived + b.arrived, drawn + b.drawn))
    }

    fn bucket(&mut self, pool: PoolKey, now: Timestamp) -> &mut Bucket {
        let second = now.0.div_euclid(SECOND);
        let buckets = self.pools.entry(pool).or_default();
        // The remainder of a division by the array's length is a position in it.
        let [first, rest @ ..] = buckets;
        let slot = usize::try_from(second.rem_euclid(BUCKETS)).unwrap_or(0);
        let bucket = match slot.checked_sub(1).and_then(|i| rest.get_mut(i)) {
            Some(bucket) => bucket,
            None => first,
        };
        if bucket.second != second {
            *bucket = Bucket { second, arrived: 0, drawn: 0 };
        }
        bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: PoolKey = (Platform::Claude, GroupId(0));

    #[test]
    fn a_quiet_pool_may_draw_three_and_gets_them_back_after_ten_seconds() {
        let (mut budget, settings) = (RetryBudget::default(), Settings::default());
        let at = |s: i64| Timestamp(1_000_000 + s * SECOND);
        for _ in 0..3 {
            assert!(budget.draw(POOL, at(0), &settings));
        }
        assert!(!budget.draw(POOL, at(9), &settings));
        assert_eq!(budget.refills_in(POOL, at(9)), SECOND);
        assert!(budget.draw((Platform::Claude, GroupId(7)), at(9), &settings), "pools do not share");
        assert!(budget.draw(POOL, at(10), &settings));
    }

    #[test]
    fn a_busy_pool_may_draw_a_fifth_of_its_arrivals() {
        let (mut budget, settings) = (RetryBudget::default(), Settings::default());
        for ms in 0..100 {
            budget.arrived(POOL, Timestamp(ms * 90));
        }
        let granted = (0..50).filter(|_| budget.draw(POOL, Timestamp(9_000), &settings)).count();
        assert_eq!(granted, 20);
    }
}

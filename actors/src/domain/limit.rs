//! Rate limit algorithms of `access.md` §9: token bucket for smoothness, sliding window for the hard cap.

use serde::{Deserialize, Serialize};

use super::model::Family;

/// What a rate window counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateDimension {
    /// Requests.
    Requests,
    /// Tokens, reserved by estimate and corrected by the answer.
    Tokens,
    /// Charge in nano-USD.
    Cost,
}

/// A rate window of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateWindow {
    /// What it counts.
    pub dim: RateDimension,
    /// Its length, 1 to 2 678 400.
    pub seconds: u32,
    /// At most this much in any interval of that length.
    pub limit: i64,
    /// Only requests of this model family.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub family: Option<Family>,
}

/// A hard cap: in any interval of the window's length at most `limit` is admitted (`access.md` §9.2).
///
/// The window is cut into N buckets of B ms (N = 60; windows under 60 s: B = 1 s). The current bucket and the N before it count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlidingWindow {
    limit: i64,
    bucket_ms: i64,
    /// Ring of N + 1 buckets; bucket `b` lives at `b mod len`.
    ring: Box<[i64]>,
    /// Newest bucket that was written.
    newest: i64,
    /// Sum of the ring, so that reading costs nothing while no bucket leaves.
    total: i64,
}

impl SlidingWindow {
    /// A window of `window_ms` (at least 1 s) that admits `limit`.
    pub fn new(window_ms: i64, limit: i64) -> Self {
        let (bucket_ms, rings) = Self::rings(window_ms);
        let rings = usize::try_from(rings).unwrap_or(61);
        Self { limit, bucket_ms, ring: vec![0; rings].into_boxed_slice(), newest: i64::MIN, total: 0 }
    }

    /// How a window of this length is cut: the length of a bucket in milliseconds, and how many count, the running one
    /// included.
    pub fn rings(window_ms: i64) -> (i64, i64) {
        let bucket_ms = if window_ms < 60_000 { 1_000 } else { window_ms / 60 };
        (bucket_ms, (window_ms / bucket_ms).clamp(1, 60) + 1)
    }

    /// The cap.
    pub fn limit(&self) -> i64 {
        self.limit
    }

    /// Changes the cap and keeps what was counted.
    pub fn set_limit(&mut self, limit: i64) {
        self.limit = limit;
    }

    fn count(&self) -> i64 {
        i64::try_from(self.ring.len()).unwrap_or(i64::MAX)
    }

    fn slot(&self, bucket: i64) -> usize {
        usize::try_from(bucket.rem_euclid(self.count())).unwrap_or(0)
    }

    fn value(&self, bucket: i64) -> i64 {
        let live = bucket <= self.newest && bucket > self.newest - self.count();
        if live { self.ring.get(self.slot(bucket)).copied().unwrap_or(0) } else { 0 }
    }

    fn bucket(&self, now_ms: i64) -> i64 {
        now_ms.div_euclid(self.bucket_ms)
    }

    /// What counts against the limit now. The ring holds exactly the newest bucket and those before it, so this is its sum
    /// without the buckets that have left the window since.
    pub fn used(&self, now_ms: i64) -> i64 {
        let gone = self.bucket(now_ms).saturating_sub(self.newest);
        if gone >= self.count() {
            return 0;
        }
        let oldest = self.newest.saturating_sub(self.count() - 1);
        let left: i64 = (oldest..oldest.saturating_add(gone)).map(|b| self.value(b)).sum();
        self.total - left
    }

    /// Milliseconds until `cost` could pass; 0 when it passes now. A cost above the limit itself never passes: `None`.
    pub fn wait_for(&self, now_ms: i64, cost: i64) -> Option<i64> {
        if cost > self.limit {
            return None;
        }
        let mut excess = self.used(now_ms) + cost - self.limit;
        let current = self.bucket(now_ms);
        let mut bucket = current - self.count() + 1;
        while excess > 0 && bucket <= current {
            excess -= self.value(bucket);
            bucket += 1;
        }
        // The last bucket taken, `bucket - 1`, leaves when N more buckets have begun after it.
        let leaves = (bucket - 1 + self.count()) * self.bucket_ms;
        Some(if self.used(now_ms) + cost <= self.limit { 0 } else { (leaves - now_ms).max(1) })
    }

    /// Counts `cost`, which the caller has checked. Returns the bucket for a later [`Self::correct`].
    pub fn add(&mut self, now_ms: i64, cost: i64) -> i64 {
        let current = self.bucket(now_ms);
        if current > self.newest {
            let first_stale = self.newest.max(current - self.count());
            for bucket in first_stale + 1..=current {
                let slot = self.slot(bucket);
                if let Some(value) = self.ring.get_mut(slot) {
                    self.total -= std::mem::take(value);
                }
            }
            self.newest = current;
        }
        self.change(current.max(self.newest), cost);
        current.max(self.newest)
    }

    fn change(&mut self, bucket: i64, delta: i64) {
        let slot = self.slot(bucket);
        if let Some(value) = self.ring.get_mut(slot) {
            let changed = value.saturating_add(delta).max(0);
            self.total = self.total.saturating_add(changed - *value);
            *value = changed;
        }
    }

    /// Adds `delta` to the bucket of a reservation; dropped when that bucket has left the window.
    pub fn correct(&mut self, bucket: i64, delta: i64) {
        if bucket <= self.newest && bucket > self.newest - self.count() {
            self.change(bucket, delta);
        }
    }
}

/// Smooths bursts: a level that refills evenly (`access.md` §9.1). Exact integers, in units of token × ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    limit: i64,
    window_ms: i64,
    capacity: i64,
    level: i128,
    at_ms: i64,
}

impl TokenBucket {
    /// A full bucket of `capacity` that refills `limit` per `window_ms`.
    pub fn new(limit: i64, window_ms: i64, capacity: i64, now_ms: i64) -> Self {
        Self { limit, window_ms, capacity, level: i128::from(capacity) * i128::from(window_ms), at_ms: now_ms }
    }

    fn level_at(&self, now_ms: i64) -> i128 {
        let elapsed = i128::from(now_ms.saturating_sub(self.at_ms).max(0));
        let full = i128::from(self.capacity) * i128::from(self.window_ms);
        full.min(self.level + elapsed * i128::from(self.limit))
    }

    /// Milliseconds until `cost` could pass; 0 when it passes now. A cost above the capacity never passes: `None`.
    pub fn wait_for(&self, now_ms: i64, cost: i64) -> Option<i64> {
        if cost > self.capacity || self.limit <= 0 {
            return None;
        }
        let missing = i128::from(cost) * i128::from(self.window_ms) - self.level_at(now_ms);
        let limit = i128::from(self.limit);
        Some(i64::try_from((missing.max(0) + limit - 1) / limit).unwrap_or(i64::MAX))
    }

    /// Takes `cost`, which the caller has checked.
    pub fn take(&mut self, now_ms: i64, cost: i64) {
        self.level = self.level_at(now_ms) - i128::from(cost) * i128::from(self.window_ms);
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// Gives back `cost` that was taken for nothing.
    pub fn give_back(&mut self, now_ms: i64, cost: i64) {
        let full = i128::from(self.capacity) * i128::from(self.window_ms);
        self.level = full.min(self.level_at(now_ms) + i128::from(cost) * i128::from(self.window_ms));
        self.at_ms = self.at_ms.max(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pass(window: &mut SlidingWindow, now: i64) -> i64 {
        let wait = window.wait_for(now, 1).unwrap();
        if wait == 0 {
            window.add(now, 1);
        }
        wait
    }

    #[test]
    fn the_sliding_window_gives_the_waits_of_the_reference() {
        let mut window = SlidingWindow::new(10_000, 3);
        for (now, wait) in [(200, 0), (900, 0), (5_000, 0), (9_000, 2_000), (10_950, 50), (11_000, 0)] {
            assert_eq!(pass(&mut window, now), wait, "at {now}");
        }
        assert_eq!(window.used(11_000), 2);
        assert_eq!(window.wait_for(11_000, 4), None);
    }

    #[test]
    fn a_correction_reaches_its_own_bucket_or_nothing() {
        let mut window = SlidingWindow::new(60_000, 100);
        let early = window.add(500, 40);
        window.add(30_000, 10);
        window.correct(early, -30);
        assert_eq!(window.used(30_000), 20);
        window.add(500_000, 1);
        window.correct(early, 50);
        assert_eq!(window.used(500_000), 1);
    }

    #[test]
    fn the_token_bucket_gives_the_waits_of_the_reference() {
        let mut bucket = TokenBucket::new(60, 60_000, 5, 0);
        for _ in 0..5 {
            assert_eq!(bucket.wait_for(0, 1), Some(0));
            bucket.take(0, 1);
        }
        assert_eq!(bucket.wait_for(0, 1), Some(1_000));
        bucket.take(1_000, 1);
        bucket.take(3_500, 1);
        assert_eq!(bucket.wait_for(3_500, 3), Some(1_500));
        let mut ten = TokenBucket::new(100, 60_000, 10, 0);
        ten.take(0, 10);
        assert_eq!((ten.wait_for(0, 1), ten.wait_for(599, 1), ten.wait_for(600, 1)), (Some(600), Some(1), Some(0)));
        assert_eq!(ten.wait_for(0, 11), None);
    }

    proptest! {
        #[test]
        fn no_interval_of_the_window_ever_admits_more_than_the_limit(
            steps in prop::collection::vec(0i64..900, 1..400), limit in 1i64..20, seconds in 1i64..90,
        ) {
            let length = seconds * 1_000;
            let mut window = SlidingWindow::new(length, limit);
            let (mut now, mut admitted) = (0, Vec::new());
            for step in steps {
                now += step;
                if pass(&mut window, now) == 0 {
                    admitted.push(now);
                }
            }
            for start in &admitted {
                let inside = admitted.iter().filter(|t| (*start..*start + length).contains(*t)).count();
                prop_assert!(i64::try_from(inside).unwrap() <= limit);
            }
        }

        #[test]
        fn a_refusal_names_the_first_moment_that_passes(
            steps in prop::collection::vec(0i64..900, 1..200), limit in 1i64..9,
        ) {
            let mut window = SlidingWindow::new(12_000, limit);
            let mut now = 0;
            for step in steps {
                now += step;
                let wait = window.wait_for(now, 1).unwrap();
                if wait > 0 {
                    prop_assert_ne!(window.wait_for(now + wait - 1, 1), Some(0));
                    now += wait;
                }
                prop_assert_eq!(window.wait_for(now, 1), Some(0));
                window.add(now, 1);
            }
        }
    }
}

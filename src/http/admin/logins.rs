//! Slows down guessing of passwords and setup tokens (`access.md` §5): per name and address, and per address. A victim is
//! never locked out by failures from elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use actors::domain::limit::SlidingWindow;
use actors::domain::time::{DAY, HOUR, MINUTE, Timestamp};

use super::AdminState;
use crate::http::error::{ApiError, Reason};

/// Failures of one name from one address in 15 minutes.
const FAILURES: i64 = 5;
/// Attempts from one address in 15 minutes.
const ATTEMPTS: i64 = 30;
/// Attempts from one address in an hour.
const ATTEMPTS_PER_HOUR: i64 = 100;
/// First block; each further one doubles, up to a day.
const BLOCK: i64 = 15 * MINUTE;
/// Names and addresses in memory; the oldest go first.
const KEPT: usize = 20_000;

/// Counters of logins.
#[derive(Default)]
pub struct Logins(Mutex<HashMap<String, Counter>>);

struct Counter {
    windows: Vec<SlidingWindow>,
    blocks: u32,
    blocked_until: Timestamp,
    touched: Timestamp,
}

impl Counter {
    fn new(windows: &[(i64, i64)], now: Timestamp) -> Self {
        let windows = windows.iter().map(|(length, limit)| SlidingWindow::new(*length, *limit)).collect();
        Self { windows, blocks: 0, blocked_until: Timestamp(0), touched: now }
    }

    /// Counts one and blocks when a window is full. Seconds to wait when blocked before.
    fn blocked_for(&self, now: Timestamp) -> Option<u64> {
        let left = self.blocked_until.remaining(now);
        (left > 0).then(|| u64::try_from(left / 1_000 + 1).unwrap_or(1))
    }

    fn count(&mut self, now: Timestamp) {
        self.touched = now;
        let full = self.windows.iter_mut().fold(false, |full, window| {
            window.add(now.0, 1);
            full | (window.used(now.0) >= window.limit())
        });
        if full && self.blocked_until <= now {
            let length = BLOCK.saturating_mul(1 << self.blocks.min(7)).min(DAY);
            self.blocked_until = now.plus(length);
            self.blocks = self.blocks.saturating_add(1);
        }
    }
}

/// IPv6 clients own a /64: they count as one.
fn group(ip: Option<IpAddr>) -> String {
    match ip {
        Some(IpAddr::V6(v6)) => format!("{:x}::/64", v6.to_bits() >> 64),
        Some(v4) => v4.to_string(),
        None => "unknown".to_owned(),
    }
}

impl Logins {
    /// Admits a try, or says how long to wait. Tries count against the address.
    pub fn admit_at(&self, name: &str, ip: Option<IpAddr>, now: Timestamp) -> Result<(), u64> {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = group(ip);
        let pair = counters.get(&format!("{address}|{name}")).and_then(|counter| counter.blocked_for(now));
        if let Some(seconds) = pair {
            return Err(seconds);
        }
        let windows = [(15 * MINUTE, ATTEMPTS + 1), (HOUR, ATTEMPTS_PER_HOUR + 1)];
        let counter = counters.entry(address).or_insert_with(|| Counter::new(&windows, now));
        if let Some(seconds) = counter.blocked_for(now) {
            return Err(seconds);
        }
        counter.count(now);
        forget_old(&mut counters);
        Ok(())
    }

    /// Counts a failure.
    pub fn failed_at(&self, name: &str, ip: Option<IpAddr>, now: Timestamp) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{}|{name}", group(ip));
        counters.entry(key).or_insert_with(|| Counter::new(&[(15 * MINUTE, FAILURES)], now)).count(now);
    }

    /// Admits a try, or answers 429 without looking at the password.
    pub fn admit(&self, state: &AdminState, name: &str, ip: Option<IpAddr>) -> Result<(), ApiError> {
        self.admit_at(name, ip, state.clock.now()).map_err(|seconds| {
            state.metrics.login_blocked().inc();
            ApiError::new(Reason::TooManyAttempts, "too many attempts").retry_after(seconds)
        })
    }

    /// Counts a failure now.
    pub fn failed(&self, state: &AdminState, name: &str, ip: Option<IpAddr>) {
        self.failed_at(name, ip, state.clock.now());
    }

    /// A success clears the failures of this name from this address.
    pub fn succeeded(&self, name: &str, ip: Option<IpAddr>) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.remove(&format!("{}|{name}", group(ip)));
    }
}

fn forget_old(counters: &mut HashMap<String, Counter>) {
    if counters.len() <= KEPT {
        return;
    }
    let mut ages: Vec<Timestamp> = counters.values().map(|counter| counter.touched).collect();
    ages.sort_unstable();
    let half = ages.get(ages.len() / 2).copied().unwrap_or_default();
    counters.retain(|_, counter| counter.touched > half);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn guessing_is_blocked_and_the_victim_is_not() {
        let logins = Logins::default();
        let now = Timestamp(1_700_000_000_000);
        for _ in 0..5 {
            assert!(logins.admit_at("ann", ip("203.0.113.1"), now).is_ok());
            logins.failed_at("ann", ip("203.0.113.1"), now);
        }
        assert_eq!(logins.admit_at("ann", ip("203.0.113.1"), now), Err(901));
        assert!(logins.admit_at("ann", ip("198.51.100.7"), now).is_ok());
        let later = now.plus(16 * MINUTE);
        assert!(logins.admit_at("ann", ip("203.0.113.1"), later).is_ok());
        for _ in 0..5 {
            logins.failed_at("ann", ip("203.0.113.1"), later);
        }
        assert_eq!(logins.admit_at("ann", ip("203.0.113.1"), later), Err(1_801));
        logins.succeeded("ann", ip("203.0.113.1"));
        assert!(logins.admit_at("ann", ip("203.0.113.1"), later).is_ok());
    }

    #[test]
    fn an_address_has_a_budget_over_all_names_and_a_v6_net_is_one_address() {
        let logins = Logins::default();
        let now = Timestamp(1_700_000_000_000);
        let tries = |n: i64| {
            (0..n).filter(|i| {
                let host = ip(&format!("2001:db8::{i:x}"));
                logins.admit_at(&format!("name{i}"), host, now).is_ok()
            })
        };
        assert_eq!(tries(40).count(), 31);
    }
}

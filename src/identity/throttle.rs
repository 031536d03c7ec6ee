//! Login throttling (`access.md` §5): per user name and address, per address, and per user name without locking out a
//! victim. When the shared cache is away, this process counts for itself.

use std::net::{IpAddr, Ipv6Addr};

use actors::clock::Clock;
use actors::domain::time::{DAY, HOUR, MINUTE, SECOND};

use crate::cache::{Cache, CacheError};

/// Attempts from one address.
const ADDRESS: Limit = Limit { window_ms: 15 * MINUTE, count: 30, block_ms: 15 * MINUTE };
/// Attempts from one address, slower.
const ADDRESS_HOUR: Limit = Limit { window_ms: HOUR, count: 100, block_ms: HOUR };
/// Failures of one name from all addresses: further tries are delayed, never refused, so that nobody can lock a victim out.
const NAME: Limit = Limit { window_ms: HOUR, count: 20, block_ms: 0 };
const NAME_DELAY_MS: i64 = 2 * SECOND;
const LONGEST_BLOCK_MS: i64 = DAY;

struct Limit {
    window_ms: i64,
    count: i64,
    block_ms: i64,
}

/// Failures of one name from one address: after so many the pair is blocked for as long as they were counted, doubling to a
/// day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairRule {
    /// Failures.
    pub count: i64,
    /// How long each counts.
    pub window_ms: i64,
}

impl Default for PairRule {
    fn default() -> Self {
        Self { count: 5, window_ms: 15 * MINUTE }
    }
}

/// The try must not be made: 429, and the password is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts, retry after {retry_after_ms} ms")]
pub struct Blocked {
    /// Until the next try.
    pub retry_after_ms: i64,
    /// True when this very try began the block: it is audited once.
    pub begins: bool,
}

/// The try may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Wait this long first.
    pub delay_ms: i64,
}

/// Counts tries at logins, setup and codes. Clones share the counters.
#[derive(Clone)]
pub struct Throttle {
    shared: Cache,
    local: Cache,
}

/// Addresses that count as one: an IPv6 customer has a /64.
pub fn ip_group(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                let network = v6.to_bits() & (u128::MAX << 64);
                format!("{}/64", Ipv6Addr::from_bits(network))
            }
        },
    }
}

impl Throttle {
    /// Counts in `shared`.
    pub fn new(shared: Cache, clock: Clock) -> Self {
        Self { shared, local: Cache::memory(clock) }
    }

    /// Asks before a try. Counts it against the address.
    pub async fn check(&self, name: &str, ip: IpAddr) -> Result<Allowed, Blocked> {
        match check_in(&self.shared, name, ip).await {
            Ok(answer) => answer,
            // Memory does not fail; if it did, the try would be allowed.
            Err(_) => check_in(&self.local, name, ip).await.unwrap_or(Ok(Allowed { delay_ms: 0 })),
        }
    }

    /// Notes a failed try. True when it began a block.
    pub async fn failed(&self, name: &str, ip: IpAddr, rule: PairRule) -> bool {
        match failed_in(&self.shared, name, ip, rule).await {
            Ok(blocked) => blocked,
            Err(_) => failed_in(&self.local, name, ip, rule).await.unwrap_or(false),
        }
    }

    /// Notes a success: the pair starts afresh.
    pub async fn succeeded(&self, name: &str, ip: IpAddr) {
        let pair = pair(name, ip);
        for cache in [&self.shared, &self.local] {
            // A counter that cannot be cleared ends by itself.
            let _ = cache.clear_window(&format!("login:pair:{pair}")).await;
            let _ = cache.remove(&format!("login:blocks:pair:{pair}")).await;
        }
    }
}

/// Names are hashed into keys: they come from outside, and may be passwords typed into the wrong field.
fn pair(name: &str, ip: IpAddr) -> String {
    format!("{}:{}", digest(name), ip_group(ip))
}

fn digest(name: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(name.trim().to_lowercase());
    hex::encode(digest.get(..16).unwrap_or_default())
}

async fn check_in(cache: &Cache, name: &str, ip: IpAddr) -> Result<Result<Allowed, Blocked>, CacheError> {
    let (pair, group) = (pair(name, ip), ip_group(ip));
    for scope in [format!("pair:{pair}"), format!("ip:{group}")] {
        if let Some((_, left)) = cache.get(&format!("login:block:{scope}")).await? {
            return Ok(Err(Blocked { retry_after_ms: left.max(1), begins: false }));
        }
    }
    for (kind, limit) in [("ip", &ADDRESS), ("ip_hour", &ADDRESS_HOUR)] {
        let hit = cache.hit(&format!("login:{kind}:{group}"), limit.window_ms, limit.count).await?;
        if !hit.passes {
            cache.put(&format!("login:block:ip:{group}"), "1", limit.block_ms).await?;
            return Ok(Err(Blocked { retry_after_ms: limit.block_ms, begins: true }));
        }
    }
    let name = cache.peek(&format!("login:name:{}", digest(name)), NAME.window_ms, NAME.count).await?;
    Ok(Ok(Allowed { delay_ms: if name.passes { 0 } else { NAME_DELAY_MS } }))
}

async fn failed_in(cache: &Cache, name: &str, ip: IpAddr, rule: PairRule) -> Result<bool, CacheError> {
    cache.hit(&format!("login:name:{}", digest(name)), NAME.window_ms, NAME.count).await?;
    let pair = pair(name, ip);
    let window = format!("login:pair:{pair}");
    let hit = cache.hit(&window, rule.window_ms, rule.count).await?;
    if hit.passes && hit.count < rule.count {
        return Ok(false);
    }
    let blocks = format!("login:blocks:pair:{pair}");
    let before = cache.get(&blocks).await?.and_then(|(n, _)| n.parse::<u32>().ok()).unwrap_or(0);
    let block_ms = rule.window_ms.saturating_mul(1_i64.checked_shl(before).unwrap_or(i64::MAX)).min(LONGEST_BLOCK_MS);
    cache.put(&format!("login:block:pair:{pair}"), "1", block_ms).await?;
    // Remembered for a day beyond the block, so that going on where one stopped doubles it.
    cache.put(&blocks, &before.saturating_add(1).min(16).to_string(), block_ms + DAY).await?;
    cache.clear_window(&window).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use actors::domain::time::Timestamp;

    use super::*;

    fn throttle() -> (Throttle, Clock) {
        let clock = Clock::frozen(Timestamp(1_000_000));
        (Throttle::new(Cache::memory(clock.clone()), clock.clone()), clock)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn five_failures_block_the_pair_and_nobody_else() {
        let (throttle, clock) = throttle();
        let attacker = ip("198.51.100.7");
        for n in 1..=5 {
            assert!(throttle.check("ada", attacker).await.is_ok());
            assert_eq!(throttle.failed("ada", attacker, PairRule::default()).await, n == 5);
        }
        let blocked = throttle.check("Ada ", attacker).await.unwrap_err();
        assert_eq!(blocked, Blocked { retry_after_ms: 15 * MINUTE, begins: false });
        assert!(throttle.check("ada", ip("203.0.113.9")).await.is_ok(), "the victim can still log in");
        assert!(throttle.check("bob", attacker).await.is_ok());
        clock.advance(15 * MINUTE);
        for _ in 1..=5 {
            throttle.failed("ada", attacker, PairRule::default()).await;
        }
        assert_eq!(throttle.check("ada", attacker).await.unwrap_err().retry_after_ms, 30 * MINUTE);
    }

    #[tokio::test]
    async fn a_success_starts_the_pair_afresh() {
        let (throttle, _) = throttle();
        for _ in 0..3 {
            for _ in 0..4 {
                assert!(!throttle.failed("ada", ip("198.51.100.7"), PairRule::default()).await);
            }
            throttle.succeeded("ada", ip("198.51.100.7")).await;
        }
        assert!(throttle.check("ada", ip("198.51.100.7")).await.is_ok());
    }

    #[tokio::test]
    async fn an_address_is_blocked_after_thirty_tries_and_a_sixty_four_is_one_address() {
        let (throttle, clock) = throttle();
        for n in 0..30 {
            assert!(throttle.check(&format!("user{n}"), ip(&format!("2001:db8::{n:x}"))).await.is_ok());
        }
        let first = throttle.check("user", ip("2001:db8::ffff")).await.unwrap_err();
        assert_eq!(first, Blocked { retry_after_ms: 15 * MINUTE, begins: true });
        assert!(!throttle.check("user", ip("2001:db8::ffff")).await.unwrap_err().begins);
        assert!(throttle.check("user", ip("2001:db8:0:1::1")).await.is_ok());
        clock.advance(15 * MINUTE);
        assert!(throttle.check("user", ip("2001:db8::1")).await.is_ok());
    }

    #[tokio::test]
    async fn a_name_under_attack_from_everywhere_is_only_slowed() {
        let (throttle, _) = throttle();
        for n in 0..20 {
            throttle.failed("ada", ip(&format!("198.51.100.{n}")), PairRule::default()).await;
        }
        assert_eq!(throttle.check("ada", ip("203.0.113.9")).await, Ok(Allowed { delay_ms: 2_000 }));
        assert_eq!(throttle.check("bob", ip("203.0.113.9")).await, Ok(Allowed { delay_ms: 0 }));
    }

    #[test]
    fn mapped_addresses_are_their_v4_address() {
        assert_eq!(ip_group(ip("::ffff:198.51.100.7")), "198.51.100.7");
        assert_eq!(ip_group(ip("2001:db8:1:2:3::4")), "2001:db8:1:2::/64");
    }
}

//! Deterministic jitter: spreads ramps and resets over accounts, and is the same after a restart (`scheduling.md` §14, §17).

use super::id::AccountId;

/// CRC-32 (IEEE) of the ASCII text `<account>:<n>`, modulo `m`.
fn spread(account: AccountId, n: u64, m: u32) -> i64 {
    i64::from(crc32fast::hash(format!("{account}:{n}").as_bytes()) % m)
}

/// `base_ms` ± 20 %: base × (800 + j) / 1000 with j = CRC-32("account:n") mod 401. `n` is the number of the opening or step.
pub fn jittered(base_ms: i64, account: AccountId, n: u64) -> i64 {
    base_ms.saturating_mul(800 + spread(account, n, 401)) / 1_000
}

/// What is added to a reset that a vendor stated, 0 to 5 000 ms, so that accounts do not return in one instant.
pub fn recovery_offset(account: AccountId, k: u64) -> i64 {
    spread(account, k, 5_001)
}

/// `min(cap, base × 2^(k−1))` in milliseconds, k from 1; without jitter.
pub fn ramp(base_ms: i64, cap_ms: i64, k: u32) -> i64 {
    let doublings = k.saturating_sub(1).min(40);
    base_ms.saturating_mul(1_i64 << doublings).min(cap_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_of_account_seven_opens_as_long_as_the_reference_says() {
        let account = AccountId(7);
        for (n, minutes, ms) in [(1, 5, 260_100), (2, 10, 541_800), (3, 30, 1_906_200)] {
            assert_eq!(jittered(minutes * 60_000, account, n), ms, "opening {n}");
        }
    }

    #[test]
    fn ramps_double_up_to_their_cap() {
        let steps: Vec<i64> = (1..=8).map(|k| ramp(5_000, 300_000, k)).collect();
        assert_eq!(steps, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
        assert_eq!(ramp(5_000, 300_000, u32::MAX), 300_000);
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        for id in 1..500 {
            let ms = jittered(10_000, AccountId(id), 1);
            assert!((8_000..=12_000).contains(&ms), "{ms}");
            assert!((0..=5_000).contains(&recovery_offset(AccountId(id), 3)));
        }
    }
}

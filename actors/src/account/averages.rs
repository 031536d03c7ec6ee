//! Exponential averages of the account's answers (α = 0.2), for sticky escape (`scheduling.md` §8).

use crate::domain::money::PPM;

/// Error rate and time to the first token, in integers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Averages {
    /// Failures, in ppm.
    pub error_ppm: i64,
    /// Time to the first token, in ms.
    pub first_token_ms: i64,
    /// Attempts counted.
    pub samples: u32,
    timed: bool,
}

impl Averages {
    /// Counts an attempt.
    pub fn add(&mut self, ok: bool, first_token_ms: Option<i64>) {
        let failed = if ok { 0 } else { PPM };
        self.error_ppm = if self.samples == 0 { failed } else { blend(self.error_ppm, failed) };
        self.samples = self.samples.saturating_add(1);
        if let Some(ms) = first_token_ms {
            self.first_token_ms = if self.timed { blend(self.first_token_ms, ms) } else { ms };
            self.timed = true;
        }
    }
}

/// old + (new − old) / 5.
fn blend(old: i64, new: i64) -> i64 {
    old + (new - old) / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_follow_alpha_one_fifth() {
        let mut averages = Averages::default();
        averages.add(false, None);
        averages.add(true, Some(1_000));
        averages.add(true, Some(2_000));
        assert_eq!((averages.error_ppm, averages.first_token_ms, averages.samples), (640_000, 1_200, 3));
    }
}

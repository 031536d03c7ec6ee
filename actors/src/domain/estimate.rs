//! How many tokens a request will use, before it runs (`metering.md` §6, `access.md` §9.3). Pure integers.

use std::collections::VecDeque;

/// Tokens that an image counts as.
const IMAGE: u64 = 1_600;
/// Answers remembered per key and model.
const ANSWERS: usize = 100;
/// With fewer answers than this nothing is known about the next one.
const ENOUGH: usize = 20;
/// Output expected while nothing is known.
const UNKNOWN: u64 = 1_024;
/// Never expect less output than this.
const LEAST: u64 = 256;
/// Output reserved on token windows when neither request nor model says a maximum.
const UNLIMITED: u64 = 8_192;

/// Input tokens of a prompt: 3.2 bytes of ASCII or 2 bytes of other text a token, rounded up once, and images. Base64 is not
/// text.
pub fn input_tokens(ascii_bytes: u64, other_bytes: u64, images: u64) -> u64 {
    let sixteenths = ascii_bytes.saturating_mul(5).saturating_add(other_bytes.saturating_mul(8));
    sixteenths.div_ceil(16).saturating_add(images.saturating_mul(IMAGE))
}

/// Output tokens that a hold reserves: what similar answers took (`p95` of [`RecentOutputs`]), within what request, model
/// and `hold.output_cap` allow.
pub fn output_tokens(request_max: Option<u64>, model_max: Option<u64>, p95: u64, cap: u64) -> u64 {
    let allowed = request_max.unwrap_or(u64::MAX).min(model_max.unwrap_or(u64::MAX)).min(cap);
    allowed.min(p95.max(LEAST))
}

/// Tokens that token rate windows reserve: four bytes of text a token, and all the output that may come; at least 1.
pub fn window_tokens(text_bytes: u64, request_max: Option<u64>, model_max: Option<u64>) -> u64 {
    let output = request_max.or(model_max).unwrap_or(UNLIMITED);
    text_bytes.div_ceil(4).saturating_add(output).max(1)
}

/// Output of the last answers of one key on one model.
#[derive(Debug, Clone, Default)]
pub struct RecentOutputs(VecDeque<u64>);

impl RecentOutputs {
    /// Remembers an answer.
    pub fn push(&mut self, output: u64) {
        if self.0.len() >= ANSWERS {
            self.0.pop_front();
        }
        self.0.push_back(output);
    }

    /// What 95 of 100 answers stayed within (nearest rank); 1 024 while fewer than 20 are known.
    pub fn p95(&self) -> u64 {
        if self.0.len() < ENOUGH {
            return UNKNOWN;
        }
        let mut sorted: Vec<u64> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 95).div_ceil(100);
        sorted.get(rank - 1).copied().unwrap_or(UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_round_up_once() {
        for (ascii, other, images, tokens) in
            [(0, 0, 0, 0), (32, 0, 0, 10), (33, 0, 0, 11), (1, 1, 0, 1), (16, 6, 0, 8), (16, 7, 2, 3_209)]
        {
            assert_eq!(input_tokens(ascii, other, images), tokens, "{ascii} {other} {images}");
        }
    }

    #[test]
    fn outputs_stay_within_what_is_allowed() {
        assert_eq!(output_tokens(None, None, 1_024, 8_192), 1_024);
        assert_eq!(output_tokens(Some(100), None, 1_024, 8_192), 100);
        assert_eq!(output_tokens(None, Some(4_096), 9_999, 8_192), 4_096);
        assert_eq!(output_tokens(None, None, 9_999, 8_192), 8_192);
        assert_eq!(output_tokens(Some(32_000), None, 3, 8_192), 256);
    }

    #[test]
    fn windows_reserve_all_that_may_come() {
        assert_eq!(window_tokens(9, Some(100), Some(64_000)), 103);
        assert_eq!(window_tokens(0, None, Some(64_000)), 64_000);
        assert_eq!((window_tokens(0, None, None), window_tokens(0, Some(0), None)), (8_192, 1));
    }

    #[test]
    fn the_last_hundred_answers_say_what_to_expect() {
        let mut recent = RecentOutputs::default();
        (1..=19).for_each(|n| recent.push(n));
        assert_eq!(recent.p95(), 1_024);
        recent.push(20);
        assert_eq!(recent.p95(), 19);
        (21..=200).for_each(|n| recent.push(n));
        assert_eq!(recent.p95(), 195);
    }
}

//! Usage as Chat vendors report it, normalised (`metering.md` §2.2): cached tokens stand inside the prompt, and come under
//! several names.

use actors::domain::usage::{Tier, Tokens, Usage, UsagePart};
use serde::Deserialize;

use crate::dialect::lenient::Lenient;

#[derive(Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Lenient<u64>,
    cache_write_tokens: Lenient<u64>,
    audio_tokens: Lenient<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Lenient<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Lenient<u64>,
    ephemeral_1h_input_tokens: Lenient<u64>,
}

/// A usage object as it is written. Images and audio count `input_tokens` and `output_tokens` instead.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    prompt_tokens: Lenient<u64>,
    completion_tokens: Lenient<u64>,
    input_tokens: Lenient<u64>,
    output_tokens: Lenient<u64>,
    total_tokens: Lenient<u64>,
    prompt_tokens_details: Lenient<PromptDetails>,
    completion_tokens_details: Lenient<CompletionDetails>,
    prompt_cache_hit_tokens: Lenient<u64>,
    cache_read_input_tokens: Lenient<u64>,
    cache_creation: Lenient<CacheCreation>,
    cache_creation_input_tokens: Lenient<u64>,
}

/// What the vendor has said so far, by field.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    prompt: u64,
    completion: u64,
    cache_read: u64,
    /// Writes of five minutes (or of a life that is not said), and of one hour.
    writes: (u64, u64),
    reasoning: u64,
    audio_in: u64,
    /// Only of the object that was read last: an older total says nothing about newer parts.
    total: Option<u64>,
}

impl Counts {
    fn update(&mut self, wire: Wire) {
        let prompt = wire.prompt_tokens_details.0.unwrap_or_default();
        let completion = wire.completion_tokens_details.0.unwrap_or_default();
        let cache_read = prompt.cached_tokens.0.or(wire.prompt_cache_hit_tokens.0).or(wire.cache_read_input_tokens.0);
        let split = wire.cache_creation.0.and_then(CacheCreation::split);
        let unstated = |count: u64| (count, 0);
        let writes = prompt.cache_write_tokens.0.map(unstated).filter(|w| w.0 > 0 || split.is_none());
        self.prompt = wire.prompt_tokens.0.or(wire.input_tokens.0).unwrap_or(self.prompt);
        self.completion = wire.completion_tokens.0.or(wire.output_tokens.0).unwrap_or(self.completion);
        self.cache_read = cache_read.unwrap_or(self.cache_read);
        self.writes = writes.or(split).or(wire.cache_creation_input_tokens.0.map(unstated)).unwrap_or(self.writes);
        self.reasoning = completion.reasoning_tokens.0.unwrap_or(self.reasoning);
        self.audio_in = prompt.audio_tokens.0.unwrap_or(self.audio_in);
        self.total = wire.total_tokens.0;
    }

    fn tokens(self) -> Tokens {
        let excess = self.total.unwrap_or(0).saturating_sub(self.prompt.saturating_add(self.completion));
        let left_out_audio = excess > 0 && excess == self.audio_in;
        let (more_in, more_out) = if left_out_audio { (excess, 0) } else { (0, excess) };
        let output = self.completion.saturating_add(more_out);
        let cached = self.cache_read.saturating_add(self.writes.0).saturating_add(self.writes.1);
        Tokens {
            input: self.prompt.saturating_sub(cached).saturating_add(more_in),
            cache_read: self.cache_read,
            cache_w5m: self.writes.0,
            cache_w1h: self.writes.1,
            output,
            reasoning: self.reasoning.max(more_out).min(output),
            web_search: 0,
        }
    }
}

impl CacheCreation {
    fn split(self) -> Option<(u64, u64)> {
        let (five_minutes, one_hour) = (self.ephemeral_5m_input_tokens.0, self.ephemeral_1h_input_tokens.0);
        (five_minutes.is_some() || one_hour.is_some()).then(|| (five_minutes.unwrap_or(0), one_hour.unwrap_or(0)))
    }
}

/// The tier by its name in an answer (`default`, `auto`, `standard`, `on_demand` … are the standard tier).
pub fn tier(name: &str) -> Tier {
    match name {
        "priority" => Tier::Priority,
        "flex" => Tier::Flex,
        "batch" => Tier::Batch,
        _ => Tier::Standard,
    }
}

/// Usage of a stream or of a whole answer, as it becomes known. Values are cumulative: the last one wins, never a sum.
#[derive(Debug, Default)]
pub struct UsageFold {
    counts: Counts,
    tier: Option<Tier>,
    raw: Option<Box<str>>,
}

impl UsageFold {
    /// The vendor reports (again). Fields present overwrite, `null` and absent keep. What has no token count is no usage.
    pub fn update(&mut self, object: &str) {
        let Ok(wire) = serde_json::from_str::<Wire>(object) else { return };
        if wire.prompt_tokens.0.is_none() && wire.input_tokens.0.is_none() {
            return;
        }
        self.counts.update(wire);
        self.raw = Some(object.into());
    }

    /// The answer's own service tier, as a JSON value; anything but a string says nothing.
    pub fn service_tier(&mut self, value: &str) {
        if let Ok(name) = serde_json::from_str::<&str>(value) {
            self.tier = Some(tier(name));
        }
    }

    /// The normalised usage so far; `None` when no usage object was seen.
    pub fn usage(&self) -> Option<Usage> {
        let raw = self.raw.as_ref()?;
        let part = UsagePart { model: None, tokens: self.counts.tokens() };
        Some(Usage { tier: self.tier.unwrap_or_default(), raw: Some(raw.to_string()), ..Usage::of(vec![part]) })
    }
}

/// The vendor's usage object (JSON text), in the standard tier; `None` when it is none.
pub fn usage(object: &str) -> Option<Usage> {
    let mut fold = UsageFold::default();
    fold.update(object);
    fold.usage()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(object: &str) -> Tokens {
        usage(object).unwrap().tokens
    }

    #[test]
    fn cached_tokens_leave_the_prompt_under_every_name() {
        for object in [
            r#"{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60}}"#,
            r#"{"prompt_tokens":100,"completion_tokens":5,"prompt_cache_hit_tokens":60,"prompt_cache_miss_tokens":40}"#,
            r#"{"prompt_tokens":100,"completion_tokens":5,"cache_read_input_tokens":60,"prompt_tokens_details":null}"#,
            r#"{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60},"prompt_cache_hit_tokens":7}"#,
        ] {
            let tokens = tokens(object);
            assert_eq!((tokens.input, tokens.cache_read, tokens.output), (40, 60, 5), "{object}");
        }
        let more = tokens(r#"{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":60}}"#);
        assert_eq!((more.input, more.cache_read), (0, 60));
    }

    #[test]
    fn writes_have_a_life_only_when_it_is_said() {
        let unstated =
            tokens(r#"{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":30}}"#);
        assert_eq!((unstated.input, unstated.cache_w5m, unstated.cache_w1h), (60, 30, 0));
        let split = tokens(
            r#"{"prompt_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"cache_creation_input_tokens":30}"#,
        );
        assert_eq!((split.input, split.cache_w5m, split.cache_w1h), (70, 20, 10));
        let total = tokens(r#"{"prompt_tokens":100,"cache_creation_input_tokens":30}"#);
        assert_eq!((total.input, total.cache_w5m), (70, 30));
    }

    #[test]
    fn reasoning_is_clamped_to_the_completion() {
        let tokens =
            tokens(r#"{"prompt_tokens":1,"completion_tokens":16,"completion_tokens_details":{"reasoning_tokens":19}}"#);
        assert_eq!((tokens.output, tokens.reasoning), (16, 16));
    }

    #[test]
    fn a_total_above_the_parts_is_output_that_was_left_out() {
        let gemini = tokens(r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":115}"#);
        assert_eq!((gemini.input, gemini.output, gemini.reasoning), (10, 105, 100));
        let stated = tokens(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":115,"completion_tokens_details":{"reasoning_tokens":100}}"#,
        );
        assert_eq!((stated.output, stated.reasoning), (105, 100));
        let audio = tokens(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":45,"prompt_tokens_details":{"audio_tokens":30}}"#,
        );
        assert_eq!((audio.input, audio.output), (40, 5));
        assert_eq!(tokens(r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":9}"#).total(), 15);
    }

    #[test]
    fn the_last_value_wins_and_null_keeps() {
        let mut fold = UsageFold::default();
        assert_eq!(fold.usage(), None);
        fold.update("null");
        fold.update("{}");
        assert_eq!(fold.usage(), None);
        fold.update(
            r#"{"prompt_tokens":100,"completion_tokens":1,"total_tokens":101,"prompt_tokens_details":{"cached_tokens":60}}"#,
        );
        fold.update(r#"{"prompt_tokens":100,"completion_tokens":9,"completion_tokens_details":null}"#);
        fold.service_tier("\"priority\"");
        fold.service_tier("null");
        let usage = fold.usage().unwrap();
        assert_eq!((usage.tokens.input, usage.tokens.cache_read, usage.tokens.output), (40, 60, 9));
        assert_eq!(usage.tier, Tier::Priority);
        assert_eq!(
            usage.raw.as_deref(),
            Some(r#"{"prompt_tokens":100,"completion_tokens":9,"completion_tokens_details":null}"#)
        );
    }

    #[test]
    fn embeddings_and_images_are_counted_too() {
        assert_eq!(tokens(r#"{"prompt_tokens":11,"total_tokens":11}"#).input, 11);
        let image = tokens(
            r#"{"input_tokens":50,"output_tokens":4160,"total_tokens":4210,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#,
        );
        assert_eq!((image.input, image.output), (50, 4160));
        assert_eq!(usage(r#"{"type":"duration","seconds":3}"#), None);
    }
}

//! Usage as the vendor reports it, normalised (`metering.md` §2.4).

use actors::domain::usage::{Tier, Tokens, Usage, UsagePart};
use serde::Deserialize;

use crate::dialect::lenient::Lenient;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    prompt_token_count: Lenient<u64>,
    tool_use_prompt_token_count: Lenient<u64>,
    cached_content_token_count: Lenient<u64>,
    candidates_token_count: Lenient<u64>,
    thoughts_token_count: Lenient<u64>,
    total_token_count: Lenient<u64>,
    service_tier: Lenient<String>,
    traffic_type: Lenient<String>,
}

/// The counts of one usage object, or of several put together.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    prompt: Option<u64>,
    tool_use_prompt: Option<u64>,
    cached: Option<u64>,
    candidates: Option<u64>,
    thoughts: Option<u64>,
}

impl Counts {
    fn of(wire: &Wire) -> Self {
        Self {
            prompt: wire.prompt_token_count.0,
            tool_use_prompt: wire.tool_use_prompt_token_count.0,
            cached: wire.cached_content_token_count.0,
            candidates: wire.candidates_token_count.0,
            thoughts: wire.thoughts_token_count.0,
        }
    }

    /// These where they are given, the older ones where not.
    fn over(self, older: Self) -> Self {
        Self {
            prompt: self.prompt.or(older.prompt),
            tool_use_prompt: self.tool_use_prompt.or(older.tool_use_prompt),
            cached: self.cached.or(older.cached),
            candidates: self.candidates.or(older.candidates),
            thoughts: self.thoughts.or(older.thoughts),
        }
    }

    fn total(self) -> u64 {
        [self.prompt, self.tool_use_prompt, self.candidates, self.thoughts]
            .into_iter()
            .fold(0, |sum, count| sum.saturating_add(count.unwrap_or(0)))
    }

    fn tokens(self) -> Tokens {
        let prompt = self.prompt.unwrap_or(0).saturating_add(self.tool_use_prompt.unwrap_or(0));
        let cache_read = self.cached.unwrap_or(0).min(prompt);
        let reasoning = self.thoughts.unwrap_or(0);
        Tokens {
            input: prompt - cache_read,
            cache_read,
            output: self.candidates.unwrap_or(0).saturating_add(reasoning),
            reasoning,
            ..Tokens::default()
        }
    }
}

/// Usage of a stream or of a whole answer, as it becomes known.
#[derive(Debug, Default)]
pub struct UsageFold {
    counts: Counts,
    tier: Option<Tier>,
    raw: Option<Box<str>>,
}

impl UsageFold {
    /// The answer reports again, with counts from its beginning on: present values overwrite, absent ones keep. The vendor
    /// leaves zeros out, so a count may be absent because it fell to zero: then the object adds up to its own total without
    /// the kept count, and stands for itself.
    pub fn update(&mut self, object: &str) {
        // Serde would read a list as an object too, member by member.
        let Some(wire) = object.starts_with('{').then(|| serde_json::from_str::<Wire>(object).ok()).flatten() else {
            return;
        };
        let own = Counts::of(&wire);
        let together = own.over(self.counts);
        let stands_alone = wire.total_token_count.0.is_some_and(|t| together.total() != t && own.total() == t);
        self.counts = if stands_alone { own } else { together };
        self.tier = tier(&wire).or(self.tier);
        self.raw = Some(object.into());
    }

    /// The normalised usage so far; `None` when no usage object was seen.
    pub fn usage(&self) -> Option<Usage> {
        let raw = self.raw.as_deref()?;
        let mut usage = Usage::of(vec![UsagePart { model: None, tokens: self.counts.tokens() }]);
        usage.tier = self.tier.unwrap_or_default();
        usage.raw = Some(raw.to_owned());
        Some(usage)
    }

    /// True once any count was reported; an object may hold nothing but the kind of traffic.
    pub fn has_counts(&self) -> bool {
        let counts = self.counts;
        counts.prompt.is_some() || counts.candidates.is_some() || counts.thoughts.is_some()
    }
}

fn tier(wire: &Wire) -> Option<Tier> {
    let name = wire.service_tier.0.as_deref().or(wire.traffic_type.0.as_deref())?.to_ascii_lowercase();
    Some(match name.as_str() {
        "flex" | "on_demand_flex" => Tier::Flex,
        "priority" | "on_demand_priority" => Tier::Priority,
        "batch" => Tier::Batch,
        _ => Tier::Standard,
    })
}

/// The vendor's usage object (JSON text); `None` when it is none.
pub fn usage(object: &str) -> Option<Usage> {
    let mut fold = UsageFold::default();
    fold.update(object);
    fold.usage()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_output_and_cached_tokens_are_not_input() {
        let usage = usage(
            r#"{"promptTokenCount":100,"cachedContentTokenCount":40,"toolUsePromptTokenCount":7,"candidatesTokenCount":5,
            "thoughtsTokenCount":9,"totalTokenCount":121,"trafficType":"ON_DEMAND_FLEX","promptTokensDetails":[]}"#,
        )
        .unwrap();
        let t = usage.tokens;
        assert_eq!((t.input, t.cache_read, t.output, t.reasoning, t.total()), (67, 40, 14, 9, 121));
        assert_eq!((usage.tier, usage.parts.len()), (Tier::Flex, 1));
        assert!(usage.raw.unwrap().contains("promptTokensDetails"));
    }

    #[test]
    fn missing_counts_are_zero_and_nonsense_is_none() {
        assert_eq!(usage(r#"{"promptTokenCount":3,"totalTokenCount":3}"#).unwrap().tokens.total(), 3);
        assert_eq!(usage(r#"{"thoughtsTokenCount":3,"candidatesTokenCount":null}"#).unwrap().tokens.output, 3);
        assert_eq!(usage(r#"{"trafficType":"ON_DEMAND"}"#).unwrap().tokens, Tokens::default());
        assert_eq!(usage(r#"{"serviceTier":"priority"}"#).unwrap().tier, Tier::Priority);
        assert_eq!(usage("[1]"), None);
        assert_eq!(usage("7"), None);
    }

    fn fold(objects: &[&str]) -> Tokens {
        let mut fold = UsageFold::default();
        objects.iter().for_each(|object| fold.update(object));
        fold.usage().unwrap().tokens
    }

    #[test]
    fn the_last_report_wins_and_what_it_leaves_out_is_kept() {
        let first = r#"{"promptTokenCount":10,"thoughtsTokenCount":4,"totalTokenCount":14}"#;
        let kept = fold(&[first, r#"{"promptTokenCount":10,"candidatesTokenCount":2,"trafficType":"ON_DEMAND"}"#]);
        assert_eq!((kept.input, kept.output, kept.reasoning), (10, 6, 4));
        assert_eq!(fold(&[first, r#"{"trafficType":"ON_DEMAND"}"#]).total(), 14);
        let fallen = fold(&[first, r#"{"promptTokenCount":10,"candidatesTokenCount":2,"totalTokenCount":12}"#]);
        assert_eq!((fallen.output, fallen.reasoning), (2, 0));
        let null = fold(&[first, r#"{"promptTokenCount":10,"thoughtsTokenCount":null,"totalTokenCount":14}"#]);
        assert_eq!(null.total(), 14);
    }
}

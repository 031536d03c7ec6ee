//! Folds Anthropic's usage objects into normalised usage (`metering.md` §2.1): last value wins, never a sum within a message.

use actors::domain::usage::{Tier, Tokens, Usage, UsagePart};
use serde::Deserialize;

use crate::dialect::lenient::Lenient;

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Lenient<u64>,
    ephemeral_1h_input_tokens: Lenient<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Lenient<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServerToolUse {
    web_search_requests: Lenient<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    input_tokens: Lenient<u64>,
    cache_creation_input_tokens: Lenient<u64>,
    cache_read_input_tokens: Lenient<u64>,
    cache_creation: Lenient<CacheCreation>,
    output_tokens: Lenient<u64>,
    output_tokens_details: Lenient<OutputDetails>,
    server_tool_use: Lenient<ServerToolUse>,
    service_tier: Lenient<String>,
    speed: Lenient<String>,
    inference_geo: Lenient<String>,
    iterations: Lenient<Vec<Iteration>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Iteration {
    model: Lenient<String>,
    input_tokens: Lenient<u64>,
    cache_creation_input_tokens: Lenient<u64>,
    cache_read_input_tokens: Lenient<u64>,
    cache_creation: Lenient<CacheCreation>,
    output_tokens: Lenient<u64>,
}

impl CacheCreation {
    /// Five-minute and one-hour writes, when at least one is given.
    fn split(self) -> Option<(u64, u64)> {
        let (five_minutes, one_hour) = (self.ephemeral_5m_input_tokens.0, self.ephemeral_1h_input_tokens.0);
        (five_minutes.is_some() || one_hour.is_some()).then(|| (five_minutes.unwrap_or(0), one_hour.unwrap_or(0)))
    }
}

/// Cache writes of one message: the total and its one-hour part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Writes {
    total: u64,
    one_hour: u64,
}

impl Writes {
    /// A total without a split keeps the one-hour part seen before; a split without a total is its own total.
    fn update(&mut self, total: Option<u64>, split: Option<(u64, u64)>) {
        if let Some((five_minutes, one_hour)) = split {
            self.one_hour = one_hour;
            self.total = five_minutes.saturating_add(one_hour);
        }
        if let Some(total) = total {
            self.total = total;
        }
    }

    fn apply(self, tokens: &mut Tokens) {
        tokens.cache_w1h = self.one_hour.min(self.total);
        tokens.cache_w5m = self.total - tokens.cache_w1h;
    }
}

impl Iteration {
    fn part(self) -> UsagePart {
        let mut writes = Writes::default();
        writes.update(self.cache_creation_input_tokens.0, self.cache_creation.0.and_then(CacheCreation::split));
        let mut tokens = Tokens {
            input: self.input_tokens.0.unwrap_or(0),
            cache_read: self.cache_read_input_tokens.0.unwrap_or(0),
            output: self.output_tokens.0.unwrap_or(0),
            ..Tokens::default()
        };
        writes.apply(&mut tokens);
        UsagePart { model: self.model.0, tokens }
    }
}

/// What one message has reported.
#[derive(Debug, Default)]
struct Message {
    tokens: Tokens,
    writes: Writes,
    iterations: Vec<UsagePart>,
    tier: Option<Tier>,
    fast: Option<bool>,
    geo: Option<String>,
    first_raw: Option<Box<str>>,
    last_raw: Option<Box<str>>,
}

fn overwrite(slot: &mut u64, value: Lenient<u64>) {
    if let Some(value) = value.0 {
        *slot = value;
    }
}

impl Message {
    fn update(&mut self, wire: Wire) {
        overwrite(&mut self.tokens.input, wire.input_tokens);
        overwrite(&mut self.tokens.cache_read, wire.cache_read_input_tokens);
        overwrite(&mut self.tokens.output, wire.output_tokens);
        if let Some(details) = wire.output_tokens_details.0 {
            overwrite(&mut self.tokens.reasoning, details.thinking_tokens);
        }
        if let Some(tools) = wire.server_tool_use.0 {
            overwrite(&mut self.tokens.web_search, tools.web_search_requests);
        }
        let split = wire.cache_creation.0.and_then(CacheCreation::split);
        self.writes.update(wire.cache_creation_input_tokens.0, split);
        if let Some(iterations) = wire.iterations.0 {
            self.iterations = iterations.into_iter().map(Iteration::part).collect();
        }
        self.tier = wire.service_tier.0.map(|name| tier(&name)).or(self.tier);
        self.fast = wire.speed.0.map(|speed| speed == "fast").or(self.fast);
        self.geo = wire.inference_geo.0.or(self.geo.take());
    }

    /// The priced parts: each iteration for itself when there are any (the top level is then only their partial sum).
    fn parts(&self) -> Vec<UsagePart> {
        let mut whole = self.tokens;
        self.writes.apply(&mut whole);
        if self.iterations.is_empty() {
            whole.reasoning = whole.reasoning.min(whole.output);
            return vec![UsagePart { model: None, tokens: whole }];
        }
        let mut parts = self.iterations.clone();
        let mut reasoning = whole.reasoning;
        for part in &mut parts {
            // Reasoning is reported for the message only: it belongs to the rows of the called model, in order.
            if part.model.is_none() {
                part.tokens.reasoning = reasoning.min(part.tokens.output);
                reasoning -= part.tokens.reasoning;
            }
        }
        if let Some(last) = parts.last_mut() {
            last.tokens.reasoning = (last.tokens.reasoning + reasoning).min(last.tokens.output);
        }
        if let Some(first) = parts.first_mut() {
            first.tokens.web_search = whole.web_search;
        }
        parts
    }

    fn raw(&self) -> Option<String> {
        match (&self.first_raw, &self.last_raw) {
            (Some(first), Some(last)) => Some(format!(r#"{{"message_start":{first},"message_delta":{last}}}"#)),
            (first, last) => last.as_ref().or(first.as_ref()).map(|raw| raw.to_string()),
        }
    }
}

fn tier(name: &str) -> Tier {
    match name {
        "priority" => Tier::Priority,
        "flex" => Tier::Flex,
        "batch" => Tier::Batch,
        _ => Tier::Standard,
    }
}

/// Usage of a stream or of a whole answer, as it becomes known.
#[derive(Debug, Default)]
pub struct UsageFold {
    seen: bool,
    stopped: bool,
    finished: Vec<Message>,
    current: Message,
}

impl UsageFold {
    /// A message begins: after the end of another one it is a new message (adds), before it a repetition (overwrites).
    pub fn start(&mut self, usage: Option<&str>) {
        if std::mem::take(&mut self.stopped) {
            self.finished.push(std::mem::take(&mut self.current));
        }
        if let Some(raw) = usage.filter(|raw| self.apply(raw)) {
            self.current.first_raw = Some(raw.into());
        }
    }

    /// The message reports again. Values present overwrite, `null` and absent keep.
    pub fn update(&mut self, usage: &str) {
        if self.apply(usage) {
            self.current.last_raw = Some(usage.into());
        }
    }

    /// The message has ended.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    fn apply(&mut self, raw: &str) -> bool {
        let Ok(wire) = serde_json::from_str::<Wire>(raw) else { return false };
        self.current.update(wire);
        self.seen = true;
        true
    }

    /// The normalised usage so far; `None` when no usage object was seen.
    pub fn usage(&self) -> Option<Usage> {
        if !self.seen {
            return None;
        }
        let messages = || self.finished.iter().chain(std::iter::once(&self.current));
        let parts: Vec<UsagePart> = messages().flat_map(Message::parts).collect();
        let raw: Vec<String> = messages().filter_map(Message::raw).collect();
        Some(Usage {
            tokens: sum(&parts),
            parts,
            tier: self.current.tier.unwrap_or_default(),
            fast: self.current.fast.unwrap_or(false),
            geo: self.current.geo.clone().filter(|geo| matches!(geo.as_str(), "us" | "eu")),
            estimated: false,
            raw: if raw.len() > 1 { Some(format!("[{}]", raw.join(","))) } else { raw.into_iter().next() },
        })
    }
}

fn sum(parts: &[UsagePart]) -> Tokens {
    parts.iter().fold(Tokens::default(), |acc, part| Tokens {
        input: acc.input.saturating_add(part.tokens.input),
        cache_read: acc.cache_read.saturating_add(part.tokens.cache_read),
        cache_w5m: acc.cache_w5m.saturating_add(part.tokens.cache_w5m),
        cache_w1h: acc.cache_w1h.saturating_add(part.tokens.cache_w1h),
        output: acc.output.saturating_add(part.tokens.output),
        reasoning: acc.reasoning.saturating_add(part.tokens.reasoning),
        web_search: acc.web_search.saturating_add(part.tokens.web_search),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(start: &str, deltas: &[&str]) -> Usage {
        let mut fold = UsageFold::default();
        fold.start(Some(start));
        deltas.iter().for_each(|d| fold.update(d));
        fold.usage().unwrap()
    }

    fn writes(usage: &Usage) -> (u64, u64) {
        (usage.tokens.cache_w5m, usage.tokens.cache_w1h)
    }

    #[test]
    fn the_last_value_wins_and_null_keeps() {
        let usage = fold(
            r#"{"input_tokens":10,"cache_read_input_tokens":7,"output_tokens":1,"service_tier":"priority","speed":"fast","inference_geo":"us"}"#,
            &[
                r#"{"input_tokens":25,"cache_read_input_tokens":null,"output_tokens":40}"#,
                r#"{"output_tokens":41,"input_tokens":"x"}"#,
            ],
        );
        assert_eq!((usage.tokens.input, usage.tokens.cache_read, usage.tokens.output), (25, 7, 41));
        assert_eq!((usage.tier, usage.fast, usage.geo.as_deref()), (Tier::Priority, true, Some("us")));
        let lowered = fold(r#"{"input_tokens":100,"output_tokens":1}"#, &[r#"{"input_tokens":30,"output_tokens":5}"#]);
        assert_eq!(lowered.tokens.input, 30);
    }

    #[test]
    fn cache_writes_always_add_up_to_the_total() {
        let split = r#"{"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10}}"#;
        assert_eq!(writes(&fold(split, &[])), (20, 10));
        assert_eq!(writes(&fold(r#"{"cache_creation_input_tokens":30}"#, &[])), (30, 0));
        assert_eq!(writes(&fold(split, &[r#"{"cache_creation_input_tokens":45}"#])), (35, 10));
        assert_eq!(writes(&fold(split, &[r#"{"cache_creation_input_tokens":4}"#])), (0, 4));
        let only_split = r#"{"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3}}"#;
        assert_eq!(writes(&fold(only_split, &[])), (2, 3));
        assert_eq!(writes(&fold(split, &[only_split])), (2, 3));
        assert_eq!(writes(&fold(split, &[r#"{"cache_creation":null}"#])), (20, 10));
    }

    #[test]
    fn iterations_are_billed_at_their_own_models() {
        let usage = fold(
            r#"{"input_tokens":5,"output_tokens":1}"#,
            &[
                r#"{"input_tokens":2411,"output_tokens":145,"output_tokens_details":{"thinking_tokens":140},"server_tool_use":{"web_search_requests":2},
                "iterations":[{"type":"message","input_tokens":1128,"output_tokens":135},
                {"type":"advisor_message","model":"claude-opus-4-8","input_tokens":2543,"output_tokens":18,"cache_creation_input_tokens":9},
                {"type":"message","model":null,"input_tokens":1283,"output_tokens":10}]}"#,
            ],
        );
        assert_eq!(usage.parts.len(), 3);
        assert_eq!(usage.parts[1].model.as_deref(), Some("claude-opus-4-8"));
        assert_eq!(usage.parts[1].tokens.cache_w5m, 9);
        assert_eq!((usage.tokens.input, usage.tokens.output), (1128 + 2543 + 1283, 163));
        assert_eq!((usage.parts[0].tokens.reasoning, usage.parts[2].tokens.reasoning), (135, 5));
        assert_eq!(usage.tokens.web_search, 2);
    }

    #[test]
    fn a_repeated_start_overwrites_and_a_new_message_adds() {
        let mut fold = UsageFold::default();
        assert_eq!(fold.usage(), None);
        fold.start(Some(r#"{"input_tokens":17,"output_tokens":1}"#));
        fold.start(Some(r#"{"input_tokens":17,"output_tokens":1}"#));
        fold.update(r#"{"output_tokens":227}"#);
        assert_eq!(fold.usage().unwrap().tokens.total(), 17 + 227);
        fold.stop();
        assert_eq!(fold.usage().unwrap().tokens.total(), 17 + 227);
        fold.start(Some(r#"{"input_tokens":3,"output_tokens":4}"#));
        let usage = fold.usage().unwrap();
        assert_eq!((usage.tokens.total(), usage.parts.len()), (17 + 227 + 7, 2));
    }

    #[test]
    fn the_vendor_object_is_kept_verbatim() {
        assert_eq!(fold(r#"{"input_tokens": 1}"#, &[]).raw.as_deref(), Some(r#"{"input_tokens": 1}"#));
        assert_eq!(
            fold(r#"{"a":1}"#, &[r#"{"b":1.50}"#]).raw.as_deref(),
            Some(r#"{"message_start":{"a":1},"message_delta":{"b":1.50}}"#)
        );
    }
}
